package recon

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// How many items or children a node of a tree has. Only the root may have fewer than minFill. New trees
// are packed below maxFill, so that the first insertions do not split every leaf.
const (
	maxFill  = 32
	minFill  = 8
	packFill = 28
)

// Tree is an immutable ordered set: With and Without return a new one and share what did not
// change, so a snapshot is free and a reader needs no lock. The zero value is empty. All
// methods may be called concurrently.
//
// It is a B-tree whose depth depends on the number of items alone: whoever chooses timestamps or ids chooses
// the order, and no order makes a path longer.
type Tree struct {
	root *node // nil when there is nothing
}

// node is a leaf with items or an inner node with children. Nodes never change once they are in a tree.
type node struct {
	count int // items in and below
	sum   sum // of their ids
	first Item
	kids  []*node
	items []Item
}

// sum is a sum of ids, read as little-endian numbers, modulo 2^256; the lowest word comes first.
type sum [4]uint64

func (s *sum) add(o *sum) {
	var carry uint64
	s[0], carry = bits.Add64(s[0], o[0], 0)
	s[1], carry = bits.Add64(s[1], o[1], carry)
	s[2], carry = bits.Add64(s[2], o[2], carry)
	s[3], _ = bits.Add64(s[3], o[3], carry)
}

func (s *sum) addID(id *ID) {
	o := sum{
		binary.LittleEndian.Uint64(id[0:]), binary.LittleEndian.Uint64(id[8:]),
		binary.LittleEndian.Uint64(id[16:]), binary.LittleEndian.Uint64(id[24:]),
	}
	s.add(&o)
}

// fingerprint hashes the sum with the count.
func (s *sum) fingerprint(count int) Fingerprint {
	var buf [32 + maxVarint]byte
	for i, word := range s {
		binary.LittleEndian.PutUint64(buf[8*i:], word)
	}
	// SYN-24: the count as a varint follows the sum.
	hash := sha256.Sum256(appendVarint(buf[:32], uint64(count)))
	return Fingerprint(hash[:16])
}

// newLeaf makes a leaf that owns the items.
func newLeaf(items []Item) *node {
	n := &node{count: len(items), first: items[0], items: items}
	for i := range items {
		n.sum.addID(&items[i].ID)
	}
	return n
}

// newInner makes an inner node that owns the list of children.
func newInner(kids []*node) *node {
	n := &node{first: kids[0].first, kids: kids}
	for _, k := range kids {
		n.count += k.count
		n.sum.add(&k.sum)
	}
	return n
}

// NewTree builds a tree from items in any order; equal items count once, and items at infinity are none.
func NewTree(items []Item) *Tree {
	order := func(a, b Item) int { return a.compare(&b) }
	items = slices.Clone(items)
	if !slices.IsSortedFunc(items, order) {
		slices.SortFunc(items, order)
	}
	items = slices.Compact(items)
	for len(items) > 0 && items[len(items)-1].Timestamp == Infinity {
		items = items[:len(items)-1]
	}
	if len(items) == 0 {
		return &Tree{}
	}
	level := pack(items, newLeaf)
	for len(level) > 1 {
		level = pack(level, newInner)
	}
	return &Tree{root: level[0]}
}

// pack makes as few nodes of equal size as hold all entries. Each gets a list of its own, so that a node that lives
// on does not hold the others' memory.
func pack[E any](entries []E, build func([]E) *node) []*node {
	n := (len(entries) + packFill - 1) / packFill
	nodes := []*node{}
	for i := range n {
		nodes = append(nodes, build(slices.Clone(entries[i*len(entries)/n:(i+1)*len(entries)/n])))
	}
	return nodes
}

// With returns a tree that has the item too. An item at infinity is none.
func (t *Tree) With(item Item) *Tree {
	switch {
	case item.Timestamp == Infinity:
		return t
	case t.root == nil:
		return &Tree{root: newLeaf([]Item{item})}
	}
	nodes := t.root.with(&item)
	switch len(nodes) {
	case 0:
		return t
	case 1:
		return &Tree{root: nodes[0]}
	}
	return &Tree{root: newInner(nodes)}
}

// with returns the node, or the two nodes, that take the place of n when item is in it; none when it was there.
func (n *node) with(item *Item) []*node {
	if n.kids == nil {
		at, found := n.find(item)
		if found {
			return nil
		}
		return halve(splice(n.items, at, at, *item), newLeaf)
	}
	at := n.child(item)
	replaced := n.kids[at].with(item)
	if replaced == nil {
		return nil
	}
	return halve(splice(n.kids, at, at+1, replaced...), newInner)
}

// Without returns a tree that lacks the item.
func (t *Tree) Without(item Item) *Tree {
	if !t.Has(item) {
		return t
	}
	root := t.root.without(&item)
	for root != nil && len(root.kids) == 1 {
		root = root.kids[0]
	}
	return &Tree{root: root}
}

