package node

import (
	"crypto/rand"
	"testing"
	"time"

	"tocsin/node/doctor"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// The clock is set where it leaves the time that passed by a step, ahead or back, and not where it is kept right.
func TestClockWatch(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := newClockWatch(start)
	for i, c := range []struct{ ahead, by time.Duration }{
		{0, 0}, {900 * time.Millisecond, 0}, {1800 * time.Millisecond, 0}, {10 * time.Minute, 10*time.Minute - 1800*time.Millisecond},
		{10 * time.Minute, 10*time.Minute - 1800*time.Millisecond}, {-time.Second, -time.Second - 10*time.Minute},
	} {
		now := start.Add(time.Duration(i+1) * clockLook)
		before, _ := w.standing()
		w.look(now, c.ahead)
		since, by := w.standing()
		if set := since.Equal(now); by != c.by || set != (i == 3 || i == 5) || !set && !since.Equal(before) {
			t.Errorf("look %d: since %s, by %s, want %s", i, since, by, c.by)
		}
	}
}

// A clock that was put right is not accused of what came before, and one that still is behind is.
func TestMendedClock(t *testing.T) {
	store, err := storage.Open("", storage.Options{Memory: true, Network: "test"})
	ok(t, err)
	t.Cleanup(func() { ok(t, store.Close()) })
	n := &Node{Store: store}
	now := time.Now()
	n.clock = newClockWatch(now.Add(-time.Hour))
	came := func(at time.Time) {
		t.Helper()
		author, err := protocoltest.Found("test", "Author", at.Add(-time.Hour).Truncate(time.Millisecond), rand.Reader)
		ok(t, err)
		r, err := author.Record(protocol.Draft{
			Topic: protocol.TopicDrill, Kind: protocol.KindObjects, TLP: stix.Green, Created: at.Add(10*time.Minute + time.Second).Truncate(time.Millisecond),
			Expires: at.Add(time.Hour * 24).Truncate(time.Millisecond), Objects: [][]byte{[]byte(`{"id":"a"}`)}, Defaults: protocol.Defaults{Confidence: -1},
		})
		ok(t, err)
		ok(t, store.Accept(t.Context(), storage.Entry{Record: r, State: storage.Accepted, Received: at, From: "peer"}))
	}
	came(now.Add(-30 * time.Minute))
	came(now.Add(-20 * time.Minute))
	found(t, "two came early", n.checkClock(), doctor.Fail, "this clock is behind: records of 2 of 2 organisations came up to 10 min before")
	n.clock.look(now.Add(-10*time.Minute), 10*time.Minute)
	if f := n.checkClock(); f.State == doctor.Fail {
		t.Errorf("mended: %+v", f)
	}
	came(now.Add(-5 * time.Minute))
	came(now.Add(-4 * time.Minute))
	found(t, "it was set wrong", n.checkClock(), doctor.Fail, "records of 2 of 2 organisations")
	n.clock = newClockWatch(now)
	if f := n.checkClock(); f.State == doctor.Fail {
		t.Errorf("started anew: %+v", f)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
