package admin

import (
	"context"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/belief"
	"tocsin/node/scores"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
)

func TestScorecards(t *testing.T) {
	b := newBench(t)
	none, err := b.client.Scorecards(t.Context(), "")
	ok(t, err)
	if none.Items == nil || len(none.Items) != 0 {
		t.Errorf("without a ledger: %+v", none)
	}
	ok(t, b.deps.Policy.Set(trust.Entry{Org: b.other.Org, Petname: "other", Level: trust.Partner, Expires: time.Now().AddDate(0, 0, 90)}))
	book, err := scores.Open(filepath.Join(t.TempDir(), "scores.json"), scores.Deps{Store: b.deps.Store, Policy: b.deps.Policy, Own: b.deps.Self.Org})
	ok(t, err)
	b.receive(b.other.record(t, "fraud", indicator(1, "one.example"), indicator(2, "two.example")))
	b.publish(indicator(3, "one.example"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- book.Run(ctx) }()
	for book.Behind() > 0 {
		runtime.Gosched()
	}
	cancel()
	ok(t, <-done)
	b.deps.Desk = belief.New(belief.Deps{Store: b.deps.Store, Policy: b.deps.Policy, Scores: book, Own: b.deps.Self.Org})
	b.deps.Commitment = func(org protocol.OrgID) (protocol.Commitment, bool) {
		return protocol.Commitment{Onward: stix.Green, Attribution: true, Retraction: 2 * time.Hour, Retention: 90 * 24 * time.Hour, Will: []string{"answer"}}, org == b.other.Org
	}
	b.client = serve(t, b.deps)
	all, err := b.client.Scorecards(t.Context(), "")
	ok(t, err)
	one, err := b.client.Scorecards(t.Context(), "other")
	ok(t, err)
	if len(all.Items) != 2 || len(one.Items) != 1 {
		t.Fatalf("all %+v, one %+v", all, one)
	}
	c := one.Items[0]
	if c.Petname != "other" || c.Level != "partner" || c.Topic != "fraud" || c.Objects != 2 || c.Unique != 1 || c.Confirmed != 1 || c.Leads != 1 || c.Q != 1 {
		t.Errorf("card %+v", c)
	}
	if p := c.Commitment; p == nil || p.RetractionSeconds != 7200 || p.RetentionDays != 90 || !strings.EqualFold(p.Onward, stix.Green.String()) || !p.Attribution || len(p.Will) != 1 {
		t.Errorf("commitment %+v", c.Commitment)
	}
	for _, c := range all.Items {
		if c.Org == b.deps.Self.Org.String() && (c.Commitment != nil || c.Level != "own") {
			t.Errorf("own card %+v", c)
		}
	}
	if _, err := b.client.Scorecards(t.Context(), "nobody"); api.ProblemOf(err).Code != string(reason.NotFound) {
		t.Errorf("an unknown organisation: %v", err)
	}
	status, err := b.client.Status(t.Context())
	ok(t, err)
	if status.Behind != 0 || status.Judging != nil {
		t.Errorf("status %+v", status)
	}
}

func TestSimulate(t *testing.T) {
	b := newBench(t)
	b.receive(b.other.record(t, "fraud", indicator(1, "one.example")))
	list := func(level string) string {
		return "[[org]]\nid = \"" + b.other.Org.String() + "\"\npetname = \"other\"\nlevel = \"" + level + "\"\nexpires = " + time.Now().AddDate(0, 0, 90).Format(time.DateOnly) + "\n"
	}
	before := b.deps.Policy.List().Digest()
	s, err := b.client.SimulateTrust(t.Context(), api.SimulateRequest{Name: "new.toml", File: list("anchor")})
	ok(t, err)
	if s.Values != 1 || s.Changed != 1 || s.Days != api.DefaultSimulateDays || len(s.Kinds) != 1 || s.Kinds[0] != (api.ChangeKind{Kind: "unknown -> known", Count: 1}) {
		t.Errorf("as an anchor: %+v", s)
	}
	if e := s.Examples[0]; e.Type != "domain" || e.Value != "one.example" || e.Before.State != "held" || e.After.Gate != 40 || e.After.Band != "context" {
		t.Errorf("example %+v", e)
	}
	s, err = b.client.SimulateTrust(t.Context(), api.SimulateRequest{File: "", Days: 1})
	ok(t, err)
	if s.Values != 0 || s.Changed != 0 || s.Kinds == nil || s.Examples == nil {
		t.Errorf("the same list: %+v", s)
	}
	if b.deps.Policy.List().Digest() != before || b.deps.Policy.Version() != 0 {
		t.Error("a simulation changed the list in force")
	}
	for name, r := range map[string]struct {
		request api.SimulateRequest
		code    reason.Code
		says    string
	}{
		"a mistake":     {api.SimulateRequest{Name: "new.toml", File: "colour = 1"}, reason.TrustFile, "new.toml:1:1"},
		"too far ahead": {api.SimulateRequest{Name: "new.toml", File: strings.Replace(list("anchor"), "expires = ", "expires = 2099-01-01 #", 1)}, reason.TrustFile, "365 days"},
		"too many days": {api.SimulateRequest{File: "", Days: 401}, reason.UsageInvalid, ""},
	} {
		_, err := b.client.SimulateTrust(t.Context(), r.request)
		if p := api.ProblemOf(err); p.Code != string(r.code) || !strings.Contains(p.Detail, r.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	busy := simulateResource{b.deps.Desk, b.deps.Policy, make(chan struct{}, 1)}
	busy.one <- struct{}{}
	if _, err := busy.simulate(t.Context(), &struct{ Body api.SimulateRequest }{}); reason.Of(err) != reason.Conflict {
		t.Errorf("a second simulation at once: %v", err)
	}
}
