package storage

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// heldRefs pages through the quarantine.
func heldRefs(t *testing.T, s *Store, page int) []Ref {
	t.Helper()
	return heldWhere(t, s, HeldFilter{}, page)
}

// heldWhere pages through what a filter selects.
func heldWhere(t *testing.T, s *Store, f HeldFilter, page int) []Ref {
	t.Helper()
	var out []Ref
	for after := (Ref{}); ; {
		items, next, err := s.QuarantineWhere(f, after, page)
		must(t, err)
		if len(items) > page {
			t.Fatalf("a page of %d, want at most %d", len(items), page)
		}
		for _, i := range items {
			out = append(out, i.Ref)
		}
		if next == (Ref{}) {
			return out
		}
		if next.Index != beforeAll && (len(items) != page || next != items[page-1].Ref) {
			t.Fatalf("after %d items the cursor is %+v", len(items), next)
		}
		after = next
	}
}

func TestQuarantinePages(t *testing.T) {
	s := openMemory(t)
	a, b := newAuthor(t, "A"), newAuthor(t, "B")
	var want []Ref
	bytesHeld := int64(0)
	for i := range 6 {
		leaves := indicators(i*10, 5)
		d := draft{leaves: leaves, from: "peer"}
		who := a
		if i%2 == 0 {
			who, d.state, d.reason = b, Held, reason.TrustUnknown
			leaves[4].State = Refused
		} else {
			leaves[0].State, leaves[3].State = Held, Held
		}
		e := who.entry(d)
		id := accept(t, s, e)
		if d.state == Held {
			bytesHeld += int64(len(e.Record.Raw()))
		}
		for j, l := range leaves {
			if l.State == Held || i%2 == 0 && l.State != Refused {
				want = append(want, Ref{id, j})
			}
		}
	}
	slices.SortFunc(want, func(a, b Ref) int {
		if c := bytes.Compare(a.Record[:], b.Record[:]); c != 0 {
			return c
		}
		return a.Index - b.Index
	})
	if s.Counts() != (Counts{Records: 3, Objects: 9, Held: 18, HeldRecords: 3, HeldBytes: bytesHeld}) {
		t.Errorf("counts %+v", s.Counts())
	}
	for _, page := range []int{1, 2, 5, 17, 18, 19, 1000} {
		if got := heldRefs(t, s, page); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v, want %v", page, got, want)
		}
	}
	items, _, err := s.Quarantine(Ref{}, 1)
	must(t, err)
	if i := items[0]; i.From != "peer" || !i.Since.Equal(testNow.Add(time.Second)) || i.Object == "" {
		t.Errorf("item %+v", i)
	}
	if items, next, err := s.Quarantine(Ref{}, 0); items != nil || next != (Ref{}) || err != nil {
		t.Error("a page of nothing is not empty")
	}
}

