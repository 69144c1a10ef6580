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
	// File is its text.
	File string `json:"file"`
	// Days is how far back records are looked at, 0 for the default.
	Days int `json:"days,omitempty" minimum:"0" maximum:"400"`
}

// Simulation is what would change. Nothing was applied.
type Simulation struct {
	// Values were judged, Changed would have another verdict or band.
	Values  int `json:"values"`
	Changed int `json:"changed"`
	// Kinds counts the changes by kind, the most frequent first.
	Kinds []ChangeKind `json:"kinds"`
	// Examples are the first changed values.
	Examples []ChangeExample `json:"examples"`
	Days     int             `json:"days"`
	Seconds  float64         `json:"seconds"`
}

// ChangeKind is a kind of change ("suspicious -> malicious") and how many values it befalls.
type ChangeKind struct {
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// ChangeExample is one value that would change.
type ChangeExample struct {
	Type   string    `json:"type"`
	Value  string    `json:"value"`
	Before Placement `json:"before"`
	After  Placement `json:"after"`
}

// Placement is where a value stands.
type Placement struct {
	Verdict string `json:"verdict"`
	State   string `json:"state"`
	Score   int    `json:"score"`
	Gate    int    `json:"gate"`
	// Band is actionable, alert, context or stored.
	Band string `json:"band"`
}

// Judging says how far the background judgement is that follows a change of the trust list, of a
// warning list, or of somebody's standing.
type Judging struct {
	Running bool   `json:"running"`
	Why     string `json:"why"`
	Values  int    `json:"values"`
	Changed int    `json:"changed"`
	// PerSecond is the rate, Seconds how long it takes or took.
	PerSecond int     `json:"per_second"`
	Seconds   float64 `json:"seconds"`
}

// SimulateTrust asks what a trust list would change.
func (c *Client) SimulateTrust(ctx context.Context, r SimulateRequest) (*Simulation, error) {
	return call[Simulation](ctx, c, http.MethodPost, "/trust-simulation", nil, r)
}
