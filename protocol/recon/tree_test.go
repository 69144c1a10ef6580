package recon

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// checkTree holds a tree against the plain set: every position and every method, and the form of its nodes.
func checkTree(t *testing.T, tree *Tree, want slice) {
	t.Helper()
	if tree.Len() != len(want) {
		t.Fatalf("%d items, want %d", tree.Len(), len(want))
	}
	for i, item := range want {
		if tree.At(i) != item || !tree.Has(item) || tree.Search(Bound{Item: item, Len: 32}) != i {
			t.Fatalf("item %d of %d is wrong", i, len(want))
		}
	}
	if got := tree.Search(Bound{Item: Item{Timestamp: Infinity}}); got != len(want) {
		t.Fatalf("infinity is at %d of %d", got, len(want))
	}
	step := len(want)/7 + 1
	for from := 0; from <= len(want); from += step {
		for to := from; to <= len(want); to += step {
			if tree.Fingerprint(from, to) != want.Fingerprint(from, to) {
				t.Fatalf("the fingerprint of %d to %d of %d is wrong", from, to, len(want))
			}
			at := from
			walk(tree, from, to, func(item *Item) bool {
				if *item != want[at] {
					t.Fatalf("the walk from %d to %d meets another item at %d", from, to, at)
				}
				at++
				return at < to-1 // it stops when it is told to
			})
			if at < to-1 || at > to {
				t.Fatalf("the walk from %d to %d ended at %d", from, to, at)
			}
		}
	}
	if tree.root != nil {
		checkNode(t, tree.root, true)
	}
}

// checkNode checks what keeps paths short, and returns the depth.
func checkNode(t *testing.T, n *node, root bool) int {
	t.Helper()
	if (n.kids == nil) == (n.items == nil) || n.fill() > maxFill || !root && n.fill() < minFill || root && len(n.kids) == 1 {
		t.Fatalf("a node with %d items and %d children", len(n.items), len(n.kids))
	}
	if n.kids == nil {
		return 1
	}
	var depth int
	for i, k := range n.kids {
		d := checkNode(t, k, false)
		if i > 0 && d != depth {
			t.Fatal("leaves of different depth")
		}
		depth = d
	}
	return depth + 1
}

// SYN-24: a tree does what a sorted list does, whatever the order, and older trees stay what they were.
func TestTreeAgainstList(t *testing.T) {
	order := map[string]func(r *rand.Rand, n int) Item{
		"scattered":  func(r *rand.Rand, _ int) Item { return Item{r.Uint64N(1 << 50), newID(r.Uint64())} },
		"rising":     func(_ *rand.Rand, n int) Item { return Item{uint64(n), newID(uint64(n))} },
		"falling":    func(_ *rand.Rand, n int) Item { return Item{uint64(1<<20) - uint64(n), newID(uint64(n))} },
		"one ms":     func(r *rand.Rand, _ int) Item { return Item{1, newID(r.Uint64())} },
		"one prefix": func(r *rand.Rand, _ int) Item { return Item{1, ID{30: byte(r.IntN(256)), 31: byte(r.IntN(256))}} },
		"few values": func(r *rand.Rand, _ int) Item { return Item{r.Uint64N(20), newID(r.Uint64N(8))} },
	}
	for name, next := range order {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 5))
			tree := &Tree{}
			var plain slice
			type version struct {
				tree  *Tree
				plain slice
			}
			var old []version
			grow := func(n int) {
				item := next(r, n)
				tree = tree.With(item)
				if at := plain.Search(Bound{Item: item}); at == len(plain) || plain[at] != item {
					plain = slices.Insert(slices.Clone(plain), at, item)
				}
			}
			for n := range 1500 {
				if grow(n); n%500 == 0 {
					old = append(old, version{tree, plain})
				}
			}
			checkTree(t, tree, plain)
			for n := 1500; len(plain) > 0; n++ {
				if n%4 == 0 && n < 3000 {
					grow(n)
				}
				item := plain[r.IntN(len(plain))]
				tree = tree.Without(item)
				at := plain.Search(Bound{Item: item})
				plain = slices.Delete(slices.Clone(plain), at, at+1)
				if n%500 == 0 {
					checkTree(t, tree, plain)
				}
			}
			checkTree(t, tree, nil)
			for _, v := range old {
				checkTree(t, v.tree, v.plain)
			}
		})
	}
}

func TestNewTree(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, n := range []int{0, 1, 2, 27, 28, 29, 32, 33, 783, 784, 785, 20000} {
		var items []Item
		for range n {
			items = append(items, Item{r.Uint64N(1000), newID(r.Uint64())})
		}
		given := slices.Clone(items)
		checkTree(t, NewTree(items), newSlice(items))
		if !slices.Equal(items, given) {
			t.Fatalf("%d items: the caller's list was put in order", n)
		}
		checkTree(t, NewTree(append(items, items...)), newSlice(items))
	}
}

// SYN-22: no item is at infinity.
func TestNothingAtInfinity(t *testing.T) {
	last, beyond := Item{Timestamp: Infinity - 1, ID: newID(1)}, Item{Timestamp: Infinity, ID: newID(2)}
	tree := NewTree([]Item{beyond, last, {Timestamp: Infinity}})
	checkTree(t, tree, slice{last})
	checkTree(t, tree.With(beyond), slice{last})
	if tree.Without(beyond) != tree || tree.With(last) != tree {
		t.Error("what changes nothing makes a new tree")
	}
	var empty Tree
	if empty.Has(last) || empty.Len() != 0 || empty.Search(Bound{Item: last}) != 0 || empty.Without(last) != &empty {
		t.Error("the zero tree is not empty")
	}
	checkTree(t, empty.With(last), slice{last})
}

// Positions that are not there are a mistake of the caller, not an answer.
func TestPositionsOutside(t *testing.T) {
	tree := NewTree([]Item{itemAt(1, 1), itemAt(2, 2)})
	for name, f := range map[string]func(){
		"At -1": func() { tree.At(-1) }, "At 2": func() { tree.At(2) },
		"Fingerprint 1 0": func() { tree.Fingerprint(1, 0) }, "Fingerprint 0 3": func() { tree.Fingerprint(0, 3) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s gives an answer", name)
				}
			}()
			f()
		}()
	}
}

// FuzzTree takes bytes as a program of insertions and removals.
func FuzzTree(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 0x81, 0x82})
	seed := make([]byte, 600)
	for i := range seed {
		seed[i] = byte(i*37) & 0x7f
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 4000 {
			return
		}
		tree := &Tree{}
		present := map[Item]bool{}
		for i := 0; i+1 < len(program); i += 2 {
			item := Item{uint64(program[i] & 0x0f), ID{0: program[i+1], 31: program[i] & 0x70}}
			if program[i]&0x80 == 0 {
				tree, present[item] = tree.With(item), true
			} else {
				tree = tree.Without(item)
				delete(present, item)
			}
		}
		var items []Item
		for item := range present {
			items = append(items, item)
		}
		checkTree(t, tree, newSlice(items))
	})
}
