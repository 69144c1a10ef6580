package nodetest

//bubble: every test in this file runs inside Run, where time is virtual.

import (
	"testing"
	"time"

	"tocsin/node/cputime"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const (
	malware = "malicious-code"
	fraud   = "fraud"
)

// TestFleet is the first promise of the mesh: of twenty full nodes and a hostile peer that
// sends forged, misplaced, oversized and replayed records, every honest record reaches
// every store, the hostile one is graylisted by all its neighbours, and nobody honest
// is punished (NET-07, NET-08).
func TestFleet(t *testing.T) {
	wall, cpu := time.Now(), cputime.Used()
	Run(t, Options{Nodes: 20, Topics: []string{malware, fraud}}, func(t *testing.T, f *Fleet) {
		f.Ring(1, 3, 7)
		for i := range f.Members {
			f.Trust(i, (i+5)%20, trust.Partner)
		}
		first := f.Publish(0, malware, 10)
		f.WaitFor(5*time.Second, "the first record everywhere", f.Delivered)
		targets := []int{2, 9, 16}
		h := f.Hostile("hostile", []string{malware, fraud}, targets...)
		for i := range f.Members {
			f.Publish(i, malware, 3)
			if i%4 == 0 {
				f.Publish(i, fraud, 3)
				h.SendReplayed(first)
			}
			switch i {
			case 3:
				h.SendForged(malware)
			case 6:
				h.SendMisplaced(fraud, malware)
			case 9:
				h.SendOversized(malware)
			case 12, 15:
				h.SendForged(malware)
			}
		}
		took := f.WaitFor(10*time.Second, "every record everywhere", f.Delivered)
		t.Logf("%d records everywhere %v after the last was published", len(f.Published()), took)
		f.Settle(5 * time.Second)
		for _, i := range targets {
			p, ok := f.Peer(i, h.ID())
			if !ok || p.Score >= Graylisted {
				t.Errorf("node %d has not graylisted the hostile peer: %+v", i, p)
			}
		}
		f.CheckFleet()
	})
	used := cputime.Used() - cpu
	t.Logf("wall time %v, CPU time %v", time.Since(wall).Round(time.Millisecond), used)
	if limit := 40 * time.Second; used > limit {
		t.Errorf("used %v of CPU, limit %v: twenty seconds of two cores", used, limit)
	}
}

// TestPartition cuts a fleet in two while both halves publish. What was published
// within a half stays there, since gossip repeats nothing; after healing new
// records reach everybody again, and the cut is nobody's fault.
func TestPartition(t *testing.T) {
	Run(t, Options{Nodes: 6}, func(t *testing.T, f *Fleet) {
		f.Ring(1, 2)
		f.Publish(0, malware, 2)
		f.WaitFor(5*time.Second, "the first record everywhere", f.Delivered)
		f.Partition([]int{0, 1, 2}, []int{3, 4, 5})
		f.Settle(2 * time.Minute) // connections across the cut have timed out
		for i := range f.Members {
			for _, p := range f.Members[i].Host.Peers() {
				same := false
				for j := range f.Members {
					same = same || f.Members[j].Host.PeerID() == p.ID && i/3 == j/3
				}
				if p.Connected != same {
					t.Errorf("node %d, peer of the same half %v: connected %v", i, same, p.Connected)
				}
			}
		}
		f.Heal()
		f.Settle(6 * time.Minute) // the longest backoff
		f.Publish(1, malware, 2)
		f.Publish(5, malware, 2)
		f.WaitFor(5*time.Second, "records everywhere after healing", f.Delivered)
		f.CheckFleet()
	})
}

// TestLatecomer joins when the rest have long known each other: it learns all
// chains at once and takes part from then on.
func TestLatecomer(t *testing.T) {
	Run(t, Options{Nodes: 5}, func(t *testing.T, f *Fleet) {
		for i := range 3 {
			f.Connect(i, i+1)
		}
		f.Settle(time.Minute)
		f.Connect(4, 0)
		f.Publish(4, malware, 2)
		f.Publish(3, malware, 2)
		f.WaitFor(5*time.Second, "records both ways", f.Delivered)
		f.CheckFleet()
	})
}

// TestBelief: what a node lists it accepts, what it does not list it holds, and it
// relays both.
func TestBelief(t *testing.T) {
	Run(t, Options{Nodes: 3}, func(t *testing.T, f *Fleet) {
		f.Line()
		f.Trust(2, 0, trust.Partner)
		p := f.Publish(0, malware, 2)[0]
		f.WaitFor(5*time.Second, "the record everywhere", f.Delivered)
		for i, want := range []storage.State{storage.Accepted, storage.Held, storage.Accepted} {
			if _, state, err := f.Members[i].Store.Record(p.ID); err != nil || state != want {
				t.Errorf("node %d: %s, want %s, %v", i, state, want, err)
			}
		}
		f.CheckFleet()
	})
}
