package belief

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/protocol/warn"
)

// everyone lists the voices and answers that an explanation speaks of.
func (h *hearing) everyone() []*voice {
	out := make([]*voice, 0, len(h.voices)+len(h.answers))
	for i := range h.voices {
		out = append(out, &h.voices[i])
	}
	for i := range h.answers {
		out = append(out, &h.answers[i].voice)
	}
	slices.SortFunc(out, trusted)
	return out
}

// ledger lists the factors q that stand in the arithmetic, with their counts.
func (s *session) ledger(h *hearing) []api.LedgerLine {
	var out []api.LedgerLine
	told := map[bearer]bool{}
	for _, v := range h.everyone() {
		at := bearer{v.Org, v.Topic}
		q := s.bearing(v.Org, v.Topic).q
		if told[at] || q == 0 {
			continue
		}
		told[at] = true
		line := api.LedgerLine{Org: v.Org.String(), Petname: v.petname, Topic: v.Topic.String(), Q: fraction(q)}
		if s.Scores != nil {
			l := s.Scores.Ledger(v.Org, v.Topic.String(), s.now)
			line.Confirmed, line.Refuted, line.Withdrawn = l.Confirmed, l.Refuted, l.Withdrawn
		}
		out = append(out, line)
	}
	return out
}

func ledgerLines(ledger []api.LedgerLine) []string {
	var lines []string
	for _, l := range ledger {
		lines = append(lines, fmt.Sprintf("ledger of %s on %s: q %s, from %d confirmed, %d refuted and %d withdrawn values in all, the older the less",
			cmp.Or(l.Petname, shortOrg(l.Org)), l.Topic, decimal(int(l.Q*10_000+0.5)), l.Confirmed, l.Refuted, l.Withdrawn))
	}
	return lines
}

// barred lists who is out of automation.
func (h *hearing) barred() []api.BarredLine {
	var out []api.BarredLine
	told := map[bearer]bool{}
	for _, v := range h.everyone() {
		at := bearer{v.Org, v.Topic}
		if v.barred == "" || told[at] {
			continue
		}
		told[at] = true
		out = append(out, api.BarredLine{
			Org: v.Org.String(), Petname: v.petname, Topic: v.Topic.String(), Code: string(v.barred), Why: whyBarred(v.barred),
		})
	}
	return out
}

func whyBarred(code reason.Code) string {
	switch code {
	case reason.OrgDisputed:
		return "two statements claim to be its root"
	case reason.OrgStale:
		return "it has signed no status for a week"
	case reason.OrgTripped:
		return "its circuit breaker is open here"
	}
	return string(code)
}

func barredLines(barred []api.BarredLine) []string {
	var lines []string
	for _, b := range barred {
		lines = append(lines, fmt.Sprintf("%s is out of automation on %s (%s: %s): its voice counts as an observed one at most",
			cmp.Or(b.Petname, shortOrg(b.Org)), b.Topic, b.Code, b.Why))
	}
	return lines
}

// shortOrg is how an organisation without a petname is called.
func shortOrg(org string) string { return org[:min(len(org), len("sha256:")+8)] }

func warningLine(hit *warn.Hit) string {
	kind := "soft"
	if hit.Weight >= warn.Hard {
		kind = "hard"
	}
	return fmt.Sprintf("the %s warning list %q names it (%s): that refutes with %s, and no machine may act on it", kind, hit.List, hit.Entry, decimal(hit.Weight))
}

// together says which voices are one: several organisations of one group.
func together(terms []trust.Term) []string {
	orgs := map[string][]protocol.OrgID{}
	names := map[string][]string{}
	for i := range terms {
		t := &terms[i]
		if t.Level < trust.Observed || t.Claim.Refutes || slices.Contains(orgs[t.Group], t.Claim.Org) {
			continue
		}
		orgs[t.Group] = append(orgs[t.Group], t.Claim.Org)
		names[t.Group] = append(names[t.Group], speaker(t.Petname, t.Claim.Org, t.Level))
	}
	var lines []string
	for group, who := range names {
		if len(who) > 1 {
			slices.Sort(who)
			lines = append(lines, fmt.Sprintf("%s count once, as %s", strings.Join(who, " and "), group))
		}
	}
	slices.Sort(lines)
	return lines
}

func gateLine(p *trust.Passage) string {
	if p.Allow {
		return fmt.Sprintf("automation: allowed, on %d independent voices", p.Groups)
	}
	return "automation: not allowed: " + strings.Join(p.Obstacles, "; ")
}
