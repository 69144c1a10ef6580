package protocol

import (
	"crypto/sha256"
	"fmt"

	"tocsin/protocol/reason"
)

// StoredID computes the id of a record that a node keeps, in whichever form: as sent, pruned or the header alone. Like OpenStored it is
// only for bytes that were verified once: it checks no signature.
func StoredID(network string, raw []byte) (RecordID, error) {
	w, _, err := readStored(raw)
	if err != nil {
		return RecordID{}, fmt.Errorf("read a stored record: %w", err)
	}
	return sha256.Sum256(w.signedBytes(network)), nil
}

// StoredHeader reads the header of a record that a node keeps, in whichever form. Like OpenStored it
// checks no signature; it does not look into the body, which its publisher may have spoiled.
func StoredHeader(raw []byte) (Header, error) {
	_, r, err := readStored(raw)
	if err != nil {
		return Header{}, fmt.Errorf("read a stored record: %w", err)
	}
	return r.header, nil
}

// HeaderOf returns the signed header within a record that a node keeps, in whichever form, as VerifyHeader takes it.
func HeaderOf(raw []byte) ([]byte, error) {
	w, _, err := readStored(raw)
	if err != nil {
		return nil, fmt.Errorf("read a stored record: %w", err)
	}
	return w.header, nil
}

// OpenStored reads the header and opens the leaves of a record that a node
// keeps and that was verified once: it needs no chains and checks everything
// but the signature, the body hash included. Errors mean that the bytes are not what was
// stored. The leaves share one buffer that the caller owns; those that a pruned record lacks
// are zero. A header alone gives not.found.
func OpenStored(raw []byte) (Header, []Leaf, error) {
	w, r, err := readStored(raw)
	if err != nil {
		return Header{}, nil, fmt.Errorf("read a stored record: %w", err)
	}
	if got := Digest(sha256.Sum256(w.body)); r.form == formSent && got != r.header.BodyHash {
		return Header{}, nil, reason.New(reason.BodyHash, fmt.Sprintf("the body hashes to %s, the header says %s", got, r.header.BodyHash))
	}
	leaves, err := r.Open()
	if err != nil {
		return Header{}, nil, err
	}
	return r.header, leaves, nil
}

// readStored takes what is kept of a record apart, by its form. The record is good for reading: it has neither id nor signer.
func readStored(raw []byte) (*wireRecord, *Record, error) {
	if IsPruned(raw) {
		w, h, err := readPruned(raw)
		if err != nil {
			return nil, nil, err
		}
		return w, &Record{raw: raw, header: h, headerLength: len(w.header), form: formPruned}, nil
	}
	w, err := splitRecord(raw)
	if err != nil {
		return nil, nil, err
	}
	h, err := w.judgeHeader()
	if err != nil {
		return nil, nil, err
	}
	r := &Record{raw: raw, header: h, headerLength: len(w.header)}
	if len(w.body) == 0 && h.BodyLength > 0 {
		r.form = formHeader
		return w, r, nil
	}
	return w, r, w.checkBodyLength(&h)
}
