package api

import "time"

// StateDegraded is the state of a node without room for its store: it answers what needs no store.
const StateDegraded = "degraded"

// Space is how much room the disk of the data folder has.
type Space struct {
	// Level is "ok", "low" (strangers are refused) or "stop" (whatever would be stored is refused); Why says what there is too little of.
	Level string    `json:"level"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since"`
	// Free and Total are bytes, Floor those below which the store stops, Ballast those that are held to be given up.
	Free    int64 `json:"free"`
	Total   int64 `json:"total"`
	Floor   int64 `json:"floor"`
	Ballast int64 `json:"ballast"`
	// Degraded says why the node runs without its store, "" when it does not.
	Degraded string `json:"degraded,omitempty"`
}
