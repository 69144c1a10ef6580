package intake

import (
	"context"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// reduced gives a record as a peer has it who erased some objects, or, without any, the body.
func (d *desktop) reduced(r *protocol.Record, missing ...int) *protocol.Record {
	d.t.Helper()
	raw, err := protocol.Prune(r.Raw(), missing)
	if len(missing) == 0 {
		raw, err = protocol.HeaderOf(r.Raw())
	}
	check(d.t, err)
	out, err := protocol.VerifyStored(raw, d.d.Identity.Chains())
	check(d.t, err)
	return out
}

func (d *desktop) found(domain string) int {
	d.t.Helper()
	hits, _, err := d.d.Store.Lookup(pattern.Observable{Type: pattern.Domain, Value: domain}, nil)
	check(d.t, err)
	return len(hits)
}

// REC-37: what was missing when a record came is filled in by what comes later; what was erased here is not. A missing
// object is neither refused in anybody's name nor counted.
func TestReceiveReduced(t *testing.T) {
	ctx := context.Background()
	d := newDesktop(t, trust.Partner)
	r := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"), indicator(2, "[domain-name:value = 'b.example']"), "broken")
	alone, err := d.Receive(ctx, d.reduced(r), "peer")
	check(t, err)
	if alone.State != storage.Refused || alone.Accepted+alone.Held+alone.Refused != 0 || !d.d.Store.Lacks(r.ID()) {
		t.Errorf("a header alone: %+v", alone)
	}
	part, err := d.Receive(ctx, d.reduced(r, 1), "peer")
	check(t, err)
	if part.State != storage.Accepted || part.Accepted != 1 || part.Refused != 1 || len(part.Refusals) != 1 || part.Refusals[0].Index != 2 {
		t.Errorf("without its second object: %+v", part)
	}
	leaves, err := d.d.Store.Leaves(r.ID())
	check(t, err)
	if leaves[1].Reason != reason.ObjectMissing || d.found("a.example") != 1 || d.found("b.example") != 0 {
		t.Errorf("leaf %+v", leaves[1].Leaf)
	}
	for _, again := range []*protocol.Record{d.reduced(r), d.reduced(r, 1), d.reduced(r, 0)} {
		if _, err := d.Receive(ctx, again, "peer"); reason.Of(err) != reason.DupHeld {
			t.Errorf("what has nothing new: %v", err)
		}
	}
	check(t, d.Erase(ctx, r.ID(), []int{0}))
	d.receive(r)
	if d.found("a.example") != 0 || d.found("b.example") != 1 || d.d.Store.Lacks(r.ID()) {
		t.Errorf("filled in: %d and %d", d.found("a.example"), d.found("b.example"))
	}
	if _, err := d.Receive(ctx, r, "peer"); reason.Of(err) != reason.DupHeld {
		t.Errorf("again: %v", err)
	}
}

// TestReleaseReduced: a stranger's pruned record is released as what is there of it, when he is listed.
func TestReleaseReduced(t *testing.T) {
	d := newDesktop(t, trust.Unknown)
	r := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"), indicator(2, "[domain-name:value = 'b.example']"))
	d.receive(d.reduced(r, 1))
	d.list(trust.Partner)
	if n, err := d.Rejudge(context.Background(), Curable()...); n != 1 || err != nil {
		t.Errorf("%d released, %v", n, err)
	}
	if c := d.d.Store.Counts(); c.Objects != 1 || c.Held != 0 || !d.d.Store.Lacks(r.ID()) {
		t.Errorf("counts %+v", c)
	}
}

// TestForkOfReduced: a place taken twice is proved by a header alone.
func TestForkOfReduced(t *testing.T) {
	d := newDesktop(t, trust.Partner)
	one := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
	other := d.record(protocol.Draft{Sequence: 1}, indicator(2, "[domain-name:value = 'b.example']"))
	d.receive(d.reduced(one))
	if _, err := d.Receive(context.Background(), other, "peer"); reason.Of(err) != reason.LogFork || len(d.equivocated) != 1 {
		t.Errorf("%v, %d proofs", err, len(d.equivocated))
	}
}

// TestStrangersHeaders: headers without bodies have a room of their own, which strangers cannot overfill.
func TestStrangersHeaders(t *testing.T) {
	d := newDesktop(t, trust.Unknown)
	size := int64(len(d.reduced(d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))).Raw()))
	d = newDesktop(t, trust.Unknown, func(d *Deps) { d.Quarantine = strangerShare * (2*size + size/2) })
	for n := range 3 {
		_, err := d.Receive(context.Background(), d.reduced(d.record(protocol.Draft{}, indicator(n, "[domain-name:value = 'a.example']"))), "peer")
		if full := n == 2; full != (reason.Of(err) == reason.QuarantineFull) || !full && err != nil {
			t.Errorf("header %d: %v", n+1, err)
		}
	}
	d.list(trust.Observed)
	d.receive(d.reduced(d.record(protocol.Draft{}, indicator(9, "[domain-name:value = 'a.example']"))))
}

// TestReceiveExpired: a record whose life is over is not taken, from wherever it comes.
func TestReceiveExpired(t *testing.T) {
	d := newDesktop(t, trust.Partner)
	created := time.Now().Add(-2 * time.Hour).Truncate(time.Millisecond)
	r := d.record(protocol.Draft{Created: created, Expires: created.Add(time.Hour)}, indicator(1, "[domain-name:value = 'a.example']"))
	if _, err := d.Receive(context.Background(), r, "peer"); reason.Of(err) != reason.TimeExpired || d.d.Store.Has(r.ID()) {
		t.Errorf("%v", err)
	}
}
