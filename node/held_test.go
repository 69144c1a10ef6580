package node

import (
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"tocsin/node/outbox"
	"tocsin/node/policy"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// TestLasting: a flood of new organisations drives out the chain, and with it the revocations, of
// nobody whom the trust list names or who is vouched for.
func TestLasting(t *testing.T) {
	book, err := policy.Open("", filepath.Join(t.TempDir(), "trust.toml"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	anchor, blocked, vouched, stranger := protocol.OrgID{1}, protocol.OrgID{2}, protocol.OrgID{3}, protocol.OrgID{4}
	for _, e := range []trust.Entry{
		{Org: anchor, Petname: "Anchor", Level: trust.Anchor, Vouch: &trust.Vouch{Depth: 1, MaxOrgs: 5, LevelCap: trust.Observed, Scopes: []string{"*"}}},
		{Org: blocked, Petname: "Blocked", Level: trust.Blocked},
	} {
		e.Expires = now.AddDate(0, 6, 0)
		if err := book.Set(e); err != nil {
			t.Fatal(err)
		}
	}
	book.SetVouches([]trust.VouchFact{{Voucher: anchor, Subject: vouched, Made: now.Add(-time.Hour), Until: now.Add(time.Hour)}})
	n := &Node{Policy: book}
	for org, want := range map[protocol.OrgID]bool{anchor: true, blocked: true, vouched: true, stranger: false} {
		if got := n.lasting(org); got != want {
			t.Errorf("%s is kept: %v, want %v", org, got, want)
		}
	}
}

// TestKnownInPart: gossip completes a record of which a liar gave only the header; what is here whole is not taken again.
func TestKnownInPart(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := protocoltest.Found("test", "A", time.Now().Truncate(time.Millisecond), rand.Reader)
	must(err)
	r, err := a.Record(protocol.Draft{Topic: protocol.TopicDrill, Kind: 77, Body: []byte("later"), Rand: rand.Reader})
	must(err)
	raw, err := protocol.HeaderOf(r.Raw())
	must(err)
	header, err := protocol.VerifyHeader(raw, a.Chains)
	must(err)
	store, err := storage.Open("", storage.Options{Memory: true, Network: "test"})
	must(err)
	t.Cleanup(func() { must(store.Close()) })
	stands, err := standing.Open(filepath.Join(t.TempDir(), "standing.json"), func() *protocol.Chains { return a.Chains })
	must(err)
	n := &Node{Store: store, Standing: stands, Outbox: outbox.New(store, nil, nil, protocol.OrgID{1}, a.Operations, nil)}
	for _, tt := range []struct {
		entry storage.Entry
		want  reason.Code
	}{
		{storage.Entry{Record: header, State: storage.Refused, Reason: reason.ObjectMissing}, ""},
		{storage.Entry{Record: r, State: storage.Accepted}, reason.DupHeld},
	} {
		tt.entry.Received = time.Now()
		must(store.Accept(t.Context(), tt.entry))
		if err := n.known(r); reason.Of(err) != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("with %d bytes of it here: %v, want %q", len(tt.entry.Record.Raw()), err, tt.want)
		}
	}
}
