package storage

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Flaw is a record that is not there as it should be.
type Flaw struct {
	Record protocol.RecordID
	Topic  protocol.Topic
	// Gone is true when even its index is lost: it has to be taken in anew. Else Repair puts it back.
	Gone bool
	Why  string
}

// Findings are what Scrub found.
type Findings struct {
	// Records is how many were read.
	Records int
	Flaws   []Flaw
	// Problems are sentences about what is no record.
	Problems []string
}

// scrubBatch is how many records are read between two rests.
const scrubBatch = 64

// Scrub reads every record and holds it against its hash and its index, the tables of the database against their
// checksums, and the records against the change sequence, which shows those that have vanished without a trace. rest is
// called between small parts of the work, so that it disturbs nobody; its error ends the work.
func (s *Store) Scrub(ctx context.Context, rest func(context.Context) error) (Findings, error) {
	var f Findings
	if err := s.verifyTables(); err != nil {
		f.Problems = append(f.Problems, err.Error())
	}
	for from := 0; ; {
		var batch []live
		batch, from = s.liveAfter(from)
		if len(batch) == 0 {
			break
		}
		for _, r := range batch {
			f.Records++
			if flaw, bad := s.inspect(r); bad {
				f.Flaws = append(f.Flaws, flaw)
			}
		}
		if err := rest(ctx); err != nil {
			return f, err
		}
	}
	gone, err := s.vanished(ctx, rest)
	f.Flaws = append(f.Flaws, gone...)
	if err != nil && reason.Of(err) == reason.StoreDamaged {
		f.Problems = append(f.Problems, err.Error())
		err = nil
	}
	if damage := s.Damage(); err == nil && damage != nil {
		if len(f.Flaws)+len(f.Problems) == 0 {
			s.healed()
		} else {
			f.Problems = append(f.Problems, "found at the start: "+damage.Error())
		}
	}
	return f, err
}

// healed takes back what was found at the start: what was missing has come again, and nothing else is wrong.
func (s *Store) healed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	log.Infow("store is sound again", "was", s.damage)
	s.damage = nil
}

// verifyTables verifies the checksums of all tables.
func (s *Store) verifyTables() (err error) {
	defer func() { // badger uses the block that it could not read
		if fault := recover(); fault != nil {
			err = reason.New(reason.StoreDamaged, "a block of a table does not have its checksum")
		}
	}()
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return errClosed()
	}
	if err := s.db.VerifyChecksum(); err != nil {
		return reason.Wrap(reason.StoreDamaged, "verify the tables", err)
	}
	return nil
}

// live names a record and where it is said to be.
type live struct {
	id    protocol.RecordID
	topic protocol.Topic
}

// liveAfter gives the next live records by ordinal. Ordinals move now and then: what is passed over for it is read the next time.
func (s *Store) liveAfter(from int) (out []live, next int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for next = from; next < len(s.tables.records) && len(out) < scrubBatch; next++ {
		if r := &s.tables.records[next]; r.live {
			out = append(out, live{r.id, s.tables.logs[r.log].Topic})
		}
	}
	return out, next
}

// inspect reads one record from the disk, past the caches.
func (s *Store) inspect(r live) (flaw Flaw, bad bool) {
	for range 3 { // it may be rewritten meanwhile
		at, ok := s.where(r.id)
		if !ok {
			return flaw, false // expired meanwhile
		}
		ix, err := s.loadOnce(at)
		gone := err != nil
		if err == nil {
			_, err = s.rawOnce(at, ix.packed)
		}
		if err == nil || reason.Of(err) != reason.StoreDamaged {
			return flaw, false
		}
		flaw = Flaw{Record: r.id, Topic: r.topic, Gone: gone, Why: err.Error()}
	}
	return flaw, true
}

// vanished finds records that the change sequence says are kept and that are not: badger shows a damaged block as keys
// that were never there.
func (s *Store) vanished(ctx context.Context, rest func(context.Context) error) ([]Flaw, error) {
	missing := map[uint64]bool{} // by the first bytes of the id, since whole ids would take much memory
	short := func(id protocol.RecordID) uint64 { return binary.LittleEndian.Uint64(id[:]) }
	err := s.replay(ctx, rest, func(c Change) {
		switch {
		case c.Kind == changeExpired, c.Kind == changeRejected, c.Kind == changeErased && c.moved: // a header alone expires without a change
			delete(missing, short(c.Record))
		case c.Kind == changeJudged:
		case !s.Has(c.Record):
			missing[short(c.Record)] = true
		}
	})
	if len(missing) == 0 {
		return nil, err
	}
	var out []Flaw
	again := s.replay(ctx, rest, func(c Change) {
		if missing[short(c.Record)] && !s.Has(c.Record) {
			delete(missing, short(c.Record))
			out = append(out, Flaw{Record: c.Record, Topic: c.Topic, Gone: true, Why: "the change sequence says that it is kept, and it is missing"})
		}
	})
	if err == nil {
		err = again
	}
	return out, err
}

