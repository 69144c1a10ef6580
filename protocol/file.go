package protocol

import (
	"errors"
	"fmt"
	"io"

	"tocsin/protocol/reason"
)

// FileItem is one item of a record file (SPEC 5.2): exactly one field is set.
type FileItem struct {
	Statement *Statement
	Record    []byte // to be passed to Verify
	Proof     []byte // to be passed to VerifyProof
}

// AppendFile appends an item to a record file: a CBOR sequence (RFC 8742) of
// chain statements, then records or proofs.
func AppendFile(dst []byte, items ...FileItem) ([]byte, error) {
	for i, item := range items {
		switch {
		case item.Statement != nil && item.Record == nil && item.Proof == nil:
			dst = append(dst, item.Statement.Raw()...)
		case item.Statement == nil && item.Record != nil && item.Proof == nil:
			dst = append(dst, mustEncode(item.Record)...)
		case item.Statement == nil && item.Record == nil && item.Proof != nil:
			dst = append(dst, item.Proof...)
		default:
			return nil, fmt.Errorf("append item %d to a record file: want a statement, a record or a proof", i)
		}
	}
	return dst, nil
}

// ReadFile splits a record file of a network. Errors name the item and the
// offset. What statements, records and proofs say is not checked yet; statements
// that only a later revision can read are left out. The items share raw, which
// the caller must not change.
func ReadFile(network string, raw []byte) ([]FileItem, error) {
	var items []FileItem
	rest := raw
	for n := 0; len(rest) > 0; n++ {
		// PRF-07
		if n == MaxFileItems {
			return nil, reason.New(reason.WireSize, fmt.Sprintf("a record file of more than %d items", MaxFileItems))
		}
		var err error
		offset := len(raw) - len(rest)
		if items, rest, err = appendItem(items, network, rest); err != nil {
			return nil, fmt.Errorf("item %d of the record file, at offset %d: %w", n, offset, err)
		}
	}
	return items, nil
}

// The major types of CBOR (RFC 8949 3.1), the top three bits of an item, that
// begin an item of a record file.
const (
	majorBytes = 2
	majorMap   = 5
	majorTag   = 6
)

// appendItem reads the first item of raw. Its first byte says what it is and
// so how long it may be, before anything is read of it.
func appendItem(items []FileItem, network string, raw []byte) (_ []FileItem, rest []byte, err error) {
	// PRF-06
	var item FileItem
	switch raw[0] >> 5 {
	case majorBytes:
		if item.Record, rest, err = nextRecord(raw); err != nil {
			return nil, nil, err
		}
	case majorTag:
		var whole []byte
		if whole, rest, err = nextBounded(raw, MaxStatementBytes); err != nil {
			return nil, nil, err
		}
		item.Statement, err = ParseStatement(network, whole)
		if err != nil && VerdictOf(err) == Reject {
			return nil, nil, err
		}
		if err != nil {
			return items, rest, nil // of a later revision
		}
	case majorMap:
		if item.Proof, rest, err = nextBounded(raw, MaxProofBytes); err != nil {
			return nil, nil, err
		}
	default:
		return nil, nil, reason.New(reason.WireFraming,
			fmt.Sprintf("an item that begins with %#02x is no statement, record or proof", raw[0]))
	}
	return append(items, item), rest, nil
}

// nextRecord splits a byte string off the front of raw; nothing is copied.
func nextRecord(raw []byte) (record, rest []byte, err error) {
	width := 0 // of the length, where it does not stand in the first byte
	length := uint64(raw[0] & 0x1f)
	if length >= 24 {
		width = 1 << (length - 24)
	}
	if width > 4 || len(raw) < 1+width {
		return nil, nil, reason.New(reason.WireFraming, "read a record: its length is missing or no length")
	}
	if width > 0 {
		length = 0
		for _, b := range raw[1 : 1+width] {
			length = length<<8 | uint64(b)
		}
	}
	least := [...]uint64{1: 24, 2: 1 << 8, 4: 1 << 16}[width] // what does not fit into less
	rest = raw[1+width:]
	switch {
	case length < least:
		return nil, nil, reason.New(reason.WireCanonical, fmt.Sprintf("read a record: its length %d in %d bytes", length, width))
	case length > MaxRecordBytes:
		return nil, nil, reason.New(reason.WireSize, fmt.Sprintf("a record of %d bytes, the limit is %d", length, MaxRecordBytes))
	case length > uint64(len(rest)):
		return nil, nil, reason.New(reason.WireFraming, fmt.Sprintf("a record of %d bytes, %d are left", length, len(rest)))
	}
	return rest[:length:length], rest[length:], nil
}

// nextBounded is nextItem for an item of at most limit bytes.
func nextBounded(raw []byte, limit int) (item, rest []byte, err error) {
	item, _, err = nextItem(raw[:min(len(raw), limit)])
	if errors.Is(err, io.ErrUnexpectedEOF) && len(raw) > limit {
		return nil, nil, reason.New(reason.WireSize, fmt.Sprintf("an item of more than %d bytes", limit))
	}
	if err != nil {
		return nil, nil, reason.Wrap(reason.WireFraming, "read an item", err)
	}
	return item, raw[len(item):], nil
}
