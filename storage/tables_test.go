package storage

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func refsOf(c chain) []uint32 {
	var out []uint32
	for ; c.more(); c = c.after() {
		out = append(out, c.ref())
	}
	slices.Sort(out)
	return out
}

// TestHashTable holds the table against a map, with keys that crowd and keys with many refs.
func TestHashTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	h := newHashTable(0)
	want := map[uint64][]uint32{}
	var keys []uint64
	for i := range 50_000 {
		var key uint64
		switch r.IntN(4) {
		case 0:
			key = r.Uint64()
		case 1:
			key = ^uint64(0) - uint64(r.IntN(5000)) // all at the end of the table: they wrap around
		case 2:
			key = uint64(r.IntN(50)) // all at the start, zero among them
		case 3:
			if len(keys) > 0 {
				key = keys[r.IntN(len(keys))]
			}
		}
		ref := uint32(i)
		if i == 77 {
			ref = maxRef - 1
		}
		h.add(key, ref)
		if want[key] == nil {
			keys = append(keys, key)
		}
		want[key] = append(want[key], ref)
	}
	check := func(h *hashTable, want map[uint64][]uint32) {
		t.Helper()
		for _, key := range keys {
			refs := slices.Clone(want[key])
			slices.Sort(refs)
			if got := refsOf(h.find(key)); !slices.Equal(got, refs) {
				t.Fatalf("key %x has refs %v, want %v", key, got, refs)
			}
		}
		for range 1000 {
			if key := r.Uint64(); want[key] == nil && h.find(key).more() {
				t.Fatalf("unknown key %x has refs", key)
			}
		}
	}
	check(h, want)
	if h.used != len(keys) || h.used*10 > len(h.slots)*7+10 {
		t.Errorf("%d keys used of %d in %d slots", h.used, len(keys), len(h.slots))
	}
	kept := map[uint64][]uint32{}
	for key, refs := range want {
		for _, ref := range refs {
			if ref%3 == 0 {
				kept[key] = append(kept[key], ref/3)
			}
		}
	}
	check(h.remap(func(ref uint32) (uint32, bool) { return ref / 3, ref%3 == 0 }), kept)
	check(h, want)
}

// TestOwner finds the record of every leaf, with records that have none in between.
func TestOwner(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	tb := newTables(0, 0, 0)
	var owners []int
	for i := range 500 {
		n := r.IntN(4)
		tb.records = append(tb.records, record{base: uint32(len(owners)), tally: tally{count: uint16(n)}, live: true})
		for range n {
			owners = append(owners, i)
		}
	}
	for number, want := range owners {
		if got := tb.owner(uint32(number)); got != want {
			t.Fatalf("leaf %d is of record %d, want %d", number, got, want)
		}
	}
}

// TestRoom: numbers run out before they collide with the table's own marks.
func TestRoom(t *testing.T) {
	tb := newTables(0, 0, 0)
	tb.next = maxRef - 100
	if !tb.room(99) || tb.room(100) {
		t.Error("the limit is wrong")
	}
}

// TestCache: the last used stay, up to the limit; large values pass through.
func TestCache(t *testing.T) {
	c := newCache[int, string](100)
	for i := range 10 {
		c.put(i, "v", 20)
	}
	for i := range 10 {
		if _, ok := c.get(i); ok != (i >= 5) {
			t.Errorf("%d is there: %v", i, ok)
		}
	}
	c.get(5)
	c.put(10, "v", 20)
	if _, ok := c.get(5); !ok {
		t.Error("the one used last has gone")
	}
	if _, ok := c.get(6); ok {
		t.Error("the one used first is still there")
	}
	c.put(11, "v", 25)
	c.put(12, "v", 26)
	if _, ok := c.get(12); ok {
		t.Error("a value above a quarter was kept")
	}
	c.put(11, "w", 10)
	if v, _ := c.get(11); v != "w" || c.cost > 100 || len(c.items) != c.order.Len() {
		t.Errorf("value %q, cost %d, %d items", v, c.cost, len(c.items))
	}
}
