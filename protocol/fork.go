package protocol

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"tocsin/protocol/reason"
)

// ForkProof is two headers that one key signed for one place of its key log
// (kind fork, SPEC 4.6). Anybody may carry it; it needs nobody's word.
type ForkProof struct {
	Org      OrgID
	Key      KeyID
	Topic    Topic
	Sequence uint64
	// Records are the two ids, ascending.
	Records [2]RecordID
}

// NewForkProof makes the body of a record of kind fork from two records (any two
// that share key, topic and sequence and differ in id); fork.invalid for any others.
func NewForkProof(a, b *Record) ([]byte, error) {
	if bytes.Compare(a.id[:], b.id[:]) > 0 {
		a, b = b, a
	}
	halves := [2]forkHalf{{h: a.header, id: a.id, cert: a.cert}, {h: b.header, id: b.id, cert: b.cert}}
	if _, err := joinFork(halves); err != nil {
		return nil, err
	}
	return mustEncode([][]byte{a.headerBytes(), b.headerBytes()}), nil
}

// ReadForkProof reads and verifies the body of a fork record: both headers are
// canonical, name certificates of one record key, and carry valid signatures.
// fork.invalid (Reject) when the bytes show no fork, cert.unknown (Ignore) when a
// certificate is not known: UnknownCertificate names it. What only a later version
// can read keeps its code. Certificates may have ended and keys may be revoked:
// a fork stays a fork. The work is bounded: two headers, two signatures.
func ReadForkProof(body []byte, chains *Chains) (*ForkProof, error) {
	// FRK-01
	var headers [][]byte
	if err := decodeStrict(body, &headers); err != nil {
		return nil, reason.Wrap(reason.ForkInvalid, "read a fork proof", err)
	}
	if len(headers) != 2 {
		return nil, reason.New(reason.ForkInvalid, fmt.Sprintf("a fork proof of %d headers, want 2", len(headers)))
	}
	var halves [2]forkHalf
	for i, raw := range headers {
		half, err := readForkHalf(raw, chains.Network())
		if err != nil {
			return nil, notFork(fmt.Sprintf("read header %d of a fork proof", i), err)
		}
		halves[i] = half
	}
	// FRK-03: what costs nothing comes before the signatures.
	if err := samePlace(halves); err != nil {
		return nil, err
	}
	for i := range halves {
		// FRK-04
		half := &halves[i]
		cert, err := half.w.checkSigner(&half.h, half.msg, chains, nil)
		if err != nil {
			return nil, notFork(fmt.Sprintf("verify header %d of a fork proof", i), err)
		}
		half.cert = cert
	}
	return joinFork(halves)
}

// forkHalf is one of the two headers.
type forkHalf struct {
	w    *wireRecord
	h    Header
	msg  []byte // what its signature covers
	id   RecordID
	cert *Certificate
}

// readForkHalf holds a header to every rule that needs neither body nor chains.
func readForkHalf(raw []byte, network string) (half forkHalf, err error) {
	// FRK-02
	if len(raw) > MaxHeaderBytes {
		return half, reason.New(reason.WireSize, fmt.Sprintf("a header of %d bytes, the limit is %d", len(raw), MaxHeaderBytes))
	}
	if half.w, err = splitHeader(raw, false); err != nil {
		return half, err
	}
	if len(half.w.header) != len(raw) {
		return half, reason.New(reason.WireFraming, fmt.Sprintf("%d bytes behind a header", len(raw)-len(half.w.header)))
	}
	if half.h, err = half.w.judgeHeader(); err != nil {
		return half, err
	}
	half.msg = half.w.signedBytes(network)
	half.id = sha256.Sum256(half.msg)
	return half, nil
}

// notFork turns what everybody must refuse into fork.invalid. What depends on knowledge or on
// a later version of the protocol keeps its code, for another node may see a fork there.
func notFork(what string, err error) error {
	if VerdictOf(err) == Reject {
		return reason.Wrap(reason.ForkInvalid, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// samePlace holds the places of two headers, and their order, against each other.
func samePlace(halves [2]forkHalf) error {
	a, b := &halves[0], &halves[1]
	switch {
	case bytes.Compare(a.id[:], b.id[:]) >= 0:
		return reason.New(reason.ForkInvalid, fmt.Sprintf("a fork proof of records %s and %s: want two, in ascending order", a.id, b.id))
	case a.h.Topic != b.h.Topic || a.h.Sequence != b.h.Sequence:
		return reason.New(reason.ForkInvalid, fmt.Sprintf("records %s and %s stand at %s %d and %s %d",
			a.id, b.id, a.h.Topic, a.h.Sequence, b.h.Topic, b.h.Sequence))
	}
	return nil
}

// joinFork makes the proof of two headers whose certificates are known.
func joinFork(halves [2]forkHalf) (*ForkProof, error) {
	if err := samePlace(halves); err != nil {
		return nil, err
	}
	a, b := &halves[0], &halves[1]
	// FRK-05
	if a.cert.Org != b.cert.Org || a.cert.RecordKey != b.cert.RecordKey {
		return nil, reason.New(reason.ForkInvalid, fmt.Sprintf("records %s and %s are of different keys or organisations", a.id, b.id))
	}
	return &ForkProof{
		Org: a.cert.Org, Key: a.cert.RecordKey.ID(), Topic: a.h.Topic, Sequence: a.h.Sequence,
		Records: [2]RecordID{a.id, b.id},
	}, nil
}

// Fork returns the proof that a record of kind fork carries, as Verify checked it; nil
// for other kinds, and for a record that comes from Sign.
func (r *Record) Fork() *ForkProof { return r.fork }

// readFork checks the body of a fork record.
func (r *Record) readFork(body []byte, chains *Chains) error {
	// VER-17
	f, err := ReadForkProof(body, chains)
	r.fork = f
	return err
}
