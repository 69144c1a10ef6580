package custody

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/node/audit"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// ProposeOperations drafts a delegation for the roots to sign: of a new operations key, which
// waits on this node until the ceremony is finished, or of the present one for longer.
func (o *Office) ProposeOperations(ctx context.Context, renew bool) (*protocol.Proposal, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	org, chains, err := o.Own()
	if err != nil {
		return nil, err
	}
	key := o.keys.Operations
	if renew && key == nil {
		return nil, reason.New(reason.NotFound, "renew the operations key: this node does not hold it")
	}
	if !renew {
		if key, err = keystore.MakePending(o.d.Data, keystore.RoleOperations); err != nil {
			return nil, err
		}
	}
	start := time.Now().Add(-protocol.ClockSkew).Truncate(time.Millisecond)
	serial := uint64(1)
	for _, d := range org.Operations {
		serial = max(serial, d.Serial+1)
	}
	return o.propose(ctx)(protocol.ProposeOperations(chains.Network(), protocol.Operations{
		Org: org.ID, RootVersion: identity.RootVersion(org), Serial: serial, Key: key.Public(),
		NotBefore: start, NotAfter: start.Add(protocol.MaxOperationsWindow),
	}))
}

// RootChange is what a person decides about the roots.
type RootChange struct {
	// Roots are the keys that the root in force named as next, Threshold of which sign from now on.
	Roots     []protocol.PublicKey
	Threshold int
	// Next are the successors of these.
	Next          []protocol.KeyID
	NextThreshold int
	// Compromise says that the old root keys are in wrong hands, or lost: the new ones alone sign.
	Compromise bool
	// Drop are operations keys that end with the old root; what they certified stands up to
	// what this node holds. All others are kept.
	Drop []protocol.KeyID
}

// ProposeRoot drafts a new root for the old and the new keys to sign.
func (o *Office) ProposeRoot(ctx context.Context, c RootChange) (*protocol.Proposal, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	org, chains, err := o.Own()
	if err != nil {
		return nil, err
	}
	_, _, next, nextThreshold := identity.RootsInForce(org)
	for _, key := range c.Roots {
		if !slices.Contains(next, key.ID()) {
			return nil, reason.New(reason.UsageInvalid, "propose a root: the root in force did not name key "+key.ID().String()+" as next; bring the public key of recovery/next.key, or of those you named")
		}
	}
	if len(c.Roots) < nextThreshold {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("propose a root: %d keys, the root in force asks for %d of those that it named", len(c.Roots), nextThreshold))
	}
	now := time.Now().Truncate(time.Millisecond)
	r := protocol.Root{
		Org: org.ID, Version: identity.RootVersion(org) + 1, Previous: rootDigest(chains, org),
		Roots: c.Roots, Threshold: c.Threshold, Next: c.Next, NextThreshold: c.NextThreshold, Compromise: c.Compromise, Created: now,
	}
	for _, d := range org.Operations {
		id := d.Key.ID()
		if !slices.Contains(c.Drop, id) && !org.Ended(id) && now.Before(d.NotAfter) && !slices.Contains(r.Keep, id) {
			r.Keep = append(r.Keep, id)
		}
	}
	if len(c.Drop) > 0 {
		r.Heads = o.orgHeads(org, now)
	}
	return o.propose(ctx)(protocol.ProposeRoot(chains.Network(), r))
}

// rootDigest is the digest of the root in force: of the newest root statement, or of the genesis.
func rootDigest(chains *protocol.Chains, org *protocol.Org) protocol.Digest {
	digest := protocol.Digest(org.ID)
	for _, s := range chains.Chain(org.ID) {
		if s.Type() == protocol.StatementRoot {
			digest = s.Digest() // a chain lists roots by version
		}
	}
	return digest
}

