package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// expiryBatch is how many records are offered to the writer at once; others get
// their turn between batches.
const expiryBatch = 256

// Expire removes records whose storage life ended before now and returns how
// many. Nothing of them stays but their place in the key log's count, and their bytes until the next Vacuum:
// badger's collection of the value log is never run, see decision 074. A record
// that is damaged is left for Check to name, and is part of the error.
func (s *Store) Expire(ctx context.Context, now time.Time) (int, error) {
	gone := 0
	var failed error
	for chunk := range slices.Chunk(s.due(now), expiryBatch) {
		var hand, drop []func() (step, error)
		for _, id := range chunk {
			heirs, err := s.heirs(id, now)
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			for _, h := range heirs {
				hand = append(hand, func() (step, error) { return s.planInherit(h) })
			}
			drop = append(drop, func() (step, error) { return s.planExpire(id) })
		}
		// If we stop on this line, or between the two, heirs know an age that nobody
		// has to tell them yet, and the next Expire goes on.
		_, err := s.doAll(ctx, hand)
		n, err2 := s.doAll(ctx, drop)
		gone, failed = gone+n, errors.Join(failed, err, err2)
		if ctx.Err() != nil {
			break
		}
	}
	if failed != nil {
		return gone, fmt.Errorf("expire records: %w", failed)
	}
	return gone, nil
}

// doAll hands much work to the writer at once and counts what was done. What is
// not there any more is no error.
func (s *Store) doAll(ctx context.Context, plans []func() (step, error)) (done int, failed error) {
	ops := make([]*op, 0, len(plans))
	for _, plan := range plans {
		o, err := s.send(ctx, plan)
		if err != nil {
			failed = err
			break
		}
		ops = append(ops, o)
	}
	for _, o := range ops {
		err := o.wait(ctx)
		switch {
		case err == nil:
			done++
		case reason.Of(err) != reason.NotFound:
			failed = errors.Join(failed, err)
		}
	}
	return done, failed
}

// due returns the records whose life ended before now.
func (s *Store) due(now time.Time) []protocol.RecordID {
	end := now.UnixMilli()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []protocol.RecordID
	for i := range s.tables.records {
		if r := &s.tables.records[i]; r.live && r.expires < end {
			out = append(out, r.id)
		}
	}
	return out
}

func (s *Store) planExpire(id protocol.RecordID) (step, error) {
	ord, ok := s.tables.find(id)
	if !ok {
		return step{}, notFound(id)
	}
	r := &s.tables.records[ord]
	at, place, before := r.spot(0), lapse{r.log, r.sequence}, r.counts()
	old, err := s.load(&at)
	if err != nil {
		return step{}, err
	}
	st := step{
		touches: []subject{{id: id}},
		counts:  Counts{}.minus(before),
		expired: []lapse{place},
	}
	st.erase(at, old.packed)
	if at.space != spaceRejected {
		st.changes = []Change{{Kind: changeExpired, Record: id, Org: old.info.org, Topic: old.info.topic, Objects: before.Objects + before.Held}}
	}
	st.apply = func(t *tables) error {
		ord, _ := t.find(id)
		t.kill(ord, false)
		return nil
	}
	return st, nil
}

// heir is a record that carries on versions of one that expires.
type heir struct {
	id     protocol.RecordID
	firsts map[int]time.Time // by leaf
}

// heirs finds, for every version in an expiring record that later records carry
// too, the one that lives longest: it is told when that version was first
// said, so that its age does not begin anew.
func (s *Store) heirs(id protocol.RecordID, now time.Time) ([]heir, error) {
	at, ok := s.where(id)
	if !ok {
		return nil, nil
	}
	ix, err := s.load(&at)
	if err != nil {
		return nil, err
	}
	byRecord := map[protocol.RecordID]heir{}
	for i := range ix.leaves() {
		if at.index = i; !s.shared(ix.leafHash(i)) {
			continue
		}
		own, err := ix.hit(at)
		if err != nil {
			return nil, err
		}
		best, ok := s.longest(own, now)
		if !ok || !own.First.Before(best.First) {
			continue
		}
		h, ok := byRecord[best.Record]
		if !ok {
			h = heir{best.Record, map[int]time.Time{}}
			byRecord[best.Record] = h
		}
		if f, ok := h.firsts[best.Index]; !ok || own.First.Before(f) {
			h.firsts[best.Index] = own.First
		}
	}
	out := make([]heir, 0, len(byRecord))
	for _, h := range byRecord {
		out = append(out, h)
	}
	return out, nil
}

// longest returns the other object of the same voice and version that lives
// longest, if it outlives now.
func (s *Store) longest(own Hit, now time.Time) (best Hit, ok bool) {
	for _, sib := range s.siblings(own.Object, func(org protocol.OrgID) bool { return org == own.Org }) {
		h, err := s.hit(sib.spot)
		if err != nil || h.Record == own.Record || h.Org != own.Org || h.Object != own.Object || !h.Modified.Equal(own.Modified) {
			continue // an unreadable one has no age to keep
		}
		if !h.Expires.Before(now) && (!ok || h.Expires.After(best.Expires)) {
			best, ok = h, true
		}
	}
	return best, ok
}

func (s *Store) planInherit(h heir) (step, error) {
	at, ok := s.where(h.id)
	if !ok {
		return step{}, notFound(h.id)
	}
	ix, err := s.load(&at)
	if err != nil {
		return step{}, err
	}
	info, leaves, err := ix.unpack()
	if err != nil {
		return step{}, reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read record %s", h.id), err)
	}
	for i, first := range h.firsts {
		if i < len(leaves) {
			leaves[i].first = first
		}
	}
	st := step{touches: []subject{{id: h.id}}}
	st.replace(at, ix.packed, info, leaves)
	return st, nil
}

// shared reports whether more than one leaf has this object hash.
func (s *Store) shared(hash uint64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.tables.objects.find(s.tables.mix(hash))
	return c.more() && c.after().more()
}
