package storage

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// pruned gives an entry of a record that comes pruned, as intake makes it.
func (a *author) pruned(t testing.TB, e Entry, missing ...int) Entry {
	t.Helper()
	raw, err := protocol.Prune(e.Record.Raw(), missing)
	must(t, err)
	e.Record, err = protocol.VerifyStored(raw, a.Chains)
	must(t, err)
	e.Leaves = slices.Clone(e.Leaves)
	for _, i := range missing {
		e.Leaves[i] = Leaf{State: Refused, Reason: reason.ObjectMissing, Confidence: -1, Modified: e.Record.Header().Created}
	}
	return e
}

// header gives an entry of a header that comes alone.
func (a *author) header(t testing.TB, e Entry) Entry {
	t.Helper()
	raw, err := protocol.HeaderOf(e.Record.Raw())
	must(t, err)
	e.Record, err = protocol.VerifyHeader(raw, a.Chains)
	must(t, err)
	e.State, e.Reason, e.Leaves = Refused, reason.ObjectMissing, nil
	return e
}

func wantForm(t testing.TB, s *Store, id protocol.RecordID, want Form, lacks bool) []byte {
	t.Helper()
	form, raw, err := s.Fetch(id)
	must(t, err)
	if lacking, _ := s.Lacking(0, 100, nil); form != want || s.Lacks(id) != lacks || slices.Contains(lacking, id) != lacks {
		t.Fatalf("record %s has form %d and lacks something: %v; want %d and %v", id, form, s.Lacks(id), want, lacks)
	}
	return raw
}

// TestErase: an erased object is found by nothing, its neighbours by everything, also after a restart; what was
// read just before is not served from memory.
func TestErase(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	e := a.entry(draft{leaves: indicators(0, 4)})
	id := accept(t, s, e)
	for i := range 4 {
		_, err := s.Object(Ref{id, i})
		must(t, err)
	}
	before, set := s.Sequence(), s.setAt(e.Record.Header().Topic, testNow)
	must(t, s.Erase(t.Context(), id, []int{1, 1, 3}, reason.OperatorRejected))
	for range 2 {
		for i := range 4 {
			gone := i == 1 || i == 3
			_, err := s.Object(Ref{id, i})
			if gone {
				wantCode(t, err, reason.NotFound)
			} else {
				must(t, err)
			}
			versions, err := s.Versions(stixID(i))
			must(t, err)
			if found := len(lookup(t, s, domain(i))); found != 1 && !gone || found != 0 && gone || len(versions) != found {
				t.Errorf("object %d is found %d times, with %d versions", i, found, len(versions))
			}
		}
		if c := s.Counts(); c.Records != 1 || c.Objects != 2 {
			t.Errorf("counts %+v", c)
		}
		raw := wantForm(t, s, id, Pruned, false)
		if bytes.Contains(raw, []byte(stixID(1))) || !bytes.Contains(raw, []byte(stixID(2))) {
			t.Error("the bytes hold what was erased, or lack what was not")
		}
		changes, err := s.Changes(before, 9)
		must(t, err)
		if len(changes) != 1 || changes[0].Kind != "erased" || changes[0].Objects != 2 || changes[0].Reason != reason.OperatorRejected {
			t.Errorf("changes %+v", changes)
		}
		if now := s.setAt(e.Record.Header().Topic, testNow); now.Len() != 1 || now.At(0) != set.At(0) {
			t.Error("the set is another")
		}
		// REC-37: neither the record as sent, nor pruned in another way, fills anything in.
		for _, again := range []Entry{e, a.pruned(t, e, 0), a.pruned(t, e, 1)} {
			wantCode(t, s.Accept(t.Context(), again), reason.DupHeld)
		}
		must(t, s.Erase(t.Context(), id, []int{3}, reason.OperatorRejected)) // again, which is nothing
		report, err := checkClosed(t, s, dir)
		must(t, err)
		if len(report.Problems) > 0 || report.Objects != 2 {
			t.Errorf("report %+v", report)
		}
		s = openDisk(t, dir)
	}
	wantCode(t, s.Erase(t.Context(), id, []int{4}, ""), reason.NotFound)
	wantCode(t, s.Erase(t.Context(), id, []int{-1}, ""), reason.NotFound)
	wantCode(t, s.Erase(t.Context(), protocol.RecordID{1}, nil, ""), reason.NotFound)
}

