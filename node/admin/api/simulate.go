package api

import (
	"context"
	"net/http"
)

// The limits of a simulation.
const (
	// MaxSimulateDays is how far back a simulation looks at most, and DefaultSimulateDays when nothing is said.
	MaxSimulateDays     = 400
	DefaultSimulateDays = 30
	// MaxTrustFile bounds a trust list that is sent.
	MaxTrustFile = 8 << 20
)

// SimulateRequest asks what a trust list would change if it stood in the place of the operator's own file.
type SimulateRequest struct {
	// Name is the file's, for messages.
	Name string `json:"name" maxLength:"4096"`
	// File is the list, in the form of trust.toml.
	File string `json:"file"`
	// Days is for how many days back records are looked at; 0 for 30.
	Days int `json:"days,omitempty" minimum:"0" maximum:"400"`
}

// Simulation is what would change. Nothing was applied.
type Simulation struct {
	// Values counts the values that were judged.
	Values int `json:"values"`
	// Changed counts those that would have another verdict or band.
	Changed int `json:"changed"`
	// Kinds counts the changes by kind, the most frequent first.
	Kinds []ChangeKind `json:"kinds"`
	// Examples are the first changed values.
	Examples []ChangeExample `json:"examples"`
	// Days is for how many days back records were looked at.
	Days int `json:"days"`
	// Seconds is how long it took.
	Seconds float64 `json:"seconds"`
}

// ChangeKind is a kind of change ("suspicious -> malicious") and how many values it befalls.
type ChangeKind struct {
	// Kind is the verdict before and after ("suspicious -> malicious"), or the verdict and its band before and after.
	Kind string `json:"kind"`
	// Count is how many values it befalls.
	Count int `json:"count"`
}

// ChangeExample is one value that would change.
type ChangeExample struct {
	// Type is the kind of observable, such as domain.
	Type string `json:"type"`
	// Value is the value in its normal form.
	Value string `json:"value"`
	// Before is where it stands by the list in force.
	Before Placement `json:"before"`
	// After is where it would stand.
	After Placement `json:"after"`
}

// Placement is where a value stands.
type Placement struct {
	// Verdict is one of malicious, suspicious, known, allowed, expired or unknown.
	Verdict string `json:"verdict"`
	// State is one of accepted, held, disputed, withdrawn, refused, not-evaluated or none.
	State string `json:"state"`
	// Score is the displayed score, 0 to 100.
	Score int `json:"score"`
	// Gate is the score that machines and thresholds go by, 0 to 100.
	Gate int `json:"gate"`
	// Band is where the gate score lies: actionable from 80, alert from 50, context from 20, else stored.
	Band string `json:"band"`
}

// Judging says how far the background judgement is that follows a change of the trust list, of a
// warning list, or of somebody's standing.
type Judging struct {
	// Running is true while it is under way.
	Running bool `json:"running"`
	// Why says what it follows.
	Why string `json:"why"`
	// Values counts the values that were judged so far.
	Values int `json:"values"`
	// Changed counts those that became otherwise.
	Changed int `json:"changed"`
	// PerSecond is how many values a second it judges.
	PerSecond int `json:"per_second"`
	// Seconds is how long it takes so far, or took.
	Seconds float64 `json:"seconds"`
}

// SimulateTrust asks what a trust list would change.
func (c *Client) SimulateTrust(ctx context.Context, r SimulateRequest) (*Simulation, error) {
	return call[Simulation](ctx, c, http.MethodPost, "/trust-simulation", nil, r)
}
