package warn

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sort"
)

// row is one entry of one list on its way into a table.
type row struct {
	key  key
	list uint16
	bits uint8 // of an address: how many count
}

// table holds keys in order, 20 bytes each, so that it answers for one key and, for
// addresses, for all keys of a range. Nothing changes it once it is built.
type table struct {
	keys  []key
	notes []uint32 // set of lists << 8 | bits
	// starts says where the keys with the same first bits begin; it makes the search short.
	starts []uint32
	shift  uint
	// blocks names the lists that each blockSize keys belong to, so that a range of a
	// million keys is answered without looking at each.
	blocks [][]uint16
}

const blockSize = 512

// sets gives every combination of lists a number; the first ones are single lists.
type sets struct {
	all     [][]uint16
	numbers map[string]uint32
}

func newSets(lists int) *sets {
	s := &sets{all: make([][]uint16, lists), numbers: map[string]uint32{}}
	for i := range s.all {
		s.all[i] = []uint16{uint16(i)}
	}
	return s
}

// number finds the number of a combination, in order and without repeats.
func (s *sets) number(lists []uint16) uint32 {
	if len(lists) == 1 {
		return uint32(lists[0])
	}
	var name []byte
	for _, l := range lists {
		name = binary.BigEndian.AppendUint16(name, l)
	}
	n, ok := s.numbers[string(name)]
	if !ok {
		n = uint32(len(s.all))
		s.all = append(s.all, slices.Clone(lists))
		s.numbers[string(name)] = n
	}
	return n
}

// newTable sorts rows, which it may reorder, and joins those of one key. ranges
// says that ranges will be asked for.
func newTable(rows []row, s *sets, ranges bool) table {
	slices.SortFunc(rows, func(a, b row) int {
		switch {
		case a.key.less(b.key):
			return -1
		case b.key.less(a.key):
			return 1
		case a.bits != b.bits:
			return int(a.bits) - int(b.bits)
		}
		return int(a.list) - int(b.list)
	})
	distinct := 0
	for i, r := range rows {
		if i == 0 || r.key != rows[i-1].key || r.bits != rows[i-1].bits {
			distinct++
		}
	}
	t := table{keys: make([]key, 0, distinct), notes: make([]uint32, 0, distinct)}
	var lists []uint16
	for i := 0; i < len(rows); {
		first := rows[i]
		lists = lists[:0]
		for ; i < len(rows) && rows[i].key == first.key && rows[i].bits == first.bits; i++ {
			if len(lists) == 0 || lists[len(lists)-1] != rows[i].list {
				lists = append(lists, rows[i].list)
			}
		}
		t.keys = append(t.keys, first.key)
		t.notes = append(t.notes, s.number(lists)<<8|uint32(first.bits))
	}
	t.index()
	if ranges {
		t.block(s)
	}
	return t
}

// index fills starts, one for about four keys.
func (t *table) index() {
	bits := uint(0)
	for len(t.keys)>>bits > 4 {
		bits++
	}
	t.shift = 64 - bits
	t.starts = make([]uint32, 1<<bits+1)
	at := 0
	for bucket := range uint64(1) << bits {
		for at < len(t.keys) && t.keys[at].hi>>t.shift < bucket {
			at++
		}
		t.starts[bucket] = uint32(at)
	}
	t.starts[len(t.starts)-1] = uint32(len(t.keys))
}

// block fills blocks.
func (t *table) block(s *sets) {
	for from := 0; from < len(t.keys); from += blockSize {
		var lists []uint16
		for _, note := range t.notes[from:min(from+blockSize, len(t.notes))] {
			for _, l := range s.all[note>>8] {
				if i, found := slices.BinarySearch(lists, l); !found {
					lists = slices.Insert(lists, i, l)
				}
			}
		}
		t.blocks = append(t.blocks, lists)
	}
}

// find returns where the first key not below k stands.
func (t *table) find(k key) int {
	bucket := k.hi >> t.shift
	lo, hi := int(t.starts[bucket]), int(t.starts[bucket+1])
	return lo + sort.Search(hi-lo, func(i int) bool { return !t.keys[lo+i].less(k) })
}

// hashKey is the key of a text of one kind: half of its SHA-256. It is as good as the text
// itself, since nobody can make a name that has the hash of a listed one.
func hashKey(kind byte, text string) key {
	var short [1 + 255]byte
	buf := append(short[:0], kind)
	buf = append(buf, text...)
	sum := sha256.Sum256(buf)
	return key{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16])}
}
