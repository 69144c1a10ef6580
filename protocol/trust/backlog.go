package trust

import (
	"math"
	"slices"
	"time"

	"tocsin/protocol"
)

// What is kept of the logs of one breaker at most.
const (
	keptLogs = 32
	keptRuns = 8
)

// BreakerLog is what a Breaker has seen of one key log. It knows gaps, since after an outage the newest record
// often comes first and the backlog behind it.
type BreakerLog struct {
	Key protocol.KeyID `json:"key"`
	// Runs are places without a gap, in order.
	Runs []BreakerRun `json:"runs"`
}

// BreakerRun is a run of places of a key log, and when the last of them was made (Unix seconds).
type BreakerRun struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	Made int64  `json:"made"`
}

// made is when a record was made: what it says, but not before the record below it that was seen last, and
// not after now. `created` never falls in a log (REC-09), so this changes nothing for who is honest. A log that is
// met for the first time is bounded by its key's certificate (VER-10), which the thief of a record key cannot make.
func (b *Breaker) made(key protocol.KeyID, sequence uint64, created, at time.Time) time.Time {
	l := b.log(key)
	i := slices.IndexFunc(l.Runs, func(r BreakerRun) bool { return r.To >= sequence })
	if i < 0 {
		i = len(l.Runs)
	}
	floor := int64(math.MinInt64)
	if i > 0 {
		floor = l.Runs[i-1].Made
	}
	made := min(max(created.Unix(), floor), at.Unix())
	l.fill(i, sequence, made)
	return time.Unix(made, 0)
}

// log finds a key's log and puts it at the end, or begins it.
func (b *Breaker) log(key protocol.KeyID) *BreakerLog {
	l := BreakerLog{Key: key}
	if i := slices.IndexFunc(b.Logs, func(l BreakerLog) bool { return l.Key == key }); i >= 0 {
		l = b.Logs[i]
		b.Logs = slices.Delete(b.Logs, i, i+1)
	}
	b.Logs = append(b.Logs, l)
	b.Logs = slices.Delete(b.Logs, 0, max(0, len(b.Logs)-keptLogs))
	return &b.Logs[len(b.Logs)-1]
}

// fill adds a place before the run i or in it.
func (l *BreakerLog) fill(i int, sequence uint64, made int64) {
	if i < len(l.Runs) && l.Runs[i].From <= sequence {
		return // a second record at one place: a fork is not the breaker's business
	}
	if i > 0 && l.Runs[i-1].To+1 == sequence {
		l.Runs[i-1].To, l.Runs[i-1].Made = sequence, made
	} else {
		l.Runs = slices.Insert(l.Runs, i, BreakerRun{sequence, sequence, made})
		i++
	}
	if i < len(l.Runs) && l.Runs[i].From == sequence+1 {
		l.join(i - 1)
	}
	if len(l.Runs) > keptRuns {
		l.join(l.nearest())
	}
}

// join makes one run of i and the next.
func (l *BreakerLog) join(i int) {
	l.Runs[i].To, l.Runs[i].Made = l.Runs[i+1].To, max(l.Runs[i].Made, l.Runs[i+1].Made)
	l.Runs = slices.Delete(l.Runs, i+1, i+2)
}

// nearest finds the gap that took the least time: to take it for filled does the least harm.
func (l *BreakerLog) nearest() int {
	best := 0
	for i := range len(l.Runs) - 1 {
		if l.Runs[i+1].Made-l.Runs[i].Made < l.Runs[best+1].Made-l.Runs[best].Made {
			best = i
		}
	}
	return best
}
