package api

import "time"

// StateDegraded is the state of a node without room for its store: it answers what needs no store.
const StateDegraded = "degraded"

// Space is how much room the disk of the data folder has.
type Space struct {
	// Level is "ok", "low" (strangers are refused) or "stop" (whatever would be stored is refused).
	Level string `json:"level"`
	// Why says what there is too little of; absent for ok.
	Why string `json:"why,omitempty"`
	// Since is since when the level is that.
	Since time.Time `json:"since"`
	// Free is how many bytes are free.
	Free int64 `json:"free"`
	// Total is how many bytes the disk has.
	Total int64 `json:"total"`
	// Floor is how many bytes must be free, or the store stops.
	Floor int64 `json:"floor"`
	// Ballast is how many bytes are held to be given up in need.
	Ballast int64 `json:"ballast"`
	// Degraded says why the node runs without its store, "" when it does not.
	Degraded string `json:"degraded,omitempty"`
}
