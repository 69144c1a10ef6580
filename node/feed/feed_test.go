package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/protocol/reason"
)

// Objects alone can be followed from now, or behind the number of any change. ADM-40
func TestBehindANumber(t *testing.T) {
	k := newKit(t)
	k.change(3)
	h := k.hub()
	fresh, old := k.follow(h, ""), k.follow(h, "1", KindObject)
	if got := k.next(fresh); len(got) != 0 {
		t.Errorf("from now on: %+v", got)
	}
	k.change(1)
	for i, want := range []string{"2", "3", "4"} {
		if got := k.next(old); i == 0 && len(got) == 3 {
			for j, e := range got {
				if !strings.HasPrefix(e.ID, strconv.Itoa(j+2)+".") || e.Kind != KindObject || e.Change.Seq != uint64(j+2) {
					t.Errorf("event %+v", e)
				}
			}
		} else if i == 0 {
			t.Fatalf("want %s and on, got %+v", want, got)
		}
	}
	if got := k.next(fresh); len(got) != 1 || got[0].Change.Seq != 4 || fresh.Cursor() != got[0].ID {
		t.Errorf("the next change: %+v", got)
	}
}

// Wherever a reader stops, its last id goes on: nothing is lost and nothing comes twice, in the order of time. ADM-40
func TestResumeAnywhere(t *testing.T) {
	k := newKit(t)
	h := k.hub()
	kinds := []string{KindObject, KindPeer, KindAudit}
	start := k.follow(h, "", kinds...).Cursor()
	for i := range 5 {
		k.change(2)
		k.write(1)
		turn(h, 2, KindPeer, time.Now())
		turn(h, 1, KindMesh, time.Now()) // not asked for
		if i == 2 {
			k.change(batch) // more than is given at a time
		}
	}
	whole := k.all(k.follow(h, start, kinds...))
	if want := 5*5 + batch; len(whole) != want {
		t.Fatalf("%d events, want %d", len(whole), want)
	}
	if !slices.IsSortedFunc(whole, func(a, b Event) int { return a.At.Truncate(time.Millisecond).Compare(b.At.Truncate(time.Millisecond)) }) {
		t.Error("not in the order of time")
	}
	seen := map[string]bool{}
	for i, e := range whole {
		if seen[e.ID] {
			t.Fatalf("id %s twice", e.ID)
		}
		seen[e.ID] = true
		if i%17 != 0 && i < len(whole)-3 {
			continue
		}
		rest := k.all(k.follow(h, e.ID, kinds...))
		same := slices.EqualFunc(rest, whole[i+1:], func(a, b Event) bool { return a.ID == b.ID && a.Kind == b.Kind })
		if !same {
			t.Fatalf("behind event %d (%s): %d events, want %d", i, e.ID, len(rest), len(whole)-i-1)
		}
	}
}

// What a reader did not ask for moves its place nevertheless, so that a quiet stream resumes where it was.
func TestCursorPassesOthers(t *testing.T) {
	k := newKit(t)
	h := k.hub()
	r := k.follow(h, "", KindPeer)
	turn(h, 3, KindMesh, time.Now())
	before := r.Cursor()
	if got := k.next(r); len(got) != 0 || r.Cursor() == before {
		t.Errorf("%+v, at %s", got, r.Cursor())
	}
}

// What was only seen as it happened is kept to a bound; a reader behind it learns how much it missed. ADM-41
func TestRingOverflows(t *testing.T) {
	k := newKit(t)
	h := k.hub()
	r := k.follow(h, "", KindPeer)
	start := r.Cursor()
	turn(h, maxKept, KindPeer, time.Now())
	if got := k.all(k.follow(h, start, KindPeer)); len(got) != maxKept || got[0].Kind != KindPeer {
		t.Fatalf("%d events at the bound, first %+v", len(got), got[0])
	}
	turn(h, 1, KindMesh, time.Now())
	got := k.all(r)
	if len(got) != maxKept { // the gap, and one is of another kind
		t.Fatalf("%d events one over the bound", len(got))
	}
	if g := k.gapOf(got[0]); g.Dropped != 1 || g.From != start || g.To != got[0].ID {
		t.Errorf("gap %+v", g)
	}
	if again := k.all(k.follow(h, got[0].ID, KindPeer)); len(again) != maxKept-1 || again[0].Kind == KindGap {
		t.Errorf("behind the gap: %d events, first %+v", len(again), again[0])
	}
}

