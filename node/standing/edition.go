package standing

import (
	"fmt"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// edition is what is in force between two changes, made for looking up. It is never changed.
type edition struct {
	kept    kept
	version uint64
	// over is closed when the next edition is in force.
	over chan struct{}

	forks     map[holder]Fork
	rollbacks map[holder][]Rollback
	trips     map[scope]Trip
	// forkers are when keys of an organisation forked, in order; only of those that ever reached MaxForks.
	forkers map[protocol.OrgID][]time.Time
}

// holder is a record key as one organisation certified it; another may certify the same.
type holder struct {
	org protocol.OrgID
	key protocol.KeyID
}

// scope is an organisation on a topic.
type scope struct {
	org   protocol.OrgID
	topic string
}

func newEdition(k kept, version uint64) *edition {
	e := &edition{
		kept: k, version: version, over: make(chan struct{}),
		forks:     make(map[holder]Fork, len(k.Forks)),
		rollbacks: make(map[holder][]Rollback, len(k.Rollbacks)),
		trips:     make(map[scope]Trip, len(k.Trips)),
		forkers:   map[protocol.OrgID][]time.Time{},
	}
	for _, f := range k.Forks {
		e.forks[holder{f.Org, f.Key}] = f
		e.forkers[f.Org] = append(e.forkers[f.Org], f.At)
	}
	for org, times := range e.forkers {
		if len(times) < MaxForks {
			delete(e.forkers, org)
			continue
		}
		slices.SortFunc(times, time.Time.Compare)
	}
	for _, r := range k.Rollbacks {
		of := holder{r.Org, r.Key}
		e.rollbacks[of] = append(e.rollbacks[of], r)
	}
	for _, t := range k.Trips {
		e.trips[scope{t.Org, t.Topic}] = t
	}
	return e
}

// next is the same under the next version.
func (e *edition) next() *edition {
	n := *e
	n.version, n.over = e.version+1, make(chan struct{})
	return &n
}

// position judges a place of a key log by forks (FRK-07) and rollbacks.
func (e *edition) position(org protocol.OrgID, h protocol.Head) error {
	if f, ok := e.forks[holder{org, h.Key}]; ok && h.Sequence > f.stands(h.Topic.String()) {
		return reason.New(reason.LogFork, fmt.Sprintf("record %s: its key %s signed two records for place %d on %s", h.ID, h.Key, f.Sequence, f.Topic))
	}
	if times, ok := e.forkers[org]; ok && time.Since(times[len(times)-MaxForks]) < ForkWindow {
		return reason.New(reason.LogFork, fmt.Sprintf("record %s: %d keys of %s forked within 90 days", h.ID, MaxForks, org))
	}
	for _, r := range e.rollbacks[holder{org, h.Key}] {
		if r.covers(h.Topic.String()) && h.Sequence > r.After {
			return reason.New(reason.KeyRolledBack, fmt.Sprintf("record %s: its key %s is rolled back to place %d (%s)", h.ID, h.Key, r.After, r.Why))
		}
	}
	return nil
}

// stands is the last place of the key on a topic that the fork leaves standing.
func (f *Fork) stands(topic string) uint64 {
	if topic == f.Topic {
		return f.Sequence - 1
	}
	return f.Heads[topic]
}

func (r *Rollback) covers(topic string) bool { return r.Topic == "" || r.Topic == topic }

func newestFirst[T any](list []T, at func(T) time.Time) []T {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b T) int { return at(b).Compare(at(a)) })
	return out
}
