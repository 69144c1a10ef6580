// Package recon finds out what two sets of records lack of each other: range-based set
// reconciliation, byte-compatible with Negentropy protocol version 1 (github.com/hoytech/negentropy,
// docs/negentropy-protocol-v1.md). Initiator and Responder are pure state machines over a Set; Tree
// is an ordered set whose range fingerprints cost logarithmic time. Nothing here knows streams or stores.
package recon

import (
	"bytes"
	"cmp"
	"math"
)

// ID is the 32 bytes that name an item: a RecordID.
type ID = [32]byte

// Infinity is the timestamp of the bound above all items; no item has it.
const Infinity = math.MaxUint64

// Item is one element of a set. Items are ordered by Timestamp, then by ID.
type Item struct {
	// Timestamp is the created of a record in Unix ms; the largest uint64 is reserved for infinity.
	Timestamp uint64
	ID        ID
}

// compare orders items.
func (i *Item) compare(o *Item) int {
	// SYN-22: by timestamp, then by id.
	if i.Timestamp != o.Timestamp {
		return cmp.Compare(i.Timestamp, o.Timestamp)
	}
	return bytes.Compare(i.ID[:], o.ID[:])
}

// Bound is a place between items: everything below it is on its left. Its ID may be shortened to
// Len bytes, the others being zero, as bounds are on the wire.
type Bound struct {
	Item
	Len int
}

// between is the shortest bound that has item a on its left and b on its right.
func between(a, b Item) Bound {
	bound := Bound{Item: Item{Timestamp: b.Timestamp}}
	if a.Timestamp != b.Timestamp {
		return bound
	}
	for bound.Len < len(b.ID) {
		at := bound.Len
		bound.ID[at] = b.ID[at]
		bound.Len++
		if a.ID[at] != b.ID[at] {
			break
		}
	}
	return bound
}

// Fingerprint is Negentropy's over a range: the first 16 bytes of SHA-256 over the sum of the
// ids as little-endian numbers modulo 2^256 and the count as a varint.
type Fingerprint [16]byte

// Set is what a reconciliation reads: an ordered set that does not change while it is used. From and
// to are positions, from 0 to Len. It is the one seam between the protocol and who keeps the items;
// its methods must cost logarithmic time, or a peer could make us scan.
type Set interface {
	// Len is how many items there are.
	Len() int
	// At returns the item at a position.
	At(i int) Item
	// Search returns the position of the first item that is not below b.
	Search(b Bound) int
	// Fingerprint is that of the items from position from to before position to.
	Fingerprint(from, to int) Fingerprint
}

// Between returns the part of a set whose timestamps are at least from and below until, as a Set: a
// session reconciles what both sides had before it began.
func Between(s Set, from, until uint64) Set {
	p := part{set: s}
	p.low = s.Search(Bound{Item: Item{Timestamp: from}})
	p.high = max(p.low, s.Search(Bound{Item: Item{Timestamp: until}}))
	return p
}

// part is the positions from low to before high of a set.
type part struct {
	set       Set
	low, high int
}

// Len implements Set.
func (p part) Len() int { return p.high - p.low }

// At implements Set.
func (p part) At(i int) Item { return p.set.At(p.low + i) }

// Search implements Set.
func (p part) Search(b Bound) int { return min(max(p.set.Search(b), p.low), p.high) - p.low }

// Fingerprint implements Set.
func (p part) Fingerprint(from, to int) Fingerprint {
	return p.set.Fingerprint(p.low+from, p.low+to)
}

// walk calls visit with the items from position from to before position to until it returns false. The sets of
// this package are walked leaf by leaf, others item by item.
func walk(s Set, from, to int, visit func(*Item) bool) {
	switch s := s.(type) {
	case part:
		walk(s.set, s.low+from, s.low+to, visit)
	case *Tree:
		if from < to {
			s.root.walk(from, to, visit)
		}
	default:
		for i := from; i < to; i++ {
			item := s.At(i)
			if !visit(&item) {
				return
			}
		}
	}
}
