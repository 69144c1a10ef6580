package protocol

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"tocsin/protocol/reason"
)

// Proof shows that one object stands in a signed record, without the rest of it
// (SPEC 5): header, leaf, audit path. It is immutable.
type Proof struct {
	record RecordID
	header Header
	index  int
	object []byte
	cert   *Certificate
}

// proofMessage is a proof on the wire.
type proofMessage struct {
	Header []byte   `cbor:"1,keyasint"`
	Index  uint64   `cbor:"2,keyasint"`
	Salt   []byte   `cbor:"3,keyasint"`
	Object []byte   `cbor:"4,keyasint"`
	Path   [][]byte `cbor:"5,keyasint"`
}

// Prove makes the proof for leaf index of a record, in wire form. A leaf that a pruned record lacks gives not.found.
func Prove(r *Record, index int) ([]byte, error) {
	var o Opener
	leaves, err := o.Open(r)
	if err != nil {
		return nil, fmt.Errorf("prove leaf %d: %w", index, err)
	}
	if index < 0 || index >= len(leaves) {
		return nil, reason.New(reason.ProofInvalid, fmt.Sprintf("prove leaf %d of record %s: it has %d leaves", index, r.id, len(leaves)))
	}
	if leaves[index].Object == nil {
		return nil, reason.New(reason.NotFound, fmt.Sprintf("prove leaf %d of record %s: it was taken away", index, r.id))
	}
	m := proofMessage{
		Header: r.headerBytes(),
		Index:  uint64(index),
		Salt:   leaves[index].Salt[:],
		Object: leaves[index].Object,
	}
	for _, d := range auditPath(o.hashes, index) {
		m.Path = append(m.Path, d[:])
	}
	return mustEncode(m), nil
}

// VerifyProof checks a proof against known chains. now is not used to expire
// it: a proof holds for ever; errors carry proof.invalid or a record code.
func VerifyProof(raw []byte, chains *Chains) (*Proof, error) {
	m, err := readProof(raw)
	if err != nil {
		return nil, err
	}
	// PRF-03
	w, err := splitHeader(m.Header, false)
	if err != nil {
		return nil, err
	}
	if len(w.header) != len(m.Header) {
		return nil, reason.New(reason.WireFraming, fmt.Sprintf("%d bytes behind the header", len(m.Header)-len(w.header)))
	}
	h, err := w.judgeHeader()
	if err != nil {
		return nil, err
	}
	msg := w.signedBytes(chains.Network())
	p := &Proof{record: sha256.Sum256(msg), header: h, index: int(m.Index), object: m.Object}
	if p.cert, err = w.checkSigner(&h, msg, chains, nil); err != nil {
		return nil, fmt.Errorf("verify proof from record %s: %w", p.record, err)
	}
	if err := p.checkInclusion(m); err != nil {
		return nil, fmt.Errorf("verify proof from record %s: %w", p.record, err)
	}
	return p, nil
}

// readProof takes a proof apart.
func readProof(raw []byte) (*proofMessage, error) {
	// PRF-01, PRF-02
	if len(raw) > MaxProofBytes {
		return nil, reason.New(reason.ProofInvalid, fmt.Sprintf("a proof of %d bytes, the limit is %d", len(raw), MaxProofBytes))
	}
	var m proofMessage
	if err := decodeStrict(raw, &m); err != nil {
		return nil, reason.Wrap(reason.ProofInvalid, "read the proof", err)
	}
	if len(m.Header) > MaxHeaderBytes || len(m.Salt) != SaltBytes || len(m.Object) == 0 || len(m.Object) > MaxObjectBytes {
		return nil, reason.New(reason.ProofInvalid, fmt.Sprintf("a proof with a header of %d, a salt of %d and an object of %d bytes",
			len(m.Header), len(m.Salt), len(m.Object)))
	}
	return &m, nil
}

// checkInclusion holds the leaf and its path against the signed root.
func (p *Proof) checkInclusion(m *proofMessage) error {
	// PRF-04
	if p.header.Kind != KindObjects {
		return reason.New(reason.ProofInvalid, fmt.Sprintf("a proof of an object in a record of kind %s", p.header.Kind))
	}
	leaf := leafHash(m.Salt, m.Object)
	root := p.header.Root
	err := proof.VerifyInclusion(rfc6962.DefaultHasher, m.Index, uint64(p.header.Count), leaf[:], m.Path, root[:])
	if bad, ok := errors.AsType[proof.RootMismatchError](err); ok {
		err = fmt.Errorf("it leads to root %x", bad.CalculatedRoot) // the module's own text spells out both in decimal
	}
	if err != nil {
		return reason.Wrap(reason.ProofInvalid, fmt.Sprintf("hold leaf %d of %d against the signed root %x", m.Index, p.header.Count, root[:]), err)
	}
	return nil
}

// Record names the record that the object stands in.
func (p *Proof) Record() RecordID { return p.record }

// Header returns the record's signed header.
func (p *Proof) Header() Header { return p.header }

// Index is the object's place in the record.
func (p *Proof) Index() int { return p.index }

// Object returns the object's bytes as signed. The caller must not change them.
func (p *Proof) Object() []byte { return p.object }

// Org is the organisation that signed.
func (p *Proof) Org() OrgID { return p.cert.Org }
