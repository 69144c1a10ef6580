package recon

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// TestRounds lets both sides talk over random sets with random frame limits; RECON_ROUNDS says how often.
func TestRounds(t *testing.T) {
	rounds := 150
	if s := os.Getenv("RECON_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	for seed := range rounds {
		round(t, uint64(seed))
	}
}

// round is one reconciliation, all of which the seed decides.
func round(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 99))
	// Sizes, differences and times spread over orders of magnitude.
	n := int(r.Uint64N(1 << r.Uint64N(14)))
	only := int(r.Uint64N(1 << r.Uint64N(10)))
	span := 1 + r.Uint64N(1<<r.Uint64N(40))
	limit := func() int {
		if r.IntN(4) == 0 {
			return 0
		}
		return 4096 + int(r.Uint64N(1<<r.Uint64N(17)))
	}
	a, b := deal(r, n, min(only, 500), span)
	// One side may lack the newest altogether, or all.
	switch r.IntN(6) {
	case 0:
		a = newSlice(a)[:len(newSlice(a))/2]
	case 1:
		b = newSlice(b)[:len(newSlice(b))*9/10]
	case 2:
		a = nil
	case 3:
		b = nil
	}
	limitA, limitB := limit(), limit()
	o, err := run(NewTree(a), NewTree(b), limitA, limitB, 3000)
	if err != nil {
		t.Fatalf("seed %d: %d and %d items, limits %d and %d: %v", seed, len(a), len(b), limitA, limitB, err)
	}
	checkOutcome(t, o, a, b)
	if t.Failed() {
		t.Fatalf("seed %d", seed)
	}
}

// SYN-27: the last fingerprint of a full message must not agree with a side that has nothing where we have something.
// The responder's answer fills up just before the last range, in which only it has items.
func TestFullBeforeTheLastRange(t *testing.T) {
	for n := 20; n < 160; n++ {
		// Ranges in which the two differ, as many as nearly fill an answer, then what only the responder has.
		var here, there []Item
		for k := range n {
			here = append(here, Item{uint64(10 * k), newID(uint64(k))})
		}
		w := newWriter()
		for k := range n {
			there = append(there, Item{uint64(10*k + 1), newID(uint64(k + 5000))})
			w.fingerprint(&Bound{Item: Item{Timestamp: uint64(10*k + 10)}}, NewTree(here).Fingerprint(k, k+1))
		}
		empty := (&Tree{}).Fingerprint(0, 0)
		w.fingerprint(&Bound{Item: Item{Timestamp: Infinity}}, empty)
		for k := range 200 {
			there = append(there, Item{uint64(10*n + 10 + k), newID(uint64(k + 9000))})
		}
		i, err := NewInitiator(NewTree(here), minFrame)
		if err != nil {
			t.Fatal(err)
		}
		i.begun = true
		r, err := NewResponder(NewTree(there), minFrame)
		if err != nil {
			t.Fatal(err)
		}
		var o outcome
		for message := w.buf; message != nil; {
			answer, err := r.Answer(message)
			if err != nil {
				t.Fatal(err)
			}
			var have, need []ID
			if message, have, need, err = i.Reconcile(answer); err != nil {
				t.Fatal(err)
			}
			o.have, o.need = append(o.have, have...), append(o.need, need...)
		}
		checkOutcome(t, o, here, there)
	}
}

// More of ours than is gone through for one message is still all found, and each message is bounded.
func TestMoreThanOneMessageTakes(t *testing.T) {
	items := dense(3*maxWalk + 100)
	for _, there := range [][]Item{nil, items[:40], items[maxWalk : maxWalk+5000]} {
		o, err := run(NewTree(items), NewTree(there), frame, frame, 200)
		if err != nil {
			t.Fatal(err)
		}
		checkOutcome(t, o, items, there)
		o, err = run(NewTree(there), NewTree(items), frame, frame, 400)
		if err != nil {
			t.Fatal(err)
		}
		checkOutcome(t, o, there, items)
	}
}

// SYN-29: a side that answers everything with wrong fingerprints goes on for as long as the caller lets it, and
// what is kept meanwhile does not grow.
func TestEndlessFingerprints(t *testing.T) {
	set := NewTree(dense(5000))
	i, err := NewInitiator(set, minFrame)
	if err != nil {
		t.Fatal(err)
	}
	message, err := i.Initiate()
	for trip := range 300 {
		if err != nil || message == nil || len(message) > minFrame {
			t.Fatalf("trip %d: %d bytes, %v", trip, len(message), err)
		}
		w := newWriter()
		w.fingerprint(&Bound{Item: Item{Timestamp: Infinity}}, Fingerprint{byte(trip), 1})
		var have, need []ID
		message, have, need, err = i.Reconcile(w.buf)
		if len(have)+len(need) > 0 {
			t.Fatalf("trip %d: %d and %d ids out of fingerprints", trip, len(have), len(need))
		}
	}
	if len(i.found.needed) > 0 || len(i.found.had) > 0 {
		t.Error("it kept what it did not learn")
	}
}

// rewrite reads a message and writes what it read.
func rewrite(message []byte) ([]byte, error) {
	r, other, err := open(message)
	if err != nil || other {
		return nil, err
	}
	w := newWriter()
	for !r.done() {
		s, err := r.next()
		if err != nil {
			return nil, err
		}
		w.bound(&s.upper, s.mode)
		if s.mode == modeFingerprint {
			w.buf = append(w.buf, s.fingerprint[:]...)
		}
		if s.mode == modeIDs {
			w.varint(uint64(s.count()))
			w.buf = append(w.buf, s.ids...)
		}
	}
	return w.buf, nil
}

// FuzzMessage: what is read is written the same, and whatever comes gets an answer that can be read, or an error.
func FuzzMessage(f *testing.F) {
	set := NewTree(dense(300))
	for _, message := range hostile(set) {
		f.Add(message[:min(len(message), 3000)])
	}
	f.Add([]byte{0x61, 0, 0, 2, 0})
	f.Fuzz(func(t *testing.T, message []byte) {
		again, err := rewrite(message)
		if err == nil && again != nil && !bytes.Equal(again, message) {
			t.Fatalf("written again it is\n%x, not\n%x", again, message)
		}
		r, err2 := NewResponder(set, minFrame)
		if err2 != nil {
			t.Fatal(err2)
		}
		answer, err2 := r.Answer(message)
		// A full answer leaves the end of the message unread, so the other direction does not hold.
		if err == nil && err2 != nil {
			t.Fatalf("it can be read, answering it says %v", err2)
		}
		if _, err := rewrite(answer); err2 == nil && (err != nil || len(answer) > minFrame) {
			t.Fatalf("an answer of %d bytes: %v", len(answer), err)
		}
		i, err3 := NewInitiator(set, minFrame)
		if err3 != nil {
			t.Fatal(err3)
		}
		if _, err := i.Initiate(); err != nil {
			t.Fatal(err)
		}
		next, _, _, err := i.Reconcile(message)
		if _, err2 := rewrite(next); err == nil && next != nil && (err2 != nil || len(next) > minFrame) {
			t.Fatalf("a next message of %d bytes: %v", len(next), err2)
		}
	})
}

// FuzzRound is TestRounds with seeds that the fuzzer chooses.
func FuzzRound(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(round)
}
