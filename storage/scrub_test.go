package storage

import (
	"context"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

func noRest(context.Context) error { return nil }

// spoil writes into the database behind the store's back.
func spoil(t *testing.T, s *Store, key, value []byte) {
	t.Helper()
	must(t, s.db.Update(func(txn *badger.Txn) error {
		if value == nil {
			return txn.Delete(key)
		}
		return txn.Set(key, value)
	}))
}

// TestScrub spoils records in each way that there is, and has all of them put back.
func TestScrub(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	entries := map[protocol.RecordID]Entry{}
	var ids []protocol.RecordID
	for i := range 200 {
		e := a.entry(draft{leaves: indicators(i*3, 3)})
		entries[e.Record.ID()] = e
		ids = append(ids, accept(t, s, e))
	}
	f, err := s.Scrub(t.Context(), noRest)
	must(t, err)
	if f.Records != 200 || len(f.Flaws) != 0 || len(f.Problems) != 0 {
		t.Fatalf("of a sound store: %+v", f)
	}
	raw := entries[ids[0]].Record.Raw()
	changed := append([]byte(nil), raw...)
	changed[len(changed)/2] ^= 1
	spoil(t, s, recordKey(spaceAccepted, kindRaw, ids[0]), changed)
	spoil(t, s, recordKey(spaceAccepted, kindRaw, ids[1]), nil)
	spoil(t, s, recordKey(spaceAccepted, kindPacked, ids[2]), nil)
	spoil(t, s, recordKey(spaceAccepted, kindPacked, ids[3]), []byte("nonsense"))
	f, err = s.Scrub(t.Context(), noRest)
	must(t, err)
	want := map[protocol.RecordID]bool{ids[0]: false, ids[1]: false, ids[2]: true, ids[3]: true}
	if len(f.Flaws) != len(want) {
		t.Fatalf("flaws %+v", f.Flaws)
	}
	wantCode(t, s.Repair(t.Context(), ids[0], entries[ids[1]].Record.Raw()), reason.Conflict)
	wantCode(t, s.Forget(t.Context(), ids[0]), reason.Conflict)
	wantCode(t, s.Repair(t.Context(), protocol.RecordID{1}, raw), reason.NotFound)
	for _, flaw := range f.Flaws {
		gone, ok := want[flaw.Record]
		if !ok || gone != flaw.Gone || flaw.Topic != entries[flaw.Record].Record.Header().Topic {
			t.Errorf("flaw %+v", flaw)
		}
		if flaw.Gone {
			wantCode(t, s.Repair(t.Context(), flaw.Record, entries[flaw.Record].Record.Raw()), reason.StoreDamaged)
			must(t, s.Forget(t.Context(), flaw.Record))
			accept(t, s, entries[flaw.Record])
			continue
		}
		must(t, s.Repair(t.Context(), flaw.Record, entries[flaw.Record].Record.Raw()))
	}
	f, err = s.Scrub(t.Context(), noRest)
	must(t, err)
	if len(f.Flaws) != 0 || len(f.Problems) != 0 {
		t.Errorf("after the repair: %+v", f)
	}
	for id, e := range entries {
		if got, _, err := s.Record(id); err != nil || string(got) != string(e.Record.Raw()) {
			t.Errorf("record %s: %v", id, err)
		}
	}
	report, err := checkClosed(t, s, dir)
	must(t, err)
	if len(report.Problems) > 0 {
		t.Error(report.Problems)
	}
}

// TestVanished spoils a record while the store is closed, so that not even the tables know of it.
func TestVanished(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	var ids []protocol.RecordID
	for i := range 20 {
		ids = append(ids, accept(t, s, a.entry(draft{leaves: indicators(i, 1)})))
	}
	spoil(t, s, recordKey(spaceAccepted, kindPacked, ids[7]), nil)
	spoil(t, s, changeKey(3), nil)
	must(t, s.Close())
	s = openDisk(t, dir)
	wantCode(t, s.Damage(), reason.StoreDamaged)
	f, err := s.Scrub(t.Context(), noRest)
	must(t, err)
	if len(f.Flaws) != 1 || f.Flaws[0].Record != ids[7] || !f.Flaws[0].Gone || len(f.Problems) != 2 {
		t.Errorf("%+v", f)
	}
	wantCode(t, s.Damage(), reason.StoreDamaged)
}

// TestHealed: what was missing at the start has come again, so that the store is no longer called damaged.
func TestHealed(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	e := newAuthor(t, "A").entry(draft{leaves: indicators(0, 1)})
	spoil(t, s, recordKey(spaceAccepted, kindPacked, accept(t, s, e)), nil)
	must(t, s.Close())
	s = openDisk(t, dir)
	wantCode(t, s.Damage(), reason.StoreDamaged)
	accept(t, s, e)
	f, err := s.Scrub(t.Context(), noRest)
	must(t, err)
	if len(f.Flaws)+len(f.Problems) != 0 || s.Damage() != nil {
		t.Errorf("%+v, %v", f, s.Damage())
	}
}

// TestGuard refuses commits without room, and takes them again.
func TestGuard(t *testing.T) {
	dir := t.TempDir()
	var full, tight bool
	s, err := Open(dir, Options{Network: testNetwork, Guard: func() (bool, error) {
		if full {
			return true, reason.New(reason.StoreFull, "no room")
		}
		return tight, nil
	}})
	must(t, err)
	a := newAuthor(t, "A")
	first, second := a.entry(draft{leaves: indicators(0, 2)}), a.entry(draft{leaves: indicators(2, 2)})
	accept(t, s, first)
	full = true
	wantCode(t, s.Room(), reason.StoreFull)
	wantCode(t, s.Accept(t.Context(), second), reason.StoreFull)
	if s.Has(second.Record.ID()) || !s.Has(first.Record.ID()) {
		t.Error("what was refused is there, or what was accepted is not")
	}
	full, tight = false, true
	must(t, s.Accept(t.Context(), second))
	must(t, s.Room())
	full = true
	must(t, s.Close()) // as after a kill; the process is about to end
	names, err := listStore(dir)
	must(t, err)
	if _, clean := readMark(dir); clean {
		t.Errorf("it says that it was closed: %v", names)
	}
}
