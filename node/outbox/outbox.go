// Package outbox is the one way out: it takes what an operator publishes, asks
// the release guard, packs objects into records, signs them, stores them through
// intake and announces them. Nothing is announced before it is durable. It
// imports no mesh; the mesh is an Announcer.
package outbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/once"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/outbox")

// StorageLife is how long a record that says nothing else is kept by those who
// hold it; belief in its objects ends earlier, by their own validity and decay.
const StorageLife = 365 * 24 * time.Hour

// Announcer is the mesh as the outbox sees it.
type Announcer interface {
	// Announce hands a durable record to the mesh; gossip.size when it is too
	// large for gossip. It may block to pace a bulk import; the caller does not retry.
	Announce(ctx context.Context, r *protocol.Record) error
}

// Request is what an operator publishes.
type Request struct {
	Topic protocol.Topic
	// TLP is the label of unmarked objects.
	TLP stix.TLP
	// Confidence is the default for silent objects, -1 for none.
	Confidence int
	// ValidFor is the default life of silent indicators from now on, 0 for none.
	ValidFor time.Duration
	// Producer and Upstream label where it comes from, or "".
	Producer, Upstream string
	// Data is a STIX 2.1 or 2.0 bundle, object or list.
	Data []byte
	// Progress is called from time to time with objects done and their total; may be nil.
	Progress func(done, total int)
}

// Skipped names an object that did not go out.
type Skipped struct {
	ID     string
	Code   reason.Code
	Reason string
}

// Result says what went out. Invalid counts those of Skipped that were broken
// (exit code 3), Denied those that the release guard kept back (exit code 7).
type Result struct {
	Records []protocol.RecordID
	Objects int
	Skipped []Skipped
	Invalid int
	Denied  int
	// Waiting counts records above the gossip limit, which wait for catch-up.
	Waiting int
	// Upgraded counts objects that came as STIX 2.0; what is signed is their 2.1 form.
	Upgraded int

	unnamed int // skipped beyond those that Skipped names
}

// Publisher is the way out. All methods may be called concurrently; key logs
// are written one record at a time.
type Publisher struct {
	store    *storage.Store
	intake   *intake.Pipeline
	identity *identity.Book
	own      protocol.OrgID
	mesh     Announcer
	pen      *pen
}

// New wires a publisher that signs with key for organisation own; it starts nothing.
func New(store *storage.Store, in *intake.Pipeline, id *identity.Book, own protocol.OrgID, key protocol.Signer, mesh Announcer) *Publisher {
	return &Publisher{store: store, intake: in, identity: id, own: own, mesh: mesh, pen: newPen(key)}
}

// Publish signs, stores and announces what the request holds. Objects that
// cannot go out are named in the result. The error is for a request of which
// nothing can be made (stix.format) or a fault of this node; records that
// were durable before a fault stay published and are in the result. key.stopped
// says that this node must not sign any more, and why; store.full that there is no room, and nothing was signed.
func (p *Publisher) Publish(ctx context.Context, req Request) (Result, error) {
	var res Result
	b, err := p.prepare(req, &res, nil)
	if err != nil {
		return res, err
	}
	total := b.count()
	done := func() {
		if req.Progress != nil {
			req.Progress(res.Objects, total)
		}
	}
	done()
	for _, g := range b.groups() {
		for len(g.pieces) > 0 {
			if err := ctx.Err(); err != nil {
				return res, fmt.Errorf("publish to %s: stopped after %d of %d objects: %w", req.Topic, res.Objects, total, err)
			}
			r, n, err := p.next(ctx, req, g, &res)
			if err != nil {
				if r != nil { // stored; what went wrong came behind
					res.Records = append(res.Records, r.ID())
					res.Objects += n
				}
				return res, fmt.Errorf("publish to %s: %w", req.Topic, err)
			}
			g.pieces = g.pieces[n:]
			if r == nil {
				continue
			}
			res.Records = append(res.Records, r.ID())
			res.Objects += n
			p.announce(ctx, r, &res)
			done()
		}
	}
	return res, nil
}

// announce hands a durable record to the mesh. What the mesh cannot take now is
// found by catch-up, so nothing is retried here.
func (p *Publisher) announce(ctx context.Context, r *protocol.Record, res *Result) {
	err := p.mesh.Announce(ctx, r)
	switch {
	case err == nil:
	case reason.Of(err) == reason.GossipSize:
		res.Waiting++
		log.Infow("record waits for catch-up", "record", r.ID(), "bytes", len(r.Raw()))
	default:
		log.Warnw("record was not announced", "record", r.ID(), "err", err)
	}
}

