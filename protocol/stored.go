package protocol

import (
	"crypto/sha256"
	"fmt"

	"tocsin/protocol/reason"
)

// StoredID computes the id of a record that a node keeps. Like OpenStored it is
// only for bytes that Verify accepted once: it checks no signature.
func StoredID(network string, raw []byte) (RecordID, error) {
	w, _, err := readRecord(raw)
	if err != nil {
		return RecordID{}, fmt.Errorf("read a stored record: %w", err)
	}
	return sha256.Sum256(w.signedBytes(network)), nil
}

// StoredHeader reads the header of a record that a node keeps. Like OpenStored it
// checks no signature; it does not look into the body, which its publisher may have spoiled.
func StoredHeader(raw []byte) (Header, error) {
	_, h, err := readRecord(raw)
	if err != nil {
		return Header{}, fmt.Errorf("read a stored record: %w", err)
	}
	return h, nil
}

// OpenStored reads the header and opens the leaves of a record that a node
// keeps and that Verify accepted once: it needs no chains and checks everything
// but the signature, the body hash included. Errors mean that the bytes are not what was
// stored. The leaves share one buffer that the caller owns.
func OpenStored(raw []byte) (Header, []Leaf, error) {
	w, h, err := readRecord(raw)
	if err != nil {
		return Header{}, nil, fmt.Errorf("read a stored record: %w", err)
	}
	if got := Digest(sha256.Sum256(w.body)); got != h.BodyHash {
		return Header{}, nil, reason.New(reason.BodyHash, fmt.Sprintf("the body hashes to %s, the header says %s", got, h.BodyHash))
	}
	r := &Record{raw: raw, header: h, headerLength: len(w.header)}
	leaves, err := r.Open()
	if err != nil {
		return Header{}, nil, err
	}
	return h, leaves, nil
}
