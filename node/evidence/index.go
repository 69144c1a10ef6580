package evidence

import (
	"hash/maphash"

	"tocsin/protocol"
)

// index finds the places of a record's facts: an open table of 8 bytes a slot, three quarters full at most, so 11 to 21
// bytes a fact. It keeps 32 bits of a hash; whoever asks reads the entry and compares. The hash is seeded, since ids are
// what strangers choose.
type index struct {
	seed  maphash.Seed
	slots []uint64 // hash << 32 | place + 1; 0 is free
	n     int
}

const indexLeast = 1 << 10

func newIndex() index { return index{seed: maphash.MakeSeed(), slots: make([]uint64, indexLeast)} }

func (x *index) hash(id protocol.RecordID) uint32 { return uint32(maphash.Bytes(x.seed, id[:])) }

// add puts a place in.
func (x *index) add(id protocol.RecordID, place uint64) {
	if (x.n+1)*4 > len(x.slots)*3 {
		old := x.slots
		x.slots = make([]uint64, 2*len(old))
		for _, slot := range old {
			if slot != 0 {
				x.put(slot)
			}
		}
	}
	x.put(uint64(x.hash(id))<<32 | (place + 1))
	x.n++
}

func (x *index) put(slot uint64) {
	i := x.home(uint32(slot >> 32))
	for x.slots[i] != 0 {
		i = (i + 1) & (len(x.slots) - 1)
	}
	x.slots[i] = slot
}

func (x *index) home(hash uint32) int { return int(hash) & (len(x.slots) - 1) }

// find gives the places whose hash is that of id.
func (x *index) find(id protocol.RecordID) (places []uint64) {
	hash := x.hash(id)
	for i := x.home(hash); x.slots[i] != 0; i = (i + 1) & (len(x.slots) - 1) {
		if uint32(x.slots[i]>>32) == hash {
			places = append(places, x.slots[i]&0xffffffff-1)
		}
	}
	return places
}
