package storage

import (
	"slices"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Form is how much of a record is there.
type Form uint8

// The forms of SYN-08.
const (
	// Full is the record as sent.
	Full Form = iota + 1
	// Pruned lacks some leaves, whose hashes stand for them.
	Pruned
	// HeaderOnly is the signed header alone.
	HeaderOnly
)

// Fetch returns what there is of a record for a peer, a bundle or a backup: a record as sent, a pruned one
// (protocol.VerifyPruned) or a header. The bytes are checked; damage gives store.damaged, nothing at all not.found.
func (s *Store) Fetch(id protocol.RecordID) (form Form, raw []byte, err error) {
	at, ix, raw, err := s.bytes(id)
	switch {
	case err != nil:
		return 0, nil, err
	case at.space == spaceRejected:
		return HeaderOnly, raw, nil
	case ix.shape()&shapePruned != 0:
		return Pruned, raw, nil
	}
	return Full, raw, nil
}

// bytes reads what is kept of a record, with its index value. The record may move or be rewritten meanwhile.
func (s *Store) bytes(id protocol.RecordID) (at spot, ix indexed, raw []byte, err error) {
	at, ok := s.where(id)
	if !ok {
		return at, ix, nil, notFound(id)
	}
	for {
		if ix, err = s.load(&at); err != nil {
			return at, ix, nil, err
		}
		if raw, err = s.rawOnce(at, ix.packed); err == nil {
			return at, ix, raw, nil
		}
		now, ok := s.where(id)
		switch {
		case !ok:
			return at, ix, nil, notFound(id)
		case now.space == at.space && now.gen == at.gen:
			return at, ix, nil, err
		}
		at = now
	}
}

// Lacks reports whether a record is held of which something is missing that was not erased here: a
// form that has more of it completes it (Accept). Memory only.
func (s *Store) Lacks(id protocol.RecordID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ord, ok := s.tables.find(id)
	return ok && s.tables.records[ord].lacks
}

// Lacking lists the records of which Lacks is true and that want takes (nil takes all; it must not ask the store), at most limit, in no
// particular order, from a place on: 0, or the next that the call before gave, which is 0 when all were seen. Who goes from next to next
// meets each of them but those that came or moved meanwhile. Memory only.
func (s *Store) Lacking(from, limit int, want func(protocol.OrgID, protocol.Topic) bool) (ids []protocol.RecordID, next int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables
	for i := max(from, 0); i < len(t.records); i++ {
		r := &t.records[i]
		if !r.live || !r.lacks {
			continue
		}
		if l := &t.logs[r.log]; want != nil && !want(l.Org, l.Topic) {
			continue
		}
		if len(ids) >= limit {
			return ids, i
		}
		ids = append(ids, r.id)
	}
	return ids, 0
}

// HeaderBytes is what the headers without bodies take: of rejected records, and of those of which no
// more came. Memory only.
func (s *Store) HeaderBytes() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tables.held.headers
}

// shape says how what is kept of a record differs from the record as sent. It stands in the packed value.
type shape byte

const (
	// shapePruned: what is kept is a pruned record.
	shapePruned shape = 1 << iota
	// shapeLacks: something is missing that was not erased here, so that it may be filled in.
	shapeLacks
	// shapeOdd: the continuation of the record is under generation 1, not 0. A record that is rewritten where it is takes the
	// other one, so that old and new parts never mix.
	shapeOdd
	shapeKnown = shapePruned | shapeLacks | shapeOdd
)

// shapeOf gives the shape of a record as it comes.
func shapeOf(r *protocol.Record) shape {
	switch {
	case r.Whole():
		return 0
	case r.HeaderOnly():
		return shapeLacks
	}
	return shapePruned | shapeLacks
}

// erasedHere lists the leaves that were erased by a decision of this node.
func erasedHere(leaves []packedLeaf) (out []int) {
	for i := range leaves {
		if leaves[i].erased() {
			out = append(out, i)
		}
	}
	return out
}

// erased reports whether the object was erased here, gone whether it is not here for whatever reason.
func (l *packedLeaf) erased() bool { return l.decided && l.Reason == reason.ObjectErased }

func (l *packedLeaf) gone() bool { return l.erased() || l.Reason == reason.ObjectMissing }

// subset reports whether every one of a is in b, which is in order.
func subset(a, b []int) bool {
	return !slices.ContainsFunc(a, func(i int) bool { _, ok := slices.BinarySearch(b, i); return !ok })
}
