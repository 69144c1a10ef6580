package custody

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin/node/audit"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/node/once"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Place is a place of a key log that a person names.
type Place struct {
	Topic    protocol.Topic
	Sequence uint64
}

// Revocation is what a person decides about a key.
type Revocation struct {
	Key    protocol.KeyID
	Reason protocol.RevocationReason
	// After are the last good places on topics where it is not the last one that this
	// node holds; sequence 0 means that nothing of the key stands there.
	After []Place
	// Word is for the audit log.
	Word string
}

// Known lists the own organisation's keys that can be revoked: record keys first, then operations keys.
func (o *Office) Known() []protocol.KeyID {
	org, ok := o.d.Identity.Chains().Org(o.d.Own)
	if !ok {
		return nil
	}
	var out []protocol.KeyID
	add := func(id protocol.KeyID) {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	for _, c := range org.Certificates {
		add(c.RecordKey.ID())
	}
	for _, d := range org.Operations {
		add(d.Key.ID())
	}
	return out
}

// Find resolves a key's id or a unique beginning of 8 hex digits or more.
func (o *Office) Find(text string) (protocol.KeyID, error) {
	digits := strings.TrimPrefix(text, "sha256:")
	if len(digits) < 8 || strings.Trim(digits, "0123456789abcdef") != "" {
		return protocol.KeyID{}, reason.New(reason.UsageInvalid, fmt.Sprintf("key %q: want sha256: and hex digits, or 8 of the first digits at least", text))
	}
	var found []protocol.KeyID
	for _, id := range o.Known() {
		if strings.HasPrefix(hex.EncodeToString(id[:]), digits) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return protocol.KeyID{}, reason.New(reason.NotFound, "no key of this organisation begins with "+digits+"; tocsin keys show lists them")
	case 1:
		return found[0], nil
	}
	return protocol.KeyID{}, reason.New(reason.Ambiguous, fmt.Sprintf("%d keys begin with %s", len(found), digits))
}

// heads are the last good places of a key by a person's word.
func (o *Office) heads(r Revocation) ([]protocol.Head, error) {
	last := map[protocol.Topic]protocol.Head{}
	for _, h := range o.keyHeads(r.Key) {
		last[h.Topic] = h
	}
	for _, p := range r.After {
		if p.Sequence == 0 {
			delete(last, p.Topic)
			continue
		}
		id, ok := o.d.Store.At(o.d.Own, r.Key, p.Topic, p.Sequence)
		if !ok {
			return nil, reason.New(reason.NotFound, fmt.Sprintf("revoke key %s after %d on %s: this node does not hold that record", r.Key, p.Sequence, p.Topic))
		}
		last[p.Topic] = protocol.Head{Key: r.Key, Topic: p.Topic, Sequence: p.Sequence, ID: id}
	}
	return slices.Collect(maps.Values(last)), nil
}

// Revoke ends a record key of the organisation. This node's own is replaced in the
// same step; fresh is the new one then, else zero. An operations key needs the roots.
func (o *Office) Revoke(ctx context.Context, r Revocation) (fresh protocol.KeyID, err error) {
	org, ok := o.d.Identity.Chains().Org(o.d.Own)
	if !ok {
		return fresh, reason.New(reason.CertUnknown, "the own organisation is not known")
	}
	if slices.ContainsFunc(org.Operations, func(d protocol.Operations) bool { return d.Key.ID() == r.Key }) {
		return fresh, reason.New(reason.UsageInvalid, "revoke key "+r.Key.String()+
			": it is an operations key, which only the roots can end: tocsin keys ceremony propose revoke")
	}
	if !slices.Contains(o.Known(), r.Key) {
		return fresh, reason.New(reason.NotFound, "revoke key "+r.Key.String()+": no key of this organisation")
	}
	if r.Key == o.d.Outbox.Key() {
		return o.revokeOwn(ctx, r)
	}
	o.mu.Lock()
	err = o.revoke(ctx, r)
	o.mu.Unlock()
	if err != nil {
		return fresh, err
	}
	return fresh, o.settle(ctx)
}

// revoke ends a key of another node; the lock is held.
func (o *Office) revoke(ctx context.Context, r Revocation) error {
	if o.keys.Operations == nil {
		return noOperations("revoke key " + r.Key.String())
	}
	heads, err := o.heads(r)
	if err != nil {
		return err
	}
	s, err := o.signRevocation(protocol.Revocation{Key: r.Key, Reason: r.Reason, Heads: heads}, time.Now())
	if err != nil {
		return err
	}
	if err := o.d.Note(ctx, audit.Event{Action: "key.revoke", Target: r.Key.String(), Reason: r.Word}); err != nil {
		return err
	}
	if err := once.Mark(ctx); err != nil {
		return fmt.Errorf("revoke key %s: %w", r.Key, err)
	}
	if err := o.add(s); err != nil {
		return fmt.Errorf("revoke key %s: %w", r.Key, err)
	}
	return nil
}

// revokeOwn ends this node's own record key and goes on with a new one.
func (o *Office) revokeOwn(ctx context.Context, r Revocation) (fresh protocol.KeyID, err error) {
	err = o.d.Outbox.Exchange(func([]protocol.Head) (protocol.Signer, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.keys.Operations == nil {
			return nil, noOperations("revoke key " + r.Key.String())
		}
		heads, err := o.heads(r)
		if err != nil {
			return nil, err
		}
		if err := o.d.Note(ctx, audit.Event{Action: "key.revoke", Target: r.Key.String(), Reason: r.Word}); err != nil {
			return nil, err
		}
		key, err := o.newRecordKey(ctx, &protocol.Revocation{Key: r.Key, Reason: r.Reason, Heads: heads}, r.Word)
		if err != nil {
			return nil, err
		}
		fresh = key.Public().ID()
		return key, nil
	})
	if err != nil {
		return protocol.KeyID{}, err
	}
	return fresh, o.settle(ctx)
}

// Imported is one statement of those that were submitted.
type Imported struct {
	Statement *protocol.Statement
	// Err says why it was left out; nil when it is in the chain now.
	Err error
}

// Submit takes statements that were made elsewhere, such as an emergency revocation from
// the safe, into the chains and spreads what is new: of the own organisation or of any other,
// for a statement needs nobody's word but its signers'.
//
// When text is not "", it must be the beginning of a key that one of them revokes.
func (o *Office) Submit(ctx context.Context, raw []byte, text string) ([]Imported, error) {
	network := o.d.Identity.Chains().Network()
	statements, err := protocol.ReadStatements(network, raw)
	if err != nil {
		return nil, fmt.Errorf("read statements: %w", err)
	}
	if len(statements) == 0 {
		return nil, reason.New(reason.UsageInvalid, "read statements: there are none that this version knows")
	}
	if text != "" && !revokes(o.d.Identity.Chains(), statements, text) {
		return nil, reason.New(reason.UsageInvalid, "publish statements: none of them revokes key "+text+" of an organisation known here")
	}
	out := make([]Imported, len(statements))
	var orgs []protocol.OrgID
	o.mu.Lock()
	for i, s := range statements {
		out[i] = Imported{Statement: s, Err: o.submit(ctx, s)}
		if out[i].Err == nil && !slices.Contains(orgs, s.Org()) {
			orgs = append(orgs, s.Org())
		}
	}
	o.mu.Unlock()
	for _, org := range orgs {
		if org == o.d.Own {
			err = o.imported(ctx)
		} else {
			err = o.carry(ctx, org)
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// revokes reports whether the record key whose id text begins is revoked once the statements are taken.
func revokes(chains *protocol.Chains, statements []*protocol.Statement, text string) bool {
	next, _, _ := chains.With(statements...) // what is left out revokes nothing
	for _, s := range statements {
		org, ok := next.Org(s.Org())
		if !ok {
			continue
		}
		for _, c := range org.Certificates {
			id := c.RecordKey.ID()
			if _, revoked := org.Revoked(id); revoked && strings.HasPrefix(hex.EncodeToString(id[:]), strings.TrimPrefix(text, "sha256:")) {
				return true
			}
		}
	}
	return false
}

func (o *Office) submit(ctx context.Context, s *protocol.Statement) error {
	detail := map[string]string{"statement": s.Digest().String(), "type": string(s.Type())}
	if err := o.d.Note(ctx, audit.Event{Action: "key.publish", Target: s.Org().String(), Detail: detail}); err != nil {
		return err
	}
	return o.add(s)
}

// imported deals with a change of the own chain that came from outside.
func (o *Office) imported(ctx context.Context) error {
	if _, err := o.d.Outbox.Heal(ctx); err != nil {
		if reason.Of(err) != reason.KeyStopped {
			return err
		}
		// This node signs no more; whoever connects asks for the chain (NET-18).
		log.Errorw("this node does not sign", "err", err)
		return nil
	}
	return o.settle(ctx)
}

// carry spreads the chain of another organisation.
func (o *Office) carry(ctx context.Context, org protocol.OrgID) error {
	r, err := o.d.Outbox.Carry(ctx, o.d.Identity.Chains().Chain(org))
	if err != nil {
		return fmt.Errorf("carry the chain of %s: %w", org, err)
	}
	if err := o.d.Announce(ctx, r); err != nil {
		log.Warnw("carried chain not announced", "org", org, "err", err)
	}
	return nil
}

// RecoveryOn lists root keys and pre-signed revocations that are still on the machine.
func (o *Office) RecoveryOn() (roots, revocations []string) {
	return keystore.RecoveryOn(o.d.Data), keystore.RevocationsOn(o.d.Data)
}

// RevocationFiles are the files of a key's emergency revocation, as far as they are still here.
func (o *Office) RevocationFiles(key protocol.KeyID) []string {
	return slices.DeleteFunc(keystore.RevocationsOn(o.d.Data), func(path string) bool {
		return !strings.Contains(path, hex.EncodeToString(key[:4]))
	})
}

// PendingOperations is the operations key that waits for a ceremony; false when none does.
func (o *Office) PendingOperations() (protocol.KeyID, bool) {
	key, err := keystore.Pending(o.d.Data, keystore.RoleOperations)
	if err != nil || key == nil {
		return protocol.KeyID{}, false
	}
	return key.Public().ID(), true
}

// Heads are the ends of one key's logs, as this node holds them.
func (o *Office) Heads(key protocol.KeyID) []protocol.Head { return o.keyHeads(key) }

// Stopped is nil while this node signs, else key.stopped with the cause.
func (o *Office) Stopped() error { return o.d.Outbox.Stopped() }

// Own is the own chain; identity holds what it means.
func (o *Office) Own() (*protocol.Org, *protocol.Chains, error) {
	chains := o.d.Identity.Chains()
	org, ok := chains.Org(o.d.Own)
	if !ok {
		return nil, nil, reason.New(reason.CertUnknown, "the own organisation is not known")
	}
	return org, chains, nil
}

// Operations is the delegation of this node's operations key that holds now; false without one.
func (o *Office) Operations(now time.Time) (protocol.Operations, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	org, ok := o.d.Identity.Chains().Org(o.d.Own)
	if !ok || o.keys.Operations == nil {
		return protocol.Operations{}, false
	}
	return identity.Delegation(org, o.keys.Operations.Public(), now)
}
