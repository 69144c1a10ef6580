// Package custody keeps the node's keys in step with its organisation's chain over
// time: it renews and replaces keys, revokes them, makes statuses, and takes part in key
// ceremonies. The keys themselves are in the keystore, the chain in the identity book;
// root keys never come here. Every key event is written to the audit log before it is done.
package custody

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/audit"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/custody")

// How often each duty is looked at.
const (
	// announceEvery is how often the own chain is published anew (NET-19).
	announceEvery = 6 * time.Hour
	// lookEvery is how often it is looked whether certificate or status are due.
	lookEvery = 10 * time.Minute
)

// Deps are what the office works with. Announce and Note may be nil.
type Deps struct {
	// Data is the node's data folder, with keys/, recovery/ and state/.
	Data     string
	Store    *storage.Store
	Identity *identity.Book
	Outbox   *outbox.Publisher
	Keys     *keystore.Keys
	Own      protocol.OrgID
	// Announce hands a record to the mesh.
	Announce func(context.Context, *protocol.Record) error
	// Note writes to the audit log; what cannot be written is not done.
	Note func(context.Context, audit.Event) error
}

// Office is the node's custody of its keys. All methods may be called concurrently.
type Office struct {
	d Deps
	// announcement is the identity record to hand to new neighbours.
	announcement atomic.Pointer[protocol.Record]

	// mu guards what follows. It may be taken while the outbox's signing is held up, so
	// nothing that signs records is called under it.
	mu      sync.Mutex
	keys    keystore.Keys
	counter *identity.Counter
	changed bool // since the last status
}

// Resume finishes or undoes what a kill interrupted: a new key that its certificate or
// delegation already names takes its place, another one is thrown away, since nobody knows it. It
// is called before anything else uses the keys.
func Resume(data string, chains *protocol.Chains, own protocol.OrgID) error {
	org, ok := chains.Org(own)
	if !ok {
		return nil // the start says what is wrong
	}
	for _, role := range []keystore.Role{keystore.RoleRecord, keystore.RoleOperations} {
		key, err := keystore.Pending(data, role)
		if err != nil || key == nil {
			if err != nil {
				return err
			}
			continue
		}
		id := key.Public().ID()
		if known(org, role, key.Public()) {
			log.Infow("a new key takes its place after an interruption", "role", string(role), "key", id)
			if err := keystore.Promote(data, role); err != nil {
				return err
			}
			continue
		}
		if role == keystore.RoleOperations {
			continue // it waits for a ceremony, which may take days
		}
		log.Infow("a new key that was never certified is discarded", "role", string(role), "key", id)
		if err := errors.Join(keystore.Discard(data, role), keystore.DropRevocation(data, id)); err != nil {
			return err
		}
	}
	return nil
}

// known reports whether the chain names a key in its role.
func known(org *protocol.Org, role keystore.Role, key protocol.PublicKey) bool {
	if role == keystore.RoleRecord {
		for _, c := range org.Certificates {
			if c.RecordKey == key {
				return true
			}
		}
		return false
	}
	for _, o := range org.Operations {
		if o.Key == key {
			return true
		}
	}
	return false
}

// New wires an office; it starts nothing.
func New(d Deps) (*Office, error) {
	counter, err := identity.OpenCounter(d.Data + "/state/status.json")
	if err != nil {
		return nil, err
	}
	if d.Announce == nil {
		d.Announce = func(context.Context, *protocol.Record) error { return nil }
	}
	if d.Note == nil {
		d.Note = func(context.Context, audit.Event) error { return nil }
	}
	if why := counter.Damage(); why != "" {
		log.Errorw("the file that numbers statuses is damaged", "why", why)
		e := audit.Event{Action: audit.ActionDamaged, Target: "status.json", Reason: why[:min(len(why), audit.MaxReason)]}
		if err := d.Note(audit.WithActor(context.Background(), audit.Node()), e); err != nil {
			log.Errorw("not in the audit log", "action", e.Action, "err", err)
		}
	}
	return &Office{d: d, keys: *d.Keys, counter: counter}, nil
}

