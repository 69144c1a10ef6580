package protocol

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"tocsin/protocol/reason"
)

// form is how much of a record there is.
type form uint8

// The forms: the record as sent, a record of objects of which some are gone, and the header alone.
const (
	formSent form = iota
	formPruned
	formHeader
)

// prunedMark begins a pruned record; a record as sent begins with the tag of COSE_Sign1.
const prunedMark = 'P'

// minPrunedLeaf is the least that a leaf of which only the hash is there had in the body.
const minPrunedLeaf = leafPrefix + 1

// IsPruned reports whether raw begins as a pruned record does.
func IsPruned(raw []byte) bool { return len(raw) > 0 && raw[0] == prunedMark }

// Prune takes leaves away from a record as sent, or from a pruned one: object and salt go, the leaf's hash stays (REC-30 and after). What is
// left verifies by the root alone. The same record and leaves give the same bytes. Errors mean that raw is not what was
// stored, that its body does not open, or that it has no such leaf; a record of another kind than objects has none.
func Prune(raw []byte, drop []int) ([]byte, error) {
	if len(drop) == 0 {
		return raw, nil
	}
	w, r, err := readStored(raw)
	if err != nil {
		return nil, fmt.Errorf("prune a record: %w", err)
	}
	if r.form == formSent {
		if err := r.checkBodyHash(w.body); err != nil {
			return nil, fmt.Errorf("prune a record: %w", err)
		}
	}
	var o Opener
	leaves, err := o.Open(r)
	if err != nil {
		return nil, fmt.Errorf("prune a record: %w", err)
	}
	for _, i := range drop {
		if i < 0 || i >= len(leaves) {
			return nil, reason.New(reason.NotFound, fmt.Sprintf("prune leaf %d of a record of %d leaves", i, len(leaves)))
		}
		leaves[i] = Leaf{}
	}
	return appendPruned(w.header, leaves, o.hashes), nil
}

// appendPruned writes a pruned record; leaves without an object are written as their hashes.
func appendPruned(header []byte, leaves []Leaf, hashes []Digest) []byte {
	size := 1 + len(header)
	for _, l := range leaves {
		size += 4 + max(SaltBytes+len(l.Object), sha256.Size)
	}
	// REC-30
	out := append(make([]byte, 0, size), prunedMark)
	out = append(out, header...)
	for i, l := range leaves {
		// REC-31
		out = binary.BigEndian.AppendUint32(out, uint32(len(l.Object)))
		if len(l.Object) == 0 {
			out = append(out, hashes[i][:]...)
			continue
		}
		out = append(out, l.Salt[:]...)
		out = append(out, l.Object...)
	}
	return out
}

// VerifyPruned is VerifyOffline for a pruned record: signature, chain and root are checked, the body hash cannot be. What is not what was
// signed is the doing of whoever sent it.
func VerifyPruned(raw []byte, chains *Chains) (*Record, error) {
	w, h, err := readPruned(raw)
	if err != nil {
		return nil, err
	}
	r, err := w.signed(raw, h, formPruned, chains)
	if err != nil {
		return nil, err
	}
	// REC-34
	var o Opener
	if _, err := o.Open(r); err != nil {
		return nil, fmt.Errorf("verify pruned record %s: %w", r.id, err)
	}
	r.missing = slices.Clone(o.missing)
	return r, nil
}

// VerifyHeader checks a signed header that comes without a body.
func VerifyHeader(raw []byte, chains *Chains) (*Record, error) {
	w, h, err := readHeaderAlone(raw)
	if err != nil {
		return nil, err
	}
	r, err := w.signed(raw, h, formHeader, chains)
	if err == nil && h.Kind == KindObjects {
		r.missing = make([]int, h.Count)
		for i := range r.missing {
			r.missing[i] = i
		}
	}
	return r, err
}

// VerifyStored is VerifyOffline for what a node keeps of a record, in whichever form: as sent, pruned or
// the header alone.
func VerifyStored(raw []byte, chains *Chains) (*Record, error) {
	_, r, err := readStored(raw)
	switch {
	case err != nil:
		return nil, err
	case r.form == formPruned:
		return VerifyPruned(raw, chains)
	case r.form == formHeader:
		return VerifyHeader(raw, chains)
	}
	return VerifyOffline(raw, chains)
}

// signed holds a header whose body is not the one that was sent against chains, as
// VerifyOffline does.
func (w *wireRecord) signed(raw []byte, h Header, f form, chains *Chains) (*Record, error) {
	msg := w.signedBytes(chains.Network())
	r := &Record{raw: raw, header: h, id: sha256.Sum256(msg), headerLength: len(w.header), form: f}
	cert, err := w.checkSigner(&h, msg, chains, nil)
	if err != nil {
		return nil, fmt.Errorf("verify record %s: %w", r.id, err)
	}
	r.cert = cert
	return r, nil
}

// Missing lists the leaves that a pruned record lacks, in order; nil for a record as sent. A header alone lacks all.
func (r *Record) Missing() []int { return slices.Clone(r.missing) }

// Whole reports whether this is the record as sent, not a pruned one and not the header alone.
func (r *Record) Whole() bool { return r.form == formSent }

