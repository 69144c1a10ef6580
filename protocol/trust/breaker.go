package trust

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Breaker is the circuit breaker of one organisation in one scope (topic), as a
// pure state machine: hard warning list hits, refutations and rate. The zero value is ready. It
// is plain data, so that it can be kept in a file, and bounded: some 700 hours. Not safe for concurrent use.
type Breaker struct {
	// Hits are the times (Unix seconds) of the newest hard warning list hits within the hour.
	Hits []int64 `json:"hits,omitempty"`
	// Hours are counts of records and refuted records by hour, 30 days at most, hours
	// without any left out.
	Hours []BreakerHour `json:"hours,omitempty"`
}

// BreakerHour is one hour of a Breaker.
type BreakerHour struct {
	// Hour counts hours since 1970-01-01 UTC.
	Hour    int64  `json:"hour"`
	Records uint32 `json:"records"`
	Refuted uint32 `json:"refuted,omitempty"`
}

// When the breaker trips (threat model 3.8).
const (
	tripHits    = 3
	tripRecords = 50  // fewer than this within a day prove nothing
	tripShare   = 20  // one in 20 is 5 %
	tripRate    = 10  // times the own 99th percentile
	tripLeast   = 100 // records an hour that are never too many
	rateDays    = 7   // of history before the rate is looked at
	keptHours   = 30 * 24
)

const secondsPerHour = 60 * 60

// Note adds what one moment brought: records taken in, objects that hit a hard warning list,
// records refuted by a counted voice. It returns why the breaker trips now, or "": three hard
// hits within less than 1 h; 5 % or more of at least 50 records refuted within 24 h (this hour and the 23 before);
// an hour's rate above ten times the own 99th percentile of the hours with records in the 30 days before (not before there are 7 days
// of history, nor under 100 records). It answers so at every call until that is over or
// forgiven. A moment before the newest hour noted counts in that hour; what lies more than an hour
// ahead of it was noted under a wrong clock and is dropped.
func (b *Breaker) Note(records, hardHits, refuted int, at time.Time) (trips string) {
	second := at.Unix()
	hour := floorDiv(second, secondsPerHour)
	b.prune(second, hour)
	if n := len(b.Hours); n > 0 {
		hour = max(hour, b.Hours[n-1].Hour)
	}
	for range min(max(hardHits, 0), tripHits) {
		b.Hits = append(b.Hits, second)
	}
	b.Hits = slices.Delete(b.Hits, 0, max(len(b.Hits)-tripHits, 0))
	if records > 0 || refuted > 0 {
		if n := len(b.Hours); n == 0 || b.Hours[n-1].Hour != hour {
			b.Hours = append(b.Hours, BreakerHour{Hour: hour})
		}
		last := &b.Hours[len(b.Hours)-1]
		last.Records, last.Refuted = piledUp(last.Records, records), piledUp(last.Refuted, refuted)
	}
	return cmp.Or(b.hits(), b.refutations(hour), b.rate(hour))
}

// Forgive is for when a person lets an organisation in again: hits, refutations and the
// hour under way are forgotten, what is known of its rate stays.
func (b *Breaker) Forgive(at time.Time) {
	hour := floorDiv(at.Unix(), secondsPerHour)
	b.Hits = nil
	b.Hours = slices.DeleteFunc(b.Hours, func(h BreakerHour) bool { return h.Hour >= hour })
	for i := range b.Hours {
		b.Hours[i].Refuted = 0
	}
}

// prune drops what is too old to matter, and what a wrong clock put into the future.
func (b *Breaker) prune(second, hour int64) {
	b.Hits = slices.DeleteFunc(b.Hits, func(at int64) bool {
		return at <= second-secondsPerHour || at > second+secondsPerHour
	})
	b.Hours = slices.DeleteFunc(b.Hours, func(h BreakerHour) bool {
		return h.Hour < hour-keptHours || h.Hour > hour+1
	})
}

// hits holds for the hour that prune left.
func (b *Breaker) hits() string {
	if len(b.Hits) < tripHits {
		return ""
	}
	return fmt.Sprintf("%d objects within an hour named values that must never be blocked", tripHits)
}

func (b *Breaker) refutations(hour int64) string {
	var records, refuted int64
	for _, h := range b.Hours {
		if h.Hour > hour-24 && h.Hour <= hour {
			records += int64(h.Records)
			refuted += int64(h.Refuted)
		}
	}
	if records < tripRecords || refuted*tripShare < records {
		return ""
	}
	return fmt.Sprintf("%d of %d records within a day were refuted", refuted, records)
}

func (b *Breaker) rate(hour int64) string {
	n := len(b.Hours)
	if n < 2 || b.Hours[n-1].Hour != hour || b.Hours[n-1].Records < tripLeast || hour-b.Hours[0].Hour < rateDays*24 {
		return ""
	}
	records := b.Hours[n-1].Records
	active, slower := 0, 0
	for _, h := range b.Hours[:n-1] {
		if h.Records > 0 {
			active++
		}
		if h.Records > 0 && tripRate*uint64(h.Records) < uint64(records) {
			slower++
		}
	}
	// nearest rank: the 99th percentile is the smallest number that 99 % of the hours do not exceed
	if rank := (99*active + 99) / 100; active == 0 || slower < rank {
		return ""
	}
	return fmt.Sprintf("%d records in an hour, more than %d times what 99 of 100 hours with records brought in the 30 days before", records, tripRate)
}

// piledUp adds to a count that stops at its top.
func piledUp(count uint32, more int) uint32 {
	const top = 1<<32 - 1
	return uint32(min(uint64(count)+min(uint64(max(more, 0)), top), top))
}
