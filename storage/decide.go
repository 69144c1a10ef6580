package storage

import (
	"context"
	"crypto/sha256"
	"fmt"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Decide sets the fate of one held object of an accepted record; durable on
// return. conflict when the object is not held or its record is held as a
// whole, not.found when there is no such object.
func (s *Store) Decide(ctx context.Context, r Ref, state State, why reason.Code) error {
	switch state {
	case Accepted, Held, Refused, NotEvaluated:
	default:
		return reason.New(reason.Internal, fmt.Sprintf("decide object %d of record %s: %d is no state", r.Index, r.Record, state))
	}
	err := s.do(ctx, func() (step, error) { return s.planDecide(r, fate{state: state, why: why}) })
	if err != nil {
		return fmt.Errorf("decide object %d of record %s: %w", r.Index, r.Record, err)
	}
	return nil
}

func (s *Store) planDecide(r Ref, f fate) (step, error) {
	at, ok := s.where(r.Record)
	if !ok || at.space == spaceRejected {
		return step{}, notFound(r.Record)
	}
	if at.whole {
		return step{}, reason.New(reason.Conflict, "the whole record is held")
	}
	old, err := s.load(&at)
	if err != nil {
		return step{}, err
	}
	if r.Index < 0 || r.Index >= old.leaves() {
		return step{}, reason.New(reason.NotFound, fmt.Sprintf("the record has %d objects", old.leaves()))
	}
	if have := old.leafState(r.Index); have != Held {
		return step{}, reason.New(reason.Conflict, fmt.Sprintf("the object is %s, not held", have))
	}
	info, leaves, err := old.unpack()
	if err != nil {
		return step{}, reason.Wrap(reason.StoreDamaged, "read its record", err)
	}
	l := &leaves[r.Index]
	l.State, l.Reason, l.decided = f.state, f.why, f.state != Held
	st := step{touches: []subject{{id: r.Record}}}
	st.replace(at, old.packed, info, leaves)
	kinds := map[State]string{Accepted: changeReleased, NotEvaluated: changeReleased, Refused: changeRejected, Held: changeJudged}
	st.changes = []Change{{Kind: kinds[f.state], Record: r.Record, Org: info.org, Topic: info.topic, Objects: 1, Reason: f.why}}
	return st, nil
}

// replace rewrites the packed value of a record that stays where it is, with the
// same leaves and values.
func (st *step) replace(at spot, old packed, info recordInfo, leaves []packedLeaf) {
	p := pack(info, leaves, old.generation()+1)
	st.rewrite(at.space, at.id, p, old)
	before, after := countsOf(old, at.counted()), countsOf(p, at.counted())
	st.counts = after.minus(before)
	st.apply = func(t *tables) error {
		ord, ok := t.find(at.id)
		if !ok {
			return notFound(at.id)
		}
		t.change(ord, func(r *record) {
			r.gen, r.held, r.objects = p.generation(), uint16(after.Held), uint16(after.Objects)
		})
		return nil
	}
}

// Reject drops a record held as a whole: its body goes, its header stays so that it is not taken
// again while it lives. Durable on return. conflict when the record is not held as a whole.
func (s *Store) Reject(ctx context.Context, id protocol.RecordID, why reason.Code) error {
	err := s.do(ctx, func() (step, error) { return s.planDrop(id, changeKind{changeRejected, false}, why) })
	if err != nil {
		return fmt.Errorf("reject record %s: %w", id, err)
	}
	return nil
}

// planDrop takes the body of a record held as a whole.
func (s *Store) planDrop(id protocol.RecordID, kind changeKind, why reason.Code) (step, error) {
	at, ok := s.where(id)
	if !ok {
		return step{}, notFound(id)
	}
	if !at.whole {
		return step{}, reason.New(reason.Conflict, "it is not held as a whole")
	}
	old, err := s.load(&at)
	if err != nil {
		return step{}, err
	}
	return s.dropBody(at, old, kind, why)
}

// dropBody leaves nothing of a record but its header.
func (s *Store) dropBody(at spot, old indexed, kind changeKind, why reason.Code) (step, error) {
	id := at.id
	raw, err := s.rawOnce(at, old.packed)
	if err != nil {
		return step{}, err
	}
	info, header := old.info, raw[:max(len(raw)-old.bodyLength(), 0)]
	if old.shape()&shapePruned != 0 {
		if header, err = protocol.HeaderOf(raw); err != nil {
			return step{}, err
		}
	}
	info.fate = fate{state: Refused, why: why}
	info.stored = stored{rawLength: len(header), bodyLength: info.stored.bodyLength, sum: sha256.Sum256(header)}
	p := pack(info, nil, 0)
	before := countsOf(old.packed, at.counted())
	st := step{touches: []subject{{id: id}}, counts: Counts{}.minus(before)}
	st.add(spaceRejected, id, p, header)
	st.erase(at, old.packed)
	st.changes = []Change{{
		Kind: kind.name, moved: kind.moved, Record: id, Org: info.org, Topic: info.topic, Objects: before.Objects + before.Held, Reason: why,
	}}
	st.apply = func(t *tables) error {
		s.caches.bodies.drop(at.body())
		ord, _ := t.find(id)
		t.kill(ord, true)
		return t.add(id, spaceRejected, p)
	}
	return st, nil
}
