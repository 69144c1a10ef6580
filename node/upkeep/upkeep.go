// Package upkeep is what a node does by the clock and not because somebody
// asked: it renews its certificate and its identity record, lets stored records expire, and
// takes records out of quarantine when the trust list starts to name their
// author. It owns no state but its schedule.
package upkeep

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"golang.org/x/sync/errgroup"

	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/keystore"
	"tocsin/node/outbox"
	"tocsin/node/policy"
	"tocsin/protocol"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/upkeep")

// How often each duty is looked at.
const (
	// AnnounceEvery is how often the own chain is published anew (SPEC NET).
	AnnounceEvery = 6 * time.Hour
	// ExpireEvery is how often stored records are checked for their end.
	ExpireEvery = time.Hour
)

// Keeper does a node's regular duties.
type Keeper struct {
	store    *storage.Store
	policy   *policy.Book
	identity *identity.Book
	intake   *intake.Pipeline
	outbox   *outbox.Publisher
	keys     *keystore.Keys
	own      protocol.OrgID
	// announcement is the identity record to hand to new neighbours.
	announcement atomic.Pointer[protocol.Record]
}

// New wires a keeper; it starts nothing.
func New(store *storage.Store, p *policy.Book, id *identity.Book, in *intake.Pipeline, out *outbox.Publisher, keys *keystore.Keys, own protocol.OrgID) *Keeper {
	return &Keeper{store: store, policy: p, identity: id, intake: in, outbox: out, keys: keys, own: own}
}

// Announcement returns the current identity record, nil before Prepare.
func (k *Keeper) Announcement() *protocol.Record { return k.announcement.Load() }

// Prepare renews the certificate if it is due and makes the identity record
// that this run announces.
func (k *Keeper) Prepare(ctx context.Context) error {
	if err := k.renew(); err != nil {
		return fmt.Errorf("renew node certificate: %w", err)
	}
	r, err := k.outbox.Identity(ctx)
	if err != nil {
		return fmt.Errorf("make identity record: %w", err)
	}
	k.announcement.Store(r)
	return nil
}

// Run does the duties until ctx ends. announce publishes an identity record.
func (k *Keeper) Run(ctx context.Context, announce func(context.Context, *protocol.Record) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return every(ctx, AnnounceEvery, func() error {
			if err := k.Prepare(ctx); err != nil {
				return err
			}
			return announce(ctx, k.Announcement())
		})
	})
	g.Go(func() error {
		return every(ctx, ExpireEvery, func() error {
			n, err := k.store.Expire(ctx, time.Now())
			if n > 0 {
				log.Infow("records expired", "records", n)
			}
			return err
		})
	})
	g.Go(func() error { return k.watchTrust(ctx) })
	return g.Wait()
}

// watchTrust rejudges the quarantine at start and after each change of the trust list.
func (k *Keeper) watchTrust(ctx context.Context) error {
	for {
		version := k.policy.Version()
		n, err := k.intake.Rejudge(ctx, intake.Curable()...)
		if err != nil && ctx.Err() == nil {
			log.Errorw("quarantine was not rejudged", "err", err)
		}
		if n > 0 {
			log.Infow("taken out of quarantine: their author is listed now", "objects", n)
		}
		if err := k.policy.Wait(ctx, version); err != nil {
			return nil // ctx ended
		}
	}
}

// renew makes a new certificate when the old one is past two thirds of its life.
func (k *Keeper) renew() error {
	chains := k.identity.Chains()
	newest, ok := identity.Certificate(chains, k.own, k.keys.Record.Public())
	if !ok {
		return fmt.Errorf("no certificate of %s for this node's record key in the identity file", k.own)
	}
	s, err := identity.Renew(chains, newest, k.keys, time.Now())
	if err != nil || s == nil {
		return err
	}
	if _, errs := k.identity.Add(s); len(errs) > 0 {
		return errs[0]
	}
	log.Infow("node certificate renewed", "digest", s.Digest())
	return nil
}

// every calls f each period until ctx ends. A fault of one round is logged; the
// next round tries again.
func every(ctx context.Context, period time.Duration, f func() error) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := f(); err != nil && ctx.Err() == nil {
				log.Errorw("regular duty", "err", err)
			}
		}
	}
}