// replay calls fn for every change. One that is missing or unreadable is passed over, and makes the error.
func (s *Store) replay(ctx context.Context, rest func(context.Context) error, fn func(Change)) error {
	const batch = 512
	var damage error
	for after := uint64(0); after < s.Sequence(); {
		changes, err := s.Changes(after, batch)
		for _, c := range changes {
			fn(c)
		}
		after += uint64(len(changes))
		if err != nil {
			if reason.Of(err) != reason.StoreDamaged {
				return err
			}
			if damage == nil {
				damage = err
			}
			if after, err = s.skipTo(after); err != nil {
				return err
			}
		}
		if err := rest(ctx); err != nil {
			return err
		}
	}
	return damage
}

// skipTo finds where the change sequence goes on behind a change that is missing or unreadable.
func (s *Store) skipTo(after uint64) (uint64, error) {
	next := s.Sequence()
	err := s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{familyChange}})
		defer it.Close()
		if it.Seek(changeKey(after + 2)); it.Valid() {
			next = binary.BigEndian.Uint64(it.Item().Key()[1:]) - 1
		}
		return nil
	})
	return next, err
}

// Repair puts the bytes of a record back that somebody else has as sent. They are verified against what the index says of
// them; durable on return. not.found when the record is not known, store.damaged when its index is lost too: Forget it
// then, and take it in anew. conflict when the bytes are not the record's.
func (s *Store) Repair(ctx context.Context, id protocol.RecordID, raw []byte) error {
	err := s.do(ctx, func() (step, error) {
		at, ok := s.where(id)
		if !ok {
			return step{}, notFound(id)
		}
		ix, err := s.loadOnce(at)
		if err != nil {
			return step{}, err
		}
		kept, ok := ix.keptOf(raw)
		if !ok {
			return step{}, reason.New(reason.Conflict, "the bytes are not those that were kept")
		}
		parts, head := splitValue(at.space, kindRaw, id, ix.rawGeneration(), kept)
		return step{
			touches: []subject{{id: id}}, body: parts, tail: []write{head},
			apply: func(*tables) error { return nil },
		}, nil
	})
	if err != nil {
		return fmt.Errorf("repair record %s: %w", id, err)
	}
	return nil
}

// keptOf makes of a record as sent what is kept of it here: all of it, its header, or what was not erased.
func (ix indexed) keptOf(raw []byte) ([]byte, bool) {
	forms := [][]byte{raw}
	if n := ix.rawLength(); n < len(raw) {
		forms = append(forms, raw[:n])
	}
	if ix.shape()&shapePruned != 0 {
		var missing []int
		for i := range ix.leaves() {
			if l, err := ix.leafAt(i); err == nil && l.gone() {
				missing = append(missing, i)
			}
		}
		if pruned, err := protocol.Prune(raw, missing); err == nil {
			forms = append(forms, pruned)
		}
	}
	for _, form := range forms {
		if sha256.Sum256(form) == ix.sum() {
			return form, true
		}
	}
	return nil, false
}

// Forget drops what is left of a record whose index is damaged, so that it can be accepted anew; durable on return. A record
// that is readable is a conflict.
func (s *Store) Forget(ctx context.Context, id protocol.RecordID) error {
	err := s.do(ctx, func() (step, error) {
		at, ok := s.where(id)
		if !ok {
			return step{}, notFound(id)
		}
		if _, err := s.loadOnce(at); reason.Of(err) != reason.StoreDamaged {
			return step{}, reason.New(reason.Conflict, "its index is readable")
		}
		return s.planForget(at), nil
	})
	if err != nil {
		return fmt.Errorf("forget record %s: %w", id, err)
	}
	return nil
}

func (s *Store) planForget(at spot) step {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ord, _ := s.tables.find(at.id)
	r := &s.tables.records[ord]
	log := s.tables.logs[r.log]
	return step{
		touches: []subject{{id: at.id}},
		tail: []write{
			{recordKey(at.space, kindPacked, at.id), nil}, {recordKey(at.space, kindRaw, at.id), nil}, {holdKey(at.id), nil},
		},
		changes: []Change{{Kind: changeExpired, Record: at.id, Org: log.Org, Topic: log.Topic, Reason: reason.StoreDamaged}},
		counts:  Counts{}.minus(r.counts()),
		apply: func(t *tables) error {
			ord, _ := t.find(at.id)
			t.kill(ord, true)
			return nil
		},
	}
}
