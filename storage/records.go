package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Accept stores an entry: durable (synced) and visible to every reader when
// it returns nil. It takes part in a group commit. A record already
// accepted or rejected gives dup.held, unless something is missing of it and was not erased here (Lacks): then what the new form has more is
// filled in, and the record stays where it is; one held as a whole moves out of quarantine when e.State is
// Accepted, and keeps when and from whom it came, and what Decide said about its objects. A second record at one place of a
// key log gives log.fork and nothing is stored. When ctx ends first, Accept returns its
// error but the entry may still be stored. A record may be pruned; a header alone is kept as rejected ones are, with State Refused and no leaves.
func (s *Store) Accept(ctx context.Context, e Entry) error {
	mute := func(l Leaf) bool { return l.Voice > Absent }
	alone := e.State == Refused && e.Record.HeaderOnly() && len(e.Leaves) == 0
	if e.State != Accepted && e.State != Held && !alone || e.Record.HeaderOnly() != alone || len(e.Leaves) > protocol.MaxLeaves || slices.ContainsFunc(e.Leaves, mute) {
		return reason.New(reason.Internal,
			fmt.Sprintf("accept record %s: state %s with %d leaves is no entry", e.Record.ID(), e.State, len(e.Leaves)))
	}
	leaves := make([]packedLeaf, len(e.Leaves))
	for i, l := range e.Leaves {
		leaves[i].Leaf = l
	}
	info := infoOf(e)
	a := arrival{
		id: e.Record.ID(), info: info, leaves: leaves, packed: pack(info, leaves, 0),
		raw: e.Record.Raw(), missing: e.Record.Missing(), headerOnly: e.Record.HeaderOnly(),
	}
	return s.do(ctx, func() (step, error) { return s.planAccept(a) })
}

// arrival is an entry, packed. missing are the leaves that the record lacks, in order.
type arrival struct {
	id         protocol.RecordID
	info       recordInfo
	leaves     []packedLeaf
	packed     packed
	raw        []byte
	missing    []int
	headerOnly bool
}

// space is where an arrival belongs.
func (a *arrival) space() space {
	switch a.info.fate.state {
	case Held:
		return spaceHeld
	case Refused:
		return spaceRejected
	}
	return spaceAccepted
}

func (s *Store) planAccept(a arrival) (step, error) {
	t, id, info := s.tables, a.id, a.info
	place := logKey{info.org, info.key, info.topic}
	st := step{touches: []subject{{id: id}, {log: place, seq: info.sequence}}}
	if !t.room(len(a.leaves)) {
		return step{}, reason.New(reason.StoreFull, fmt.Sprintf("accept record %s: no numbers left for its objects", id))
	}
	if ord, ok := t.find(id); ok {
		if t.records[ord].lacks {
			if st, ok, err := s.planComplete(a); ok || err != nil {
				return st, err
			}
		}
		if !t.records[ord].whole() || info.fate.state != Accepted {
			return step{}, reason.New(reason.DupHeld, fmt.Sprintf("accept record %s", id))
		}
		return s.planRelease(st, &t.records[ord], a)
	}
	if ord, ok := t.at(place, info.sequence); ok {
		return step{}, reason.New(reason.LogFork,
			fmt.Sprintf("accept record %s: record %s stands at place %d of log %s %s", id, t.records[ord].id, info.sequence, info.key, info.topic))
	}
	sp := a.space()
	st.add(sp, id, a.packed, a.raw)
	st.counts = countsOf(a.packed, sp)
	st.changes = arrivals(id, info, a.leaves, st.counts)
	st.apply = func(t *tables) error { return t.add(id, sp, a.packed) }
	return st, nil
}

// planRelease takes a record that is held as a whole out of quarantine.
func (s *Store) planRelease(st step, r *record, a arrival) (step, error) {
	id, at, before, info := r.id, r.spot(0), r.counts(), a.info
	old, err := s.load(&at)
	if err != nil {
		return step{}, fmt.Errorf("release record %s: %w", id, err)
	}
	leaves, err := old.carry(a.leaves)
	if err != nil {
		return step{}, reason.Wrap(reason.StoreDamaged, fmt.Sprintf("release record %s", id), err)
	}
	info.source = old.info.source
	if at.underHold() || old.shape() != 0 {
		if info.stored.sum != old.sum() { // not what is here: of that, something was erased
			return step{}, reason.New(reason.DupHeld, fmt.Sprintf("release record %s", id))
		}
		info.stored = old.info.stored
	}
	var p packed
	if at.underHold() {
		p = pack(info, leaves, old.generation()+1)
		st.rewrite(spaceAccepted, id, p, old.packed)
		st.tail = append(st.tail, write{holdKey(id), nil})
	} else {
		p = pack(info, leaves, 0)
		st.add(spaceAccepted, id, p, a.raw)
		st.erase(at, old.packed)
	}
	after := countsOf(p, spaceAccepted)
	st.counts = after.minus(before)
	st.changes = arrivals(id, info, leaves, after)
	st.changes[0].Kind = changeReleased
	st.apply = func(t *tables) error {
		ord, _ := t.find(id)
		t.kill(ord, true)
		return t.add(id, spaceAccepted, p)
	}
	return st, nil
}

