package trust

import (
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
	// Arrived is when the newest of the records that the gate score rests on came
	// in here; zero when all are this node's own.
	Arrived time.Time
	// Used says how many values an organisation's word made machines act on today; nil means none.
	Used func(protocol.OrgID) int
}

// HoldTime is how long what others say waits before machines act: a window to take it back.
const HoldTime = 60 * time.Second

// Passage is the gate's decision about one value.
type Passage struct {
	Allow bool
	// Obstacles are sentences, one for each condition that is not met; empty when Allow.
	Obstacles []string
	// Publishers are the organisations whose word, by their entries' automation, lets the value through.
	Publishers []protocol.OrgID
	// Groups counts the independent voices in the gate score; own ones included.
	Groups int
}

// Pass decides whether machines may act on a value (threat model 3.6): gate score
// of Actionable or more; two groups or an own voice; no warning list; kind and publisher
// allowed by the trust list and under their daily cap (an own voice needs no allowance); nothing broader than a /24, a /56 or
// a registrable domain; HoldTime over for what is not our own. Barred claims are no
// part of the gate score (Claim.Barred). a must come from Assess of the same list and time.
func (l *List) Pass(a *Assessment, q GateQuery, now time.Time) Passage { panic("unwritten") }
