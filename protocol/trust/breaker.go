package trust

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol"
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
	// Logs are the key logs that its records came from, the one used last at the end.
	Logs []BreakerLog `json:"logs,omitempty"`
}

// BreakerHour is one hour of a Breaker.
type BreakerHour struct {
	// Hour counts hours since 1970-01-01 UTC.
	Hour int64 `json:"hour"`
	// Records were made in this hour, so that a backlog is no burst.
	Records uint32 `json:"records"`
	// Came counts those that came in this hour, whenever they were made, and Refuted those of them
	// that were refuted, whenever that was.
	Came    uint32 `json:"came,omitempty"`
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

// brought is what one moment brought.
type brought struct {
	records, hits, refuted int
	// made is when the records were made, came when the refuted ones came here.
	made, came time.Time
}

// Note adds what one moment brought: records made and taken in then, objects that hit a hard warning list,
// records of this hour that were refuted. It returns why the breaker trips now, or "": three hard
// hits within less than 1 h; 5 % or more of at least 50 records that came within 24 h (this hour and the 23 before) refuted;
// an hour's rate above ten times the own 99th percentile of the hours with records in the 30 days before (not before there are 7 days
// of history, nor under 100 records). It answers so at every call until that is over or
// forgiven. A moment before the newest hour noted counts in that hour; what lies more than an hour
// ahead of it was noted under a wrong clock and is dropped.
func (b *Breaker) Note(records, hardHits, refuted int, at time.Time) (trips string) {
	return b.note(brought{records, hardHits, refuted, at, at}, at)
}

// Came is Note for one record of a key log, at the place sequence of it. Its rate counts in the hour in which it
// says that it was made: an outage here does not turn a steady publisher into a burst. It cannot say that it is
// older than what we have seen of its log before it, so a burst now cannot be spread over the past.
func (b *Breaker) Came(key protocol.KeyID, sequence uint64, created time.Time, hardHits int, at time.Time) (trips string) {
	return b.note(brought{records: 1, hits: hardHits, made: b.made(key, sequence, created, at)}, at)
}

// Refuted is Note for one record that came earlier and was refuted now: only of what came within 24 h
// is a share taken.
func (b *Breaker) Refuted(came, at time.Time) (trips string) {
	return b.note(brought{refuted: 1, came: came}, at)
}

func (b *Breaker) note(n brought, at time.Time) (trips string) {
	second := at.Unix()
	hour := floorDiv(second, secondsPerHour)
	b.prune(second, hour)
	now := hour
	if n := len(b.Hours); n > 0 {
		now = max(now, b.Hours[n-1].Hour)
	}
	for range min(max(n.hits, 0), tripHits) {
		b.Hits = append(b.Hits, second)
	}
	b.Hits = slices.Delete(b.Hits, 0, max(len(b.Hits)-tripHits, 0))
	made := now
	if n.records > 0 {
		made = hourWithin(n.made, hour, now)
		if h := b.hour(made, hour); h != nil {
			h.Records = piledUp(h.Records, n.records)
		}
		h := b.hour(now, hour)
		h.Came = piledUp(h.Came, n.records)
	}
	if n.refuted > 0 {
		if h := b.hour(hourWithin(n.came, hour, now), hour); h != nil {
			h.Refuted = piledUp(h.Refuted, n.refuted)
		}
	}
	return cmp.Or(b.hits(), b.refutations(now), b.rate(made))
}

// hourWithin is the hour of a time; what is not before the present hour counts as now.
func hourWithin(at time.Time, hour, now int64) int64 {
	if h := floorDiv(at.Unix(), secondsPerHour); h < hour {
		return h
	}
	return now
}

// hour finds or makes the counts of an hour; nil when it is too old to matter at present.
func (b *Breaker) hour(hour, present int64) *BreakerHour {
	if hour < present-keptHours {
		return nil
	}
	i, found := slices.BinarySearchFunc(b.Hours, hour, func(h BreakerHour, hour int64) int { return cmp.Compare(h.Hour, hour) })
	if !found {
		b.Hours = slices.Insert(b.Hours, i, BreakerHour{Hour: hour})
	}
	return &b.Hours[i]
}

// Forgive is for when a person lets an organisation in again: hits, the day that refutations are
// counted in and whatever hours were too fast are forgotten, what is known of its usual rate stays.
func (b *Breaker) Forgive(at time.Time) {
	since := floorDiv(at.Unix(), secondsPerHour) - 24
	b.Hits = nil
	var usual []BreakerHour
	for _, h := range b.Hours {
		if h.Hour < since && b.rate(h.Hour) == "" {
			usual = append(usual, h)
		}
	}
	b.Hours = usual
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
			records += int64(h.Came)
			refuted += int64(h.Refuted)
		}
	}
	if records < tripRecords || refuted*tripShare < records {
		return ""
	}
	return fmt.Sprintf("%d of %d records within a day were refuted", refuted, records)
}

// rate looks at the records made in an hour, after those made in the 30 days before it.
func (b *Breaker) rate(hour int64) string {
	n, found := slices.BinarySearchFunc(b.Hours, hour, func(h BreakerHour, hour int64) int { return cmp.Compare(h.Hour, hour) })
	if !found || n == 0 || b.Hours[n].Records < tripLeast || hour-b.Hours[0].Hour < rateDays*24 {
		return ""
	}
	records := b.Hours[n].Records
	active, slower := 0, 0
	for _, h := range b.Hours[:n] {
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
