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

// The ledger counts in 1/10^6. Its sums stop at ledgerMost, which keeps the products
// below within 64 bits; a count of 4 * 10^8 is beyond any organisation.
const (
	ledgerUnit = 1_000_000
	ledgerMost = 400_000_000 * ledgerUnit
)

// fadedDays[k] is 0.98^k and fadedBlocks[k] is 0.98^(32 k) in 1/10^9, rounded half up: 2 % a
// day, by table for the same reason as decay. After 1,024 days less than 10^-8 is left: nothing.
var (
	fadedDays = [32]int64{
		1000000000, 980000000, 960400000, 941192000, 922368160, 903920797, 885842381, 868125533,
		850763023, 833747762, 817072807, 800731351, 784716724, 769022389, 753641941, 738569103,
		723797721, 709321766, 695135331, 681232624, 667607972, 654255812, 641170696, 628347282,
		615780337, 603464730, 591395435, 579567526, 567976176, 556616652, 545484319, 534574633,
	}
	fadedBlocks = [32]int64{
		1000000000, 523883140, 274453545, 143781585, 75324748, 39461366, 20673144, 10830312,
		5673818, 2972417, 1557199, 815791, 427379, 223897, 117296, 61449,
		32192, 16865, 8835, 4629, 2425, 1270, 666, 349,
		183, 96, 50, 26, 14, 7, 4, 2,
	}
)

// Q is the ledger factor of a scope at now in 1/10,000: counts decay by 2 % a day
// (integers, by table), then (good+4)/(good+4+5*bad+withdrawn), rounded half up. It is 1
// at least: Claim.Q takes 0 for "no ledger". Days after now count in full. The
// order of tallies does not matter. A confirmed abuse by an organisation that somebody vouched
// for is VouchedAbuse false positives on the voucher's ledger.
func Q(tallies []Tally, now time.Time) int {
	today := floorDiv(now.Unix(), secondsPerDay)
	var good, bad, withdrawn int64
	for _, t := range tallies {
		f := faded(today - int64(t.Day))
		good = piled(good, t.Good, f)
		bad = piled(bad, t.Bad, f)
		withdrawn = piled(withdrawn, t.Withdrawn, f)
	}
	good += 4 * ledgerUnit
	all := good + 5*bad + withdrawn
	return max(int((good*one+all/2)/all), 1)
}

// piled adds a count times a factor of 1/10^9 to a sum.
func piled(sum int64, count uint32, factor int64) int64 {
	const unit = 1_000_000_000 / ledgerUnit
	// count * factor is below 2^32 * 10^9, within 64 bits
	return min(sum+(int64(count)*factor+unit/2)/unit, ledgerMost)
}

// faded is 0.98^days in 1/10^9, rounded half up.
func faded(days int64) int64 {
	const most, unit = 32 * 32, 1_000_000_000
	switch {
	case days <= 0:
		return unit
	case days >= most:
		return 0
	}
	return (fadedBlocks[days/32]*fadedDays[days%32] + unit/2) / unit
}

// floorDiv divides rounding down, for times before 1970 as well.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
