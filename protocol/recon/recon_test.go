package recon

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"tocsin/protocol/reason"
)

// slice is the plainest set: what the tree and the state machines are held against. Unlike what the
// seam asks for, its fingerprints cost linear time.
type slice []Item

func newSlice(items []Item) slice {
	s := slices.Clone(items)
	slices.SortFunc(s, func(a, b Item) int { return a.compare(&b) })
	return slices.Compact(s)
}

func (s slice) Len() int      { return len(s) }
func (s slice) At(i int) Item { return s[i] }

func (s slice) Search(b Bound) int {
	at, _ := slices.BinarySearchFunc(s, b.Item, func(a, b Item) int { return a.compare(&b) })
	return at
}

func (s slice) Fingerprint(from, to int) Fingerprint {
	// Added byte by byte, another way than the tree's.
	var sum [32]byte
	for _, item := range s[from:to] {
		carry := 0
		for i := range sum {
			carry += int(sum[i]) + int(item.ID[i])
			sum[i], carry = byte(carry), carry>>8
		}
	}
	hash := sha256.Sum256(appendVarint(sum[:], uint64(to-from)))
	return Fingerprint(hash[:16])
}

// newID is a random-looking id.
func newID(n uint64) ID {
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], n)
	return sha256.Sum256(seed[:])
}

// split deals items to two sides: only is the share, in a thousand, that each has alone.
func deal(r *rand.Rand, n int, only int, span uint64) (a, b []Item) {
	for range n {
		item := Item{Timestamp: 1_700_000_000_000 + r.Uint64N(span), ID: newID(r.Uint64())}
		switch d := r.IntN(1000); {
		case d < only:
			a = append(a, item)
		case d < 2*only:
			b = append(b, item)
		default:
			a, b = append(a, item), append(b, item)
		}
	}
	return a, b
}

// outcome is what a whole reconciliation came to.
type outcome struct {
	have, need []ID
	trips      int
	up, down   int
}

// run lets two sides talk until the initiator is done.
func run(a, b Set, limitA, limitB, maxTrips int) (o outcome, err error) {
	i, err := NewInitiator(a, limitA)
	if err != nil {
		return o, err
	}
	r, err := NewResponder(b, limitB)
	if err != nil {
		return o, err
	}
	message, err := i.Initiate()
	for err == nil && message != nil {
		if o.trips++; o.trips > maxTrips {
			return o, fmt.Errorf("not done after %d trips", maxTrips)
		}
		o.up += len(message)
		if limitA > 0 && len(message) > limitA {
			return o, fmt.Errorf("trip %d: a message of %d bytes, the limit is %d", o.trips, len(message), limitA)
		}
		var answer []byte
		if answer, err = r.Answer(message); err != nil {
			break
		}
		if limitB > 0 && len(answer) > limitB {
			return o, fmt.Errorf("trip %d: an answer of %d bytes, the limit is %d", o.trips, len(answer), limitB)
		}
		o.down += len(answer)
		var have, need []ID
		message, have, need, err = i.Reconcile(answer)
		o.have, o.need = append(o.have, have...), append(o.need, need...)
	}
	return o, err
}

// checkOutcome wants exactly the differences, each once.
func checkOutcome(t *testing.T, o outcome, a, b []Item) {
	t.Helper()
	checkIDs(t, "have", o.have, a, b)
	checkIDs(t, "need", o.need, b, a)
}

func checkIDs(t *testing.T, what string, got []ID, in, notIn []Item) {
	t.Helper()
	want := map[ID]bool{}
	for _, item := range in {
		want[item.ID] = true
	}
	for _, item := range notIn {
		delete(want, item.ID)
	}
	for _, id := range got {
		if !want[id] {
			t.Fatalf("%s %x is no difference or was reported before", what, id[:4])
		}
		delete(want, id)
	}
	if len(want) > 0 {
		t.Fatalf("%d of %s were missed", len(want), what)
	}
}

