// Package protocol is what is true on paper: the formats of SPEC.md and the
// rules by which they are judged. It has no I/O, no goroutine, no clock and no
// log; time and randomness come in as arguments, bytes come in and go out.
//
// Map: SPEC 1 cbor.go · SPEC 2 id.go key.go curve.go · SPEC 3 statement.go
// cose.go claims.go head.go, then for each type identity.go root.go revocation.go
// status.go, for chains chain.go chaindraft.go rootline.go chainstate.go standing.go,
// for ceremonies proposal.go · SPEC 4 record.go sign.go wire.go
// body.go tree.go · SPEC 5 proof.go file.go · SPEC 6 topic.go · SPEC 7
// verify.go verdict.go · SPEC 8 limits.go · SPEC 11 testdata/vectors
package protocol

//go:generate go test -run ^TestVectorFiles$ -update .
