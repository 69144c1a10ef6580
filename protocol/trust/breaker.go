package trust

import "time"

// Breaker is the circuit breaker of one organisation in one scope (topic), as a
// pure state machine: hard warning list hits, refutations and rate. The zero value is ready. It
// is plain data, so that it can be kept in a file. Not safe for concurrent use.
type Breaker struct {
	// Hits are the times (Unix seconds) of hard warning list hits within the hour.
	Hits []int64 `json:"hits,omitempty"`
	// Hours are counts of records and refuted records by hour, 30 days at most.
	Hours []BreakerHour `json:"hours,omitempty"`
}

// BreakerHour is one hour of a Breaker.
type BreakerHour struct {
	Hour    int64  `json:"hour"`
	Records uint32 `json:"records"`
	Refuted uint32 `json:"refuted,omitempty"`
}

// Note adds what one moment brought: records taken in, objects that hit a hard warning list,
// records refuted by a counted voice. It returns why the breaker trips now, or "": three hard
// hits within 1 h; 5 % or more of at least 50 records refuted within 24 h; an hour's rate above
// ten times the own 99th percentile of the 30 days before (not before there are 7 days
// of history, nor under 100 records).
func (b *Breaker) Note(records, hardHits, refuted int, at time.Time) (trips string) {
	panic("unwritten")
}
