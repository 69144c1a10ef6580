// Package doctor examines a node: independent checks that run side by side within a time limit, each with what it
// found and what to do about it.
package doctor

import (
	"context"
	"time"
)

// Budget is how long an examination may take; what is not done by then is a failure of that check.
const Budget = 5 * time.Second

// State is what a check found.
type State string

// The states, best first. Skip means that there is nothing to check here, and says why.
const (
	OK   State = "ok"
	Skip State = "skip"
	Warn State = "warn"
	Fail State = "fail"
)

// Check is one thing to examine.
type Check struct {
	// Name is stable: alerts and runbooks name it.
	Name string
	// Run examines; it must end soon after ctx.
	Run func(ctx context.Context) Finding
}

// Finding is what a check found. Fix says what to do, as a command where there is one; it is "" for OK and Skip only.
type Finding struct {
	State State  `json:"state"`
	Text  string `json:"text"`
	Fix   string `json:"fix,omitempty"`
}

// Result is a finding with the check's name and duration.
type Result struct {
	Name string `json:"name"`
	Finding
	TookMS int64 `json:"took_ms"`
}

// Examine runs checks side by side within Budget and gives results in the order of the checks. A check that panics has failed.
func Examine(ctx context.Context, checks []Check) []Result {
	panic("unwritten")
}