// After 24 hours what was only seen as it happened is let go of, and said to be. ADM-41
func TestRingAges(t *testing.T) {
	k := newKit(t)
	h := k.hub()
	now := time.Now()
	r := k.follow(h, "", KindPeer)
	turn(h, 2, KindPeer, now.Add(-maxAge-time.Second))
	turn(h, 1, KindPeer, now.Add(-maxAge))
	h.live.add(nil, now)
	got := k.all(r)
	if len(got) != 2 || k.gapOf(got[0]).Dropped != 2 {
		t.Fatalf("events %+v", got)
	}
}

// A cursor of another run of the node knows what is durable; for the rest it gets a gap of unknown size. ADM-41
func TestRestart(t *testing.T) {
	k := newKit(t)
	first := k.hub()
	turn(first, 3, KindPeer, time.Now())
	cursor := k.follow(first, "", KindPeer, KindObject, KindAudit).Cursor()
	k.change(1)
	second := New(Sources{Store: k.store, Audit: k.log})
	k.write(1)
	turn(second, 1, KindPeer, time.Now())
	got := k.all(k.follow(second, cursor, KindPeer, KindObject, KindAudit))
	var kinds []string
	for _, e := range got {
		kinds = append(kinds, e.Kind)
		if e.Kind == KindGap && k.gapOf(e).Dropped != Unknown {
			t.Errorf("gap %+v", e.Data)
		}
	}
	if slices.Sort(kinds); !slices.Equal(kinds, []string{KindAudit, KindGap, KindObject, KindPeer}) || got[3].Kind == KindGap {
		t.Fatalf("events %+v", got)
	}
	if got := k.all(k.follow(second, cursor, KindObject, KindAudit)); len(got) != 2 {
		t.Errorf("durable kinds: %+v", got)
	}
}

// A cursor from beyond the end comes from a store or a log that is not there any more: a gap, and on from here. ADM-41
func TestBeyondTheEnd(t *testing.T) {
	k := newKit(t)
	k.change(2)
	h := k.hub()
	r := k.follow(h, "7")
	got := k.next(r)
	if len(got) != 1 || !strings.HasPrefix(got[0].ID, "2.") {
		t.Fatalf("events %+v", got)
	}
	if g := k.gapOf(got[0]); g.Dropped != Unknown || g.From != "7.0" || g.To != got[0].ID {
		t.Errorf("gap %+v", g)
	}
	k.change(1)
	if got := k.next(r); len(got) != 1 || got[0].Change.Seq != 3 {
		t.Errorf("behind it: %+v", got)
	}
	far := cursor{place{seq: 2}, place{seq: 9}, h.boot, 0}
	if got := k.next(k.follow(h, far.text(), KindAudit)); len(got) != 1 || k.gapOf(got[0]).Dropped != Unknown {
		t.Errorf("audit log: %+v", got)
	}
}

// A store and a log that were put back from an older copy and have grown past a cursor are other ones: a gap, once. ADM-41
func TestAnotherStoreAtTheCursor(t *testing.T) {
	old, now := newKit(t), newKit(t)
	old.change(2)
	old.write(2)
	now.change(4)
	now.write(3)
	was, h := old.hub(), now.hub()
	for _, c := range []struct {
		kinds        []string
		gaps, events int
	}{{nil, 1, 2}, {[]string{KindObject}, 1, 2}, {[]string{KindAudit}, 1, 1}, {[]string{KindAudit, KindObject}, 2, 3}} {
		from := old.follow(was, "", c.kinds...).Cursor()
		got := now.all(now.follow(h, from, c.kinds...))
		gaps := 0
		for i, e := range got {
			if e.Kind != KindGap {
				continue
			}
			gaps++
			if g := now.gapOf(e); g.Dropped != Unknown || g.From == g.To || g.To != e.ID || i == 0 && g.From != from {
				t.Errorf("%v: gap %+v behind %s", c.kinds, g, from)
			}
		}
		if gaps != c.gaps || len(got) != c.gaps+c.events {
			t.Errorf("%v: %d gaps, %d events: %+v", c.kinds, gaps, len(got)-gaps, got)
		}
		if again := now.all(now.follow(h, got[gaps-1].ID, c.kinds...)); len(again) != c.events {
			t.Errorf("%v: behind the gaps: %+v", c.kinds, again)
		}
	}
}