// TestEraseWherever: erasing works on what is accepted, held and under hold, of every size, and
// all of it stays where it was.
func TestEraseWherever(t *testing.T) {
	for _, size := range []int{0, 180_000} {
		for name, state := range map[string]State{"accepted": Accepted, "held": Held, "under hold": Accepted} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				s := openDisk(t, dir)
				a := newAuthor(t, "A")
				leaves := indicators(0, 5)
				objects := make([][]byte, len(leaves))
				for i, l := range leaves {
					noise := make([]byte, size)
					for j := range noise {
						noise[j] = 'a' + byte(rand.IntN(26))
					}
					objects[i] = fmt.Appendf(nil, `{"type":%q,"id":%q,"x":"%s"}`, l.Type, l.Object, noise)
				}
				e := a.entry(draft{leaves: leaves, objects: objects, state: state, reason: reason.TrustUnknown})
				id := accept(t, s, e)
				if name == "under hold" {
					holdOne(t, s, id, reason.KeyRevoked)
				}
				for n, drop := range [][]int{{0}, {2, 4}, nil} {
					must(t, s.Erase(t.Context(), id, drop, reason.OperatorRejected))
					_, fate, err := s.Record(id)
					must(t, err)
					if fate != e.State && name != "under hold" || name == "under hold" && fate != Held {
						t.Errorf("it is %s after %d", fate, n)
					}
					raw := wantForm(t, s, id, Pruned, false)
					if _, err := protocol.VerifyPruned(raw, a.Chains); err != nil {
						t.Error(err)
					}
					report, err := checkClosed(t, s, dir)
					must(t, err)
					if len(report.Problems) > 0 {
						t.Fatalf("problems %q", report.Problems)
					}
					s = openDisk(t, dir)
				}
				if name == "under hold" { // released, it is what is left of it
					r, err := protocol.VerifyStored(wantForm(t, s, id, Pruned, false), a.Chains)
					must(t, err)
					wantCode(t, s.Accept(t.Context(), e), reason.DupHeld)
					e.Record = r
					must(t, s.Accept(t.Context(), e))
					if c := s.Counts(); c.Records != 1 || c.Objects != 0 || c.HeldRecords != 0 {
						t.Errorf("counts %+v", c)
					}
				}
			})
		}
	}
}

// TestEraseWhole: what cannot be taken apart is erased as a whole, its header stays, and no body comes back.
func TestEraseWhole(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	vouch, err := a.Record(protocol.Draft{
		Topic: topicOf(t, "fraud"), Kind: 11, Created: testNow, Expires: testNow.AddDate(0, 1, 0), Body: []byte("a kind of later"),
	})
	must(t, err)
	e := Entry{Record: vouch, State: Accepted, Received: testNow, From: "peer"}
	id := accept(t, s, e)
	wantCode(t, s.Erase(t.Context(), id, []int{0}, ""), reason.NotFound)
	for range 2 {
		must(t, s.Erase(t.Context(), id, nil, reason.ObjectErased))
		raw := wantForm(t, s, id, HeaderOnly, false)
		if h, err := protocol.VerifyHeader(raw, a.Chains); err != nil || h.ID() != id {
			t.Errorf("header %v", err)
		}
		wantCode(t, s.Accept(t.Context(), e), reason.DupHeld)
		if s.setAt(topicOf(t, "fraud"), testNow).Len() != 1 || s.HeaderBytes() != int64(len(raw)) {
			t.Error("its header is not kept")
		}
		report, err := checkClosed(t, s, dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Errorf("problems %q", report.Problems)
		}
		s = openDisk(t, dir)
	}
}