// ProposeRevocation drafts a revocation for the roots to sign: of an operations key, or of a record key
// when no operations key is left.
func (o *Office) ProposeRevocation(ctx context.Context, r Revocation) (*protocol.Proposal, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	org, chains, err := o.Own()
	if err != nil {
		return nil, err
	}
	var heads []protocol.Head
	if slices.ContainsFunc(org.Operations, func(d protocol.Operations) bool { return d.Key.ID() == r.Key }) {
		heads = o.orgHeads(org, time.Now())
		if len(r.After) > 0 {
			return nil, reason.New(reason.UsageInvalid, "propose to revoke operations key "+r.Key.String()+": places belong to record keys; revoke those one by one")
		}
	} else if heads, err = o.heads(r); err != nil {
		return nil, err
	}
	return o.propose(ctx)(protocol.ProposeRevocation(chains.Network(), protocol.Revocation{
		Org: org.ID, Key: r.Key, Reason: r.Reason, Heads: heads, Created: time.Now().Truncate(time.Millisecond),
	}))
}

// propose notes a draft in the audit log.
func (o *Office) propose(ctx context.Context) func(*protocol.Proposal, error) (*protocol.Proposal, error) {
	return func(p *protocol.Proposal, err error) (*protocol.Proposal, error) {
		if err != nil {
			return nil, err
		}
		return p, o.d.Note(ctx, audit.Event{Action: "key.propose", Target: p.Digest().String(), Detail: map[string]string{"type": string(p.Type())}})
	}
}

// Finish joins a proposal and the parts that people signed, takes the statement into the
// chain and spreads it. A new operations key that waited for it takes its place, and
// certifies this node anew.
func (o *Office) Finish(ctx context.Context, proposal []byte, parts [][]byte) (*protocol.Statement, error) {
	p, err := protocol.ParseProposal(proposal)
	if err != nil {
		return nil, fmt.Errorf("finish a ceremony: %w", err)
	}
	o.mu.Lock()
	s, err := o.finish(ctx, p, parts)
	o.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s, o.finished(ctx)
}

// finish is the part under the lock.
func (o *Office) finish(ctx context.Context, p *protocol.Proposal, parts [][]byte) (*protocol.Statement, error) {
	org, chains, err := o.Own()
	if err != nil {
		return nil, err
	}
	s, err := p.Assemble(mayPropose(org, p), parts...)
	if err != nil {
		return nil, fmt.Errorf("finish a ceremony: %w", err)
	}
	if s.Org() != org.ID || p.Network() != chains.Network() {
		return nil, reason.New(reason.UsageInvalid, "finish a ceremony: the proposal is of another organisation or network")
	}
	if _, _, errs := chains.With(s); len(errs) > 0 {
		return nil, fmt.Errorf("finish a ceremony: %w", errs[0])
	}
	if err := o.d.Note(ctx, audit.Event{Action: "key.ceremony", Target: s.Digest().String(), Detail: map[string]string{"type": string(s.Type())}}); err != nil {
		return nil, err
	}
	if err := o.add(s); err != nil {
		return nil, fmt.Errorf("finish a ceremony: %w", err)
	}
	o.changed = true
	if d, ok := p.Claims().(*protocol.Operations); ok {
		return s, o.takeOperations(d.Key)
	}
	return s, nil
}

// mayPropose are the keys that may sign a proposal: the roots in force and, for a new
// root, those that it reveals.
func mayPropose(org *protocol.Org, p *protocol.Proposal) []protocol.PublicKey {
	roots, _, _, _ := identity.RootsInForce(org)
	if r, ok := p.Claims().(*protocol.Root); ok {
		return slices.Concat(roots, r.Roots)
	}
	return roots
}

// takeOperations puts a new operations key in its place when it is the one that waits
// here; the lock is held.
func (o *Office) takeOperations(key protocol.PublicKey) error {
	pending, err := keystore.Pending(o.d.Data, keystore.RoleOperations)
	if err != nil || pending == nil || pending.Public() != key {
		return err
	}
	if err := keystore.Promote(o.d.Data, keystore.RoleOperations); err != nil {
		return err // the next start does it
	}
	o.keys.Operations = pending
	return o.writeEmergency(o.keys.Record.Public().ID(), time.Now())
}

// finished brings the rest of the chain in step with a new statement of the roots.
func (o *Office) finished(ctx context.Context) error {
	if _, err := o.d.Outbox.Heal(ctx); err != nil && reason.Of(err) != reason.KeyStopped {
		return err
	}
	if _, err := o.refresh(time.Now()); err != nil {
		log.Warnw("the chain took the statement, but this node was not certified anew", "err", err)
	}
	return o.settle(ctx)
}