// The two machines find exactly the differences, whatever the sets and frame limits.
func TestReconcile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 31, 32, 33, 500, 3000} {
		for _, only := range []int{0, 1, 30, 500} {
			for _, limits := range [][2]int{{0, 0}, {4096, 4096}, {4096, 0}, {0, 5000}, {65536, 65536}} {
				for _, span := range []uint64{1, 50, 1 << 40} { // one ms, crowded, sparse
					name := fmt.Sprintf("n=%d/only=%d/limits=%v/span=%d", n, only, limits, span)
					a, b := deal(r, n, only, span)
					o, err := run(NewTree(a), NewTree(b), limits[0], limits[1], 500)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					checkOutcome(t, o, a, b)
				}
			}
		}
	}
}

// A set of another kind than ours gives the same messages.
func TestAnySet(t *testing.T) {
	a, b := deal(rand.New(rand.NewPCG(2, 2)), 3000, 50, 2000)
	for _, limit := range []int{0, 4096} {
		ours, err := run(NewTree(a), NewTree(b), limit, limit, 500)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := run(newSlice(a), newSlice(b), limit, limit, 500)
		if err != nil {
			t.Fatal(err)
		}
		if ours.up != theirs.up || ours.down != theirs.down || ours.trips != theirs.trips || !slices.Equal(ours.have, theirs.have) || !slices.Equal(ours.need, theirs.need) {
			t.Errorf("limit %d: %d/%d bytes in %d trips, the plain set needs %d/%d in %d", limit, ours.up, ours.down, ours.trips, theirs.up, theirs.down, theirs.trips)
		}
	}
}

// Nothing is sent of what lies outside of the span of time.
func TestBetween(t *testing.T) {
	a, b := deal(rand.New(rand.NewPCG(3, 3)), 4000, 100, 1000)
	const base = 1_700_000_000_000
	inside := func(items []Item, from, until uint64) []Item {
		return slices.DeleteFunc(slices.Clone(items), func(i Item) bool { return i.Timestamp < from || i.Timestamp >= until })
	}
	for _, span := range [][2]uint64{{0, Infinity}, {0, base + 500}, {base + 500, Infinity}, {base + 300, base + 301}, {base + 700, base + 200}, {base + 1000, base + 2000}} {
		viewA, viewB := Between(NewTree(a), span[0], span[1]), Between(NewTree(b), span[0], span[1])
		wantA, wantB := inside(a, span[0], span[1]), inside(b, span[0], span[1])
		o, err := run(viewA, viewB, 4096, 4096, 500)
		if err != nil {
			t.Fatal(err)
		}
		checkOutcome(t, o, wantA, wantB)
		plain := newSlice(wantA)
		if viewA.Len() != len(plain) || viewA.Fingerprint(0, viewA.Len()) != plain.Fingerprint(0, len(plain)) {
			t.Errorf("span %v: %d items, want %d of one fingerprint", span, viewA.Len(), len(plain))
		}
		if nested := Between(viewA, base+100, base+400); nested.Len() != len(inside(wantA, base+100, base+400)) {
			t.Errorf("span %v: a part of the part has %d items", span, nested.Len())
		}
		// The plain set's part, item by item.
		if o2, err := run(Between(newSlice(a), span[0], span[1]), viewB, 4096, 4096, 500); err != nil || o2.up != o.up {
			t.Errorf("span %v: %d bytes, %v; want %d", span, o2.up, err, o.up)
		}
	}
}

