package catchup

import "time"

// The numbers of the schedule (SYN-18, SYN-19).
const (
	roundPeers  = 3
	roundEvery  = 30 * time.Second
	roundAtMost = 2 * time.Minute
	roundFirst  = 2 * time.Second // after the start: connections come first
	roundSoon   = time.Second     // when a round left something to fetch
	roundTell   = 3 * time.Second // when one brought something
	gapWait     = settling + time.Second
	// arrivalWait is until what was sent around a connection can be compared: the seconds before it were not settled at once, and gossip
	// takes some seconds to give a new peer anything.
	arrivalWait = 2*settling + 2*time.Second
	visitRest   = 10 * time.Second // between two visits that were asked for
	refusedMost = 30 * time.Minute
	failedMost  = 10 * time.Minute
	// manySkipped is how many refused ids a comparison may show again without costing much: 32 KiB.
	manySkipped = 1024
)

// hintRest is the time between two hints of one peer.
func hintRest(trusted bool) time.Duration {
	if trusted {
		return visitRest
	}
	return roundEvery
}

// candidate is a connected peer as the schedule sees it.
type candidate struct {
	id string
	// next is when it may be asked again.
	next time.Time
	// busy says that it is being asked now.
	busy bool
}

// choose picks whom to ask now: candidates come in order of preference, the last place goes to
// one by chance among the rest, so that no group of favourites can hide something. roll(n) is below n.
func choose(now time.Time, list []candidate, n int, roll func(int) int) []string {
	var due []string
	for _, c := range list {
		if !c.busy && !now.Before(c.next) {
			due = append(due, c.id)
		}
	}
	if len(due) <= n {
		return due
	}
	out := append([]string(nil), due[:n-1]...)
	rest := due[n-1:]
	return append(out, rest[roll(len(rest))])
}

// outcome is what a visit or a round came to.
type outcome struct {
	// fetched counts records that are here now, refused those that were fetched and not taken.
	// skipped counts those that were not fetched since they were refused before.
	fetched, refused, skipped int
	// left says that there is something to fetch still, lacks that the peer lacks something.
	left, lacks bool
	// cut says that a comparison goes on in the next visit.
	cut bool
	// unsupported says that the peer does not speak the protocol.
	unsupported bool
	// upTo is the end of what was compared.
	upTo time.Time
	// equals of asked visits of a round left nothing to fetch.
	equals, asked int
	// inTurn says that it was a round of the schedule.
	inTurn bool
	err    error
}

// equal says that nothing was left to fetch.
func (o outcome) equal() bool { return o.err == nil && !o.unsupported && !o.left }

// history is what the schedule knows of a peer's visits.
type history struct {
	refusals, failures int
}

// after is how long a peer rests after a visit.
func (h *history) after(o outcome) time.Duration {
	switch {
	case o.unsupported:
		return failedMost
	case o.err != nil:
		h.failures++
		return doubled(roundEvery/2, h.failures, failedMost)
	}
	h.failures = 0
	// SYN-19: a handful that we know already costs nothing to compare again.
	if o.fetched == 0 && (o.refused > 0 || o.skipped > manySkipped) {
		h.refusals++
		if o.cut { // what we want may lie behind what we refuse
			return doubled(roundEvery, h.refusals, roundAtMost)
		}
		return doubled(roundEvery, h.refusals, refusedMost)
	}
	h.refusals = 0
	return 0
}

// doubled is d doubled n times, at most most.
func doubled(d time.Duration, n int, most time.Duration) time.Duration {
	for ; n > 0 && d < most; n-- {
		d *= 2
	}
	return min(d, most)
}

// stretch is the time between rounds after one (SYN-18): equal ones of the schedule make it longer.
func stretch(last time.Duration, o outcome) time.Duration {
	switch {
	case o.left && o.fetched > 0:
		return roundSoon
	case o.equal() && o.fetched == 0 && o.refused == 0 && !o.lacks:
		if !o.inTurn { // one peer that came says nothing of the others
			return last
		}
		return min(max(2*last, roundEvery), roundAtMost)
	}
	return roundEvery
}
