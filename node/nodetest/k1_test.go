package nodetest

//bubble: every test in this file runs inside Run, where time is virtual.

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tocsin/node/cputime"
	"tocsin/node/custody"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const (
	// revokedWithin is how long a revocation may take to reach every node that is online (threat model K1).
	revokedWithin = time.Minute
	// floodRate is how many records of strangers there are a second meanwhile.
	floodRate = 2000
)

// TestK1StolenNodeKey is threat model K1 in a fleet, under a flood that is as fast and not as long, that every run
// of the tests can pay for. make test and make soak set NODETEST_FLEET to a larger fleet, which needs no small one beside it,
// and NODETEST_FLOOD to how long the flood is.
func TestK1StolenNodeKey(t *testing.T) {
	nodes, length := 10, 3*time.Second
	if s := os.Getenv("NODETEST_FLEET"); s != "" {
		var err error
		if nodes, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
		length = 10 * time.Second
	}
	if s := os.Getenv("NODETEST_FLOOD"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	stolenNodeKey(t, nodes, length)
}

// stolenNodeKey lets a thief publish in the name of node 0 until its organisation revokes
// the key in the midst of a flood: within a minute nobody takes anything of it.
func stolenNodeKey(t *testing.T, nodes int, length time.Duration) {
	wall, cpu := time.Now(), cputime.Used()
	Run(t, Options{Nodes: nodes}, func(t *testing.T, f *Fleet) {
		f.Ring(1, 7)
		f.ListEverywhere(0, trust.Partner)
		f.ListEverywhere(1, trust.Partner)
		good := f.Publish(0, malware, 1)
		good = append(good, f.Publish(0, malware, 1)...)
		f.WaitFor(5*time.Second, "the honest records everywhere", f.Delivered)
		thief := f.Steal(good[len(good)-1], nodes/3, nodes/2)
		strangers := []*Hostile{f.Hostile("stranger", []string{malware}, 2)}
		ready := cputime.Used() - cpu
		flood := f.Arm(strangers, malware, floodRate*int(length/time.Second))
		t.Logf("%d nodes are ready after %v of CPU time, the flood is signed after %v", nodes, ready, cputime.Used()-cpu)
		flood.Start(length)
		f.Settle(length / 5)
		bad := []*protocol.Record{thief.Publish()}
		if !slices.ContainsFunc(f.Members, func(m *Member) bool { return m.accepted(bad[0]) }) {
			t.Error("nobody believed the thief")
		}
		// Only now does anybody act: the victim's node, which sees that somebody else writes its log,
		// and a person who says from where on.
		victim := f.Members[0]
		revoked := time.Now()
		_, err := victim.Keys.Revoke(f.ctx, custody.Revocation{
			Key: thief.Stolen, Reason: protocol.RevokedCompromised, Word: "the disk was stolen",
			After: []custody.Place{{Topic: good[0].Topic, Sequence: uint64(len(good))}},
		})
		if err != nil {
			t.Fatal(err)
		}
		f.Publish(1, malware, 1) // of somebody whom all list: a flood must not hold that back either
		f.WaitFor(revokedWithin, "the key refused everywhere", func() bool {
			if n := time.Since(revoked) / time.Second; int(n) >= len(bad) {
				bad = append(bad, thief.Publish())
			}
			return f.refused(0, bad[0])
		})
		t.Logf("every node refuses the key %v after it was revoked", time.Since(revoked))
		late := []*protocol.Record{thief.Publish(), thief.Publish()}
		f.Publish(0, malware, 1) // with the new key
		f.Settle(5 * time.Second)
		for _, missing := range f.lacking() {
			t.Errorf("5 s later: %s is missing", missing)
		}
		flood.Wait()
		f.Settle(5 * time.Second)
		f.checkFlood(strangers, len(flood.records)*len(flood.records[0]))
		f.checkStolen(good, bad, late)
	})
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	t.Logf("wall time %v, CPU time %v, largest memory %d MiB", time.Since(wall).Round(time.Millisecond), cputime.Used()-cpu, usage.Maxrss>>10)
}

// accepted reports whether the node has accepted a record.
func (m *Member) accepted(r *protocol.Record) bool {
	_, state, err := m.Store.Record(r.ID())
	return err == nil && state == storage.Accepted
}

// lacking names what of the published records is not where it should be.
func (f *Fleet) lacking() []string {
	var out []string
	for _, m := range f.Members {
		for i, p := range f.published {
			if !m.Store.Has(p.ID) {
				out = append(out, fmt.Sprintf("record %d of node %d on node %d", i, p.By, m.Number))
			}
		}
	}
	return out
}

// refused reports whether at every node a record does not stand because its key is revoked.
func (f *Fleet) refused(by int, r *protocol.Record) bool {
	h := r.Header()
	for _, m := range f.Members {
		err := m.Standing.Position(f.Members[by].Own(), protocol.Head{Key: r.Key(), Topic: h.Topic, Sequence: h.Sequence, ID: r.ID()})
		if reason.Of(err) != reason.KeyRevoked {
			return false
		}
	}
	return true
}

// checkStolen: what stood before the theft stands, what the thief said does not, and what he
// said when all knew came nowhere.
func (f *Fleet) checkStolen(good []Published, bad, late []*protocol.Record) {
	f.t.Helper()
	for _, m := range f.Members {
		f.checkPeers(m)
		f.checkRecords(m)
		for _, p := range good {
			if _, state, err := m.Store.Record(p.ID); err != nil || state != storage.Accepted {
				f.t.Errorf("node %d: the honest record %s is %v, %v", m.Number, p.ID, state, err)
			}
		}
		for _, r := range bad {
			if _, state, err := m.Store.Record(r.ID()); err == nil && state != storage.Held {
				f.t.Errorf("node %d: the thief's record %d is %v", m.Number, r.Header().Sequence, state)
			}
		}
		for _, r := range late {
			if m.Store.Has(r.ID()) {
				f.t.Errorf("node %d has the thief's record %d, sent when all refused the key", m.Number, r.Header().Sequence)
			}
		}
	}
}

// checkFlood: the flood was one, most of it went nowhere, and what was taken is held.
func (f *Fleet) checkFlood(strangers []*Hostile, sent int) {
	f.t.Helper()
	most := 0
	for _, m := range f.Members {
		taken := 0
		for _, h := range strangers {
			taken += m.Store.Held(h.author.Org).Records
		}
		most = max(most, taken)
	}
	f.t.Logf("of %d records of strangers a node holds at most %d", sent, most)
	if most < heavy || most > sent/2 {
		f.t.Errorf("of %d records of strangers a node took %d: no flood, or no bound", sent, most)
	}
}
