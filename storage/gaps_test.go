package storage

import (
	"bytes"
	"slices"
	"testing"

	"tocsin/protocol"
)

// TestGapsOfOthersCrowdOut: one stranger whose id sorts first has more gaps than are asked for; those of who is asked for come
// all the same.
func TestGapsOfOthersCrowdOut(t *testing.T) {
	s := openMemory(t)
	stranger, victim := newAuthor(t, "A"), newAuthor(t, "B")
	if bytes.Compare(stranger.Org[:], victim.Org[:]) > 0 {
		stranger, victim = victim, stranger
	}
	const limit = 4
	for i := range limit + 2 {
		accept(t, s, stranger.entry(draft{sequence: uint64(2*i + 1), leaves: indicators(i, 1)}))
	}
	for _, seq := range []uint64{1, 3} {
		accept(t, s, victim.entry(draft{sequence: seq, leaves: indicators(100+int(seq), 1)}))
	}
	if all := s.Gaps(limit, nil); len(all) != limit || slices.ContainsFunc(all, func(g Gap) bool { return g.Org != stranger.Org }) {
		t.Fatalf("without a filter %+v, want %d of the stranger", all, limit)
	}
	ofVictim := func(org protocol.OrgID, _ protocol.Topic) bool { return org == victim.Org }
	got := s.Gaps(limit, ofVictim)
	if len(got) != 1 || got[0].Org != victim.Org || got[0].From != 2 || got[0].To != 2 {
		t.Fatalf("gaps of the victim %+v, want place 2", got)
	}
	elsewhere := func(_ protocol.OrgID, topic protocol.Topic) bool { return topic != got[0].Topic }
	if left := s.Gaps(limit, elsewhere); len(left) != 0 {
		t.Errorf("gaps on other topics: %+v", left)
	}
}

// TestLackingOfOthersCrowdOut: as many headers of a stranger as are looked at do not keep those behind them from being
// found, with a filter or by going on.
func TestLackingOfOthersCrowdOut(t *testing.T) {
	s := openMemory(t)
	stranger, victim := newAuthor(t, "A"), newAuthor(t, "B")
	const limit = 4
	var want []protocol.RecordID
	put := func(a *author, seq int) {
		want = append(want, accept(t, s, a.header(t, a.entry(draft{sequence: uint64(seq), leaves: indicators(seq, 1)}))))
	}
	for i := range limit {
		put(stranger, i+1)
	}
	accept(t, s, victim.entry(draft{sequence: 1, leaves: indicators(50, 1)})) // whole, so that it lacks nothing
	for i := range 2 {
		put(victim, i+2)
	}
	first, next := s.Lacking(0, limit, nil)
	if !slices.Equal(first, want[:limit]) || next == 0 {
		t.Fatalf("first %v, next %d, want those of the stranger and more to come", first, next)
	}
	rest, end := s.Lacking(next, limit, nil)
	if !slices.Equal(rest, want[limit:]) || end != 0 {
		t.Errorf("then %v, next %d, want %v and the end", rest, end, want[limit:])
	}
	listed := func(org protocol.OrgID, _ protocol.Topic) bool { return org == victim.Org }
	for limit, more := range map[int]bool{0: true, 1: true, 2: false, 3: false} {
		got, next := s.Lacking(0, limit, listed)
		if !slices.Equal(got, want[4:][:min(limit, 2)]) || (next != 0) != more {
			t.Errorf("%d of the victim: %v, next %d", limit, got, next)
		}
	}
	for _, from := range []int{-1, 1 << 40} {
		if got, next := s.Lacking(from, 100, nil); next != 0 || len(got) != map[bool]int{true: len(want)}[from < 0] {
			t.Errorf("from %d: %d, next %d", from, len(got), next)
		}
	}
}
