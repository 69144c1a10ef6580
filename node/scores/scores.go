// Package scores keeps what this node saw of each organisation's work: the ledger that
// enters the arithmetic, and the scorecard for people. It follows the store's change sequence in the
// background and keeps its totals, with the place it has come to, in one plain file.
// Everything in it is local, and it changes no trust by itself: it proposes, and says when
// an organisation has lost too much.
package scores

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/durable"
	"tocsin/node/policy"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/scores")

// Deps are what a book works with.
type Deps struct {
	Store  *storage.Store
	Policy *policy.Book
	// Standing tells which breakers are open; nil means none ever is.
	Standing *standing.Book
	Own      protocol.OrgID
	Hooks
}

// Hooks are whom the book tells; each may be nil, is called without a lock, and must not take long.
type Hooks struct {
	// Refuted is told when each of those records of an organisation on a topic came that are upheld as
	// refuted now, within the last day: the breaker counts them.
	Refuted func(org protocol.OrgID, topic string, came []time.Time)
	// Propose is told when an organisation has earned the next level on a topic; only a
	// person gives it. It is called once until the level changes.
	Propose func(org protocol.OrgID, topic, evidence string)
	// Demote is told when an organisation's q falls below a half on a topic by what is upheld, once each time.
	Demote func(org protocol.OrgID, topic, why string)
	// Pledge gives the time within which an organisation has promised to take back what proved wrong;
	// ok is false when it has promised nothing, and then it is never proposed.
	Pledge func(org protocol.OrgID) (retraction time.Duration, ok bool)
}

// Card is an organisation's scorecard in one scope (topic).
type Card struct {
	Org   protocol.OrgID
	Topic string
	Work  Work
	// Ledger is what enters the arithmetic.
	Ledger Ledger
	// Lead is by how much it was ahead of the next independent voice, Retraction the time from
	// a refutation to its own withdrawal.
	Lead, Retraction Timing
}

// Work is how much an organisation said on a topic.
type Work struct {
	// Objects counts claims taken in, Unique those whose values nobody else who is listed has
	// named so far (exact where an object names one value).
	Objects int `json:"objects,omitempty"`
	Unique  int `json:"unique,omitempty"`
	// First and Last are when its first and newest record came: Last is how long it has been silent.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Ledger is what an organisation's claims on a topic came to, over all time.
type Ledger struct {
	Confirmed int `json:"confirmed,omitempty"`
	Refuted   int `json:"refuted,omitempty"`
	Withdrawn int `json:"withdrawn,omitempty"`
	// Upheld counts claims that two independent groups refuted, or this node itself: nobody alone brings another down.
	Upheld int `json:"upheld,omitempty"`
	// Q is the factor now in 1/10,000, of counts that decay; 0 when nothing was counted yet.
	Q int `json:"-"`
}

// Timing is the median of some spans: of the newest 63, out of Of.
type Timing struct {
	Median time.Duration
	Of     int
}

// Book is the live ledger. All methods may be called concurrently.
type Book struct {
	Deps
	path string
	// damage is what was wrong with the file.
	damage string

	// mu guards the totals: the follower writes them, everybody reads.
	mu     sync.RWMutex
	totals totals

	// Of the follower alone: when the file was written, whether it is behind, and the standing that
	// was looked at last.
	saved time.Time
	dirty bool
	seen  uint64
}

// Open reads the file (absent is empty) and wires the book; it starts nothing. A damaged file is put aside: all that it
// says is counted anew from the store.
func Open(path string, d Deps) (*Book, error) {
	t, err := readTotals(path)
	damage := ""
	if reason.Of(err) == reason.StateDamaged {
		why := err
		damage, err = durable.PutAside(path)
		damage = fmt.Sprintf("it is kept as %s, and all is counted anew from the store: %v", filepath.Base(damage), why)
	}
	if err != nil {
		return nil, err
	}
	if last := d.Store.Sequence(); t.cursor > last {
		log.Warnw("the store was replaced: scorecards begin anew with it", "cursor", t.cursor, "last", last)
		t = newTotals()
	}
	return &Book{Deps: d, path: path, damage: damage, totals: t, seen: ^uint64(0)}, nil
}

// Damage says what was wrong with the file and what was done about it; "" when nothing was.
func (b *Book) Damage() string { return b.damage }

// Q is the ledger factor of an organisation on a topic at now in 1/10,000; 0 when there is no ledger yet.
func (b *Book) Q(org protocol.OrgID, topic string, now time.Time) int {
	return b.Ledger(org, topic, now).Q
}

// Ledger is what stands behind Q.
func (b *Book) Ledger(org protocol.OrgID, topic string, now time.Time) Ledger {
	b.mu.RLock()
	defer b.mu.RUnlock()
	c, ok := b.totals.cards[seat{org, topic}]
	if !ok {
		return Ledger{}
	}
	return c.ledger(now)
}

// Cards returns the scorecards of an organisation, by topic; the zero OrgID gives all, by
// organisation and topic. The caller owns the slice.
func (b *Book) Cards(org protocol.OrgID, now time.Time) []Card {
	b.mu.RLock()
	var out []Card
	for at, c := range b.totals.cards {
		if org == (protocol.OrgID{}) || org == at.org {
			out = append(out, Card{
				Org: at.org, Topic: at.topic, Work: c.Work, Ledger: c.ledger(now),
				Lead: c.Lead.timing(), Retraction: c.Retraction.timing(),
			})
		}
	}
	b.mu.RUnlock()
	slices.SortFunc(out, func(a, b Card) int {
		return cmp.Or(bytes.Compare(a.Org[:], b.Org[:]), strings.Compare(a.Topic, b.Topic))
	})
	return out
}

// Behind says how many changes the book has not looked at yet.
func (b *Book) Behind() uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.Store.Sequence() - min(b.Store.Sequence(), b.totals.cursor)
}

// level is the trust in an organisation on a topic.
func (b *Book) level(list *trust.List, org protocol.OrgID, topic string, now time.Time) trust.Level {
	if org == b.Own {
		return trust.Own
	}
	return list.Level(org, topic, "", now)
}
