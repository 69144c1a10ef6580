package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
)

// What was promised stands beside what was measured, and nothing that others wrote reaches the terminal raw.
func TestShowScorecards(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	card := api.Scorecard{
		Org: "sha256:" + strings.Repeat("ab", 32), Petname: "CERT-EX", Level: "partner", Topic: "fraud",
		Objects: 30, Unique: 10, LeadSeconds: 7200, Leads: 4, Confirmed: 12, Refuted: 3, Withdrawn: 1, Q: 0.4839,
		RetractionSeconds: 5400, Retractions: 2, Last: now.Add(-50 * time.Hour),
		Commitment: &api.Commitment{
			Onward: "green", Attribution: true, RetractionSeconds: 86400 / 2, RetentionDays: 90, Until: now.AddDate(0, 3, 0),
			Will: []string{"answer within a day\x1b[2J"}, WillNot: []string{"sell what it gets"},
		},
	}
	g := &globals{}
	for name, c := range map[string]struct {
		cards    []api.Scorecard
		detailed bool
		want     []string
	}{
		"nothing yet": {nil, true, []string{"No scorecards yet"}},
		"one": {[]api.Scorecard{card}, true, []string{
			"CERT-EX", "30, 33% unique", "2 h (4)", "12/3", "0.4839", "1 h (2), promised 12 h", "2 d",
			"Promised until 2026-06-04: passes on up to GREEN, names its sources, keeps what it received for 90 days.",
			`It will: answer within a day\x1b[2J`, "It will not: sell what it gets",
		}},
		"a fresh one": {[]api.Scorecard{{Org: card.Org, Level: "observed", Topic: "fraud", Last: now}}, true, []string{
			"sha256:abababababab", "1.00", "0/0", "It has promised nothing",
		}},
		"all": {[]api.Scorecard{card, card}, false, []string{"promised 12 h"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			g.showScorecards(&b, c.cards, c.detailed, now)
			for _, want := range c.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("lacks %q:\n%s", want, &b)
				}
			}
			if strings.Contains(b.String(), "\x1b") || !c.detailed && strings.Contains(b.String(), "It will") {
				t.Errorf("shows too much:\n%s", &b)
			}
		})
	}
}

// The port lists by ids, people read by names.
func TestByPetname(t *testing.T) {
	in := []string{"zeta", "Alpha", "mid"}
	if got := strings.Join(byPetname(in, func(s string) string { return s }), " "); got != "Alpha mid zeta" || in[0] != "zeta" {
		t.Errorf("%s, from %q", got, in)
	}
}

func TestShowSimulation(t *testing.T) {
	g := &globals{}
	var b bytes.Buffer
	g.showSimulation(&b, &api.Simulation{
		Values: 1200, Changed: 60, Days: 30, Seconds: 0.1234,
		Kinds:    []api.ChangeKind{{Kind: "suspicious -> malicious", Count: 60}},
		Examples: []api.ChangeExample{{Type: "domain", Value: "evil.example", Before: api.Placement{Verdict: "suspicious", Gate: 72}, After: api.Placement{Verdict: "malicious", Gate: 86}}},
	})
	for _, want := range []string{
		"1,200 values of the last 30 days judged in 120ms, 60 would change. Nothing was applied.",
		"      60  suspicious -> malicious", "evil[.]example", "suspicious 72", "malicious 86", "... and 59 more",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &b)
		}
	}
	b.Reset()
	g.showSimulation(&b, &api.Simulation{Values: 1, Days: 1})
	if got := b.String(); got != "1 value of the last 1 day judged in 0s, 0 would change. Nothing was applied.\n" {
		t.Errorf("nothing changes: %q", got)
	}
}

// A check says in a line why machines do not act, and names lists and opinions.
func TestShowCheckContext(t *testing.T) {
	g := &globals{}
	var b bytes.Buffer
	g.showCheckItem(&b, api.CheckItem{
		Value: "evil.example", Type: "domain", Normal: "evil.example", Verdict: "malicious", Score: 90, State: "disputed",
		Opinions: []api.Opinion{
			{Says: "disagrees", Source: api.Source{Petname: "CERT-EX", Level: "partner", State: "accepted"}},
			{Says: "seen", Source: api.Source{Level: "own"}}, {Says: "agrees"}, {Says: "agrees"}, {Says: "agrees"},
		},
		Warning:    &api.Warning{List: "popular\x1b", Entry: "example"},
		Automation: &api.Automation{Obstacles: []string{"A warning list names the value."}},
	}, 64)
	for _, want := range []string{
		"CERT-EX (partner) disagrees", "we ourselves (own) seen", "... and 2 more opinions", "on the warning list",
		"machines do not act on it: A warning list names the value.",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Errorf("control characters get through: %q", b.String())
	}
	if mayAct(&api.Automation{Allow: true}) != "machines may act on it" {
		t.Error("an open gate is not said to be open")
	}
}
