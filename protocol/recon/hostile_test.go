package recon

import (
	"fmt"
	"testing"
	"time"

	"tocsin/node/cputime"
)

// frame is the limit of SYN-04, dense a set with an item each ms.
const frame = 65536

func dense(n int) []Item {
	items := make([]Item, n)
	for i := range items {
		items[i] = Item{uint64(i), newID(uint64(i))}
	}
	return items
}

// repeat writes ranges of so many ms each while they fit a frame and there are times left.
func repeat(set Set, ms uint64, write func(w *writer, b *Bound, from, to int)) []byte {
	w := newWriter()
	from := 0
	for ts := ms; from < set.Len(); ts += ms {
		b := Bound{Item: Item{Timestamp: ts}}
		to := set.Search(b)
		mark := len(w.buf)
		if write(w, &b, from, to); len(w.buf) > frame {
			return w.buf[:mark]
		}
		from = to
	}
	return w.buf
}

// hostile are the dearest messages there are, each at the length of a frame.
func hostile(set Set) map[string][]byte {
	right := func(w *writer, b *Bound, from, to int) { w.fingerprint(b, set.Fingerprint(from, to)) }
	wrong := func(w *writer, b *Bound, _, _ int) { w.fingerprint(b, Fingerprint{1}) }
	skip := func(w *writer, b *Bound, _, _ int) { w.bound(b, modeSkip) }
	empty := func(w *writer, b *Bound, _, _ int) {
		w.bound(b, modeIDs)
		w.varint(0)
	}
	ids := func(n int) func(w *writer, b *Bound, _, _ int) {
		return func(w *writer, b *Bound, from, _ int) {
			w.bound(b, modeIDs)
			w.varint(uint64(n))
			for k := range n {
				id := newID(uint64(from*n+k) + 1<<40)
				w.buf = append(w.buf, id[:]...)
			}
		}
	}
	// Bounds within one ms, which differ in the last bytes of their ids only, and ranges that are empty.
	crowded := newWriter()
	for k := 0; len(crowded.buf) < frame-64; k++ {
		crowded.fingerprint(&Bound{Item: Item{uint64(set.Len() / 2), ID{29: byte(k >> 16), 30: byte(k >> 8), 31: byte(k)}}, Len: 32}, Fingerprint{})
	}
	messages := map[string][]byte{"bounds within one ms": crowded.buf}
	for _, ms := range []uint64{1, 17, 31, 127, 300} {
		messages[fmt.Sprintf("right fingerprints of %d", ms)] = repeat(set, ms, right)
		messages[fmt.Sprintf("wrong fingerprints of %d", ms)] = repeat(set, ms, wrong)
		messages[fmt.Sprintf("skips of %d", ms)] = repeat(set, ms, skip)
		messages[fmt.Sprintf("empty lists of %d", ms)] = repeat(set, ms, empty)
		messages[fmt.Sprintf("lists of %d", ms)] = repeat(set, ms, ids(1))
		messages[fmt.Sprintf("long lists of %d", ms)] = repeat(set, ms, ids(60))
	}
	// What is right costs time, what is wrong room: both at once.
	messages["right fingerprints, then wrong ones"] = func() []byte {
		w := newWriter()
		from, ts, wide := 0, uint64(0), uint64(set.Len()/512)
		for len(w.buf) < frame-100 && from < set.Len() {
			if len(w.buf) < frame-5000 {
				ts += 40
			} else {
				ts += wide
			}
			b := Bound{Item: Item{Timestamp: ts}}
			to := set.Search(b)
			if len(w.buf) < frame-5000 {
				right(w, &b, from, to)
			} else {
				wrong(w, &b, from, to)
			}
			from = to
		}
		return w.buf
	}()
	for _, k := range []uint64{16, 100, 500, 3000} {
		n := uint64(set.Len()) / k
		messages[fmt.Sprintf("%d wrong fingerprints of equal parts", k)] = repeat(set, n, wrong)
		messages[fmt.Sprintf("%d empty lists of equal parts", k)] = repeat(set, n, empty)
	}
	return messages
}

// SYN-28: no message of a hostile peer costs more than 10 ms, on either side. One run below that is
// enough: the machine may do other things.
func TestNoMessageIsDear(t *testing.T) {
	set := NewTree(dense(250_000))
	r, err := NewResponder(set, frame)
	if err != nil {
		t.Fatal(err)
	}
	for name, message := range hostile(set) {
		answer := func() ([]byte, error) { return r.Answer(message) }
		checkCost(t, name+", answered", answer)
		reconcile := func() ([]byte, error) {
			i, err := NewInitiator(set, frame)
			if err != nil {
				return nil, err
			}
			i.begun = true
			next, _, _, err := i.Reconcile(message)
			return next, err
		}
		checkCost(t, name+", as an answer", reconcile)
	}
}

func checkCost(t *testing.T, name string, f func() ([]byte, error)) {
	t.Helper()
	const limit = 10 * time.Millisecond
	least := time.Hour
	for run := 0; run < 10 && least > limit; run++ {
		start := cputime.Used()
		out, err := f()
		least = min(least, cputime.Used()-start)
		if err != nil || len(out) > frame {
			t.Fatalf("%s: %d bytes, %v", name, len(out), err)
		}
		if raced {
			return
		}
	}
	if least > limit {
		t.Errorf("%s: %v", name, least)
	}
}
