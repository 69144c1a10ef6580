package upkeep

import (
	"context"
	"fmt"
	"time"

	"tocsin/node/identity"
	"tocsin/protocol"
)

// Announcement returns the current identity record, nil before Prepare.
func (k *Keeper) Announcement() *protocol.Record { return k.announcement.Load() }

// Prepare renews the certificate if it is due and makes the identity record
// that this run announces.
func (k *Keeper) Prepare(ctx context.Context) error {
	if err := k.renew(); err != nil {
		return fmt.Errorf("renew node certificate: %w", err)
	}
	r, err := k.d.Outbox.Identity(ctx)
	if err != nil {
		return fmt.Errorf("make identity record: %w", err)
	}
	k.announcement.Store(r)
	return nil
}

func (k *Keeper) announce(ctx context.Context, announce func(context.Context, *protocol.Record) error) error {
	if err := k.Prepare(ctx); err != nil {
		return err
	}
	return announce(ctx, k.Announcement())
}

// renew makes a new certificate when the old one is past two thirds of its life.
func (k *Keeper) renew() error {
	chains := k.d.Identity.Chains()
	newest, ok := identity.Certificate(chains, k.d.Own, k.d.Keys.Record.Public())
	if !ok {
		return fmt.Errorf("no certificate of %s for this node's record key in the identity file", k.d.Own)
	}
	s, err := identity.Renew(chains, newest, k.d.Keys, time.Now())
	if err != nil || s == nil {
		return err
	}
	if _, errs := k.d.Identity.Add(s); len(errs) > 0 {
		return errs[0]
	}
	log.Infow("node certificate renewed", "digest", s.Digest())
	return nil
}
