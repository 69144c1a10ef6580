package nodetest

//bubble: every test in this file runs inside Run, where time is virtual.

import (
	"os"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/recon"
	"tocsin/protocol/trust"
)

// alikeWithin is how long nodes may differ once nothing stands between them any more (threat model R11).
const alikeWithin = time.Minute

// long reports whether the long forms run, which make soak wants.
func long() bool { return os.Getenv("TOCSIN_SOAK") != "" }

// alike reports whether every node holds every published record, and the digests of all topics are the same.
func (f *Fleet) alike() bool {
	if !f.Delivered() {
		return false
	}
	first := f.Members[0]
	for _, name := range []string{malware, fraud} {
		topic, err := protocol.ParseTopic(name)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, m := range f.Members[1:] {
			if whole(m.Store.Set(topic)) != whole(first.Store.Set(topic)) {
				return false
			}
		}
	}
	return true
}

// listAll puts every node on every other's trust list: strangers have bounds that these scenarios are not about.
func (f *Fleet) listAll() {
	for j := range f.Members {
		f.ListEverywhere(j, trust.Anchor)
	}
}

// publishFor publishes one record every interval, each by the next node of by, for so long.
func (f *Fleet) publishFor(length, interval time.Duration, by ...int) {
	for n, end := 0, time.Now().Add(length); time.Now().Before(end); n++ {
		f.Publish(by[n%len(by)], []string{malware, fraud}[n%2], 1)
		f.Settle(interval)
	}
}

// TestSplit: a fleet is cut in two while both halves publish; once the cut is gone, all are alike within a minute. SYN-18
// The long form is half an hour of 10 records a second.
func TestSplit(t *testing.T) {
	length, interval := 3*time.Minute, 400*time.Millisecond
	if long() {
		length, interval = 30*time.Minute, 100*time.Millisecond
	}
	Run(t, Options{Nodes: 6, Topics: []string{malware, fraud}}, func(t *testing.T, f *Fleet) {
		f.Ring(1, 2)
		f.listAll()
		f.Publish(0, malware, 1)
		f.WaitFor(5*time.Second, "the first record everywhere", f.Delivered)
		f.Partition([]int{0, 1, 2}, []int{3, 4, 5})
		f.publishFor(length, interval, 0, 3, 1, 4, 2, 5)
		if f.Members[0].Store.Has(f.published[2].ID) {
			t.Error("the cut lets records through")
		}
		f.Heal()
		took := f.WaitFor(alikeWithin, "all nodes alike", f.alike)
		t.Logf("%d records, all alike %v after the split healed", len(f.published), took)
		f.CheckFleet()
	})
}

// TestAway: a node was away while others published a lot; it has everything within a minute, from
// several peers when it is much, and nobody else fetches what gossip brought. SYN-16
func TestAway(t *testing.T) {
	records := 300
	if long() {
		records = 5000
	}
	Run(t, Options{Nodes: 4, Topics: []string{malware, fraud}}, func(t *testing.T, f *Fleet) {
		f.Ring(1, 2)
		f.listAll()
		f.Settle(10 * time.Second)
		f.Partition([]int{0, 1, 2}, []int{3})
		f.Settle(2 * time.Minute)
		f.publishFor(time.Duration(records)*20*time.Millisecond, 20*time.Millisecond, 0, 1, 2)
		f.Settle(5 * time.Minute) // gossip has forgotten all of it
		f.Heal()
		took := f.WaitFor(alikeWithin, "all nodes alike", f.alike)
		status := f.Members[3].CatchUp().Status()
		t.Logf("%d records, alike %v after the node was back: %+v", len(f.published), took, status.Last)
		if status.Repaired < uint64(len(f.published)) || status.Last == nil || !status.Last.Done {
			t.Errorf("caught up with %d records: %+v", status.Repaired, status.Last)
		}
		if long() && len(status.Last.Sources) < 2 { // a few hundred are here before the second peer is back
			t.Errorf("caught up from %v alone", status.Last.Sources)
		}
		for _, m := range f.Members[:3] {
			if n := m.CatchUp().Status().Repaired; n > uint64(len(f.published))/10 {
				t.Errorf("node %d, which was never away, fetched %d records", m.Number, n)
			}
		}
		f.CheckFleet()
	})
}

