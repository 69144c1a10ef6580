package upkeep

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// Strangers make keys for nothing. Forks of theirs once had this node sign a proof and write an audit
// entry each, so that anybody could spend its budget in the mesh and its disk.
func TestStrangersForks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		proofs := func() int {
			ids, err := h.d.Store.Records(protocol.KindFork)
			check(t, err)
			return len(ids)
		}
		fork := func(level trust.Level) {
			g := h.guest(t, level)
			sent := g.send("fraud", 1)
			second := g.sign("fraud", "other.net", func(d *protocol.Draft) { d.Sequence, d.Previous = 1, protocol.RecordID{} })
			if _, err := h.d.Intake.Receive(context.Background(), second, "peer"); reason.Of(err) != reason.LogFork {
				t.Fatalf("%v after %v", err, sent[0].ID())
			}
		}
		h.running(t, func(pause func()) {
			for range 2 * strangersProofs {
				fork(trust.Unknown)
				pause()
			}
			if n := proofs(); n != strangersProofs {
				t.Errorf("%d proofs of strangers' forks were published, want %d", n, strangersProofs)
			}
			fork(trust.Partner)
			pause()
			if n := proofs(); n != strangersProofs+1 {
				t.Errorf("%d proofs with that of a listed organisation, want %d", n, strangersProofs+1)
			}
			time.Sleep(strangersEvery)
			fork(trust.Unknown)
			pause()
			if n := proofs(); n != strangersProofs+2 {
				t.Errorf("%d proofs an hour later, want %d", n, strangersProofs+2)
			}
			if n := h.actions(t, forkSeen); n != 1 {
				t.Errorf("%d forks are in the audit log, want that of the listed organisation alone", n)
			}
		})
	})
}

// restart is a stop and a start of the node as its keeper sees it: what waited in memory is gone.
func (h *household) restart() { h.Keeper = New(h.d) }

// What is found after the keeper was made and before it runs, as the mesh comes up, is written down once: it
// waits for the keeper, and is nothing that an earlier run left.
func TestFoundBeforeTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		g := h.guest(t, trust.Anchor)
		f := &protocol.ForkProof{Org: g.Org, Key: g.Key.Public().ID(), Topic: protocol.TopicDrill, Sequence: 1}
		_, err := h.d.Standing.Forked(f, time.Now())
		check(t, err)
		h.Forked(f)
		trip := standing.Trip{Org: g.Org, Topic: "fraud", Why: "hits", At: time.Now()}
		_, err = h.d.Standing.Trip(trip)
		check(t, err)
		h.Tripped(trip)
		h.running(t, func(pause func()) { pause() })
		if trips, forks := h.actions(t, breakerTrip), h.actions(t, forkSeen); trips != 1 || forks != 1 {
			t.Errorf("%d trips and %d forks written down; want 1 and 1", trips, forks)
		}
	})
}

// What follows from a trip or a fork waits in memory, and once was lost when the node stopped
// before it was done.
func TestReconcileAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHousehold(t)
		g, stranger := h.guest(t, trust.Anchor), h.guest(t, trust.Unknown)
		_, err := h.d.Standing.Trip(standing.Trip{Org: g.Org, Topic: "fraud", Why: "hits", At: time.Now()})
		check(t, err)
		for _, a := range []*guest{g, stranger} {
			_, err = h.d.Standing.Forked(&protocol.ForkProof{Org: a.Org, Key: a.Key.Public().ID(), Topic: protocol.TopicDrill, Sequence: 1}, time.Now())
			check(t, err)
		}
		level := func() trust.Level { return h.d.Policy.List().Level(g.Org, "fraud", "", time.Now()) }
		for range 3 {
			h.restart()
			h.running(t, func(pause func()) { pause() })
			if trips, forks := h.actions(t, breakerTrip), h.actions(t, forkSeen); level() != trust.Partner || trips != 1 || forks != 1 {
				t.Errorf("level %s, %d trips and %d forks written down; want partner, 1 and 1", level(), trips, forks)
			}
		}
		// A person who raises it while the breaker is open is not overruled by the next start.
		e, _ := h.d.Policy.Stated(g.Org)
		check(t, h.d.Policy.Set(e))
		h.restart()
		h.running(t, func(pause func()) { pause() })
		if level() != trust.Anchor {
			t.Errorf("lowered again to %s", level())
		}
	})
}