// TestFillIn: what was missing when a record came is filled in by a form that has more of it, and never by one
// that lacks what is here; what was erased here stays erased (REC-37).
func TestFillIn(t *testing.T) {
	for name, state := range map[string]State{"accepted": Accepted, "held": Held} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openDisk(t, dir)
			a := newAuthor(t, "A")
			full := a.entry(draft{leaves: indicators(0, 5), state: state, reason: reason.TrustUnknown})
			id := accept(t, s, a.header(t, full))
			wantForm(t, s, id, HeaderOnly, true)
			wantCode(t, s.Accept(t.Context(), a.header(t, full)), reason.DupHeld)
			steps := []struct {
				come   Entry
				code   reason.Code
				form   Form
				lacks  bool
				here   []int
				change string
			}{
				{a.pruned(t, full, 0, 1, 2), "", Pruned, true, []int{3, 4}, state.String()},
				{a.pruned(t, full, 0, 1, 3), reason.DupHeld, Pruned, true, []int{3, 4}, ""}, // lacks 3, which is here
				{a.pruned(t, full, 0, 1, 2), reason.DupHeld, Pruned, true, []int{3, 4}, ""},
				{a.pruned(t, full, 0, 1), "", Pruned, true, []int{2, 3, 4}, "judged"},
				{full, "", Pruned, false, []int{0, 1, 2, 3}, "judged"}, // 4 is erased before it comes
				{full, reason.DupHeld, Pruned, false, []int{0, 1, 2, 3}, ""},
			}
			for n, step := range steps {
				if n == 4 {
					must(t, s.Erase(t.Context(), id, []int{4}, reason.ObjectErased))
				}
				before := s.Sequence()
				wantCode(t, s.Accept(t.Context(), step.come), step.code)
				wantForm(t, s, id, step.form, step.lacks)
				leaves, err := s.Leaves(id)
				must(t, err)
				for i, l := range leaves {
					if here := l.Object != ""; here != slices.Contains(step.here, i) || here && len(lookup(t, s, domain(i))) != 1 {
						t.Errorf("step %d: object %d: %+v", n, i, l.Leaf)
					}
				}
				changes, err := s.Changes(before, 9)
				must(t, err)
				if len(changes) > 0 && changes[0].Kind != step.change || len(changes) == 0 && step.change != "" {
					t.Errorf("step %d: changes %+v", n, changes)
				}
				report, err := checkClosed(t, s, dir)
				must(t, err)
				if len(report.Problems) > 0 {
					t.Fatalf("step %d: problems %q", n, report.Problems)
				}
				s = openDisk(t, dir)
			}
		})
	}
}

// TestFillInWhole: with nothing erased here the record is as sent again.
func TestFillInWhole(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	full := a.entry(draft{leaves: indicators(0, 3)})
	id := accept(t, s, a.pruned(t, full, 1))
	must(t, s.Accept(t.Context(), full))
	if raw := wantForm(t, s, id, Full, false); !bytes.Equal(raw, full.Record.Raw()) {
		t.Error("it is not what was sent")
	}
	// A header whose record was erased here is never more than that.
	other := a.entry(draft{leaves: indicators(10, 3)})
	id = accept(t, s, a.header(t, other))
	must(t, s.Erase(t.Context(), id, nil, reason.ObjectErased))
	wantCode(t, s.Accept(t.Context(), other), reason.DupHeld)
	wantForm(t, s, id, HeaderOnly, false)
	// What is no header alone cannot be refused as one, nor the other way round.
	other.State = Refused
	wantCode(t, s.Accept(t.Context(), other), reason.Internal)
	wrong := a.header(t, other)
	wrong.State = Accepted
	wantCode(t, s.Accept(t.Context(), wrong), reason.Internal)
}

