// Package protocol is what is true on paper: the formats of SPEC.md and the
// rules by which they are judged. It has no I/O, no goroutine, no clock and no
// log; time and randomness come in as arguments, bytes come in and go out.
//
// Map: SPEC 2 id.go key.go · SPEC 3 identity.go · SPEC 4 record.go wire.go ·
// SPEC 5 proof.go · SPEC 6 topic.go · SPEC 7 verdict.go · SPEC 8 limits.go
package protocol