// Replay begins with the first that happened at a time or later; what an earlier run of the node saw is a gap.
func TestSince(t *testing.T) {
	k := newKit(t)
	h := k.hub()
	start := k.follow(h, "", Kinds()...).Cursor()
	for range 3 {
		k.change(2)
		k.write(2)
		turn(h, 1, KindPeer, time.Now())
	}
	whole := k.all(k.follow(h, start, Kinds()...))
	for _, from := range whole {
		at, err := h.Since(from.At)
		must(t, err)
		want := 0
		for _, e := range whole {
			if !e.At.Before(from.At) {
				want++
			}
		}
		if got := k.all(k.follow(h, at, Kinds()...)); len(got) != want {
			t.Errorf("since %s: %d events, want %d", from.At, len(got), want)
		}
	}
	at, err := h.Since(whole[len(whole)-1].At.Add(time.Hour))
	must(t, err)
	if got := k.all(k.follow(h, at, Kinds()...)); len(got) != 0 {
		t.Errorf("since later: %+v", got)
	}
	at, err = h.Since(h.started.Add(-time.Minute))
	must(t, err)
	if got := k.all(k.follow(h, at, Kinds()...)); len(got) != len(whole)+1 || !slices.ContainsFunc(got, func(e Event) bool { return e.Kind == KindGap && k.gapOf(e).Dropped == Unknown }) {
		t.Errorf("since before the start: %d events, first %+v", len(got), got[0])
	}
}

// A reader sleeps until there is something, and no longer than it was told.
func TestNextWaits(t *testing.T) {
	k := newKit(t)
	h := k.hub()
	r := k.follow(h, "", KindObject, KindPeer, KindAudit)
	for _, happen := range []func(){func() { k.change(1) }, func() { k.write(1) }, func() { turn(h, 1, KindPeer, time.Now()) }} {
		got := make(chan []Event, 1)
		go func() {
			events, err := r.Next(t.Context(), time.Minute)
			if err != nil {
				t.Error(err)
			}
			got <- events
		}()
		happen()
		if events := <-got; len(events) != 1 {
			t.Errorf("events %+v", events)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Next(ctx, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context gives %v", err)
	}
}

// Many readers, some of them slow, all see the same changes.
func TestManyReaders(t *testing.T) {
	k := newKit(t)
	h := k.hub()
	const changes = 3 * maxRecent / 2
	var reading sync.WaitGroup
	for i := range 8 {
		r := k.follow(h, "0", KindObject, KindPeer)
		reading.Go(func() {
			for next := uint64(1); next <= changes; {
				events, err := r.Next(t.Context(), time.Minute)
				if err != nil {
					t.Errorf("reader %d: %v", i, err)
					return
				}
				for _, e := range events {
					if e.Change.Seq != next {
						t.Errorf("reader %d: change %d, want %d", i, e.Change.Seq, next)
						return
					}
					next++
				}
			}
		})
	}
	k.change(changes)
	reading.Wait()
}

// Sources are asked every second, and what differs becomes an event, by name.
func TestRunCompares(t *testing.T) {
	k := newKit(t)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now := map[string]any{"a": "up", "b": "up", "d": "up"}
		set := func(m map[string]any) { mu.Lock(); defer mu.Unlock(); now = m }
		h := New(Sources{Store: k.store, Audit: k.log, Peers: func() map[string]any { mu.Lock(); defer mu.Unlock(); return now }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		synctest.Wait()
		r, err := h.Follow("", KindPeer)
		must(t, err)
		if got, err := r.Next(t.Context(), 5*time.Second); err != nil || len(got) != 0 {
			t.Errorf("what was there from the start: %+v, %v", got, err)
		}
		set(map[string]any{"a": "down", "c": "up", "d": "up"})
		got, err := r.Next(t.Context(), 5*time.Second)
		must(t, err)
		want := []Turn{{"a", "up", "down"}, {"b", "up", nil}, {"c", nil, "up"}}
		if !slices.EqualFunc(got, want, func(e Event, w Turn) bool { return e.Data == w && e.Kind == KindPeer }) {
			t.Errorf("events %+v", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// What is no cursor and no kind is refused, whatever its size.
func TestFollowRefuses(t *testing.T) {
	h := newKit(t).hub()
	for _, c := range []string{"x", "-1", "+1.2.a.3", "1.2.3", "1.2.a.3", "1.2..3.4.5", "1.2.A.3.4.5", "1.2.a.3.4.5.6", "01.2.a.3.4.5", "1.2.a.3.4.", "1.2.a.3.A.5", "1.2.a.3.zzzzzzz.5", "1.", "1.A", "01.1", ".1", "99999999999999999999", " 1", strings.Repeat("1.", 1<<20)} {
		_, err := h.Follow(c)
		refused(t, err, reason.UsageInvalid)
	}
	for _, kind := range []string{"", "gap", "Object", strings.Repeat("x", 1<<16)} {
		_, err := h.Follow("", KindObject, kind)
		refused(t, err, reason.UsageInvalid)
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("1.2.a.3.4.5")
	f.Add("1.a")
	f.Add(fmt.Sprint(cursor{place{1 << 63, 1<<32 - 1}, place{}, none, 9}.text()))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text, cursor{})
		if err == nil && c.text() != text && c.short() != text {
			t.Errorf("%q reads as %q", text, c.text())
		}
	})
}
