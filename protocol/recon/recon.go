// Package recon finds out what two sets of records lack of each other: range-based set
// reconciliation, byte-compatible with Negentropy protocol version 1 (github.com/hoytech/negentropy,
// docs/negentropy-protocol-v1.md). Initiator and Responder are pure state machines over a Set; Tree
// is an ordered set whose range fingerprints cost logarithmic time. Nothing here knows streams or stores.
package recon

// ID is the 32 bytes that name an item: a RecordID.
type ID = [32]byte

// Item is one element of a set. Items are ordered by Timestamp, then by ID.
type Item struct {
	// Timestamp is the created of a record in Unix ms; the largest uint64 is reserved for infinity.
	Timestamp uint64
	ID        ID
}

// Bound is a place between items: everything below it is on its left. Its ID may be shortened to
// Len bytes, the others being zero, as bounds are on the wire.
type Bound struct {
	Item
	Len int
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

// Tree is an immutable ordered set: With and Without return a new one and share what did not
// change, so a snapshot is free and a reader needs no lock. The zero value is empty. All
// methods may be called concurrently.
type Tree struct{}

// NewTree builds a tree from items in any order; equal items count once.
func NewTree(items []Item) *Tree { panic("unwritten") }

// With returns a tree that has the item too.
func (t *Tree) With(item Item) *Tree { panic("unwritten") }

// Without returns a tree that lacks the item.
func (t *Tree) Without(item Item) *Tree { panic("unwritten") }

// Has reports whether the item is there.
func (t *Tree) Has(item Item) bool { panic("unwritten") }

// Len implements Set.
func (t *Tree) Len() int { panic("unwritten") }

// At implements Set.
func (t *Tree) At(i int) Item { panic("unwritten") }

// Search implements Set.
func (t *Tree) Search(b Bound) int { panic("unwritten") }

// Fingerprint implements Set.
func (t *Tree) Fingerprint(from, to int) Fingerprint { panic("unwritten") }

// Between returns the part of a set whose timestamps are at least from and below until, as a Set: a
// session reconciles what both sides had before it began.
func Between(s Set, from, until uint64) Set { panic("unwritten") }

// Initiator asks. It is used by one goroutine.
type Initiator struct{}

// NewInitiator wires an initiator. frameLimit bounds the size of messages in bytes, 0 means no limit;
// Negentropy asks for at least 4,096.
func NewInitiator(s Set, frameLimit int) (*Initiator, error) { panic("unwritten") }

// Initiate returns the first message.
func (i *Initiator) Initiate() ([]byte, error) { panic("unwritten") }

// Reconcile takes an answer and returns the next message, nil when all is known. have are ids that
// we hold and the other lacks, need those that we lack; each id is reported once.
func (i *Initiator) Reconcile(message []byte) (next []byte, have, need []ID, err error) {
	panic("unwritten")
}

// Responder answers. It keeps no state between messages, so each may be answered from a newer set.
type Responder struct{}

// NewResponder wires a responder; frameLimit as for NewInitiator.
func NewResponder(s Set, frameLimit int) (*Responder, error) { panic("unwritten") }

// Answer takes a message and returns the answer. A message of a later protocol version is answered
// with ours alone, as the protocol says. What is malformed is an error; no message
// costs more than 10 ms.
func (r *Responder) Answer(message []byte) ([]byte, error) { panic("unwritten") }
