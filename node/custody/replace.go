package custody

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/node/audit"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/node/once"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Replace makes a new record key because the old one's log went on elsewhere. It is
// called by the outbox while nothing is signed. The old key is revoked, so that it is dead for
// whoever else has it: see positions.
func (o *Office) Replace(ctx context.Context, loss outbox.Loss) (protocol.Signer, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.d.Note(ctx, audit.Event{Action: "key.stop", Target: loss.Key.String(), Reason: loss.Why}); err != nil {
		return nil, err
	}
	if o.keys.Operations == nil {
		return nil, reason.New(reason.KeyStopped, "this node does not hold the operations key")
	}
	org, ok := o.d.Identity.Chains().Org(o.d.Own)
	if !ok {
		return nil, reason.New(reason.CertUnknown, "the own organisation is not known")
	}
	if revoked, ok := org.Revoked(loss.Key); ok && revoked.Reason != protocol.RevokedSuperseded {
		// Somebody decided that this key is in wrong hands. Whether this machine is, too, is for a person to say.
		return nil, reason.New(reason.KeyStopped, "it was revoked as compromised or ceased; a person must decide about this node")
	}
	var revocation *protocol.Revocation
	if ends := o.Ends(loss); ends.Proven && !loss.Revoked {
		revocation = &protocol.Revocation{Key: loss.Key, Reason: protocol.RevokedSuperseded, Heads: ends.Heads}
	}
	return o.newRecordKey(ctx, revocation, loss.Why)
}

// Ends says where the logs of a lost key end, as far as the loss and the store tell.
func (o *Office) Ends(loss outbox.Loss) outbox.Ends {
	return positions(loss, func(t protocol.Topic, n uint64) (protocol.RecordID, bool) {
		return o.d.Store.At(o.d.Own, loss.Key, t, n)
	})
}

// positions are the last places at which the lost key's logs stand, and whether it is
// proven at all that they went on elsewhere. On each topic that is the last place that
// both sides are known to share where they differ; where nothing of ours is contradicted, the highest
// place that was proven, if the store may be behind: peers hold what is up to there, and mostly it is our own from
// before a restore. Where the reservations show that it is not, our own head is the last. What lies above, whoever
// signs it, is void.
func positions(loss outbox.Loss, at func(protocol.Topic, uint64) (protocol.RecordID, bool)) outbox.Ends {
	last := map[protocol.Topic]protocol.Head{}
	for _, h := range loss.Held {
		last[h.Topic] = h
	}
	shared := map[protocol.Topic]bool{} // where both sides part is known
	part := func(t protocol.Topic, sequence uint64, id protocol.RecordID) {
		if shared[t] && last[t].Sequence <= sequence {
			return
		}
		shared[t] = true
		last[t] = protocol.Head{Key: loss.Key, Topic: t, Sequence: sequence, ID: id}
	}
	for _, r := range loss.Records {
		h := r.Header()
		held, ours := at(h.Topic, h.Sequence)
		before, known := at(h.Topic, h.Sequence-1)
		switch {
		case ours && held == r.ID():
		case ours && (h.Sequence == 1 || known && before == h.Previous):
			part(h.Topic, h.Sequence-1, h.Previous)
		case loss.Whole: // whoever has a copy of the key signed it
		case !shared[h.Topic] && h.Sequence >= last[h.Topic].Sequence:
			last[h.Topic] = protocol.Head{Key: loss.Key, Topic: h.Topic, Sequence: h.Sequence, ID: r.ID()}
		}
	}
	for _, h := range loss.Named {
		if !loss.Whole && !shared[h.Topic] && h.Sequence >= last[h.Topic].Sequence {
			last[h.Topic] = h
		}
	}
	if f := loss.Fork; f != nil {
		before, known := at(f.Topic, f.Sequence-1)
		if f.Sequence == 1 || known {
			part(f.Topic, f.Sequence-1, before)
		}
	}
	ends := outbox.Ends{Proven: len(loss.Records) > 0 || len(loss.Named) > 0 || loss.Fork != nil}
	ends.Parted = ends.Proven && (loss.Whole || len(shared) > 0)
	for _, t := range slices.SortedFunc(maps.Keys(last), func(a, b protocol.Topic) int {
		return slices.Compare([]byte(a.String()), []byte(b.String()))
	}) {
		if last[t].Sequence > 0 { // at 0 nothing of that log stands: it is not named
			ends.Heads = append(ends.Heads, last[t])
		}
	}
	return ends
}

