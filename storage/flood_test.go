package storage

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
)

// allocated says how many bytes and pieces of memory fn asks for.
func allocated(fn func()) (size, pieces uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
}

// TestLookupLoadsOnce: a packed value that is too large for the cache is read
// once per look-up, not once per object that names the value, and once more at most for
// other versions in it.
func TestLookupLoadsOnce(t *testing.T) {
	s := openMemory(t)
	leaves := indicators(0, 60)
	var filler []pattern.Value
	for i := range 1000 {
		o := pattern.Observable{Type: pattern.Text, Value: fmt.Sprintf("%032d", i)}
		filler = append(filler, pattern.Value{Observable: o})
	}
	// one leaf is what makes the record large, the others name the value
	leaves = append(leaves, indicator(stixID(100), testNow))
	for range 40 {
		leaves[60].Values = append(leaves[60].Values, filler...)
	}
	for i := range 60 {
		leaves[i].Values = append(leaves[i].Values, pattern.Value{Observable: domain(7000), Alone: true})
	}
	older := slices.Clone(leaves[:60])
	for i := range older {
		older[i].Modified = testNow.AddDate(0, 0, -1)
	}
	id := accept(t, s, newAuthor(t, "A").entry(draft{leaves: append(leaves, older...)}))
	at, _ := s.where(id)
	ix, err := s.load(&at)
	must(t, err)
	if len(ix.packed) < packedCacheBytes/4 {
		t.Fatalf("packed value of %d bytes is cached", len(ix.packed))
	}
	var hits []Hit
	size, _ := allocated(func() { hits = lookup(t, s, domain(7000)) })
	if len(hits) != 60 {
		t.Errorf("%d hits", len(hits))
	}
	if limit := 12 * uint64(len(ix.packed)); size > limit {
		t.Errorf("a look-up of 60 objects in one record of %d bytes takes %d bytes", len(ix.packed), size)
	}
	size, _ = allocated(func() { _, err = s.Leaves(id) })
	must(t, err)
	if limit := 20 * uint64(len(ix.packed)); size > limit {
		t.Errorf("the leaves of one record of %d bytes take %d bytes", len(ix.packed), size)
	}
}

// TestLookupSharedID: organisations that share one STIX id cost a look-up as much
// as if each had its own.
func TestLookupSharedID(t *testing.T) {
	const n = 120
	s := openMemory(t)
	for i := range n {
		a := newAuthor(t, fmt.Sprint(i))
		accept(t, s, a.entry(draft{leaves: []Leaf{indicator(stixID(1), testNow, domain(1))}}))
		accept(t, s, a.entry(draft{leaves: []Leaf{indicator(stixID(10+i), testNow, domain(2))}}))
		accept(t, s, a.entry(draft{leaves: []Leaf{indicator(stixID(1), testNow.Add(-time.Hour), domain(3))}}))
	}
	var shared, apart []Hit
	_, own := allocated(func() { apart = lookup(t, s, domain(2)) })
	_, same := allocated(func() { shared = lookup(t, s, domain(1)) })
	if len(shared) != n || len(apart) != n {
		t.Fatalf("%d and %d hits, want %d", len(shared), len(apart), n)
	}
	if same > 4*own {
		t.Errorf("%d allocations for a shared id, %d for ids apart", same, own)
	}
	if hits := lookup(t, s, domain(3)); len(hits) != 0 {
		t.Errorf("%d hits for what each has replaced", len(hits))
	}
}

// TestLookupBoundsStrangers: of records held as a whole only so many leaves are
// looked at, those of the lowest record ids; accepted and listed ones always.
func TestLookupBoundsStrangers(t *testing.T) {
	for _, n := range []int{maxStrangers - 1, maxStrangers, maxStrangers + 1, 3 * maxStrangers} {
		s := openMemory(t)
		a, known, released := newAuthor(t, "accepted"), newAuthor(t, "listed"), newAuthor(t, "released")
		listed := func(org protocol.OrgID) bool { return org == known.Org }
		leaf := func(i int) []Leaf { return []Leaf{indicator(stixID(i), testNow, domain(1))} }
		var ids []protocol.RecordID
		for i := range n / 2 {
			ids = append(ids, accept(t, s, newAuthor(t, fmt.Sprint(i)).entry(draft{state: Held, leaves: leaf(i)})))
		}
		flood := newAuthor(t, "flood")
		for i := range n - n/2 {
			ids = append(ids, accept(t, s, flood.entry(draft{state: Held, leaves: leaf(1000 + i)})))
		}
		for i := range 3 {
			accept(t, s, a.entry(draft{leaves: leaf(2000 + i)}))
			accept(t, s, known.entry(draft{state: Held, leaves: leaf(3000 + i)}))
			accept(t, s, released.entry(draft{leaves: leaf(4000 + i)}))
		}
		hits, omitted, err := s.Lookup(domain(1), listed)
		must(t, err)
		if want := max(0, n-maxStrangers); omitted != want {
			t.Errorf("of %d strangers' objects %d are omitted, want %d", n, omitted, want)
		}
		var got []protocol.RecordID
		others := map[protocol.OrgID]int{}
		for _, h := range hits {
			if h.RecordHeld && h.Org != known.Org {
				got = append(got, h.Record)
			} else {
				others[h.Org]++
			}
		}
		order := func(a, b protocol.RecordID) int { return bytes.Compare(a[:], b[:]) }
		slices.SortFunc(ids, order)
		slices.SortFunc(got, order)
		if !slices.Equal(got, ids[:min(n, maxStrangers)]) {
			t.Errorf("%d of %d held records are found, not those of the lowest ids", len(got), n)
		}
		if others[a.Org] != 3 || others[known.Org] != 3 || others[released.Org] != 3 {
			t.Errorf("beside %d strangers' objects %v are left of others, want 3 each", n, others)
		}
		if _, all, _ := s.Lookup(domain(1), anybody); all != 0 {
			t.Errorf("%d omitted though all are listed", all)
		}
	}
}

// TestLookupBoundsVersions: no number of held versions hides what was accepted
// of the same voice.
func TestLookupBoundsVersions(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	old := indicator(stixID(1), testNow, domain(1))
	accept(t, s, a.entry(draft{leaves: []Leaf{old}}))
	for i := range 1 + maxStrangerVersions/protocol.MaxLeaves {
		var leaves []Leaf
		for j := range protocol.MaxLeaves {
			leaves = append(leaves, indicator(stixID(1), testNow.Add(time.Duration(-i*1000-j)*time.Minute), domain(2)))
		}
		accept(t, s, a.entry(draft{state: Held, leaves: leaves}))
	}
	if hits := lookup(t, s, domain(1)); len(hits) != 1 || hits[0].RecordHeld {
		t.Errorf("the accepted version: %d hits", len(hits))
	}
	accept(t, s, a.entry(draft{leaves: []Leaf{indicator(stixID(1), testNow.Add(time.Hour), domain(3))}}))
	for i, want := range []int{0, 0, 1} {
		n := i + 1
		if hits := lookup(t, s, domain(n)); len(hits) != want {
			t.Errorf("value %d has %d hits beside a newer accepted version, want %d", n, len(hits), want)
		}
	}
}
