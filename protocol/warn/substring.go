package warn

import (
	"slices"
	"sort"
)

// automaton finds the first of many texts in a value, in one pass over it (Aho and
// Corasick). Its states are the distinct beginnings of the texts, breadth first, so
// that the ones that follow a state stand side by side; a state takes 11 bytes.
type automaton struct {
	label  []byte   // the byte that leads to a state
	first  []uint32 // the states after state i are first[i] to first[i+1]-1
	fail   []uint32 // the state of the longest other beginning that ends here
	length []uint16 // of the longest text that ends here, 0 for none
}

// newAutomaton takes texts of at least one and at most maxEntry bytes.
func newAutomaton(texts []string) *automaton {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	texts = slices.Compact(texts)
	type span struct{ low, high, depth int } // the texts that begin with a state
	queue := []span{{0, len(texts), 0}}
	a := &automaton{label: []byte{0}, fail: []uint32{0}, length: []uint16{0}}
	for state := 0; state < len(queue); state++ {
		at := queue[state]
		a.first = append(a.first, uint32(len(queue)))
		for low := at.low; low < at.high; {
			if len(texts[low]) == at.depth { // ends here, and sorts first
				a.length[state] = uint16(at.depth)
				low++
				continue
			}
			b := texts[low][at.depth]
			high := low + sort.Search(at.high-low, func(i int) bool { return texts[low+i][at.depth] > b })
			queue = append(queue, span{low, high, at.depth + 1})
			a.label = append(a.label, b)
			a.length = append(a.length, 0)
			a.fail = append(a.fail, a.failure(uint32(state), b))
			low = high
		}
		if a.length[state] == 0 {
			a.length[state] = a.length[a.fail[state]]
		}
	}
	a.first = append(a.first, uint32(len(queue)))
	return a
}

// failure is where byte b leads from the failure of state. That one is nearer to
// the root, so what follows it is complete.
func (a *automaton) failure(state uint32, b byte) uint32 {
	if state == 0 {
		return 0
	}
	return a.step(a.fail[state], b)
}

// step is where byte b leads.
func (a *automaton) step(state uint32, b byte) uint32 {
	for {
		low, high := a.first[state], a.first[state+1]
		if i, found := slices.BinarySearch(a.label[low:high], b); found {
			return low + uint32(i)
		}
		if state == 0 {
			return 0
		}
		state = a.fail[state]
	}
}

// find returns the text that ends first in value, the longest of those.
func (a *automaton) find(value string) (string, bool) {
	state := uint32(0)
	for i := range len(value) {
		state = a.step(state, value[i])
		if n := int(a.length[state]); n > 0 {
			return value[i+1-n : i+1], true
		}
	}
	return "", false
}
