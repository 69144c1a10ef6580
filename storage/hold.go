package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// holdBatch is how many records go in one step of Hold or Judged: with their
// changes a little more than half of a transaction.
const holdBatch = 1024

// packHold encodes the hold of an accepted record: since in Unix ms as i64, the reason as a text.
func packHold(line hold) []byte {
	return appendText(binary.LittleEndian.AppendUint64(nil, uint64(line.since)), string(line.why))
}

func unpackHold(b []byte) (hold, error) {
	if len(b) < 8 {
		return hold{}, fmt.Errorf("%d bytes are no hold", len(b))
	}
	r := textReader{rest: string(b[8:])}
	line := hold{int64(binary.LittleEndian.Uint64(b)), reason.Code(r.text())}
	if r.bad || len(r.rest) != 0 {
		return hold{}, fmt.Errorf("the text of a hold does not fit it")
	}
	return line, nil
}

// Hold moves accepted records, bodies and all, into quarantine as a whole with a reason, in a few
// group commits; durable on return. Records that are absent or held already are passed
// over; it returns those that moved, also with an error. Each gives a change of kind "held". Nothing of a
// record is rewritten, so that its size does not matter; Accept is the inverse.
func (s *Store) Hold(ctx context.Context, ids []protocol.RecordID, why reason.Code) ([]protocol.RecordID, error) {
	var out []protocol.RecordID
	for chunk := range slices.Chunk(ids, holdBatch) {
		var moved []protocol.RecordID // belongs to the writer until do says that it is done
		err := s.do(ctx, func() (st step, err error) {
			st, moved = s.planHold(chunk, why)
			return st, nil
		})
		if err != nil {
			return out, fmt.Errorf("hold %d records: %w", len(ids), err)
		}
		out = append(out, moved...)
	}
	return out, nil
}

func (s *Store) planHold(ids []protocol.RecordID, why reason.Code) (st step, moved []protocol.RecordID) {
	line := hold{time.Now().UnixMilli(), why}
	value := packHold(line)
	for id, r := range s.each(ids) {
		if r.space != spaceAccepted || r.whole() {
			continue
		}
		after := r.heldCounts()
		moved = append(moved, id)
		st.touches = append(st.touches, subject{id: id})
		st.tail = append(st.tail, write{holdKey(id), value})
		st.counts = st.counts.plus(after).minus(r.counts())
		st.changes = append(st.changes, s.changeOf(r, changeKind{changeHeld, true}, after.Held, why))
	}
	st.apply = func(t *tables) error {
		for _, id := range moved {
			ord, ok := t.find(id)
			if !ok {
				return notFound(id)
			}
			t.hold(ord, line)
		}
		return nil
	}
	return st, moved
}

// each walks the live records of a list, each once. It runs in the writer, which is the only one to
// change them.
func (s *Store) each(ids []protocol.RecordID) func(yield func(protocol.RecordID, *record) bool) {
	return func(yield func(protocol.RecordID, *record) bool) {
		done := make(map[protocol.RecordID]bool, len(ids))
		for _, id := range ids {
			ord, ok := s.tables.find(id)
			if !ok || done[id] {
				continue
			}
			done[id] = true
			if !yield(id, &s.tables.records[ord]) {
				return
			}
		}
	}
}

// changeOf makes a change about a record from what memory knows of it.
func (s *Store) changeOf(r *record, kind changeKind, objects int, why reason.Code) Change {
	l := &s.tables.logs[r.log]
	return Change{Kind: kind.name, moved: kind.moved, Record: r.id, Org: l.Org, Topic: l.Topic, Objects: objects, Reason: why}
}

// Judged writes a change of kind "judged": verdicts of objects of this record changed
// without a new record (trust list, warning list, ledger), so that cursors look again.
// Records that are absent or rejected are passed over. Durable on return.
func (s *Store) Judged(ctx context.Context, ids []protocol.RecordID, why reason.Code) error {
	for chunk := range slices.Chunk(ids, holdBatch) {
		err := s.do(ctx, func() (st step, err error) {
			for id, r := range s.each(chunk) {
				if r.space == spaceRejected {
					continue
				}
				st.touches = append(st.touches, subject{id: id})
				st.changes = append(st.changes, s.changeOf(r, changeKind{changeJudged, false}, int(r.objects)+int(r.held), why))
			}
			st.apply = func(*tables) error { return nil }
			return st, nil
		})
		if err != nil {
			return fmt.Errorf("tell of %d records judged anew: %w", len(ids), err)
		}
	}
	return nil
}

// ExpireHeld drops records held as a whole that came before a time, as Reject does (their
// headers stay), with the change kind "expired". It returns how many. What counts for
// a record that Hold put there is when that was. A record that is damaged stays, and is part of
// the error.
func (s *Store) ExpireHeld(ctx context.Context, before time.Time) (int, error) {
	end, gone := before.UnixMilli(), 0
	var failed error
	due := s.heldWhole(func(line hold) bool { return line.since < end })
	for chunk := range slices.Chunk(due, expiryBatch) {
		var drop []func() (step, error)
		for _, id := range chunk {
			drop = append(drop, func() (step, error) {
				st, err := s.planDrop(id, changeKind{changeExpired, true}, reason.QuarantineExpired)
				if reason.Of(err) == reason.Conflict {
					err = notFound(id) // released meanwhile
				}
				return st, err
			})
		}
		n, err := s.doAll(ctx, drop)
		gone, failed = gone+n, errors.Join(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	if failed != nil {
		return gone, fmt.Errorf("expire held records: %w", failed)
	}
	return gone, nil
}