// The set of the responder may change between messages; what was there all the time is found.
func TestResponderFromNewerSets(t *testing.T) {
	a, b := deal(rand.New(rand.NewPCG(4, 4)), 20000, 20, 10000)
	i, err := NewInitiator(NewTree(a), 4096)
	if err != nil {
		t.Fatal(err)
	}
	set := NewTree(b)
	message, err := i.Initiate()
	found := map[ID]bool{}
	for trip := 0; message != nil; trip++ {
		if err != nil || trip > 500 {
			t.Fatalf("trip %d: %v", trip, err)
		}
		set = set.With(Item{Timestamp: 1_700_000_000_000 + uint64(trip)*37, ID: newID(uint64(trip))})
		r, err2 := NewResponder(set, 4096)
		if err2 != nil {
			t.Fatal(err2)
		}
		answer, err2 := r.Answer(message)
		if err2 != nil {
			t.Fatal(err2)
		}
		var need []ID
		message, _, need, err = i.Reconcile(answer)
		for _, id := range need {
			if found[id] {
				t.Fatalf("%x was needed twice", id[:4])
			}
			found[id] = true
		}
	}
	mine := NewTree(a)
	for _, item := range b {
		if !mine.Has(item) && !found[item.ID] {
			t.Fatalf("%x was there all the time and is missed", item.ID[:4])
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func itemAt(ts uint64, fill byte) Item { return Item{ts, ID(bytes.Repeat([]byte{fill}, 32))} }

// SYN-25: messages written by hand from the text of the specification.
func TestGoldenMessages(t *testing.T) {
	ee := "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
	one := []Item{itemAt(12345, 0xee)}
	// The fingerprint of one item: its id and a count of 1, hashed.
	hash := sha256.Sum256(append(unhex(t, ee), 1))
	fp := hex.EncodeToString(hash[:16])
	tests := []struct {
		name    string
		items   []Item
		message string
		want    string
	}{
		{"an empty list is answered by ours", one, "6100000200", "6100000201" + ee},
		{"a list by a list", one, "6100000201" + ee, "6100000201" + ee},
		{"the right fingerprint by nothing", one, "61000001" + fp, "61"},
		{"a wrong one by a list", one, "61000001" + "00000000000000000000000000000000", "6100000201" + ee},
		{"skips by nothing", one, "61" + "e03a0000" + "000000", "61"},
		{"no range by nothing", one, "61", "61"},
		{"another version by ours alone", one, "62aabbccddeeff", "61"},
		{"the oldest version by ours alone", one, "60", "61"},
		{"what is agreed becomes one skip", one, "61" + "010000" + "e0390000" + "00000200", "61" + "e0390000" + "00000201" + ee},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := NewResponder(NewTree(test.items), 0)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Answer(unhex(t, test.message))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, unhex(t, test.want)) {
				t.Errorf("got %x\nwant %s", got, test.want)
			}
		})
	}
}

