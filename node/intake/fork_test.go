package intake

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// TestFork is threat model P3: two records at one place are a proof, whichever comes
// first and whoever brings the second. The key is held from there on, once per key the
// proof is handed on, and what came before stands.
func TestFork(t *testing.T) {
	for name, swap := range map[string]bool{"one first": false, "the other first": true} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			d := newDesktop(t, trust.Anchor)
			before := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
			one := d.record(protocol.Draft{}, indicator(2, "[domain-name:value = 'b.example']"))
			other := d.record(protocol.Draft{Sequence: 2, Previous: before.ID()}, indicator(3, "[domain-name:value = 'c.example']"))
			if swap {
				one, other = other, one
			}
			d.receive(before)
			d.receive(one)
			for range 2 {
				if _, err := d.Receive(ctx, other, "peer"); reason.Of(err) != reason.LogFork {
					t.Errorf("the second: %v", err)
				}
			}
			if len(d.equivocated) != 1 || len(d.forked) != 1 {
				t.Fatalf("%d proofs were handed on and %d noted, want 1 and 1", len(d.equivocated), len(d.forked))
			}
			if f := d.equivocated[0]; f.Org != d.author.Org || f.Key != one.Key() || f.Sequence != 2 || f.Topic != one.Header().Topic {
				t.Errorf("proof %+v", f)
			}
			if d.d.Standing.Record(before) != nil || reason.Of(d.d.Standing.Record(one)) != reason.LogFork || reason.Of(d.d.Standing.Record(other)) != reason.LogFork {
				t.Error("the fork does not void from its place on, or voids more")
			}
			if out := d.receive(d.record(protocol.Draft{}, indicator(4, "[domain-name:value = 'd.example']"))); out.State != storage.Held {
				t.Errorf("the next record of the key: %+v", out)
			}
		})
	}
}

// TestForkRecord: a proof holds the key on a node that saw neither record, also when a
// stranger carries it and when there is no room for the record that carries it.
func TestForkRecord(t *testing.T) {
	for name, limit := range map[string]int64{"room": 0, "no room": 1} {
		t.Run(name, func(t *testing.T) {
			d := newDesktop(t, trust.Anchor, func(d *Deps) { d.Quarantine = limit })
			one := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
			other := d.record(protocol.Draft{Sequence: 1}, indicator(2, "[domain-name:value = 'b.example']"))
			body, err := protocol.NewForkProof(one, other)
			check(t, err)
			carrier := d.stranger("Carrier")
			_, err = d.Receive(context.Background(), d.carry(carrier, body), "peer")
			if limit == 0 && err != nil || limit == 1 && reason.Of(err) != reason.QuarantineFull {
				t.Errorf("the record of a stranger: %v", err)
			}
			if !d.d.Standing.HeldKey(one.Org(), one.Key()) || len(d.forked) != 1 || len(d.equivocated) != 0 {
				t.Errorf("held %v, noted %d, handed on %d", d.d.Standing.HeldKey(one.Org(), one.Key()), len(d.forked), len(d.equivocated))
			}
			if out := d.receive(one); out.State != storage.Held {
				t.Errorf("the first record, which comes after the proof: %+v", out)
			}
			if _, why := d.fate(one.ID()); why != reason.LogFork {
				t.Errorf("held for %q", why)
			}
		})
	}
}

// carry puts a proof into a record as it came from the network.
func (d *desktop) carry(a *protocoltest.Author, body []byte) *protocol.Record {
	d.t.Helper()
	r, err := a.Record(protocol.Draft{Topic: protocol.TopicControl, Kind: protocol.KindFork, Body: body, Rand: rand.Reader})
	check(d.t, err)
	r, err = protocol.Verify(r.Raw(), d.d.Identity.Chains(), time.Now())
	check(d.t, err)
	if r.Fork() == nil {
		d.t.Fatal("the record carries no proof")
	}
	return r
}

// TestOwnFork: a record that this node made and could not place went nowhere: it proves
// nothing against its own key.
func TestOwnFork(t *testing.T) {
	d := newDesktop(t, trust.Anchor)
	d.receive(d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']")))
	own := d.record(protocol.Draft{Sequence: 1}, indicator(2, "[domain-name:value = 'b.example']"))
	if _, err := d.Receive(context.Background(), own, Local); reason.Of(err) != reason.LogFork {
		t.Errorf("%v", err)
	}
	if d.d.Standing.HeldKey(own.Org(), own.Key()) || len(d.equivocated) != 0 {
		t.Error("the own key is held")
	}
}

// TestStandsAfterFork: what is rolled back and forked is taken back only when neither
// voids it.
func TestStandsAfterFork(t *testing.T) {
	ctx := context.Background()
	d := newDesktop(t, trust.Anchor)
	check(t, d.d.Standing.RollBack(standing.Rollback{Org: d.author.Org, Key: d.author.Key.Public().ID()}))
	one := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
	two := d.record(protocol.Draft{}, indicator(2, "[domain-name:value = 'b.example']"))
	d.receive(one)
	d.receive(two)
	_, err := d.d.Standing.Forked(&protocol.ForkProof{Org: one.Org(), Key: one.Key(), Topic: one.Header().Topic, Sequence: 2}, time.Now())
	check(t, err)
	_, err = d.d.Standing.Restore(d.author.Org, "")
	check(t, err)
	if n, err := d.Rejudge(ctx, Curable()...); n != 1 || err != nil {
		t.Errorf("%d objects came back, %v, want 1", n, err)
	}
	if state, _ := d.fate(one.ID()); state != storage.Accepted {
		t.Errorf("the one before the fork is %v", state)
	}
	if state, _ := d.fate(two.ID()); state != storage.Held {
		t.Errorf("the one at the fork is %v", state)
	}
}
