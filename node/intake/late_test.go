package intake

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// TestExpiredKeySpeaks is VER-18: a thief of a key whose certificate ended dates his records into its window and brings them by
// catch-up. They are held, for room that is bounded, and come out when a status names them; what this node makes is not asked.
func TestExpiredKeySpeaks(t *testing.T) {
	ctx := context.Background()
	now := time.Now().Truncate(time.Millisecond)
	old, err := protocoltest.Found(testNetwork, "Old", now.Add(-120*24*time.Hour), rand.Reader)
	check(t, err)
	d := newDesktop(t, trust.Partner, func(d *Deps) { d.Quarantine = strangerShare * 3 * minCharge })
	d.Learn(old.Statements...)
	check(t, d.book.Set(trust.Entry{Org: old.Org, Level: trust.Partner, Petname: "Old", Expires: now.AddDate(0, 6, 0)}))
	next := func(n int) *protocol.Record {
		r, err := old.Record(protocol.Draft{Topic: topicOf(t, "fraud"), Kind: protocol.KindObjects, Rand: rand.Reader,
			Created: old.Certificate.NotAfter.Add(-time.Hour), Expires: now.Add(100 * 24 * time.Hour),
			Objects: [][]byte{[]byte(indicator(n, "[domain-name:value = 'stolen.example']"))}})
		check(t, err)
		if _, err := protocol.Verify(r.Raw(), d.d.Identity.Chains(), now); reason.Of(err) != reason.CertExpired {
			t.Fatalf("by gossip: %v", err)
		}
		return r
	}
	honest := next(1)
	if out := d.receive(honest); out.State != storage.Held {
		t.Fatalf("outcome %+v", out)
	}
	if _, why := d.fate(honest.ID()); why != reason.CertExpired {
		t.Errorf("held for %q", why)
	}
	if n, err := d.Rejudge(ctx, Curable()...); n != 0 || err != nil {
		t.Errorf("%d came out by themselves, %v", n, err)
	}
	beat, err := old.Beat(now)
	check(t, err)
	stolen := next(2)
	if out := d.receive(stolen); out.State != storage.Held {
		t.Errorf("above the head: %+v", out)
	}
	d.Learn(beat)
	if n, err := d.Rejudge(ctx, Curable()...); n != 1 || err != nil {
		t.Errorf("%d came out when a status named one, %v", n, err)
	}
	if state, _ := d.fate(honest.ID()); state != storage.Accepted {
		t.Errorf("what the status names is %v", state)
	}
	if state, _ := d.fate(stolen.ID()); state != storage.Held {
		t.Errorf("what it does not name is %v", state)
	}
	if n := d.flood(5, func(i int) *protocol.Record { return next(3 + i) }); n != 2 {
		t.Errorf("%d more were held, want 2", n)
	}
	if _, err := d.Receive(ctx, next(9), Local); err != nil {
		t.Errorf("made here: %v", err)
	}
}

// TestListedLate: what came from a stranger while his key had a certificate comes out when he is listed, also after the certificate ended.
func TestListedLate(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	old, err := protocoltest.Found(testNetwork, "Old", now.Add(-120*24*time.Hour), rand.Reader)
	check(t, err)
	d := newDesktop(t, trust.Partner)
	d.Learn(old.Statements...)
	end := old.Certificate.NotAfter
	for n, came := range []time.Time{end, now} {
		r, err := old.Record(protocol.Draft{Topic: topicOf(t, "fraud"), Kind: protocol.KindObjects, Rand: rand.Reader,
			Created: end.Add(-time.Hour), Expires: now.Add(100 * 24 * time.Hour),
			Objects: [][]byte{[]byte(indicator(n, "[domain-name:value = 'a.example']"))}})
		check(t, err)
		v := d.judge(r, trust.Unknown)
		v.entry.Received, v.entry.From = came, "peer"
		check(t, d.d.Store.Accept(t.Context(), v.entry))
	}
	check(t, d.book.Set(trust.Entry{Org: old.Org, Level: trust.Partner, Petname: "Old", Expires: now.AddDate(0, 6, 0)}))
	if n, err := d.Rejudge(t.Context(), reason.TrustUnknown); n != 1 || err != nil {
		t.Errorf("%d came out, want the one that came in time; %v", n, err)
	}
}
