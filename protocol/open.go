package protocol

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"tocsin/protocol/reason"
)

// Opener opens many records with less work than Record.Open: it keeps its
// decoder and its buffer. The zero value is ready. It is not safe for
// concurrent use.
type Opener struct {
	dec    *zstd.Decoder // without streams it has no goroutines and nothing to close
	raw    []byte
	leaves []Leaf
	hashes []Digest
	// missing are the leaves that a pruned record lacks.
	missing []int
}

// maxKeptBytes is how large a buffer an Opener keeps: nearly every record fits,
// and one that is made to be large does not stay in memory.
const maxKeptBytes = 1 << 20

// Open is Record.Open, but the leaves are good only until the next call.
func (o *Opener) Open(r *Record) ([]Leaf, error) {
	if r.header.Kind != KindObjects {
		return nil, nil
	}
	switch r.form {
	case formPruned:
		return o.openPruned(r)
	case formHeader:
		return nil, reason.New(reason.NotFound, fmt.Sprintf("open record %s: only its header is here", r.id))
	}
	if cap(o.raw) > maxKeptBytes {
		*o = Opener{dec: o.dec}
	}
	raw, err := o.decompress(r.bodyBytes(), r.header.RawLength)
	if err != nil {
		return nil, fmt.Errorf("open record %s: %w", r.id, err)
	}
	root, err := o.readLeaves(raw, r.header.Count)
	if err != nil {
		return nil, fmt.Errorf("open record %s: %w", r.id, err)
	}
	// REC-16
	if root != r.header.Root {
		return nil, reason.New(reason.BodyRoot, fmt.Sprintf("open record %s: its leaves do not hash to the signed root", r.id))
	}
	return o.leaves, nil
}

// decompress opens body, which must be one zstd frame of exactly size bytes.
func (o *Opener) decompress(body []byte, size int) ([]byte, error) {
	if err := checkFrame(body, size); err != nil {
		return nil, err
	}
	if o.dec == nil {
		o.dec = must(zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(MaxWindowBytes),
			zstd.WithDecodeAllCapLimit(true),
		))
	}
	if o.raw == nil || cap(o.raw) < size {
		o.raw = make([]byte, 0, size)
	}
	// REC-15: the output never grows past the capacity given.
	raw, err := o.dec.DecodeAll(body, o.raw[:0:size])
	if err != nil {
		return nil, reason.Wrap(reason.BodyFraming, "decompress the body", err)
	}
	if len(raw) != size {
		return nil, reason.New(reason.BodySize, fmt.Sprintf("a body of %d bytes, the header says %d", len(raw), size))
	}
	return raw, nil
}

// readLeaves splits a decompressed body into o.leaves and returns their tree hash.
func (o *Opener) readLeaves(raw []byte, count int) (Digest, error) {
	// REC-12
	if room := min(count, len(raw)/leafPrefix); cap(o.leaves) < room {
		o.leaves, o.hashes = make([]Leaf, 0, room), make([]Digest, 0, room)
	}
	o.leaves, o.hashes = o.leaves[:0], o.hashes[:0]
	for rest := raw; len(rest) > 0; {
		at := len(o.leaves)
		if len(rest) < leafPrefix || at == count {
			return Digest{}, leafError(at, count)
		}
		n := uint64(binary.BigEndian.Uint32(rest))
		if n == 0 || n > MaxObjectBytes || n > uint64(len(rest)-leafPrefix) {
			return Digest{}, leafError(at, count)
		}
		leaf := Leaf{Salt: [SaltBytes]byte(rest[4:leafPrefix]), Object: rest[leafPrefix : leafPrefix+n : leafPrefix+n]}
		o.leaves = append(o.leaves, leaf)
		o.hashes = append(o.hashes, leafHash(leaf.Salt[:], leaf.Object))
		rest = rest[leafPrefix+n:]
	}
	if len(o.leaves) != count {
		return Digest{}, leafError(len(o.leaves), count)
	}
	return treeHash(o.hashes), nil
}

func leafError(at, count int) error {
	return reason.New(reason.BodyFraming, fmt.Sprintf("leaf %d: the body is not %d well-formed leaves", at, count))
}