// TestRelease: a record accepted out of quarantine keeps its origin and counts once.
func TestRelease(t *testing.T) {
	s := openMemory(t)
	e := newAuthor(t, "A").entry(draft{leaves: indicators(0, 3), state: Held, reason: reason.TrustUnknown, from: "peer"})
	id := accept(t, s, e)
	hits := lookup(t, s, domain(1))
	if len(hits) != 1 || !hits[0].RecordHeld {
		t.Fatalf("a held object is looked up as %+v", hits)
	}
	held, err := s.HeldRecords(reason.TrustUnknown)
	must(t, err)
	if !slices.Equal(held, []protocol.RecordID{id}) {
		t.Errorf("held records %v", held)
	}
	if none, err := s.HeldRecords(reason.LogFork); err != nil || len(none) != 0 {
		t.Errorf("held for another reason: %v, %v", none, err)
	}
	again := e
	again.Received, again.From, again.State, again.Reason = e.Received.Add(time.Hour), "local", Accepted, ""
	again.Leaves = indicators(0, 3)
	again.Leaves[2].State = Held
	must(t, s.Accept(t.Context(), again))
	received, from, err := s.Source(id)
	must(t, err)
	if !received.Equal(e.Received) || from != "peer" {
		t.Errorf("released record came %s from %s", received, from)
	}
	if s.Counts() != (Counts{Records: 1, Objects: 2, Held: 1}) {
		t.Errorf("counts %+v", s.Counts())
	}
	if hits := lookup(t, s, domain(1)); len(hits) != 1 || hits[0].RecordHeld {
		t.Errorf("look-up gives %+v", hits)
	}
	if l, _ := s.Head(e.Record.Org(), e.Record.Key(), e.Record.Header().Topic); l.Count != 1 || l.Head != 1 {
		t.Errorf("log %+v", l)
	}
	_, state, err := s.Record(id)
	if state != Accepted || err != nil {
		t.Errorf("state %s, %v", state, err)
	}
	changes, err := s.Changes(0, 10)
	must(t, err)
	var kinds []string
	for _, c := range changes {
		kinds = append(kinds, c.Kind)
	}
	if !slices.Equal(kinds, []string{"held", "released", "held"}) || changes[0].Objects != 3 || changes[1].Objects != 2 || changes[2].Objects != 1 {
		t.Errorf("changes %+v", changes)
	}
	wantCode(t, s.Accept(t.Context(), again), reason.DupHeld)
	wantCode(t, s.Accept(t.Context(), e), reason.DupHeld)
	wantCode(t, s.Reject(t.Context(), id, ""), reason.Conflict)
}

func TestDecide(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	leaves := indicators(0, 5)
	for i := range leaves {
		leaves[i].State, leaves[i].Reason = Held, reason.TLPHeader
	}
	leaves[4].State = Accepted
	id := accept(t, s, a.entry(draft{leaves: leaves}))
	other := a.entry(draft{leaves: indicators(10, 1), state: Held})
	whole, held := accept(t, s, other), int64(len(other.Record.Raw()))
	for _, c := range []struct {
		ref    Ref
		state  State
		code   reason.Code
		counts Counts
		kind   string
	}{
		{Ref{id, 0}, Accepted, "", Counts{1, 2, 4, 1, held}, "released"},
		{Ref{id, 0}, Refused, reason.Conflict, Counts{1, 2, 4, 1, held}, ""},
		{Ref{id, 1}, Refused, "", Counts{1, 2, 3, 1, held}, "rejected"},
		{Ref{id, 2}, NotEvaluated, "", Counts{1, 3, 2, 1, held}, "released"},
		{Ref{id, 3}, Held, "", Counts{1, 3, 2, 1, held}, "judged"},
		{Ref{id, 4}, Refused, reason.Conflict, Counts{1, 3, 2, 1, held}, ""},
		{Ref{whole, 0}, Accepted, reason.Conflict, Counts{1, 3, 2, 1, held}, ""},
		{Ref{id, 3}, 0, reason.Internal, Counts{1, 3, 2, 1, held}, ""},
		{Ref{id, 3}, NotEvaluated + 1, reason.Internal, Counts{1, 3, 2, 1, held}, ""},
	} {
		before := s.Sequence()
		wantCode(t, s.Decide(t.Context(), c.ref, c.state, reason.OperatorRejected), c.code)
		if s.Counts() != c.counts {
			t.Errorf("after %+v to %s: counts %+v, want %+v", c.ref, c.state, s.Counts(), c.counts)
		}
		changes, err := s.Changes(before, 10)
		must(t, err)
		if c.kind == "" {
			if len(changes) != 0 {
				t.Errorf("a refused decision made changes %+v", changes)
			}
			continue
		}
		if len(changes) != 1 || changes[0].Kind != c.kind || changes[0].Objects != 1 || changes[0].Record != id || changes[0].Reason != reason.OperatorRejected {
			t.Errorf("changes %+v", changes)
		}
		hits, err := s.Leaves(id)
		must(t, err)
		if h := hits[c.ref.Index]; h.State != c.state || h.Reason != reason.OperatorRejected {
			t.Errorf("leaf %d is %s %s", c.ref.Index, h.State, h.Reason)
		}
	}
}