// without returns n without an item that is in it, nil when nothing is left. The result may be underfull: its parent mends that.
func (n *node) without(item *Item) *node {
	if n.kids == nil {
		at, _ := n.find(item)
		if len(n.items) == 1 {
			return nil
		}
		return newLeaf(splice(n.items, at, at+1))
	}
	at := n.child(item)
	kid := n.kids[at].without(item)
	if kid.fill() >= minFill {
		return newInner(splice(n.kids, at, at+1, kid))
	}
	// Together with a neighbour it is one node, or two that are full enough.
	left, right := at, at+1
	if right == len(n.kids) {
		left, right = at-1, at
	}
	a, b := n.kids[left], n.kids[right]
	if left == at {
		a = kid
	} else {
		b = kid
	}
	return newInner(splice(n.kids, left, right+1, join(a, b)...))
}

// fill is how many entries a node has.
func (n *node) fill() int { return len(n.items) + len(n.kids) }

// join puts two neighbours of one level into as few nodes as hold them.
func join(a, b *node) []*node {
	if a.kids == nil {
		return halve(slices.Concat(a.items, b.items), newLeaf)
	}
	return halve(slices.Concat(a.kids, b.kids), newInner)
}

// halve makes one node of entries, or two when they are too many for one.
func halve[E any](entries []E, build func([]E) *node) []*node {
	if len(entries) <= maxFill {
		return []*node{build(entries)}
	}
	mid := len(entries) / 2
	return []*node{build(slices.Clone(entries[:mid])), build(slices.Clone(entries[mid:]))}
}

// splice copies a list with other entries in the place of those from from to before to.
func splice[E any](list []E, from, to int, entries ...E) []E {
	out := make([]E, 0, len(list)-(to-from)+len(entries))
	out = append(out, list[:from]...)
	out = append(out, entries...)
	return append(out, list[to:]...)
}

// find looks for an item in a leaf.
func (n *node) find(item *Item) (at int, found bool) {
	low, high := 0, len(n.items)
	for low < high {
		mid := (low + high) / 2
		switch c := n.items[mid].compare(item); {
		case c == 0:
			return mid, true
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

// child is the index of the child whose span the item falls into.
func (n *node) child(item *Item) int {
	low, high := 0, len(n.kids)-1
	for low < high {
		mid := (low + high + 1) / 2
		if n.kids[mid].first.compare(item) <= 0 {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}

// Has reports whether the item is there.
func (t *Tree) Has(item Item) bool {
	n := t.root
	if n == nil {
		return false
	}
	for n.kids != nil {
		n = n.kids[n.child(&item)]
	}
	_, found := n.find(&item)
	return found
}

// Len implements Set.
func (t *Tree) Len() int {
	if t.root == nil {
		return 0
	}
	return t.root.count
}

// At implements Set. It panics when there is no such position, as an index does.
func (t *Tree) At(i int) Item {
	t.check(i, i+1)
	n := t.root
	for n.kids != nil {
		for _, k := range n.kids {
			if i < k.count {
				n = k
				break
			}
			i -= k.count
		}
	}
	return n.items[i]
}

// Search implements Set.
func (t *Tree) Search(b Bound) int {
	n := t.root
	if n == nil {
		return 0
	}
	below := 0
	for n.kids != nil {
		at := n.child(&b.Item)
		for _, k := range n.kids[:at] {
			below += k.count
		}
		n = n.kids[at]
	}
	at, _ := n.find(&b.Item)
	return below + at
}

// Fingerprint implements Set. It panics when there are no such positions, as a slice does.
func (t *Tree) Fingerprint(from, to int) Fingerprint {
	t.check(from, to)
	var s sum
	if from < to {
		t.root.addTo(&s, from, to)
	}
	return s.fingerprint(to - from)
}

func (t *Tree) check(from, to int) {
	if from < 0 || from > to || to > t.Len() {
		panic(fmt.Sprintf("recon: positions %d to %d of a set of %d", from, to, t.Len()))
	}
}

// addTo adds the ids from position from to before position to. Only the two children at the ends are looked into.
func (n *node) addTo(s *sum, from, to int) {
	if from == 0 && to == n.count {
		s.add(&n.sum)
		return
	}
	if n.kids == nil {
		for i := from; i < to; i++ {
			s.addID(&n.items[i].ID)
		}
		return
	}
	for _, k := range n.kids {
		if from < k.count {
			k.addTo(s, max(from, 0), min(to, k.count))
		}
		if from, to = from-k.count, to-k.count; to <= 0 {
			return
		}
	}
}

// walk visits the items from position from to before position to, and says whether all were wanted.
func (n *node) walk(from, to int, visit func(*Item) bool) bool {
	for i := max(from, 0); i < min(to, len(n.items)); i++ {
		if !visit(&n.items[i]) {
			return false
		}
	}
	for _, k := range n.kids {
		if from < k.count && !k.walk(max(from, 0), min(to, k.count), visit) {
			return false
		}
		if from, to = from-k.count, to-k.count; to <= 0 {
			return true
		}
	}
	return true
}