// HeaderOnly reports whether nothing but the header is there.
func (r *Record) HeaderOnly() bool { return r.form == formHeader }

// headerBytes are the signed header as it stands in raw.
func (r *Record) headerBytes() []byte {
	if r.form == formPruned {
		return r.raw[1 : 1+r.headerLength]
	}
	return r.raw[:r.headerLength]
}

// bodyBytes are what stands behind the header.
func (r *Record) bodyBytes() []byte {
	if r.form == formPruned {
		return r.raw[1+r.headerLength:]
	}
	return r.raw[r.headerLength:]
}

// readPruned makes the checks of a pruned record that need nothing but the bytes; its leaves are not looked at.
func readPruned(raw []byte) (*wireRecord, Header, error) {
	// REC-33
	if len(raw) > MaxPrunedBytes {
		return nil, Header{}, reason.New(reason.WireSize,
			fmt.Sprintf("a pruned record of %d bytes, the limit is %d", len(raw), MaxPrunedBytes))
	}
	// REC-30
	if !IsPruned(raw) {
		return nil, Header{}, reason.New(reason.WireFraming, fmt.Sprintf("a pruned record begins with %#02x", byte(prunedMark)))
	}
	rest := raw[1:]
	w, err := splitHeader(rest[:min(len(rest), MaxHeaderBytes)], len(rest) > MaxHeaderBytes)
	if err != nil {
		return nil, Header{}, err
	}
	w.body = rest[len(w.header):]
	h, err := w.judgeHeader()
	if err != nil {
		return nil, Header{}, err
	}
	if h.Kind != KindObjects {
		return nil, Header{}, reason.New(reason.WireFraming, fmt.Sprintf("a pruned record of kind %s, which has no leaves", h.Kind))
	}
	return w, h, nil
}

// readHeaderAlone makes the checks of a header without a body that need nothing but the bytes.
func readHeaderAlone(raw []byte) (*wireRecord, Header, error) {
	// REC-35
	if len(raw) > MaxHeaderBytes {
		return nil, Header{}, reason.New(reason.WireSize, fmt.Sprintf("a header of %d bytes, the limit is %d", len(raw), MaxHeaderBytes))
	}
	w, err := splitHeader(raw, false)
	if err != nil {
		return nil, Header{}, err
	}
	if len(w.header) != len(raw) {
		return nil, Header{}, reason.New(reason.WireFraming, fmt.Sprintf("%d bytes behind the header", len(raw)-len(w.header)))
	}
	h, err := w.judgeHeader()
	return w, h, err
}

// openPruned reads the leaves of a pruned record; those that are missing are zero. They share no memory with the record.
func (o *Opener) openPruned(r *Record) ([]Leaf, error) {
	body, h := slices.Clone(r.bodyBytes()), &r.header
	o.leaves, o.hashes, o.missing = make([]Leaf, 0, h.Count), make([]Digest, 0, h.Count), nil
	size := 0
	for at := range h.Count {
		leaf, hash, rest, err := nextPruned(body, at, h.Count)
		if err != nil {
			return nil, fmt.Errorf("open record %s: %w", r.id, err)
		}
		if leaf.Object == nil {
			o.missing = append(o.missing, at)
			size += minPrunedLeaf
		} else {
			size += leafPrefix + len(leaf.Object)
		}
		o.leaves, o.hashes, body = append(o.leaves, leaf), append(o.hashes, hash), rest
	}
	switch {
	// REC-32
	case len(body) != 0 || len(o.missing) == 0:
		return nil, reason.New(reason.WireFraming,
			fmt.Sprintf("open record %s: %d leaves are missing and %d bytes stand behind the last", r.id, len(o.missing), len(body)))
	case size > h.RawLength:
		return nil, reason.New(reason.BodySize, fmt.Sprintf("open record %s: its leaves had %d bytes at least, the header says %d", r.id, size, h.RawLength))
	// REC-34
	case treeHash(o.hashes) != h.Root:
		return nil, reason.New(reason.BodyHash, fmt.Sprintf("open record %s: what is left of it does not hash to the signed root", r.id))
	}
	return o.leaves, nil
}

// nextPruned reads one leaf of a pruned record, or the hash in its place. Nothing is allocated by what a length says.
func nextPruned(body []byte, at, count int) (leaf Leaf, hash Digest, rest []byte, err error) {
	// REC-31
	if len(body) < 4 {
		return leaf, hash, nil, leafError(at, count)
	}
	n := uint64(binary.BigEndian.Uint32(body))
	body = body[4:]
	if n == 0 {
		if len(body) < sha256.Size {
			return leaf, hash, nil, leafError(at, count)
		}
		return leaf, Digest(body[:sha256.Size]), body[sha256.Size:], nil
	}
	if n > MaxObjectBytes || len(body) < SaltBytes || n > uint64(len(body)-SaltBytes) {
		return leaf, hash, nil, leafError(at, count)
	}
	leaf = Leaf{Salt: [SaltBytes]byte(body), Object: body[SaltBytes : SaltBytes+n : SaltBytes+n]}
	return leaf, leafHash(leaf.Salt[:], leaf.Object), body[SaltBytes+n:], nil
}
