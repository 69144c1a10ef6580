// Package policy is the live trust list: the operator's own file (read only)
// with the entries that commands changed laid over it (state/trust.toml), and over both
// the ceilings that machines put on organisations (state/demotions.json), swapped atomically.
package policy

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

var log = logging.Logger("tocsin/policy")

// Book is the live trust list. All methods may be called concurrently.
type Book struct {
	operatorFile, stateFile, demotionsFile string
	audit                                  *audit.Log // nil for none

	// mu guards the lists, demotions, vouches and the state files: one change at a time.
	mu        sync.Mutex
	operator  *trust.List
	overlay   *trust.List
	demotions []Demotion
	vouches   []trust.VouchFact

	// current is read without a lock and replaced under mu.
	current atomic.Pointer[edition]
}

// edition is the list in force between two changes.
type edition struct {
	list    *trust.List
	version uint64
	// over is closed when the next edition is in force.
	over chan struct{}
}

// Open reads the operator's file (may be absent) and the state file (may be
// absent). A refused file is an error that names line, column and remedy.
func Open(operatorFile, stateFile string) (*Book, error) {
	return OpenAudited(operatorFile, stateFile, nil)
}

// OpenAudited is Open for a book that writes each change to the audit log first.
func OpenAudited(operatorFile, stateFile string, audited *audit.Log) (*Book, error) {
	b := &Book{operatorFile: operatorFile, stateFile: stateFile, demotionsFile: demotionsBeside(stateFile), audit: audited}
	var err error
	if b.operator, err = read(operatorFile); err != nil {
		return nil, err
	}
	if b.overlay, err = read(stateFile); err != nil {
		return nil, err
	}
	if b.demotions, err = readDemotions(b.demotionsFile); err != nil {
		return nil, err
	}
	list := b.operator.Merge(b.overlay)
	if err := list.Validate(time.Now()); err != nil {
		return nil, err
	}
	b.current.Store(&edition{list: capped(list, b.demotions), over: make(chan struct{})})
	return b, nil
}

// List returns the list in force.
func (b *Book) List() *trust.List { return b.current.Load().list }

// Version counts changes since Open; it never falls.
func (b *Book) Version() uint64 { return b.current.Load().version }

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

// Set is Apply by the node itself, without a word of why.
func (b *Book) Set(e trust.Entry) error {
	return b.Apply(context.Background(), Edit{Entry: e})
}

// lowered takes from an entry what its new, lower level cannot have, so that
// lowering trust is always one step. What the request brings anew stays, and is
// refused if it does not fit.
func lowered(before, e trust.Entry) trust.Entry {
	if e.Level >= before.Level {
		return e
	}
	if e.Level == trust.Blocked {
		e.DirectPeer = e.DirectPeer && !before.DirectPeer
		if reflect.DeepEqual(e.Scopes, before.Scopes) {
			e.Scopes = nil
		}
	}
	if e.Level < trust.Partner && reflect.DeepEqual(e.Automation, before.Automation) {
		e.Automation = trust.Automation{}
	}
	if e.Level < trust.Anchor && reflect.DeepEqual(e.Vouch, before.Vouch) {
		e.Vouch = nil
	}
	return e
}

// checkDay refuses an expiry that is over already, or too far ahead.
func checkDay(e trust.Entry, now time.Time) error {
	day := e.Expires.UTC().Format(time.DateOnly)
	switch {
	case e.Expires.IsZero():
		return nil // With says it better
	case day < now.UTC().Format(time.DateOnly):
		return reason.New(reason.UsageInvalid, fmt.Sprintf("trust entry %s: expires %s is over: write a day to come", e.Org, day))
	case e.Expires.After(now.Add(trust.MaxLife)):
		return reason.New(reason.UsageInvalid, fmt.Sprintf("trust entry %s: expires %s is more than 365 days ahead: write %s or sooner",
			e.Org, day, now.UTC().Add(trust.MaxLife).Format(time.DateOnly)))
	}
	return nil
}

// Remove takes an entry out, durably, on behalf of the actor of ctx: not.found when nobody lists it, conflict when
// it stands in the operator's own file, which is never rewritten.
func (b *Book) Remove(ctx context.Context, org protocol.OrgID, why string) error {
	return b.RemoveIf(ctx, org, why, func(*trust.List) error { return nil })
}

// RemoveIf is Remove where the list in force is as the caller expects: seen is asked while nobody
// else changes it, and its error refuses the removal.
func (b *Book) RemoveIf(ctx context.Context, org protocol.OrgID, why string, seen func(*trust.List) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := seen(b.List()); err != nil {
		return err
	}
	if _, ok := b.operator.Entry(org); ok {
		return reason.New(reason.Conflict, fmt.Sprintf("remove trust entry %s: it stands in %s, which only you change: edit the file, or block the organisation", org, b.operatorFile))
	}
	if _, ok := b.overlay.Entry(org); !ok {
		return reason.New(reason.NotFound, fmt.Sprintf("remove trust entry %s: no such entry", org))
	}
	left := b.lifted(func(o protocol.OrgID) bool { return o == org })
	return b.replace(ctx, change{b.overlay.Without(org), left}, nil, audit.Event{Action: "trust.remove", Target: org.String(), Reason: why})
}

// change is what a person's decision leaves of what the book keeps.
type change struct {
	overlay   *trust.List
	demotions []Demotion
}

// replace writes a change and puts it in force. The audit log comes first, then the files: if we
// stop between the two, the next start has the change that nobody was told of;
// never the other way round. Demotions are lifted last: until then there is less trust, not more.
func (b *Book) replace(ctx context.Context, c change, approver *audit.Actor, event audit.Event) error {
	merged := b.operator.Merge(c.overlay)
	if err := merged.Validate(time.Now()); err != nil {
		return err
	}
	event.Detail = detail(b.List(), capped(merged, c.demotions), approver)
	if err := b.write(ctx, event); err != nil {
		return err
	}
	if err := write(b.stateFile, c.overlay); err != nil {
		return err
	}
	b.overlay = c.overlay
	err := b.lift(c.demotions)
	b.swap(capped(merged, b.demotions))
	return err
}

// swap puts a list in force and wakes who waits. The caller holds mu.
func (b *Book) swap(list *trust.List) {
	before := b.current.Load()
	list = list.WithVouches(b.vouches)
	b.current.Store(&edition{list: list, version: before.version + 1, over: make(chan struct{})})
	close(before.over)
}
