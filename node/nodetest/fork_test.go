package nodetest

//bubble: every test in this file runs inside Run, where time is virtual.

import (
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// twins makes two records that stand at one place of the peer's key log.
func (h *Hostile) twins(topic string) (one, other *protocol.Record) {
	h.fleet.t.Helper()
	one = h.record(topic, 100)
	head := one.Header()
	other = h.sign(protocol.Draft{
		Topic: head.Topic, Kind: protocol.KindObjects, Sequence: head.Sequence, Previous: head.Previous,
		Objects: [][]byte{[]byte(`{"type":"note","id":"note--00000000-0000-4000-8000-000000000001","content":"another"}`)},
	})
	return one, other
}

// TestFork is threat model P3: whoever tells two halves of the mesh two things is found
// out by the first node that sees both, and then every node holds his key (FRK-06).
func TestFork(t *testing.T) {
	for name, split := range map[string]bool{"to everybody": false, "to two halves": true} {
		t.Run(name, func(t *testing.T) {
			Run(t, Options{Nodes: 8}, func(t *testing.T, f *Fleet) {
				f.Ring(1, 3)
				f.Publish(0, malware, 1)
				f.WaitFor(5*time.Second, "the first record everywhere", f.Delivered)
				h := f.Hostile("two-faced", []string{malware}, 1)
				mouth := f.Hostile("other mouth", []string{malware}, 5)
				for _, m := range f.Members {
					if err := m.Policy.Set(trust.Entry{Org: h.author.Org, Petname: "two-faced", Level: trust.Anchor, Expires: time.Now().Add(24 * time.Hour)}); err != nil {
						t.Fatal(err)
					}
				}
				before := h.record(malware, 100)
				h.Send(malware, before.Raw())
				one, other := h.twins(malware)
				if split {
					f.Partition([]int{0, 1, 2, 3, 8}, []int{4, 5, 6, 7, 9}) // 8 and 9 are the hostile peers
					h.Send(malware, one.Raw())
					mouth.Send(malware, other.Raw())
					f.Settle(2 * time.Minute)
					for i, m := range f.Members {
						if m.Store.Has(one.ID()) != (i < 4) || m.Store.Has(other.ID()) != (i >= 4) || m.Standing.HeldKey(one.Org(), one.Key()) {
							t.Errorf("node %d: one %v, other %v, held %v", i, m.Store.Has(one.ID()), m.Store.Has(other.ID()), m.Standing.HeldKey(one.Org(), one.Key()))
						}
					}
					f.Heal() // gossip says nothing of it any more; comparing stores does
				} else {
					h.Send(malware, one.Raw())
					mouth.Send(malware, other.Raw())
				}
				took := f.WaitFor(3*time.Minute, "the key held by every node", func() bool {
					for _, m := range f.Members {
						if !m.Standing.HeldKey(h.author.Org, h.author.Key.Public().ID()) {
							return false
						}
					}
					return true
				})
				f.Settle(5 * time.Second)
				proofs := 0
				for _, m := range f.Members {
					if _, state, err := m.Store.Record(before.ID()); err != nil || state != storage.Accepted {
						t.Errorf("node %d: what came before the fork is %v, %v", m.Number, state, err)
					}
					for _, r := range []*protocol.Record{one, other} {
						if _, state, err := m.Store.Record(r.ID()); err == nil && state != storage.Held {
							t.Errorf("node %d: a record at the fork is %v", m.Number, state)
						}
					}
					ids, err := m.Store.Records(protocol.KindFork)
					if err != nil {
						t.Fatal(err)
					}
					proofs = max(proofs, len(ids))
				}
				t.Logf("held everywhere after %v; at most %d proofs on one node", took, proofs)
			})
		})
	}
}