// TestLossyLine: the node in the middle is cut off from both sides by turns, so that gossip never gets through as a whole: all
// are alike in the end all the same, without anybody being punished.
func TestLossyLine(t *testing.T) {
	Run(t, Options{Nodes: 3, Topics: []string{malware, fraud}}, func(t *testing.T, f *Fleet) {
		f.Line()
		f.listAll()
		f.Settle(10 * time.Second)
		for range 3 {
			f.Partition([]int{0}, []int{1, 2})
			f.publishFor(45*time.Second, 2*time.Second, 0, 2)
			f.Partition([]int{0, 1}, []int{2})
			f.publishFor(45*time.Second, 2*time.Second, 2, 0)
		}
		f.Heal()
		took := f.WaitFor(2*alikeWithin, "all nodes alike", f.alike)
		t.Logf("%d records, all alike %v after the last cut", len(f.published), took)
		f.CheckFleet()
	})
}

// TestClocks: the clocks of a fifth of the publishers are ten minutes off, ahead and behind. Their records reach everybody,
// by gossip and, to who was away, by catch-up; nobody is punished. A node's own clock cannot be shifted in virtual time:
// what is shifted is what publishers write as created. SYN-03, VER-08
func TestClocks(t *testing.T) {
	const off = 10*time.Minute - 10*time.Second
	Run(t, Options{Nodes: 8}, func(t *testing.T, f *Fleet) {
		f.Ring(1, 2)
		f.listAll()
		f.Settle(10 * time.Second)
		ahead, behind := f.Hostile("ahead", []string{malware}, 0, 3), f.Hostile("behind", []string{malware}, 1, 5)
		ahead.skew, behind.skew = off, -off
		var ids []protocol.RecordID
		send := func() {
			for _, h := range []*Hostile{ahead, behind} {
				r := h.record(malware, 200)
				h.Send(malware, r.Raw())
				ids = append(ids, r.ID())
			}
			f.Publish(len(ids)%7, malware, 1)
		}
		everywhere := func() bool {
			for _, m := range f.Members {
				for _, id := range ids {
					if !m.Store.Has(id) {
						return false
					}
				}
			}
			return f.Delivered()
		}
		for range 10 {
			send()
		}
		f.WaitFor(5*time.Second, "everything everywhere by gossip", everywhere)
		f.Partition([]int{0, 1, 2, 3, 4, 5, 6, 8, 9}, []int{7}) // 8 and 9 are the publishers
		f.Settle(time.Minute)
		for range 10 {
			send()
		}
		f.Settle(3 * time.Minute)
		f.Heal()
		took := f.WaitFor(alikeWithin, "what honest clocks dated on the node that was away", f.Delivered)
		rest := f.WaitFor(off+alikeWithin, "everything on the node that was away", everywhere)
		t.Logf("caught up after %v, with what is dated ahead %v later", took, rest)
		for _, m := range f.Members {
			for _, p := range m.Host.Peers() {
				if p.Score < 0 || p.Rejected != 0 {
					t.Errorf("node %d punished a peer: score %.1f, %d invalid", m.Number, p.Score, p.Rejected)
				}
			}
		}
	})
}

// TestSwallowed: most neighbours of a node keep everything to themselves; the one honest neighbour is enough.
func TestSwallowed(t *testing.T) {
	Run(t, Options{Nodes: 4, Topics: []string{malware, fraud}}, func(t *testing.T, f *Fleet) {
		f.Line()
		f.listAll()
		for _, name := range []string{"hole one", "hole two", "hole three"} {
			f.Hostile(name, []string{malware, fraud}, 0, 3).Swallow()
		}
		f.publishFor(20*time.Second, time.Second, 0)
		took := f.WaitFor(alikeWithin, "all nodes alike", f.alike)
		t.Logf("%d records, all alike %v after the last", len(f.published), took)
		f.CheckFleet()
	})
}

// whole is the fingerprint of a set.
func whole(set recon.Set) recon.Fingerprint { return set.Fingerprint(0, set.Len()) }