// The first message about an empty set and about one below and at the number that is split.
func TestInitiateGolden(t *testing.T) {
	for _, n := range []int{0, 1, 31, 32} {
		var items []Item
		for k := range n {
			items = append(items, itemAt(uint64(1000+k/2), byte(k+1)))
		}
		want := []byte{0x61}
		if n < 32 {
			want = append(want, 0, 0, 2, byte(n))
			for _, item := range items {
				want = append(want, item.ID[:]...)
			}
		} else {
			// 16 buckets of two items of one ms each, so that bounds are bare times: 1001 is written as 1002, the others as 2.
			for k := range 16 {
				switch k {
				case 0:
					want = append(want, 0x87, 0x6a, 0)
				case 15:
					want = append(want, 0, 0)
				default:
					want = append(want, 2, 0)
				}
				f := newSlice(items).Fingerprint(2*k, 2*k+2)
				want = append(append(want, 1), f[:]...)
			}
		}
		i, err := NewInitiator(NewTree(items), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := i.Initiate(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d items: %v\ngot  %x\nwant %x", n, err, got, want)
		}
	}
}

// Items of one ms are told apart by the shortest prefix of their ids that does.
func TestShortestBounds(t *testing.T) {
	id := func(b ...byte) (id ID) { copy(id[:], b); return id }
	tests := []struct {
		a, b Item
		want int
	}{
		{Item{5, id(9)}, Item{6, id(1)}, 0},
		{Item{5, id(1)}, Item{5, id(2)}, 1},
		{Item{5, id(1, 1)}, Item{5, id(1, 2)}, 2},
		{Item{5, id()}, Item{5, ID{31: 1}}, 32},
	}
	for _, test := range tests {
		got := between(test.a, test.b)
		if got.Len != test.want || got.compare(&test.a) <= 0 || got.compare(&test.b) > 0 {
			t.Errorf("between %v and %v: %v, want %d bytes", test.a, test.b, got, test.want)
		}
	}
}

// SYN-21, SYN-23, SYN-25: what no writer writes is refused, and what is cut short.
func TestMalformed(t *testing.T) {
	f := "00000000000000000000000000000000"
	id := f + f
	tests := []struct{ name, message string }{
		{"nothing", ""},
		{"no version", "5f"},
		{"no version either", "70"},
		{"a bound without an end", "6181"},
		{"a bound without a length", "6105"},
		{"a prefix cut short", "61050211"},
		{"a prefix of 33 bytes", "610521" + id + "00" + "00"},
		{"a prefix at infinity", "61000111" + "00"},
		{"no mode", "610000"},
		{"mode 3", "61000003"},
		{"a fingerprint cut short", "61000001" + f[2:]},
		{"no count", "61000002"},
		{"a list cut short", "6100000201" + id[2:]},
		{"a count that overflows when multiplied", "61000002" + "9080808080808080" + "00" + id},
		{"a count beyond 64 bits", "61000002" + "8280808080808080808000"},
		{"a leading zero", "61800500" + "00"},
		{"a time beyond 64 bits", "61" + "81ffffffffffffffff7f" + "0000" + "05" + "0000"},
		{"infinity by addition", "61" + "81ffffffffffffffff7f" + "0000" + "02" + "0000"},
		{"a bound that falls", "61" + "0501ff00" + "0101fe00"},
		{"a bound that falls to no prefix", "61" + "0501ff00" + "010000"},
		{"something behind infinity", "61" + "000000" + "010000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			message := unhex(t, test.message)
			r, err := NewResponder(NewTree(nil), 0)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := r.Answer(message); reason.Of(err) != reason.SyncMessage || out != nil {
				t.Errorf("responder: %x, %v", out, err)
			}
			i, err := NewInitiator(NewTree(nil), 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := i.Initiate(); err != nil {
				t.Fatal(err)
			}
			if next, have, need, err := i.Reconcile(message); reason.Of(err) != reason.SyncMessage || next != nil || have != nil || need != nil {
				t.Errorf("initiator: %x, %v", next, err)
			}
		})
	}
}

// What is right, to the last value that is.
func TestAtTheLimits(t *testing.T) {
	zero := "00000000000000000000000000000000"
	for _, message := range []string{
		"61" + "81ffffffffffffffff7f" + "0000" + "000000",           // the last time there is, then infinity
		"61" + "0120" + zero + zero + "00" + "000000",               // a whole id
		"61" + "0501ff00" + "0101ff00" + "0102ff0100",               // equal bounds, a longer one
		"61" + "000000" + "000001" + zero,                           // infinity twice: an answer that ended full
		"61" + "00000202" + zero + zero + zero + zero,               // an id twice
		"61" + "0100" + "0201" + zero + zero + "0000" + "02" + "00", // an id at an empty range
	} {
		r, err := NewResponder(NewTree([]Item{itemAt(7, 7)}), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Answer(unhex(t, message)); err != nil {
			t.Errorf("%s: %v", message, err)
		}
	}
}

// SYN-26
func TestFrameLimits(t *testing.T) {
	for limit, ok := range map[int]bool{-1: false, 0: true, 1: false, 4095: false, 4096: true} {
		_, err := NewInitiator(NewTree(nil), limit)
		_, err2 := NewResponder(NewTree(nil), limit)
		if (err == nil) != ok || (err2 == nil) != ok {
			t.Errorf("limit %d: %v, %v", limit, err, err2)
		}
	}
}

func TestInitiatorOutOfTurn(t *testing.T) {
	i, err := NewInitiator(NewTree(nil), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := i.Reconcile([]byte{version}); err == nil {
		t.Error("it goes on before it began")
	}
	if _, err := i.Initiate(); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Initiate(); err == nil {
		t.Error("it begins twice")
	}
	if _, _, _, err := i.Reconcile([]byte{0x62}); reason.Of(err) != reason.SyncMessage {
		t.Errorf("the other side speaks another version: %v", err)
	}
	if next, have, need, err := i.Reconcile([]byte{version}); next != nil || have != nil || need != nil || err != nil {
		t.Errorf("nothing to say ends it: %x %v", next, err)
	}
}
