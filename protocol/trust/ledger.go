package trust

import "time"

// Tally is what one day brought to an organisation's ledger in one scope (topic).
type Tally struct {
	// Day counts days since 1970-01-01 UTC.
	Day int32 `json:"day"`
	// Good are confirmations by independent counted voices, Bad false positives,
	// Withdrawn what the author took back himself before anybody refuted it.
	Good      uint32 `json:"good,omitempty"`
	Bad       uint32 `json:"bad,omitempty"`
	Withdrawn uint32 `json:"withdrawn,omitempty"`
}

// Q is the ledger factor of a scope at now in 1/10,000: counts decay by 2 % a day
// (integers, by table), then (good+4)/(good+4+5*bad+withdrawn), rounded half up. The
// order of tallies does not matter. A confirmed abuse by an organisation that somebody vouched
// for is five false positives on the voucher's ledger.
func Q(tallies []Tally, now time.Time) int { panic("unwritten") }
