package storage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// visited collects what a survey visits and fails on repeats.
func visited(t testing.TB, s *Store, since time.Time) map[pattern.Observable]bool {
	t.Helper()
	out := map[pattern.Observable]bool{}
	must(t, s.Survey(t.Context(), since, func(o pattern.Observable) error {
		if out[o] {
			t.Errorf("%v is visited twice", o)
		}
		out[o] = true
		return nil
	}))
	return out
}

// TestSurvey: of all that is stored exactly the values that accepted claims name.
func TestSurvey(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	leaves := indicators(0, 8)
	leaves[1].State = Held
	leaves[2].State = Refused
	leaves[3].State = NotEvaluated
	leaves[4].Claim = false
	leaves[5].Claim, leaves[5].Voice = false, Refutes
	leaves[6].Values = append(leaves[6].Values, leaves[0].Values[0], pattern.Value{Observable: pattern.Observable{Type: pattern.URL, Value: "bad-0.example"}})
	leaves[7].Revoked = true
	accept(t, s, a.entry(draft{leaves: leaves}))
	accept(t, s, newAuthor(t, "B").entry(draft{leaves: indicators(0, 1)})) // the same value again
	accept(t, s, a.entry(draft{leaves: indicators(10, 1), state: Held}))
	onHold := a.entry(draft{leaves: indicators(20, 1)})
	holdOne(t, s, accept(t, s, onHold), reason.KeyRevoked)
	rejected := accept(t, s, a.entry(draft{leaves: indicators(30, 1), state: Held}))
	must(t, s.Reject(t.Context(), rejected, ""))
	got := visited(t, s, time.Time{})
	want := []pattern.Observable{domain(0), domain(3), domain(6), {Type: pattern.URL, Value: "bad-0.example"}, domain(7)}
	for _, o := range want {
		if !got[o] {
			t.Errorf("%v is not visited", o)
		}
	}
	if len(got) != len(want) {
		t.Errorf("visited %v, want %v", got, want)
	}
	must(t, s.Accept(t.Context(), onHold))
	if got := visited(t, s, time.Time{}); !got[domain(20)] {
		t.Error("what is released is not visited")
	}
	received := testNow.Add(time.Second) // of all of them
	for _, c := range []struct {
		since time.Time
		want  int
	}{{received.Add(-time.Nanosecond), 6}, {received, 6}, {received.Add(time.Nanosecond), 0}} {
		if got := visited(t, s, c.since); len(got) != c.want {
			t.Errorf("since %s: %d values, want %d", c.since, len(got), c.want)
		}
	}
}

// TestSurveyBatches: around the limits of a batch nothing is left out or visited twice,
// however records and values are spread.
func TestSurveyBatches(t *testing.T) {
	for _, n := range []int{0, 1, surveyRecords - 1, surveyRecords, surveyRecords + 1, 3 * surveyRecords} {
		s := openMemory(t)
		acceptMany(t, s, n)
		if got := visited(t, s, time.Time{}); len(got) != n {
			t.Errorf("of %d records of one value %d are visited", n, len(got))
		}
	}
	s := openMemory(t)
	a := newAuthor(t, "A")
	n := 0
	for i := range 5 {
		leaf := indicator(stixID(i), testNow)
		for range surveyValues / 2 {
			leaf.Values = append(leaf.Values, pattern.Value{Observable: domain(n)})
			n++
		}
		accept(t, s, a.entry(draft{leaves: []Leaf{leaf}}))
	}
	if got := visited(t, s, time.Time{}); len(got) != n {
		t.Errorf("of %d values in 5 records %d are visited", n, len(got))
	}
}

// TestSurveyMeanwhile: f may write to the store; each record that was there and stays is visited.
func TestSurveyMeanwhile(t *testing.T) {
	s := openDisk(t, t.TempDir())
	ids := acceptMany(t, s, 2*surveyRecords+10)
	a := newAuthor(t, "A")
	got := 0
	must(t, s.Survey(t.Context(), time.Time{}, func(o pattern.Observable) error {
		if got++; got%50 == 1 {
			accept(t, s, a.entry(draft{leaves: []Leaf{indicator(stixID(0), testNow, domain(0))}}))
			must(t, s.Judged(t.Context(), ids[:1], ""))
		}
		return nil
	}))
	if got != len(ids) {
		t.Errorf("%d values visited, want %d", got, len(ids))
	}
	// What goes into quarantine before its batch is read is not visited.
	got = 0
	must(t, s.Survey(t.Context(), time.Time{}, func(o pattern.Observable) error {
		if got++; got == 1 {
			_, err := s.Hold(t.Context(), ids, reason.KeyRevoked)
			return err
		}
		return nil
	}))
	if got < surveyRecords-20 || got > surveyRecords+1 { // some of the batch may be records that f stored, all of one value
		t.Errorf("%d values visited, want those of one batch and one more", got)
	}
}

