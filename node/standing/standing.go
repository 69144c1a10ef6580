// Package standing says whose word stands now: which records are void by a
// revocation, a fork or a rollback, and which organisations are out of automation because they
// are disputed, silent or tripped a breaker. What no chain tells (forks, rollbacks, trips) is kept in a plain
// file. It moves no record itself.
package standing

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/standing")

const (
	// ForkWindow is the time within which MaxForks forked keys hold a whole organisation.
	ForkWindow = 90 * 24 * time.Hour
	// MaxForks is how many forked keys within ForkWindow hold a whole organisation.
	MaxForks = 3
)

// Rollback is an operator's decision that a key's word does not count after a position.
type Rollback struct {
	Org protocol.OrgID `json:"org"`
	Key protocol.KeyID `json:"key"`
	// Topic limits it, "" for all topics of the key.
	Topic string    `json:"topic,omitempty"`
	After uint64    `json:"after"`
	At    time.Time `json:"at"`
	Why   string    `json:"why"`
}

// Trip is a breaker that is open for an organisation on a topic.
type Trip struct {
	Org   protocol.OrgID `json:"org"`
	Topic string         `json:"topic"`
	Why   string         `json:"why"`
	At    time.Time      `json:"at"`
}

// Fork is a key held because it signed two records for one place.
type Fork struct {
	Org      protocol.OrgID `json:"org"`
	Key      protocol.KeyID `json:"key"`
	Topic    string         `json:"topic"`
	Sequence uint64         `json:"sequence"`
	At       time.Time      `json:"at"`
	// Heads are the last places of the key on other topics that still stand: what this
	// node held when it saw the fork. On topics not named nothing stands.
	Heads map[string]uint64 `json:"heads,omitempty"`
}

// Surroundings are what the book must know of the node around it. Each may be nil or zero.
type Surroundings struct {
	// Own is the node's organisation, which is never stale to itself.
	Own protocol.OrgID
	// Listed says who is known here: whose forks are kept however many strangers fork, and
	// whose chain may change what stands. nil is everybody.
	Listed func(protocol.OrgID) bool
	// Heads gives the tips of a key's logs as this node holds them.
	Heads func(protocol.OrgID, protocol.KeyID) []protocol.Head
}

// Book is the live standing. All methods may be called concurrently.
type Book struct {
	path   string
	chains func() *protocol.Chains
	around atomic.Pointer[Surroundings]

	// mu guards kept and the file: one change at a time. kept is never changed in
	// place, since the edition in force shares its parts. seen are the chains as Learned last saw
	// them, of organisations that are known here.
	mu   sync.Mutex
	kept kept
	seen map[protocol.OrgID]*protocol.Org

	// current is read without a lock and replaced under mu.
	current atomic.Pointer[edition]
}

// Open reads the file (absent is empty). chains gives the snapshot in force.
func Open(path string, chains func() *protocol.Chains) (*Book, error) {
	b := &Book{path: path, chains: chains, seen: map[protocol.OrgID]*protocol.Org{}}
	b.around.Store(&Surroundings{})
	k, err := readFile(path)
	if err != nil {
		return nil, err
	}
	b.kept = k
	b.current.Store(newEdition(k, 0, time.Now()))
	return b, nil
}

// Attach tells the book of the node around it, once, before anything is judged.
func (b *Book) Attach(s Surroundings) { b.around.Store(&s) }

// Record says whether a record stands: nil, or an error with key.revoked (by the chains),
// log.fork (at or after a fork of its key; a whole organisation after three forks in 90 days),
// key.rolledback or org.tripped (its organisation's breaker on this topic, for records created after the trip). Own records
// are judged like all others.
func (b *Book) Record(r *protocol.Record) error {
	h := r.Header()
	return b.Place(r.Org(), protocol.Head{Key: r.Key(), Topic: h.Topic, Sequence: h.Sequence, ID: r.ID()}, h.Created)
}

// Arriving is Record for a record that comes in now. Whoever signs may write any time
// into it, so that an open breaker holds what comes, whenever it says it was created.
func (b *Book) Arriving(r *protocol.Record) error {
	if err := b.Record(r); err != nil {
		return err
	}
	topic := r.Header().Topic
	if t, ok := b.current.Load().trips[scope{r.Org(), topic.String()}]; ok {
		return tripped(t, r.ID())
	}
	return nil
}

// Late reports (cert.expired) why a record does not stand that came at some moment: by then its key had no certificate any more,
// and no status names its place (VER-18). Records of this node's own organisation are judged like all others: its status
// would name for everybody what a thief of an old key of it brought.
func (b *Book) Late(r *protocol.Record, came time.Time) error {
	h := r.Header()
	return b.chains().Late(r.Org(), protocol.Head{Key: r.Key(), Topic: h.Topic, Sequence: h.Sequence, ID: r.ID()}, came)
}