// newRecordKey makes, certifies and puts in place a new record key; the lock is held and the
// outbox signs nothing. revocation, if any, is signed for the old one and goes into the chain with the
// new certificate, in one write. If we stop before that write, the new key is unknown and is
// thrown away at the next start; after it, the next start puts it in place.
func (o *Office) newRecordKey(ctx context.Context, revocation *protocol.Revocation, why string) (protocol.Signer, error) {
	chains, now := o.d.Identity.Chains(), time.Now()
	old := o.keys.Record.Public()
	cert, ok := identity.Certificate(chains, o.d.Own, old)
	if !ok {
		return nil, fmt.Errorf("no certificate of %s for this node's record key", o.d.Own)
	}
	key, err := keystore.MakePending(o.d.Data, keystore.RoleRecord)
	if err != nil {
		return nil, err
	}
	undo := func(err error) error {
		return errors.Join(err, keystore.Discard(o.d.Data, keystore.RoleRecord), keystore.DropRevocation(o.d.Data, key.Public().ID()))
	}
	fresh, err := identity.Certify(chains, cert, key.Public(), &o.keys, now)
	if err != nil {
		return nil, undo(err)
	}
	if err := o.writeEmergency(key.Public().ID(), now); err != nil {
		return nil, undo(err)
	}
	statements := []*protocol.Statement{fresh}
	if revocation != nil {
		s, err := o.signRevocation(*revocation, now)
		if err != nil {
			return nil, undo(err)
		}
		statements = append(statements, s)
	}
	detail := map[string]string{"new_key": key.Public().ID().String(), "old_key": old.ID().String(), "old_revoked": fmt.Sprint(revocation != nil)}
	if err := o.d.Note(ctx, audit.Event{Action: "key.rotate", Target: old.ID().String(), Reason: why, Detail: detail}); err != nil {
		return nil, undo(err)
	}
	if err := once.Mark(ctx); err != nil {
		return nil, undo(err)
	}
	if err := o.add(statements...); err != nil {
		return nil, undo(err)
	}
	if err := keystore.Promote(o.d.Data, keystore.RoleRecord); err != nil {
		// The chain names the new key: the next start puts it in place.
		log.Errorw("the new record key is certified but not in its place", "err", err)
	}
	o.keys.Record, o.changed = key, true
	log.Infow("new record key", "key", key.Public().ID(), "old", old.ID(), "revoked", revocation != nil)
	return key, nil
}

// writeEmergency puts the emergency revocation of a key, made at its birth, into the recovery folder.
func (o *Office) writeEmergency(key protocol.KeyID, now time.Time) error {
	chains := o.d.Identity.Chains()
	org, ok := chains.Org(o.d.Own)
	if !ok {
		return reason.New(reason.CertUnknown, "the own organisation is not known")
	}
	s, err := identity.Emergency(chains.Network(), o.d.Own, key, o.keys.Operations, now)
	if err != nil {
		return err
	}
	_, err = keystore.WriteRevocation(o.d.Data, key, s.Raw(), identity.EmergencyText(org.Genesis.Name, key, s))
	return err
}

func (o *Office) signRevocation(r protocol.Revocation, now time.Time) (*protocol.Statement, error) {
	r.Org, r.Created = o.d.Own, now.Truncate(time.Millisecond)
	return protocol.SignRevocation(o.d.Identity.Chains().Network(), r, o.keys.Operations)
}

// RotateRecord replaces this node's record key while it runs. The old key is left to end with its
// certificate, or revoked after what it has signed so far. One that stopped because its log went on elsewhere is revoked where that
// is proven, as Replace would have.
func (o *Office) RotateRecord(ctx context.Context, revoke bool, why protocol.RevocationReason, word string) (protocol.KeyID, error) {
	var fresh protocol.Signer
	replace := func(heads []protocol.Head, revoke bool) (protocol.Signer, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.keys.Operations == nil {
			return nil, noOperations("make a new record key")
		}
		old := o.keys.Record.Public().ID()
		var revocation *protocol.Revocation
		if org, ok := o.d.Identity.Chains().Org(o.d.Own); ok && revoke {
			if _, over := org.Revoked(old); !over {
				revocation = &protocol.Revocation{Key: old, Reason: why, Heads: heads}
			}
		}
		var err error
		fresh, err = o.newRecordKey(ctx, revocation, word)
		return fresh, err
	}
	var err error
	if o.d.Outbox.Stopped() != nil {
		err = o.d.Outbox.Recover(ctx, func(e outbox.Ends) (protocol.Signer, error) { return replace(e.Heads, revoke || e.Proven) })
	} else {
		err = o.d.Outbox.Exchange(func(heads []protocol.Head) (protocol.Signer, error) { return replace(heads, revoke) })
	}
	if err != nil {
		return protocol.KeyID{}, err
	}
	return fresh.Public().ID(), o.settle(ctx)
}

func noOperations(what string) error {
	return reason.New(reason.KeyAbsent, what+": this node does not hold the operations key")
}

// settle makes a status if one may be made already, and publishes the chain.
func (o *Office) settle(ctx context.Context) error {
	o.mu.Lock()
	o.changed = true
	_, err := o.status(time.Now())
	o.mu.Unlock()
	if err != nil {
		log.Warnw("no status after a key event; it is made later", "err", err)
	}
	err = o.publish(ctx)
	if reason.Of(err) == reason.KeyStopped {
		return nil // said in the status; others spread the chain
	}
	return err
}