// TestSurveyEnds: with f's error, with the context, and with Close.
func TestSurveyEnds(t *testing.T) {
	s := openDisk(t, t.TempDir())
	ids := acceptMany(t, s, 20)
	stop := errors.New("stop")
	n := 0
	if err := s.Survey(t.Context(), time.Time{}, func(pattern.Observable) error {
		if n++; n == 7 {
			return stop
		}
		return nil
	}); err != stop || n != 7 {
		t.Errorf("after %d values: %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err := s.Survey(ctx, time.Time{}, func(pattern.Observable) error {
		if n++; n == 5 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n != 5 {
		t.Errorf("after %d values under an ended context: %v", n, err)
	}
	// Damage is told at the end, and hides nothing else.
	must(t, s.db.Update(func(txn *badger.Txn) error {
		return txn.Set(recordKey(spaceAccepted, kindPacked, ids[3]), make([]byte, headerBytes))
	}))
	n = 0
	err = s.Survey(t.Context(), time.Time{}, func(pattern.Observable) error { n++; return nil })
	if reason.Of(err) != reason.StoreDamaged || n != 19 {
		t.Errorf("%d values of a damaged store: %v", n, err)
	}
	must(t, s.Close())
	wantCode(t, s.Survey(t.Context(), time.Time{}, func(pattern.Observable) error { return nil }), reason.Internal)
}

// TestHashSet holds the set against a map, with hashes that crowd.
func TestHashSet(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	var h hashSet
	want := map[uint64]bool{}
	for range 100_000 {
		hash := r.Uint64()
		switch r.IntN(3) {
		case 0:
			hash = ^uint64(0) - uint64(r.IntN(3000))
		case 1:
			hash = 1 + uint64(r.IntN(3000))
		}
		if h.add(hash) == want[hash] {
			t.Fatalf("hash %x is new: %v", hash, !want[hash])
		}
		want[hash] = true
	}
	if h.used != len(want) || len(h.slots)*8 > 17*h.used {
		t.Errorf("%d hashes take %d bytes, want %d hashes", h.used, len(h.slots)*8, len(want))
	}
	if h.add(0) {
		t.Error("0 and 1 are not the same")
	}
}

// TestVoices: opinions and sightings are found by the object that they name, under the usual rules.
func TestVoices(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a, b, c := newAuthor(t, "A"), newAuthor(t, "B"), newAuthor(t, "C")
	about := pattern.Observable{Type: pattern.ObjectRef, Value: stixID(1)}
	says := func(n int, voice Voice, modified time.Time) Leaf {
		typ := "opinion"
		if voice >= Sighting {
			typ = "sighting"
		}
		return Leaf{
			Object: typ + stixID(n)[len("indicator"):], Type: typ, Modified: modified, State: Accepted, Voice: voice, Confidence: -1,
			Values: []pattern.Value{{Observable: about, Alone: true}},
		}
	}
	accept(t, s, a.entry(draft{leaves: []Leaf{indicator(stixID(1), testNow, domain(1))}}))
	old := accept(t, s, b.entry(draft{leaves: []Leaf{says(10, Refutes, testNow), says(11, Sighting, testNow), says(12, Absent, testNow)}}))
	changed := accept(t, s, b.entry(draft{leaves: []Leaf{says(10, Confirms, testNow.Add(time.Hour))}})) // B thought again
	other := accept(t, s, c.entry(draft{leaves: []Leaf{says(10, Refutes, testNow)}}))                   // the same id is another voice
	held := accept(t, s, b.entry(draft{leaves: []Leaf{says(11, Absent, testNow.Add(time.Hour))}, state: Held}))
	want := []string{
		fmt.Sprint(changed, " ", Confirms, " false"), fmt.Sprint(held, " ", Absent, " true"),
		fmt.Sprint(old, " ", Sighting, " false"), fmt.Sprint(old, " ", Absent, " false"), fmt.Sprint(other, " ", Refutes, " false"),
	}
	slices.Sort(want)
	for range 2 {
		var got []string
		for _, h := range lookup(t, s, about) {
			if !h.Alone || h.Claim || h.Type == "indicator" {
				t.Errorf("hit %+v", h)
			}
			got = append(got, fmt.Sprint(h.Record, " ", h.Voice, " ", h.RecordHeld))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("what is said about an object:\n%q, want\n%q", got, want)
		}
		if hits := lookup(t, s, pattern.Observable{Type: pattern.Text, Value: stixID(1)}); hits != nil {
			t.Errorf("a text that looks like an id finds %+v", hits)
		}
		if got := visited(t, s, time.Time{}); len(got) != 1 || !got[domain(1)] {
			t.Errorf("a survey visits %v", got)
		}
		report, err := checkClosed(t, s, dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Errorf("problems %q", report.Problems)
		}
		s = openDisk(t, dir)
	}
	bad := says(13, Absent+1, testNow)
	wantCode(t, s.Accept(t.Context(), c.entry(draft{leaves: []Leaf{bad}})), reason.Internal)
}
