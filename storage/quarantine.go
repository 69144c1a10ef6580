package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// HeldObject is one line of the quarantine.
type HeldObject struct {
	Hit
	// Since is when it was held, From who sent it.
	Since time.Time
	From  string
}

// Quarantine lists held objects in order of Ref after a cursor, up to limit: those
// of records held as a whole and those held alone. The zero cursor is the start; next is
// the cursor to go on with, zero at the end.
func (s *Store) Quarantine(after Ref, limit int) (items []HeldObject, next Ref, err error) {
	if limit <= 0 {
		return nil, Ref{}, nil
	}
	for _, at := range s.heldSpots(after.Record) {
		ix, err := s.load(&at)
		if reason.Of(err) == reason.NotFound {
			continue // expired just now
		}
		if err != nil {
			return items, Ref{}, fmt.Errorf("list the quarantine: %w", err)
		}
		for i := range ix.leaves() {
			at.index = i
			if at.id == after.Record && after != (Ref{}) && i <= after.Index {
				continue
			}
			h, err := ix.hit(at)
			if err != nil {
				return items, Ref{}, fmt.Errorf("list the quarantine: %w", err)
			}
			if h.class() != Held {
				continue
			}
			if len(items) == limit {
				return items, items[limit-1].Ref, nil
			}
			items = append(items, HeldObject{h, ix.info.source.received, ix.info.source.from})
		}
	}
	return items, Ref{}, nil
}

// heldSpots returns the records with held objects from one id on, in order.
func (s *Store) heldSpots(from protocol.RecordID) []spot {
	s.mu.RLock()
	var out []spot
	for i := range s.tables.records {
		r := &s.tables.records[i]
		if r.live && r.held > 0 && bytes.Compare(r.id[:], from[:]) >= 0 {
			out = append(out, r.spot(0))
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(out, func(a, b spot) int { return bytes.Compare(a.id[:], b.id[:]) })
	return out
}

// HeldRecords lists records held as a whole with one reason ("" for any), in order of id.
func (s *Store) HeldRecords(why reason.Code) ([]protocol.RecordID, error) {
	var out []protocol.RecordID
	err := s.view(func(txn *badger.Txn) error {
		return eachPacked(txn, spaceHeld, func(id protocol.RecordID, p packed, err error) error {
			var info recordInfo
			if err == nil {
				info, err = p.info()
			}
			if err != nil {
				return reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read record %s", id), err)
			}
			if why == "" || info.fate.why == why {
				out = append(out, id)
			}
			return nil
		})
	})
	if err != nil {
		return out, fmt.Errorf("list held records: %w", err)
	}
	return out, nil
}

// Decide sets the fate of one held object of an accepted record; durable on
// return. conflict when the object is not held or its record is held as a
// whole, not.found when there is no such object.
func (s *Store) Decide(ctx context.Context, r Ref, state State, why reason.Code) error {
	switch state {
	case Accepted, Held, Refused, NotEvaluated:
	default:
		return reason.New(reason.Internal, fmt.Sprintf("decide object %d of record %s: %d is no state", r.Index, r.Record, state))
	}
	err := s.do(ctx, func() (step, error) { return s.planDecide(r, fate{state, why}) })
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
	if at.space == spaceHeld {
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
	leaves[r.Index].State, leaves[r.Index].Reason = f.state, f.why
	st := step{touches: []subject{{id: r.Record}}}
	st.replace(at, old.packed, info, leaves)
	kinds := map[State]string{Accepted: changeReleased, NotEvaluated: changeReleased, Refused: changeRejected, Held: changeHeld}
	st.changes = []Change{{Kind: kinds[f.state], Record: r.Record, Org: info.org, Topic: info.topic, Objects: 1, Reason: f.why}}
	return st, nil
}

// replace rewrites the packed value of a record that stays where it is, with the
// same leaves and values.
func (st *step) replace(at spot, old packed, info recordInfo, leaves []packedLeaf) {
	p := pack(info, leaves, old.generation()+1)
	st.rewrite(at.space, at.id, p, old)
	before, after := countsOf(old, at.space), countsOf(p, at.space)
	delta := after.minus(before)
	st.counts = delta
	gen, held := p.generation(), uint16(after.Held)
	st.apply = func(t *tables) error {
		ord, ok := t.find(at.id)
		if !ok {
			return notFound(at.id)
		}
		t.records[ord].gen, t.records[ord].held = gen, held
		t.counts = t.counts.plus(delta)
		return nil
	}
}

// Reject drops a record held as a whole: its body goes, its header stays so that it is not taken
// again while it lives. Durable on return. conflict when the record is not held as a whole.
func (s *Store) Reject(ctx context.Context, id protocol.RecordID, why reason.Code) error {
	err := s.do(ctx, func() (step, error) { return s.planReject(id, why) })
	if err != nil {
		return fmt.Errorf("reject record %s: %w", id, err)
	}
	return nil
}

func (s *Store) planReject(id protocol.RecordID, why reason.Code) (step, error) {
	at, ok := s.where(id)
	if !ok {
		return step{}, notFound(id)
	}
	if at.space != spaceHeld {
		return step{}, reason.New(reason.Conflict, "it is not held as a whole")
	}
	old, err := s.load(&at)
	if err != nil {
		return step{}, err
	}
	raw, err := s.rawOnce(at, old.packed)
	if err != nil {
		return step{}, err
	}
	info := old.info
	info.fate = fate{Refused, why}
	header := raw[:len(raw)-info.stored.bodyLength]
	info.stored.rawLength, info.stored.sum = len(header), sha256.Sum256(header)
	p := pack(info, nil, 0)
	before := countsOf(old.packed, spaceHeld)
	st := step{touches: []subject{{id: id}}, counts: Counts{}.minus(before)}
	st.add(spaceRejected, id, p, header)
	st.erase(spaceHeld, id, old.packed)
	st.changes = []Change{{Kind: changeRejected, Record: id, Org: info.org, Topic: info.topic, Objects: before.Held, Reason: why}}
	st.apply = func(t *tables) error {
		ord, _ := t.find(id)
		t.kill(ord, before, true)
		return t.add(id, spaceRejected, p)
	}
	return st, nil
}
