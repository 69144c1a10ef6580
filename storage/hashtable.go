package storage

import "math/bits"

// hashTable maps a 64-bit key to one or more refs. It is open addressing over
// slots of 12 bytes; the place of a key is the key scaled to the table, so that
// growing walks old and new slots in the same order. Several refs under one
// key hang together in a pool: a value that a million objects name costs a
// million links, never a long probe. Keys must come from a secret mix.
type hashTable struct {
	slots []slot
	used  int
	pool  []link
}

// slot holds a key in two halves (so that it is 12 bytes) and a post: 0 is
// empty, below chained the ref plus one, else an index into the pool.
type slot struct {
	low, high, post uint32
}

// link is one ref of a chain; next is a pool index or noLink.
type link struct {
	ref, next uint32
}

const (
	chained = 1 << 31
	noLink  = 1<<32 - 1
	// maxRef is the first ref that a slot cannot hold.
	maxRef   = chained - 1
	minSlots = 16
)

// newHashTable returns a table with room for n keys.
func newHashTable(n int) *hashTable {
	return &hashTable{slots: make([]slot, max(minSlots, n+n/2+n/16))}
}

// index returns the slot where key is, or the empty slot where it would go.
func (h *hashTable) index(key uint64) int {
	low, high := uint32(key), uint32(key>>32)
	at, _ := bits.Mul64(key, uint64(len(h.slots)))
	for i := int(at); ; {
		s := &h.slots[i]
		if s.post == 0 || s.low == low && s.high == high {
			return i
		}
		if i++; i == len(h.slots) {
			i = 0
		}
	}
}

// touch reads the places of keys that are about to be added. The reads do not
// wait for each other, while those of one add after the other do: it halves the
// time of a start. The sum, and that it is not inlined, only keep the compiler
// from leaving them out.
//
//go:noinline
func (h *hashTable) touch(keys []uint64) (sum uint32) {
	for _, key := range keys {
		at, _ := bits.Mul64(key, uint64(len(h.slots)))
		sum += h.slots[at].post
	}
	return sum
}

// add puts ref under key, in front of what is there.
func (h *hashTable) add(key uint64, ref uint32) {
	if (h.used+1)*10 > len(h.slots)*7 {
		h.grow()
	}
	s := &h.slots[h.index(key)]
	switch {
	case s.post == 0:
		*s = slot{uint32(key), uint32(key >> 32), ref + 1}
		h.used++
		return
	case s.post < chained:
		h.pool = append(h.pool, link{s.post - 1, noLink})
	}
	next := uint32(len(h.pool) - 1)
	if s.post >= chained {
		next = s.post - chained
	}
	h.pool = append(h.pool, link{ref, next})
	s.post = chained + uint32(len(h.pool)-1)
}

func (h *hashTable) grow() {
	old := h.slots
	h.slots = make([]slot, len(old)+len(old)/2)
	for _, s := range old {
		if s.post != 0 {
			h.slots[h.index(uint64(s.high)<<32|uint64(s.low))] = s
		}
	}
}

// chain walks the refs of one key: for c := h.find(key); c.more(); c = c.after() { c.ref() }.
type chain struct {
	pool []link
	post uint32
}

// find returns the refs under key. It does not allocate.
func (h *hashTable) find(key uint64) chain {
	return chain{h.pool, h.slots[h.index(key)].post}
}

func (c chain) more() bool { return c.post != 0 }

func (c chain) ref() uint32 {
	if c.post < chained {
		return c.post - 1
	}
	return c.pool[c.post-chained].ref
}

func (c chain) after() chain {
	if c.post < chained {
		return chain{}
	}
	next := c.pool[c.post-chained].next
	if next == noLink {
		return chain{}
	}
	return chain{c.pool, chained + next}
}

// remap returns a table with every ref translated; refs for which keep is false are left out.
func (h *hashTable) remap(translate func(ref uint32) (to uint32, keep bool)) *hashTable {
	out := newHashTable(h.used)
	for _, s := range h.slots {
		key := uint64(s.high)<<32 | uint64(s.low)
		for c := (chain{h.pool, s.post}); c.more(); c = c.after() {
			if to, keep := translate(c.ref()); keep {
				out.add(key, to)
			}
		}
	}
	return out
}