// carry gives new leaves of the same record what only the old ones know: since when a
// version was said, and what a person decided.
func (ix indexed) carry(leaves []packedLeaf) ([]packedLeaf, error) {
	out := slices.Clone(leaves)
	for i := range min(len(out), ix.leaves()) {
		old, err := ix.leafAt(i)
		if err != nil {
			return nil, err
		}
		if old.erased() {
			out[i] = old
		}
		if old.Object != out[i].Object {
			continue
		}
		out[i].first = old.first
		if old.decided {
			out[i].State, out[i].Reason, out[i].decided = old.State, old.Reason, true
		}
	}
	return out, nil
}

// add writes a record and its packed value: bodies and continuations first, what
// makes it exist last.
func (st *step) add(sp space, id protocol.RecordID, p packed, raw []byte) {
	rawParts, rawHead := splitValue(sp, kindRaw, id, p.rawGeneration(), raw)
	packedParts, packedHead := splitValue(sp, kindPacked, id, p.generation(), p)
	st.body = append(append(st.body, rawParts...), packedParts...)
	st.body = append(st.body, rawHead)
	st.tail = append(st.tail, packedHead)
}

// erase deletes a record, its packed value and its hold.
func (st *step) erase(at spot, p packed) {
	st.tail = append(st.tail, eraseValue(at.space, kindRaw, at.id, p.rawGeneration(), p.rawLength())...)
	st.tail = append(st.tail, eraseValue(at.space, kindPacked, at.id, p.generation(), len(p))...)
	if at.underHold() {
		st.tail = append(st.tail, write{holdKey(at.id), nil})
	}
}

// rewrite puts a packed value of the next generation in the place of old.
func (st *step) rewrite(sp space, id protocol.RecordID, p, old packed) {
	parts, head := splitValue(sp, kindPacked, id, p.generation(), p)
	st.body = append(st.body, parts...)
	st.tail = append(append(st.tail, head), eraseParts(sp, kindPacked, id, old.generation(), len(old))...)
}

// arrivals are the changes that a new record makes: one for the record, and one
// more when some of its objects are held although it is not.
func arrivals(id protocol.RecordID, info recordInfo, leaves []packedLeaf, c Counts) []Change {
	change := Change{Record: id, Org: info.org, Topic: info.topic, Reason: info.fate.why}
	change.Kind, change.Objects = changeAccepted, c.Objects
	if info.fate.state == Refused { // its header alone
		change.Kind, change.moved, change.Objects = changeErased, true, 0
		return []Change{change}
	}
	if info.fate.state == Held {
		change.Kind, change.Objects = changeHeld, c.Held
		return []Change{change}
	}
	out := []Change{change}
	if i := slices.IndexFunc(leaves, func(l packedLeaf) bool { return l.State == Held }); i >= 0 {
		change.Kind, change.Objects, change.Reason = changeHeld, c.Held, leaves[i].Reason
		out = append(out, change)
	}
	return out
}

// Has reports whether the record is held: accepted, in quarantine or rejected. Memory only.
func (s *Store) Has(id protocol.RecordID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.tables.find(id)
	return ok
}

// Counts returns the totals. Memory only.
func (s *Store) Counts() Counts {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tables.counts
}

// where returns the spot of a live record.
func (s *Store) where(id protocol.RecordID) (spot, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ord, ok := s.tables.find(id)
	if !ok {
		return spot{}, false
	}
	return s.tables.records[ord].spot(0), true
}

func notFound(id protocol.RecordID) error {
	return reason.New(reason.NotFound, fmt.Sprintf("record %s", id))
}

// indexed is a packed value with its header decoded.
type indexed struct {
	packed
	info recordInfo
}

// load reads the packed value of a record. The record may move or be rewritten
// meanwhile: at is brought up to date. Its fate is the hold's where there is one. not.found when it
// has gone, store.damaged when the tables say that it is there and the database has nothing or
// nonsense.
func (s *Store) load(at *spot) (indexed, error) {
	for {
		key := spot{id: at.id, gen: at.gen, space: at.space}
		ix, ok := s.caches.packed.get(key)
		if !ok {
			var err error
			if ix, err = s.loadOnce(*at); err != nil {
				now, ok := s.where(at.id)
				if !ok {
					return indexed{}, notFound(at.id)
				}
				if now.gen == at.gen && now.space == at.space {
					return indexed{}, err
				}
				at.gen, at.space, at.whole = now.gen, now.space, now.whole
				continue
			}
			s.caches.packed.put(key, ix, len(ix.packed)+256)
		}
		if at.underHold() && !s.sentence(at, &ix.info.fate) {
			return indexed{}, notFound(at.id)
		}
		return ix, nil
	}
}