// Announcement returns the current identity record, nil before there is one.
func (o *Office) Announcement() *protocol.Record { return o.announcement.Load() }

// Keys are the node's keys as they are now.
func (o *Office) Keys() keystore.Keys {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.keys
}

// Prepare brings chain and key up to date and makes the identity record that this run
// announces. That signing has stopped is no error here: the node runs on, and says so.
func (o *Office) Prepare(ctx context.Context) error {
	if _, err := o.d.Outbox.Heal(ctx); err != nil {
		if reason.Of(err) == reason.KeyStopped {
			log.Errorw("this node does not sign", "err", err)
			return nil
		}
		if reason.Of(err) == reason.StoreFull { // the regular duties look again; nothing is signed before
			log.Errorw("whether the record key may sign is not known yet", "err", err)
			return nil
		}
		return fmt.Errorf("look whether the record key may sign: %w", err)
	}
	_, err := o.refresh(time.Now())
	if err == nil {
		err = o.identify(ctx)
	}
	if reason.Of(err) == reason.StoreFull { // the regular duties do it once there is room
		log.Errorw("chain and announcement stay as they are", "err", err)
		return nil
	}
	return err
}

// identify makes the identity record.
func (o *Office) identify(ctx context.Context) error {
	r, err := o.d.Outbox.Identity(ctx)
	if err != nil {
		return fmt.Errorf("make identity record: %w", err)
	}
	o.announcement.Store(r)
	return nil
}

// publish makes the identity record and announces it at once. Whoever it does not
// reach asks for the chain.
func (o *Office) publish(ctx context.Context) error {
	if err := o.identify(ctx); err != nil {
		return err
	}
	if err := o.d.Announce(ctx, o.announcement.Load()); err != nil {
		log.Warnw("own identity not announced", "err", err)
	}
	return nil
}

// Run does the regular duties and deals with what peers show of the own key, until ctx ends.
func (o *Office) Run(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	announced := time.Now()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-o.d.Outbox.Suspected():
			err = o.heal(ctx)
		case <-look.C:
			var changed bool
			if err = o.heal(ctx); err == nil {
				changed, err = o.refresh(time.Now())
			}
			if err == nil && (changed || o.announcement.Load() == nil || time.Since(announced) >= announceEvery) {
				if err = o.publish(ctx); err == nil {
					announced = time.Now()
				}
			}
		}
		if err != nil && ctx.Err() == nil && reason.Of(err) != reason.KeyStopped {
			log.Errorw("custody of keys", "err", err)
		}
	}
}

// heal looks whether the key may sign, and publishes the new one when it may not.
func (o *Office) heal(ctx context.Context) error {
	replaced, err := o.d.Outbox.Heal(ctx)
	if err != nil || !replaced {
		return err
	}
	return o.publish(ctx)
}

// refresh renews the certificate and makes a status where they are due; changed says
// that the chain did. A node without the operations key leaves both to others.
func (o *Office) refresh(now time.Time) (changed bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	chains := o.d.Identity.Chains()
	newest, ok := identity.Certificate(chains, o.d.Own, o.keys.Record.Public())
	if !ok {
		return false, fmt.Errorf("no certificate of %s for this node's record key in the identity file", o.d.Own)
	}
	s, err := identity.Renew(chains, newest, &o.keys, now)
	if err != nil {
		return false, fmt.Errorf("renew node certificate: %w", err)
	}
	if s != nil {
		if err := o.add(s); err != nil {
			return false, fmt.Errorf("renew node certificate: %w", err)
		}
		log.Infow("node certificate renewed", "digest", s.Digest())
		o.changed = true
	}
	made, err := o.status(now)
	return s != nil || made, err
}

// add takes statements that must all be new and good; the lock is held.
func (o *Office) add(statements ...*protocol.Statement) error {
	added, errs := o.d.Identity.Add(statements...)
	if len(errs) == 0 && added < len(statements) {
		return reason.New(reason.Conflict, "the chain holds this already")
	}
	return errors.Join(errs...)
}
