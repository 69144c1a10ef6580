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
	// forkers are the forks of an organisation, in order; only of those with MaxForks or more.
	forkers map[protocol.OrgID][]Fork
	// at is the moment for which it says what the last ForkWindow saw.
	at time.Time
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

func newEdition(k kept, version uint64, at time.Time) *edition {
	e := &edition{
		kept: k, version: version, at: at, over: make(chan struct{}),
		forks:     make(map[holder]Fork, len(k.Forks)),
		rollbacks: make(map[holder][]Rollback, len(k.Rollbacks)),
		trips:     make(map[scope]Trip, len(k.Trips)),
		forkers:   map[protocol.OrgID][]Fork{},
	}
	for _, f := range k.Forks {
		e.forks[holder{f.Org, f.Key}] = f
		e.forkers[f.Org] = append(e.forkers[f.Org], f)
	}
	for org, forks := range e.forkers {
		if len(forks) < MaxForks {
			delete(e.forkers, org)
			continue
		}
		slices.SortFunc(forks, func(a, b Fork) int { return a.At.Compare(b.At) })
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

// next is the same under the next version, at a moment.
func (e *edition) next(at time.Time) *edition {
	n := *e
	n.version, n.at, n.over = e.version+1, at, make(chan struct{})
	return &n
}

// passed reports whether the window of a fork closes between this edition's moment and another.
func (e *edition) passed(at time.Time) bool {
	for _, forks := range e.forkers {
		if slices.ContainsFunc(forks, func(f Fork) bool { return e.recent(f) && at.Sub(f.At) >= ForkWindow }) {
			return true
		}
	}
	return false
}

func (e *edition) recent(f Fork) bool { return e.at.Sub(f.At) < ForkWindow }

// counts reports whether a fork of a key counts against its whole organisation: not when the
// organisation ended the key, since whoever it has locked out could hold it for ever. A key
// without a certificate can be used by nobody.
func counts(o *protocol.Org, key protocol.KeyID) bool {
	return o != nil && o.Certified(key) && !o.Over(key)
}

// forked reports why nothing of an organisation stands: too many of its keys forked lately, or
// more than are kept, so that others may have.
func (e *edition) forked(org protocol.OrgID, o *protocol.Org) string {
	forks, recent := 0, 0
	for _, f := range e.forkers[org] {
		if !counts(o, f.Key) {
			continue
		}
		if forks++; e.recent(f) {
			recent++
		}
	}
	switch {
	case recent >= MaxForks:
		return fmt.Sprintf("%d keys of %s forked within 90 days", recent, org)
	case forks >= maxForksOfOrg:
		return fmt.Sprintf("%d keys of %s forked and none of them was ended", forks, org)
	}
	return ""
}

// position judges a place of a key log by forks (FRK-07) and rollbacks. o is what the chains
// say of the organisation, nil when they do not know it; they were asked whether the place stands. Where
// the organisation ended the key, its heads decide instead of forks (FRK-08).
func (e *edition) position(org protocol.OrgID, o *protocol.Org, h protocol.Head) error {
	if f, ok := e.forks[holder{org, h.Key}]; ok && h.Sequence > f.stands(h.Topic.String()) && (o == nil || !o.Over(h.Key)) {
		return reason.New(reason.LogFork, fmt.Sprintf("record %s: its key %s signed two records for place %d on %s", h.ID, h.Key, f.Sequence, f.Topic))
	}
	if why := e.forked(org, o); why != "" {
		return reason.New(reason.LogFork, fmt.Sprintf("record %s: %s", h.ID, why))
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