// sentence puts the reason of a hold in f, or leaves f as it is when the record was released
// meanwhile. It is false when the record has gone.
func (s *Store) sentence(at *spot, f *fate) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ord, ok := s.tables.find(at.id)
	if !ok || s.tables.records[ord].space != spaceAccepted {
		return false
	}
	r := &s.tables.records[ord]
	if at.whole = r.whole(); at.whole {
		*f = s.tables.fateOf(r)
	}
	return true
}

// loadOnce reads the packed value that a spot points at.
func (s *Store) loadOnce(at spot) (indexed, error) {
	var value []byte
	err := s.view(func(txn *badger.Txn) (err error) {
		var ok bool
		value, ok, err = getSplit(txn, at.space, kindPacked, at.id, packedShape)
		if err == nil && !ok {
			err = errors.New("its index value is not in the database")
		}
		return err
	})
	if reason.Of(err) != "" {
		return indexed{}, err
	}
	var ix indexed
	if err == nil {
		ix.packed, err = checkPacked(value)
	}
	if err == nil {
		ix.info, err = ix.packed.info()
	}
	if err == nil && ix.generation() != at.gen {
		err = fmt.Errorf("its index value has generation %d, want %d", ix.generation(), at.gen)
	}
	if err != nil {
		return indexed{}, reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read record %s", at.id), err)
	}
	return ix, nil
}

// Record returns a record as sent, or pruned (protocol.VerifyStored takes both), and its state. The bytes are re-hashed; damage gives
// store.damaged. not.found when absent, and when it was rejected: its body is gone then.
func (s *Store) Record(id protocol.RecordID) (raw []byte, state State, err error) {
	if at, ok := s.where(id); !ok || at.space == spaceRejected {
		return nil, 0, notFound(id)
	}
	at, ix, raw, err := s.bytes(id)
	switch {
	case err != nil:
		return nil, 0, err
	case at.space == spaceRejected:
		return nil, 0, notFound(id)
	}
	return raw, ix.info.fate.state, nil
}

func (s *Store) rawOnce(at spot, p packed) (raw []byte, err error) {
	err = s.view(func(txn *badger.Txn) (err error) {
		var ok bool
		raw, ok, err = getSplit(txn, at.space, kindRaw, at.id, func([]byte) (int, uint32) { return p.rawLength(), p.rawGeneration() })
		if err == nil && !ok {
			err = errors.New("it is not in the database")
		}
		return err
	})
	if reason.Of(err) != "" {
		return nil, err
	}
	if err == nil && sha256.Sum256(raw) != p.sum() {
		err = errors.New("its bytes have changed")
	}
	if err != nil {
		return nil, reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read record %s", at.id), err)
	}
	return raw, nil
}

// Source says when and from whom a record came.
func (s *Store) Source(id protocol.RecordID) (received time.Time, from string, err error) {
	at, ok := s.where(id)
	if !ok {
		return time.Time{}, "", notFound(id)
	}
	ix, err := s.load(&at)
	if err != nil {
		return time.Time{}, "", err
	}
	return ix.info.source.received, ix.info.source.from, nil
}

// Signer says which organisation signed a record, as was found when it came: the
// chains that are known now may lack its certificate.
func (s *Store) Signer(id protocol.RecordID) (protocol.OrgID, error) {
	at, ok := s.where(id)
	if !ok {
		return protocol.OrgID{}, notFound(id)
	}
	ix, err := s.load(&at)
	if err != nil {
		return protocol.OrgID{}, err
	}
	return ix.info.org, nil
}

// Object returns an object's bytes exactly as published. The caller must not change them. not.found when it is gone.
func (s *Store) Object(r Ref) ([]byte, error) {
	leaves, err := s.open(r.Record)
	if err != nil {
		return nil, err
	}
	if r.Index < 0 || r.Index >= len(leaves) {
		return nil, reason.New(reason.NotFound, fmt.Sprintf("object %d of record %s, which has %d", r.Index, r.Record, len(leaves)))
	}
	if leaves[r.Index].Object == nil {
		return nil, reason.New(reason.NotFound, fmt.Sprintf("object %d of record %s: it was erased", r.Index, r.Record))
	}
	return leaves[r.Index].Object, nil
}

// open returns the leaves of a record that has not been rejected.
func (s *Store) open(id protocol.RecordID) ([]protocol.Leaf, error) {
	at, ok := s.where(id)
	if !ok || at.space == spaceRejected {
		return nil, notFound(id)
	}
	if leaves, ok := s.caches.bodies.get(at.body()); ok {
		return leaves, nil
	}
	at, _, raw, err := s.bytes(id)
	switch {
	case err != nil:
		return nil, err
	case at.space == spaceRejected:
		return nil, notFound(id)
	}
	_, leaves, err := protocol.OpenStored(raw)
	if err != nil {
		return nil, reason.Wrap(reason.StoreDamaged, fmt.Sprintf("open record %s", id), err)
	}
	size := 0
	for _, l := range leaves {
		size += len(l.Object) + 64
	}
	s.caches.bodies.put(at.body(), leaves, size)
	return leaves, nil
}
