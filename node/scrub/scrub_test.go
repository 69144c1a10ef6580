package scrub

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// kit is a store that holds some records, and what peers have of them.
type kit struct {
	store *storage.Store
	raw   map[protocol.RecordID][]byte
	topic protocol.Topic
	notes []audit.Event
	asked int
}

func newKit(t *testing.T, records int) *kit {
	t.Helper()
	s, err := storage.Open("", storage.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	a, err := protocoltest.Found("test", "A", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	topic, err := protocol.ParseTopic("malicious-code")
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{store: s, raw: map[protocol.RecordID][]byte{}, topic: topic}
	for range records {
		r, err := a.Record(protocol.Draft{Topic: k.topic, Kind: protocol.KindObjects, TLP: stix.Green, Objects: [][]byte{[]byte(`{"type":"x"}`)}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Accept(t.Context(), storage.Entry{Record: r, State: storage.Accepted, Leaves: []storage.Leaf{{Object: "x--1", Type: "x", State: storage.Accepted}}}); err != nil {
			t.Fatal(err)
		}
		k.raw[r.ID()] = r.Raw()
	}
	return k
}

func (k *kit) deps() Deps {
	return Deps{
		Store: k.store,
		Fetch: func(_ context.Context, topic protocol.Topic, ids []protocol.RecordID) (map[protocol.RecordID][]byte, error) {
			k.asked += len(ids)
			if topic != k.topic {
				return nil, errors.New("another topic")
			}
			out := map[protocol.RecordID][]byte{}
			for _, id := range ids {
				if raw, ok := k.raw[id]; ok {
					out[id] = raw
				}
			}
			return out, nil
		},
		Note: func(_ context.Context, e audit.Event) error {
			k.notes = append(k.notes, e)
			return nil
		},
	}
}

// TestSound reads everything, asks nobody, and tells nobody.
func TestSound(t *testing.T) {
	k := newKit(t, 100)
	keeper := New(k.deps())
	r, err := keeper.Now(t.Context())
	if err != nil || !r.Sound() || r.Records != 100 || r.Running || r.Ended.Before(r.Began) {
		t.Errorf("%+v, %v", r, err)
	}
	if k.asked != 0 || len(k.notes) != 0 {
		t.Errorf("asked for %d, noted %v", k.asked, k.notes)
	}
}

// TestRepair: what peers have is put back, what nobody has is named with its reason and stays named.
func TestRepair(t *testing.T) {
	k := newKit(t, 3)
	keeper := New(k.deps())
	var flaws []storage.Flaw
	for id := range k.raw {
		flaws = append(flaws, storage.Flaw{Record: id, Topic: k.topic, Why: "damaged"})
	}
	lacking := storage.Flaw{Record: protocol.RecordID{9}, Topic: k.topic, Why: "damaged"}
	delete(k.raw, flaws[1].Record)
	lost, err := keeper.repair(t.Context(), append(flaws, lacking))
	if err != nil || len(lost) != 2 {
		t.Fatalf("lost %v, %v", lost, err)
	}
	// Of a record whose index is gone and that nobody takes in, the reason says so.
	gone := storage.Flaw{Record: flaws[0].Record, Topic: k.topic, Gone: true, Why: "damaged"}
	lost, err = keeper.repair(t.Context(), []storage.Flaw{gone})
	if err != nil || len(lost) != 1 || lost[0].Why == gone.Why {
		t.Errorf("lost %v, %v", lost, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keeper.repair(ctx, flaws); err == nil {
		t.Error("a round that was told to end goes on")
	}
}

// TestStill: what a second look finds again is lost, with the first reason where there is one.
func TestStill(t *testing.T) {
	a, b := storage.Flaw{Record: protocol.RecordID{1}, Why: "gone"}, storage.Flaw{Record: protocol.RecordID{2}, Why: "gone"}
	first := a
	first.Why = "gone; no peer has it"
	got := still([]storage.Flaw{a, b}, []storage.Flaw{first, {Record: protocol.RecordID{3}}})
	if len(got) != 2 || got[0].Why != first.Why || got[1].Why == b.Why || len(still(nil, []storage.Flaw{first})) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestTaken: a record that is here no more is taken in anew; that it is here already is as good.
func TestTaken(t *testing.T) {
	k := newKit(t, 1)
	for _, tc := range []struct {
		take error
		lost int
	}{{nil, 0}, {reason.New(reason.DupHeld, "it is here"), 0}, {reason.New(reason.StoreFull, "no room"), 1}} {
		d := k.deps()
		taken := 0
		d.Take = func(context.Context, []byte) error { taken++; return tc.take }
		absent := protocol.RecordID{7}
		k.raw[absent] = []byte("bytes")
		lost, err := New(d).repair(t.Context(), []storage.Flaw{{Record: absent, Topic: k.topic, Gone: true}})
		if err != nil || len(lost) != tc.lost || taken != 1 {
			t.Errorf("%v: lost %v, taken %d, %v", tc.take, lost, taken, err)
		}
	}
}

// TestNight: a node looks at its store once a night, by the clock of its machine.
func TestNight(t *testing.T) {
	for now, want := range map[string]time.Duration{
		"2026-03-01T00:00:00Z": 3 * time.Hour, "2026-03-01T02:59:59Z": time.Second, "2026-03-01T03:00:00Z": 24 * time.Hour, "2026-03-01T12:00:00Z": 15 * time.Hour,
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		if got := untilNight(at); got != want {
			t.Errorf("at %s: in %v, want %v", now, got, want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, 5)
		keeper := New(k.deps())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- keeper.Run(ctx) }()
		time.Sleep(25 * time.Hour)
		if r := keeper.Report(); r.Records != 5 || !r.Sound() || r.Ended.IsZero() {
			t.Errorf("after a night: %+v", r)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
