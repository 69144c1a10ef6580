package storage

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Erase takes objects of a record away for good, by leaf index, all when leaves is nil: object and salt go, the leaf's hash
// stays and tells nothing. The record is pruned from then on. The bytes are gone from the disk after Vacuum. What
// was erased here is a tombstone: no copy of the record fills it in again while the header is kept (REC-37). A record without objects, or
// whose objects nobody can open, is erased as a whole: its header stays. Durable on return; what is erased already is no error.
// not.found when there is no such record or object.
func (s *Store) Erase(ctx context.Context, id protocol.RecordID, leaves []int, why reason.Code) error {
	err := s.do(ctx, func() (step, error) { return s.planErase(id, leaves, why) })
	if err != nil {
		return fmt.Errorf("erase of record %s: %w", id, err)
	}
	return nil
}

func (s *Store) planErase(id protocol.RecordID, drop []int, why reason.Code) (step, error) {
	at, ok := s.where(id)
	if !ok {
		return step{}, notFound(id)
	}
	old, err := s.load(&at)
	if err != nil {
		return step{}, err
	}
	if at.space == spaceRejected {
		return s.planEraseHeader(at, old, why), nil
	}
	if old.leaves() == 0 {
		if drop != nil {
			return step{}, reason.New(reason.NotFound, "nothing in it can be told apart, it is erased as a whole")
		}
		return s.dropBody(at, old, changeKind{changeErased, true}, why)
	}
	info, leaves, err := old.unpack()
	if err != nil {
		return step{}, reason.Wrap(reason.StoreDamaged, "read its index", err)
	}
	if drop == nil {
		for i := range leaves {
			drop = append(drop, i)
		}
	}
	gone, changed := 0, false
	for _, i := range drop {
		if i < 0 || i >= len(leaves) {
			return step{}, reason.New(reason.NotFound, fmt.Sprintf("object %d, the record has %d", i, len(leaves)))
		}
		if leaves[i].erased() {
			continue
		}
		if !leaves[i].gone() {
			gone++
		}
		leaves[i], changed = erasedLeaf(info), true
	}
	if !changed {
		return step{apply: func(*tables) error { return nil }}, nil
	}
	raw, err := s.rawOnce(at, old.packed)
	if err == nil {
		raw, err = protocol.Prune(raw, drop)
	}
	if err != nil {
		return step{}, err
	}
	info.stored.shape |= shapePruned
	st := s.exchange(at, old, info, leaves, raw)
	st.changes = []Change{{Kind: changeErased, Record: id, Org: info.org, Topic: info.topic, Objects: gone, Reason: why}}
	return st, nil
}

// erasedLeaf is what the index keeps of an object that was erased: that it was.
func erasedLeaf(info recordInfo) packedLeaf {
	return packedLeaf{Leaf: Leaf{State: Refused, Reason: reason.ObjectErased, Modified: info.created, Confidence: -1}, decided: true}
}

// planEraseHeader sees to it that a record of which only the header is here never becomes more.
func (s *Store) planEraseHeader(at spot, old indexed, why reason.Code) step {
	if old.shape()&shapeLacks == 0 { // it was dropped, and what was is not taken again
		return step{apply: func(*tables) error { return nil }}
	}
	info := old.info
	info.fate.why, info.stored.shape = why, info.stored.shape&^shapeLacks
	p := pack(info, nil, old.generation()+1)
	st := step{touches: []subject{{id: at.id}}}
	st.rewrite(at.space, at.id, p, old.packed)
	st.changes = []Change{{Kind: changeErased, moved: true, Record: at.id, Org: info.org, Topic: info.topic, Reason: why}}
	st.apply = func(t *tables) error { return t.exchange(at.id, p) }
	return st
}

// exchange puts another index value and other bytes in the place of a record that stays where it is.
func (s *Store) exchange(at spot, old indexed, info recordInfo, leaves []packedLeaf, raw []byte) step {
	info.stored.shape ^= shapeOdd
	info.stored.shape &^= shapeLacks
	if slices.ContainsFunc(leaves, func(l packedLeaf) bool { return l.gone() && !l.erased() }) {
		info.stored.shape |= shapeLacks
	}
	info.stored.rawLength, info.stored.sum = len(raw), sha256.Sum256(raw)
	p := pack(info, leaves, old.generation()+1)
	st := step{touches: []subject{{id: at.id}}}
	// The head takes the place of the old one, so it goes with what says how long it is.
	parts, head := splitValue(at.space, kindRaw, at.id, p.rawGeneration(), raw)
	st.body = append(st.body, parts...)
	st.tail = append(append(st.tail, head), eraseParts(at.space, kindRaw, at.id, old.rawGeneration(), old.rawLength())...)
	st.rewrite(at.space, at.id, p, old.packed)
	st.counts = countsOf(p, at.counted()).minus(countsOf(old.packed, at.counted()))
	st.apply = func(t *tables) error {
		s.caches.bodies.drop(at.body())
		return t.exchange(at.id, p)
	}
	return st
}

// planComplete fills in what is missing of a record with what has come now. It stays where it is, held or not, unless only its
// header was here. ok is false when there is nothing new in it.
func (s *Store) planComplete(a arrival) (st step, ok bool, err error) {
	at, found := s.where(a.id)
	if !found || a.headerOnly {
		return st, false, nil
	}
	old, err := s.load(&at)
	if err != nil {
		return st, false, err
	}
	if at.space == spaceRejected {
		return s.planFill(at, old, a), true, nil
	}
	_, before, err := old.unpack()
	if err != nil {
		return st, false, reason.Wrap(reason.StoreDamaged, "read its index", err)
	}
	var absent []int // in order
	for i := range before {
		if before[i].gone() {
			absent = append(absent, i)
		}
	}
	// What has come must have all that is here, and more.
	here := erasedHere(before)
	if len(before) != len(a.leaves) || !subset(a.missing, absent) || len(a.missing) >= len(absent) || subset(absent, merge(a.missing, here)) {
		return st, false, nil
	}
	raw, err := protocol.Prune(a.raw, here)
	if err != nil {
		return st, false, err
	}
	leaves, err := old.carry(a.leaves)
	if err != nil {
		return st, false, reason.Wrap(reason.StoreDamaged, "read its index", err)
	}
	info := a.info
	info.source, info.fate, info.stored.shape = old.info.source, old.info.fate, old.info.stored.shape&^shapePruned
	if at.underHold() {
		info.fate = fate{state: old.state()} // the hold has the reason
	}
	if protocol.IsPruned(raw) {
		info.stored.shape |= shapePruned
	}
	st = s.exchange(at, old, info, leaves, raw)
	st.changes = []Change{{Kind: changeJudged, Record: a.id, Org: info.org, Topic: info.topic, Objects: len(absent) - len(merge(a.missing, here)), Reason: reason.ObjectMissing}}
	return st, true, nil
}

// planFill puts a record where so far only its header was.
func (s *Store) planFill(at spot, old indexed, a arrival) step {
	st := step{touches: []subject{{id: a.id}}}
	st.erase(at, old.packed)
	st.add(a.space(), a.id, a.packed, a.raw)
	st.counts = countsOf(a.packed, a.space())
	st.changes = arrivals(a.id, a.info, a.leaves, st.counts)
	st.apply = func(t *tables) error {
		ord, _ := t.find(a.id)
		t.kill(ord, true)
		return t.add(a.id, a.space(), a.packed)
	}
	return st
}

// merge gives the numbers of two lists in order, each once.
func merge(a, b []int) []int {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