// Reach is the last place of a key log up to which what comes now is not late.
func (b *Book) Reach(org protocol.OrgID, key protocol.KeyID, topic protocol.Topic) uint64 {
	o, known := b.chains().Org(org)
	if !known || !o.Lapsed(key, time.Now()) {
		return math.MaxUint64
	}
	return o.Named(key, topic)
}

// Place is Record for a place of a key log.
func (b *Book) Place(org protocol.OrgID, h protocol.Head, created time.Time) error {
	if err := b.Position(org, h); err != nil {
		return err
	}
	e := b.current.Load()
	if len(e.trips) == 0 {
		return nil
	}
	if t, ok := e.trips[scope{org, h.Topic.String()}]; ok && created.After(t.At) {
		return tripped(t, h.ID)
	}
	return nil
}

// Position is Place without breakers: what it voids at a place, it voids at every later one.
func (b *Book) Position(org protocol.OrgID, h protocol.Head) error {
	chains := b.chains()
	if err := chains.Standing(org, h.Key, h.Topic, h.Sequence, h.ID); err != nil {
		return err
	}
	o, _ := chains.Org(org)
	return b.current.Load().position(org, o, h)
}

func tripped(t Trip, id protocol.RecordID) error {
	return reason.New(reason.OrgTripped, fmt.Sprintf("record %s: the breaker of %s on %s is open since %s (%s)",
		id, t.Org, t.Topic, t.At.UTC().Format(time.RFC3339), t.Why))
}

// Org says why an organisation is out of automation on a topic now: org.disputed,
// org.tripped, org.stale, or "": what only people can mend first. The node's own organisation
// never is stale to itself.
func (b *Book) Org(org protocol.OrgID, topic protocol.Topic, now time.Time) reason.Code {
	o, known := b.chains().Org(org)
	if known && o.Disputed {
		return reason.OrgDisputed
	}
	if b.Tripped(org, topic.String()) {
		return reason.OrgTripped
	}
	if known && org != b.around.Load().Own && o.Stale(now) {
		return reason.OrgStale
	}
	return ""
}

// Tripped reports whether the breaker of an organisation on a topic is open.
func (b *Book) Tripped(org protocol.OrgID, topic string) bool {
	_, open := b.current.Load().trips[scope{org, topic}]
	return open
}

// Rollbacks lists what is rolled back, newest first.
func (b *Book) Rollbacks() []Rollback {
	return newestFirst(b.current.Load().kept.Rollbacks, func(r Rollback) time.Time { return r.At })
}

// Trips lists the open breakers, newest first.
func (b *Book) Trips() []Trip {
	return newestFirst(b.current.Load().kept.Trips, func(t Trip) time.Time { return t.At })
}

// Forks lists the held keys, newest first.
func (b *Book) Forks() []Fork {
	return newestFirst(b.current.Load().kept.Forks, func(f Fork) time.Time { return f.At })
}

// HeldKey reports whether a key of an organisation is held for a fork.
func (b *Book) HeldKey(org protocol.OrgID, key protocol.KeyID) bool {
	_, held := b.current.Load().forks[holder{org, key}]
	return held
}

// Version counts changes, of the chains too once Learned was told of them; it never falls.
func (b *Book) Version() uint64 { return b.current.Load().version }

// Changed says what time it is: an organisation that was held for three forks may be due to
// come back. Between changes no answer depends on the clock.
func (b *Book) Changed(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.current.Load(); e.passed(now) {
		b.swap(e.next(now))
	}
}

// Learned is told of new statements. They count as a change when they void or bar something
// of an organisation that is known here, or take that back, or name what came late: what strangers say
// of themselves costs nobody a sweep.
func (b *Book) Learned(fresh []*protocol.Statement) {
	around := b.around.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	chains, changed, now := b.chains(), false, time.Now()
	for _, s := range fresh {
		id := s.Org()
		if around.Listed != nil && id != around.Own && !around.Listed(id) {
			delete(b.seen, id)
			continue
		}
		o, _ := chains.Org(id)
		changed = changed || !o.SameStanding(b.seen[id]) || !o.SameLapses(b.seen[id], now)
		b.seen[id] = o
	}
	if changed {
		b.swap(b.current.Load().next(now))
	}
}

// Wait returns nil when the version is above the given one, or ctx's error.
func (b *Book) Wait(ctx context.Context, version uint64) error {
	for {
		e := b.current.Load()
		if e.version > version {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.over:
		}
	}
}
