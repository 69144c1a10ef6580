// Package pledges reads what organisations bind themselves to and say of each
// other: vouches, commitments, advisories. It keeps nothing of its own: the store has the records, and
// what they are worth is for others to say.
package pledges

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/pledges")

// MaxSubjects is about how many others one organisation's newest vouches, and as many
// advisories, are remembered.
const MaxSubjects = 1000

// Commitment is an organisation's newest commitment and when it was made.
type Commitment struct {
	protocol.Commitment
	Record protocol.RecordID
	Made   time.Time
}

// Advisory is an author's newest warning of a subject.
type Advisory struct {
	protocol.Advisory
	Author protocol.OrgID
	Record protocol.RecordID
	Made   time.Time
}

// Book answers from accepted records. All methods may be called concurrently.
type Book struct {
	store  *storage.Store
	chains func() *protocol.Chains
	signal chan struct{} // holds one

	mu   sync.Mutex // guards read: one Refresh at a time
	read map[protocol.RecordID]pledge

	// current is read without a lock and replaced under mu.
	current atomic.Pointer[edition]
}

// pledge is one record read; about is the zero OrgID for a commitment. Of the three
// bodies that of its kind is set.
type pledge struct {
	id         protocol.RecordID
	kind       protocol.Kind
	author     protocol.OrgID
	about      protocol.OrgID
	made       time.Time
	vouch      *protocol.Vouch
	commitment *protocol.Commitment
	advisory   *protocol.Advisory
}

// edition is what stands between two refreshes. It is never changed.
type edition struct {
	vouches     []trust.VouchFact
	commitments map[protocol.OrgID]Commitment
	advisories  []Advisory
	ids         []protocol.RecordID // of all that stands, to tell whether anything changed
}

// New wires a book over a store; it is empty until Refresh or Run.
func New(store *storage.Store, chains func() *protocol.Chains) *Book {
	b := &Book{store: store, chains: chains, signal: make(chan struct{}, 1), read: map[protocol.RecordID]pledge{}}
	b.current.Store(&edition{})
	return b
}

// Changed says that records of these kinds came or changed their fate; Run looks at them.
func (b *Book) Changed() {
	select {
	case b.signal <- struct{}{}:
	default: // somebody said so already
	}
}

// Run refreshes at start and after each Changed until ctx ends. changed is called after
// each refresh that found something else than the one before.
func (b *Book) Run(ctx context.Context, changed func()) error {
	b.Changed()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.signal:
		}
		if different, err := b.Refresh(); err != nil {
			log.Errorw("vouches, commitments and advisories were not read", "err", err)
		} else if different {
			changed()
		}
	}
}

// Refresh reads what the store has accepted since and reports whether what stands changed. It looks at
// no held record: strangers may bring as many as the quarantine takes.
// A record that cannot be read stops nothing; it counts for nothing and is logged.
func (b *Book) Refresh() (different bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := map[protocol.RecordID]pledge{}
	for _, kind := range []protocol.Kind{protocol.KindVouch, protocol.KindCommitment, protocol.KindAdvisory} {
		ids, err := b.store.Accepted(kind)
		if err != nil {
			return false, fmt.Errorf("list records of kind %s: %w", kind, err)
		}
		for _, id := range ids {
			if p, ok := b.find(id); ok {
				now[id] = p
			}
		}
	}
	b.read = now
	before, next := b.current.Load(), newEdition(standing(now))
	b.current.Store(next)
	return !slices.Equal(before.ids, next.ids), nil
}

// find returns an accepted record, read now or before. The caller holds mu.
func (b *Book) find(id protocol.RecordID) (pledge, bool) {
	if p, ok := b.read[id]; ok {
		return p, true
	}
	raw, state, err := b.store.Record(id)
	if err == nil && state != storage.Accepted {
		return pledge{}, false // since just now
	}
	var p pledge
	if err == nil {
		p, err = b.parse(raw)
	}
	if err != nil {
		if reason.Of(err) != reason.NotFound { // expired just now
			log.Warnw("record of a pledge cannot be read", "record", id, "err", err)
		}
		return pledge{}, false
	}
	return p, true
}

func (b *Book) parse(raw []byte) (pledge, error) {
	r, err := protocol.VerifyOffline(raw, b.chains())
	if err != nil {
		return pledge{}, err
	}
	p := pledge{id: r.ID(), kind: r.Header().Kind, author: r.Org(), made: r.Header().Created}
	switch p.kind {
	case protocol.KindVouch:
		v, err := protocol.ReadVouch(r)
		p.vouch, p.about = &v, v.Subject
		return p, err
	case protocol.KindCommitment:
		c, err := protocol.ReadCommitment(r)
		p.commitment = &c
		return p, err
	default:
		a, err := protocol.ReadAdvisory(r)
		p.advisory, p.about = &a, a.Subject
		return p, err
	}
}

// standing picks the newest of each author about each subject (created, then RecordID),
// newest first within an author and kind, at most MaxSubjects of them.
func standing(all map[protocol.RecordID]pledge) []pledge {
	list := slices.SortedFunc(maps.Values(all), func(a, b pledge) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), bytes.Compare(a.author[:], b.author[:]), b.made.Compare(a.made), bytes.Compare(b.id[:], a.id[:]))
	})
	type voice struct {
		kind          protocol.Kind
		author, about protocol.OrgID
	}
	type hand struct {
		kind   protocol.Kind
		author protocol.OrgID
	}
	seen, subjects := map[voice]bool{}, map[hand]int{}
	return slices.DeleteFunc(list, func(p pledge) bool {
		v, h := voice{p.kind, p.author, p.about}, hand{p.kind, p.author}
		if seen[v] || subjects[h] >= MaxSubjects {
			return true
		}
		seen[v] = true
		subjects[h]++
		return false
	})
}

func newEdition(list []pledge) *edition {
	e := &edition{commitments: map[protocol.OrgID]Commitment{}}
	for _, p := range list {
		e.ids = append(e.ids, p.id)
		switch {
		case p.vouch != nil && !p.vouch.Withdrawn:
			e.vouches = append(e.vouches, trust.VouchFact{Voucher: p.author, Subject: p.about, Topics: p.vouch.Topics, Made: p.made, Until: p.vouch.Until})
		case p.commitment != nil && !p.commitment.Withdrawn:
			e.commitments[p.author] = Commitment{*p.commitment, p.id, p.made}
		case p.advisory != nil && !p.advisory.Withdrawn:
			e.advisories = append(e.advisories, Advisory{*p.advisory, p.author, p.id, p.made})
		}
	}
	return e
}

// Vouches returns the vouches that stand, over ones included: who applies them knows the
// time. The caller must not change them.
func (b *Book) Vouches() []trust.VouchFact { return b.current.Load().vouches }

// Commitment returns an organisation's commitment that is in force at now.
func (b *Book) Commitment(org protocol.OrgID, now time.Time) (Commitment, bool) {
	c, ok := b.current.Load().commitments[org]
	return c, ok && now.Before(c.Until)
}

// Advisories returns the advisories that are in force at now. The caller owns the slice.
func (b *Book) Advisories(now time.Time) []Advisory {
	return slices.DeleteFunc(slices.Clone(b.current.Load().advisories), func(a Advisory) bool { return !now.Before(a.Until) })
}
