package trust

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
)

// GateQuery is what the automation gate asks about beside the score.
type GateQuery struct {
	// Value is the value that a machine would act on.
	Value pattern.Observable
	// Warned is true when any warning list, hard or soft, names the value.
	Warned bool
	// Arrived is when the newest of the records came in here that the passage rests on (Rests);
	// zero when all are this node's own.
	Arrived time.Time
	// Used says how many values an organisation's word made machines act on today; nil means none.
	Used func(protocol.OrgID) int
}

// HoldTime is how long what others say waits before machines act: a window to take it back.
const HoldTime = 60 * time.Second

// gateVoices is how many independent voices the gate asks for, where none is our own.
const gateVoices = 2

// Passage is the gate's decision about one value.
type Passage struct {
	Allow bool
	// Obstacles are sentences, one for each condition that is not met; empty when Allow.
	Obstacles []string
	// Publishers are the organisations whose word, by their entries' automation, lets the value
	// through, ordered by id. Their daily caps are what an output charges.
	Publishers []protocol.OrgID
	// Groups counts the independent voices in the gate score; own ones included.
	Groups int
}

// Pass decides whether machines may act on a value (threat model 3.6): gate score
// of Actionable or more; two groups or an own voice; no warning list; kind and publisher
// allowed by the trust list and under their daily cap (an own voice needs no allowance); nothing broader than a /24, a /56 or
// a registrable domain; HoldTime over for what is not our own. Barred claims are no
// part of the gate score (Claim.Barred). Only voices that name the value itself count here: who names a network around an address
// has not said that of each address in it. a must come from Assess of the same list and time.
func (l *List) Pass(a *Assessment, q GateQuery, now time.Time) Passage {
	g := gathered(a, q.Value.Type)
	p := Passage{Groups: len(g.voices)}
	object := func(format string, args ...any) {
		p.Obstacles = append(p.Obstacles, fmt.Sprintf(format, args...))
	}
	if g.score < Actionable {
		object("The gate score is %s, and machines act from %s.", decimals(g.score), decimals(Actionable))
	}
	switch {
	case g.own || p.Groups >= gateVoices:
	case p.Groups == 1:
		object("Only one independent voice names the value (%s), and machines act on two or on an own one.", l.called(g.voices[0].Claim.Org))
	default:
		object("No partner, anchor or own voice names the value itself, and machines act on two or on an own one.")
	}
	if q.Warned {
		object("A warning list names the value.")
	}
	var obstacle string
	if p.Publishers, obstacle = l.allowing(g, q); obstacle != "" {
		object("%s", obstacle)
	}
	if obstacle := tooBroad(q.Value); obstacle != "" {
		object("%s", obstacle)
	}
	if !q.Arrived.IsZero() && now.Sub(q.Arrived) < HoldTime {
		object("The newest record came in less than %d seconds ago: machines wait that long, so that it can be taken back.", HoldTime/time.Second)
	}
	p.Allow = len(p.Obstacles) == 0
	return p
}

// backing is what speaks for acting on a value.
type backing struct {
	voices []Term // the strongest of each group, strongest first
	score  int
	own    bool
}

// Rests lists the voices that Pass goes by for a value of a kind, own ones included. Not all of them are Counted in the
// assessment: who names the value may stand behind a stronger voice of his group that names a network around it.
func (a *Assessment) Rests(kind pattern.Type) []Term { return gathered(a, kind).voices }

// gathered picks from an assessment the voices of the gate score that name the value
// itself, and works out the score that they come to. Where nothing is left out that is the gate score.
func gathered(a *Assessment, kind pattern.Type) backing {
	var g backing
	whole := true
	seen := map[string]bool{}
	for _, t := range a.Terms {
		if t.Level < Partner || t.Claim.Refutes || !t.Counted && t.Why != weaker.String() {
			continue
		}
		if t.Claim.Kind != kind {
			whole = whole && !t.Counted
			continue
		}
		if !seen[t.Group] { // terms come strongest first, though counted ones before others
			seen[t.Group] = true
			g.voices = append(g.voices, t)
			g.own = g.own || t.Level == Own
		}
	}
	if g.score = a.Gate; !whole {
		support := certain
		slices.SortFunc(g.voices, func(a, b Term) int { return cmp.Or(cmp.Compare(b.V, a.V), strings.Compare(a.Group, b.Group)) })
		for _, t := range g.voices {
			support = support.and(int32(t.V))
		}
		g.score = score(support.any(), a.Refute)
	}
	return g
}

// allowing finds the publishers whose entries allow machines to act on this kind of value and
// who have not used up their day, or says why there are none where one is needed.
func (l *List) allowing(g backing, q GateQuery) ([]protocol.OrgID, string) {
	var publishers []protocol.OrgID
	var spent []string
	for _, t := range g.voices {
		e := l.find(t.Claim.Org)
		if t.Level == Own || e == nil || !slices.Contains(e.Automation.Allow, q.Value.Type) {
			continue
		}
		if q.Used != nil && q.Used(e.Org) >= e.Automation.MaxPerDay {
			spent = append(spent, fmt.Sprintf("%s (%d a day)", l.called(e.Org), e.Automation.MaxPerDay))
			continue
		}
		publishers = append(publishers, e.Org)
	}
	slices.SortFunc(publishers, func(a, b protocol.OrgID) int { return slices.Compare(a[:], b[:]) })
	switch {
	case g.own || len(publishers) > 0:
		return publishers, ""
	case len(spent) > 0:
		return nil, "The daily limit is used up: " + strings.Join(spent, ", ") + "."
	}
	return nil, fmt.Sprintf("No organisation that names the value is allowed to make machines act on values of kind %s.", q.Value.Type)
}

// called is the petname of an organisation, or its id.
func (l *List) called(org protocol.OrgID) string {
	return cmp.Or(l.Petname(org), org.String())
}

// decimals writes a score with its two decimals: 7999 must not read 80.
func decimals(score int) string { return fmt.Sprintf("%d.%02d", score/100, score%100) }