// TestEraseWhileRead: a reader meets the old bytes or the new ones, never an error.
func TestEraseWhileRead(t *testing.T) {
	s := openDisk(t, t.TempDir())
	a := newAuthor(t, "A")
	e := a.entry(draft{leaves: indicators(0, 40)})
	id := accept(t, s, e)
	done := make(chan error)
	go func() { // ends when everything is erased
		for {
			form, _, err := s.Fetch(id)
			if _, lookErr := s.Leaves(id); err == nil {
				err = lookErr
			}
			if _, err2 := s.Object(Ref{id, 39}); err != nil || reason.Of(err2) == reason.NotFound && form == Pruned {
				done <- err
				return
			}
		}
	}()
	for i := range 40 {
		must(t, s.Erase(t.Context(), id, []int{i}, reason.ObjectErased))
	}
	must(t, <-done)
}

// TestGaps: runs below the head and above the first that is held; what may have expired is left out, also after
// a restart, and a hole costs nothing however large it is.
func TestGaps(t *testing.T) {
	dir := t.TempDir()
	s := openDisk(t, dir)
	a, b := newAuthor(t, "A"), newAuthor(t, "B")
	day := func(n int) time.Time { return testNow.AddDate(0, 0, n) }
	for _, at := range []struct {
		seq  uint64
		ends int
	}{{5, 30}, {6, 2}, {9, 30}, {1_000_000_000, 30}} {
		accept(t, s, a.entry(draft{sequence: at.seq, leaves: indicators(int(at.seq), 1), expires: day(at.ends)}))
	}
	for _, seq := range []uint64{1, 2, 3} { // no gap
		accept(t, s, b.entry(draft{sequence: seq, leaves: indicators(int(seq), 1)}))
	}
	want := [][2]uint64{{7, 8}, {10, 999_999_999}}
	for range 2 {
		got := s.Gaps(10, nil)
		if len(got) != 2 || got[0].Org != a.Org || got[0].Key != a.Key.Public().ID() || [2]uint64{got[0].From, got[0].To} != want[0] || [2]uint64{got[1].From, got[1].To} != want[1] {
			t.Errorf("gaps %+v, want %v", got, want)
		}
		if one := s.Gaps(1, nil); len(one) != 1 || one[0] != got[0] || len(s.Gaps(0, nil)) != 0 {
			t.Errorf("limited to %+v", one)
		}
		must(t, s.Close())
		s = openDisk(t, dir)
	}
	accept(t, s, a.entry(draft{sequence: 12, leaves: indicators(12, 1), expires: day(1)}))
	if n, err := s.Expire(t.Context(), day(3)); n != 2 || err != nil { // 6 and 12
		t.Fatalf("%d expired, %v", n, err)
	}
	for range 2 {
		if got := s.Gaps(10, nil); len(got) != 1 || got[0].From != 13 || got[0].To != 999_999_999 {
			t.Errorf("gaps %+v, want 13 to 999,999,999", got)
		}
		report, err := checkClosed(t, s, dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Errorf("problems %q", report.Problems)
		}
		s = openDisk(t, dir)
	}
}

// TestSetFollowsTheClock: a record leaves the set when it ends, stored or not, and is back when the clock is.
func TestSetFollowsTheClock(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	topic := topicOf(t, "malicious-code")
	for n := range 3 {
		accept(t, s, a.entry(draft{leaves: indicators(n, 1), expires: testNow.Add(time.Duration(n+1) * time.Hour)}))
	}
	first := s.setAt(topic, testNow)
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{0, 3}, {time.Hour - time.Millisecond, 3}, {time.Hour, 2}, {100 * time.Hour, 0}, {90 * time.Minute, 2}, {0, 3}, {2 * time.Hour, 1}} {
		if got := s.setAt(topic, testNow.Add(c.at)).Len(); got != c.want {
			t.Errorf("after %s there are %d, want %d", c.at, got, c.want)
		}
	}
	if n, err := s.Expire(t.Context(), testNow.Add(2*time.Hour+time.Millisecond)); n != 2 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	if got := s.setAt(topic, testNow).Len(); got != 1 {
		t.Errorf("what is not stored any more is back: %d", got)
	}
	if first.Len() != 3 || !slices.Equal(s.Topics(), []protocol.Topic{topic}) {
		t.Errorf("a snapshot has changed, or the topics are %v", s.Topics())
	}
}
