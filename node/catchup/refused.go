package catchup

import (
	"sync"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// The bounds of what is remembered as not worth fetching (SYN-13).
const (
	maxRefused  = 100_000
	refusedLife = 24 * time.Hour
	// maxBarren and barrenLife are for what one peer does not give as it should: absent,
	// a header, bytes that are wrong. Another may (SYN-11).
	maxBarren  = 32 << 10
	barrenLife = 30 * time.Minute
)

// refusal is why a record is not fetched.
type refusal struct {
	code reason.Code
	// org is set when the record was refused for who made it.
	org   protocol.OrgID
	until time.Time
}

// refusals are ids that are not fetched for a time, at most so many: the oldest goes first.
// Methods may be called concurrently.
type refusals[K comparable] struct {
	limit int

	mu    sync.Mutex // guards all below
	items map[K]refusal
	ring  []K
	next  int
}

func newRefusals[K comparable](limit int) *refusals[K] {
	return &refusals[K]{limit: limit, items: make(map[K]refusal)}
}

// add remembers k; what stands there is replaced.
func (t *refusals[K]) add(k K, r refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.items[k]; !ok {
		if len(t.ring) < t.limit {
			t.ring = append(t.ring, k)
		} else {
			delete(t.items, t.ring[t.next])
			t.ring[t.next] = k
			t.next = (t.next + 1) % t.limit
		}
	}
	t.items[k] = r
}

// find returns why k is not fetched now.
func (t *refusals[K]) find(k K, now time.Time) (refusal, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.items[k]
	return r, ok && now.Before(r.until)
}

// count is how many are remembered.
func (t *refusals[K]) count(now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, r := range t.items {
		if now.Before(r.until) {
			n++
		}
	}
	return n
}

// barren is a record that one peer did not give.
type barren struct {
	peer string
	id   protocol.RecordID
}

// refuses is the codes with which the way in says that a record is not wanted, whoever brings it.
// Any other error is a fault of ours, and the record is fetched again.
func refuses(code reason.Code) bool {
	switch code {
	case reason.QuarantineFull, reason.OrgBlocked, reason.LogFork, reason.KeyRevoked, reason.StatusOld,
		reason.TimeExpired, reason.OperatorRejected, reason.BodyRoot, reason.BodyFraming, reason.BodySize,
		reason.ForkInvalid, reason.ChainInvalid, reason.ChainLimit, reason.TopicUnknown, reason.KindUnknown:
		return true
	}
	return false
}

// forAuthor are the refusals that end when the author is listed.
func forAuthor(code reason.Code) bool {
	return code == reason.QuarantineFull || code == reason.OrgBlocked
}

// unwanted reports whether an id is not to be fetched from a peer now.
func (k *Keeper) unwanted(peer string, id protocol.RecordID, now time.Time) bool {
	if _, ok := k.barren.find(barren{peer, id}, now); ok {
		return true
	}
	r, ok := k.refused.find(id, now)
	// SYN-13: a changed trust list opens the way.
	return ok && !(forAuthor(r.code) && k.d.Listed(r.org))
}