// TestDecideOften rewrites one packed value more often than any small counter holds.
func TestDecideOften(t *testing.T) {
	s := openMemory(t)
	leaves := indicators(0, 1)
	leaves[0].State = Held
	id := accept(t, s, newAuthor(t, "A").entry(draft{leaves: leaves}))
	for i := range 600 {
		why := []reason.Code{reason.TLPHeader, reason.TrustUnknown}[i%2]
		must(t, s.Decide(t.Context(), Ref{id, 0}, Held, why))
		hits, err := s.Leaves(id)
		must(t, err)
		if hits[0].Reason != why {
			t.Fatalf("after %d decisions the reason is %s", i+1, hits[0].Reason)
		}
	}
}

func TestReject(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	e := newAuthor(t, "A").entry(draft{leaves: indicators(0, 3), state: Held, expires: testNow.AddDate(0, 0, 1)})
	id := accept(t, s, e)
	if _, err := s.Object(Ref{id, 0}); err != nil {
		t.Fatal(err)
	}
	must(t, s.Reject(t.Context(), id, reason.OperatorRejected))
	for range 2 {
		if !s.Has(id) {
			t.Fatal("a rejected record would be taken again")
		}
		if got, ok := s.At(e.Record.Org(), e.Record.Key(), e.Record.Header().Topic, 1); !ok || got != id {
			t.Error("a rejected record lost its place")
		}
		if s.Counts() != (Counts{}) || lookup(t, s, domain(1)) != nil {
			t.Errorf("counts %+v, look-up %v", s.Counts(), lookup(t, s, domain(1)))
		}
		_, _, err := s.Record(id)
		wantCode(t, err, reason.NotFound)
		_, err = s.Object(Ref{id, 0})
		wantCode(t, err, reason.NotFound)
		wantCode(t, s.Accept(t.Context(), e), reason.DupHeld)
		wantCode(t, s.Reject(t.Context(), id, ""), reason.Conflict)
		wantCode(t, s.Decide(t.Context(), Ref{id, 0}, Accepted, ""), reason.NotFound)
		must(t, s.Close())
		s = openDisk(t, dir)
	}
	n, err := s.Expire(t.Context(), testNow.AddDate(0, 0, 2))
	must(t, err)
	if n != 1 || s.Has(id) {
		t.Errorf("%d expired, still there: %v", n, s.Has(id))
	}
	if l, ok := s.Head(e.Record.Org(), e.Record.Key(), e.Record.Header().Topic); !ok || l.Head != 1 || l.Count != 1 || l.HeadID != id {
		t.Errorf("log %+v", l)
	}
}

// A filter that selects little or nothing costs one page no more than a bounded part of the quarantine; its cursor goes on from
// there, and in the end each object that it selects was given once.
func TestQuarantineWorkIsBounded(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	const each = 500
	records := maxHeldWork/(4*each+workOfRecord) + 2
	for i := range records {
		accept(t, s, a.entry(draft{leaves: indicators(i*each, each), from: "peer", state: Held, reason: reason.TrustUnknown}))
	}
	items, next, err := s.QuarantineWhere(HeldFilter{Text: "nobody says this"}, Ref{}, 10)
	must(t, err)
	if len(items) != 0 || next == (Ref{}) || next.Index != beforeAll {
		t.Fatalf("%d items, then %+v: the whole quarantine was read", len(items), next)
	}
	if items, next, err = s.QuarantineWhere(HeldFilter{Text: "nobody says this"}, next, 10); err != nil || len(items) != 0 || next != (Ref{}) {
		t.Fatalf("%d items, then %+v, %v: want the end", len(items), next, err)
	}
	all := heldRefs(t, s, 1000)
	seen := map[Ref]bool{}
	for _, r := range all {
		seen[r] = true
	}
	if len(all) != records*each || len(seen) != len(all) {
		t.Errorf("%d objects, %d of them different, want %d", len(all), len(seen), records*each)
	}
}
