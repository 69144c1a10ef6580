package storage

import (
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// TestExpireHeld: by when it came into quarantine, to the millisecond.
func TestExpireHeld(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	at := testNow.Add(24 * time.Hour)
	var ids []protocol.RecordID
	var entries []Entry
	for i, d := range []time.Duration{-time.Millisecond, 0, time.Millisecond} {
		e := a.entry(draft{leaves: indicators(i*10, 2), state: Held, reason: reason.TrustUnknown})
		e.Received = at.Add(d)
		entries = append(entries, e)
		ids = append(ids, accept(t, s, e))
	}
	accepted := accept(t, s, a.entry(draft{leaves: indicators(100, 2)}))
	mixed := indicators(200, 2)
	mixed[0].State = Held
	alone := accept(t, s, a.entry(draft{leaves: mixed}))
	onHold := accept(t, s, a.entry(draft{leaves: indicators(300, 2)}))
	holdOne(t, s, onHold, reason.KeyRevoked)
	seq := s.Sequence()
	if n, err := s.ExpireHeld(t.Context(), at); n != 1 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	if n, err := s.ExpireHeld(t.Context(), at); n != 0 || err != nil {
		t.Fatalf("%d expired again, %v", n, err)
	}
	_, _, err := s.Record(ids[0])
	wantCode(t, err, reason.NotFound)
	for _, id := range []protocol.RecordID{ids[1], ids[2], accepted, alone, onHold} {
		if _, _, err := s.Record(id); err != nil {
			t.Error(err)
		}
	}
	changes, err := s.Changes(seq, 10)
	must(t, err)
	if len(changes) != 1 || changes[0].Kind != "expired" || changes[0].Reason != reason.QuarantineExpired || changes[0].Objects != 2 || changes[0].Record != ids[0] {
		t.Errorf("changes %+v", changes)
	}
	wantCode(t, s.Accept(t.Context(), entries[0]), reason.DupHeld)
	// Years after it came, but at once after it was held: that is what counts.
	if n, err := s.ExpireHeld(t.Context(), testNow.AddDate(0, 1, 0)); n != 2 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	if n, err := s.ExpireHeld(t.Context(), time.Now().Add(time.Second)); n != 1 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	for range 2 {
		if c := s.Counts(); c != (Counts{Records: 2, Objects: 3, Held: 1}) {
			t.Errorf("counts %+v", c)
		}
		must(t, s.Close())
		report, err := Check(dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Errorf("problems %q", report.Problems)
		}
		if s = openDisk(t, dir); s.Damage() != nil {
			t.Fatal(s.Damage())
		}
	}
	n, err := s.Expire(t.Context(), testNow.AddDate(9, 0, 0))
	if n != 6 || err != nil {
		t.Errorf("%d headers and records ended, %v", n, err)
	}
}

// TestExpireHeldDamaged: what cannot be read stays and is named, the rest goes.
func TestExpireHeldDamaged(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	var ids []protocol.RecordID
	for i := range 3 {
		ids = append(ids, accept(t, s, a.entry(draft{leaves: indicators(i, 1), state: Held})))
	}
	must(t, s.db.Update(func(txn *badger.Txn) error { return txn.Delete(recordKey(spaceHeld, kindRaw, ids[1])) }))
	n, err := s.ExpireHeld(t.Context(), testNow.AddDate(1, 0, 0))
	if n != 2 || reason.Of(err) != reason.StoreDamaged || !strings.Contains(err.Error(), ids[1].String()) {
		t.Errorf("%d expired, %v", n, err)
	}
	if s.Counts().HeldRecords != 1 {
		t.Errorf("counts %+v", s.Counts())
	}
}