// Identity makes, stores and returns a record that carries this organisation's
// chain, to be announced on control.
func (p *Publisher) Identity(ctx context.Context) (*protocol.Record, error) {
	return p.Carry(ctx, p.identity.Chains().Chain(p.own))
}

// Carry is Identity for the chain of any organisation: a statement needs nobody's word
// but its signers', so a partner may spread the revocation of a node that cannot.
func (p *Publisher) Carry(ctx context.Context, chain []*protocol.Statement) (*protocol.Record, error) {
	return p.append(ctx, protocol.Draft{
		Topic:      protocol.TopicControl,
		Kind:       protocol.KindIdentity,
		TLP:        stix.Clear,
		Statements: chain,
		Defaults:   protocol.Defaults{Confidence: -1},
	})
}

// append puts a draft at the end of its key log: numbered, signed, durable.
// If the process stops before Receive returns, the number was either not used, or the record is in the store or in the
// reservations; it is never given twice.
func (p *Publisher) append(ctx context.Context, d protocol.Draft) (*protocol.Record, error) {
	p.pen.mu.Lock()
	defer p.pen.mu.Unlock()
	// Before a place is reserved and before anything is signed: without room nothing begins.
	if err := p.store.Room(); err != nil {
		return nil, err
	}
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	r, err := p.write(ctx, d)
	switch reason.Of(err) {
	case reason.LogFork:
		// Another record of our key came in at this very place; ours went nowhere.
		p.suspected(&Loss{Key: *p.pen.id.Load(), Why: fmt.Sprintf("another record of this node's key stands at %s %d", d.Topic, d.Sequence)})
	case reason.KeyRevoked:
		// The revocation came in after the key was found ready; ours went nowhere.
	default:
		return r, err
	}
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	return p.write(ctx, d) // by the new key
}

// write signs and stores with the active key; the lock is held. A record that comes with an error is stored all the same.
func (p *Publisher) write(ctx context.Context, d protocol.Draft) (*protocol.Record, error) {
	chains, key := p.identity.Chains(), p.pen.signer
	cert, err := p.certificate(chains, time.Now())
	if err != nil {
		return nil, err
	}
	d.Created = time.Now().Truncate(time.Millisecond)
	d.Sequence, d.Previous = 1, protocol.RecordID{}
	if head, ok := p.store.Head(p.own, key.Public().ID(), d.Topic); ok {
		d.Sequence, d.Previous = head.Head+1, head.HeadID
		d.Created = later(d.Created, head.HeadCreated)
	}
	d.Expires = d.Created.Add(StorageLife)
	d.Rand = rand.Reader
	r, err := protocol.Sign(chains.Network(), d, cert, key)
	if err != nil {
		return nil, err
	}
	if d.Kind == protocol.KindObjects && len(r.Raw()) > protocol.MaxGossipBytes && len(d.Objects) > 1 {
		return nil, errTooLarge
	}
	err = p.keep(ctx, r)
	if err != nil && !p.store.Has(r.ID()) {
		return nil, err
	}
	return r, err
}

// keep stores a record that was just signed. It is noted outside the store first: if we stop behind that line, the next start
// stores this very record, and no other, at its place. The caller does not give up in between: whether the place is taken must be known.
func (p *Publisher) keep(ctx context.Context, r *protocol.Record) error {
	notes, h := p.pen.safety.Reservations, r.Header()
	if err := once.Mark(ctx); err != nil {
		return err
	}
	if notes != nil {
		if err := notes.Reserve(r.Key(), h.Topic, h.Sequence, r.Raw()); err != nil {
			return err
		}
	}
	_, err := p.intake.Receive(context.WithoutCancel(ctx), r, intake.Local)
	switch code := reason.Of(err); {
	case err == nil, p.store.Has(r.ID()): // what went wrong came behind
		if notes != nil {
			notes.Stored(r.Key())
		}
	case code != "" && code != reason.Internal: // it was refused, and went nowhere; after other errors nobody knows what is on the disk
		once.Unmark(ctx)
		if notes != nil {
			notes.Refused(r.Key())
		}
	}
	return err
}

// errTooLarge says that a draft of several objects would not fit gossip.
var errTooLarge = errors.New("record is above the gossip limit")

// certificate is the newest certificate of this node's record key, valid now.
func (p *Publisher) certificate(chains *protocol.Chains, now time.Time) (*protocol.Certificate, error) {
	c, ok := identity.Certificate(chains, p.own, p.pen.signer.Public())
	if !ok || now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return nil, reason.New(reason.CertExpired, "this node has no certificate that is valid now")
	}
	return c, nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
