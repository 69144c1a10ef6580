package node

import (
	"path/filepath"
	"testing"
	"time"

	"tocsin/node/policy"
	"tocsin/protocol"
	"tocsin/protocol/trust"
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
