// Package intake is the one way in: every record, foreign or own, passes
// Pipeline.Receive, which opens it, checks each object, derives what it can be
// looked up by, asks the trust list and stores it, accepted or held, with a
// reason. It knows no network and never answers a peer.
package intake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/identity"
	"tocsin/node/policy"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/intake")

// Local is the source of records that this node made itself.
const Local = "local"

// Outcome says what became of a record.
type Outcome struct {
	// State is the record's fate; the counts are its objects'.
	State                   storage.State
	Accepted, Held, Refused int
	// Refusals names each object that was refused or held by itself, with its reason.
	Refusals []Refusal
}

// Refusal is one object that was not accepted.
type Refusal struct {
	Index  int
	Object string
	Err    error
}

// Pipeline is the way in. All methods may be called concurrently.
type Pipeline struct {
	store    *storage.Store
	policy   *policy.Book
	identity *identity.Book
	own      protocol.OrgID
	desks    sync.Pool // of *desk, each in one goroutine's hands
}

// New wires a pipeline for the node of organisation own; it starts nothing.
func New(store *storage.Store, p *policy.Book, id *identity.Book, own protocol.OrgID) *Pipeline {
	return &Pipeline{store: store, policy: p, identity: id, own: own}
}

// Receive takes a verified record from a peer (its id) or Local. It is durable
// when it returns nil. A record already held gives dup.held, a second one at its
// place in the key log log.fork, one of a blocked organisation org.blocked; none
// of these is stored.
func (p *Pipeline) Receive(ctx context.Context, r *protocol.Record, from string) (Outcome, error) {
	if p.store.Has(r.ID()) {
		return Outcome{}, reason.New(reason.DupHeld, "receive record "+r.ID().String()+": already held")
	}
	level := p.level(r)
	if level == trust.Blocked {
		return Outcome{}, reason.New(reason.OrgBlocked, "receive record "+r.ID().String()+": "+r.Org().String()+" is blocked in the trust list")
	}
	e, out := p.judge(r, level)
	e.Received, e.From = time.Now(), from
	if err := p.store.Accept(ctx, e); err != nil {
		return Outcome{}, fmt.Errorf("receive record %s: %w", r.ID(), err)
	}
	if statements := r.Statements(); len(statements) > 0 {
		if _, errs := p.identity.Add(statements...); len(errs) > 0 {
			log.Warnw("statements left out", "record", r.ID(), "err", errors.Join(errs...))
		}
	}
	log.Debugw("record received", "record", r.ID(), "org", r.Org(), "from", from,
		"state", out.State, "accepted", out.Accepted, "held", out.Held, "refused", out.Refused)
	return out, nil
}

// judge lends a desk to judge r.
func (p *Pipeline) judge(r *protocol.Record, level trust.Level) (storage.Entry, Outcome) {
	d, ok := p.desks.Get().(*desk)
	if !ok {
		d = new(desk)
	}
	defer p.desks.Put(d)
	return d.judge(r, level)
}

// level is the trust in the record's organisation for its topic.
func (p *Pipeline) level(r *protocol.Record) trust.Level {
	if r.Org() == p.own {
		return trust.Own
	}
	return p.policy.List().Level(r.Org(), r.Header().Topic.String(), "", time.Now())
}

// Rejudge takes records out of quarantine that were held only because their
// organisation was not listed and now is. It returns how many objects were
// accepted. A record that cannot be read stops nothing; it stays and is logged.
func (p *Pipeline) Rejudge(ctx context.Context) (int, error) {
	held, err := p.store.HeldRecords(reason.TrustUnknown)
	if err != nil {
		return 0, fmt.Errorf("rejudge quarantine: %w", err)
	}
	total := 0
	for _, id := range held {
		if ctx.Err() != nil {
			return total, ctx.Err()
		}
		r, err := p.stored(id)
		if err != nil {
			log.Errorw("held record cannot be read", "record", id, "err", err)
			continue
		}
		level := p.level(r)
		if level < trust.Observed {
			continue
		}
		n, err := p.admit(ctx, r, level)
		if reason.Of(err) == reason.DupHeld {
			continue // another rejudge was here first: the watch of the list and a command may meet
		}
		if err != nil {
			return total, fmt.Errorf("rejudge quarantine: %w", err)
		}
		total += n
	}
	return total, nil
}

// Release accepts a held record (ref.Index < 0) or one held object on the
// operator's word; why is kept in the log.
func (p *Pipeline) Release(ctx context.Context, ref storage.Ref, why string) error {
	log.Infow("released from quarantine", "record", ref.Record, "index", ref.Index, "why", why)
	if ref.Index >= 0 {
		return p.store.Decide(ctx, ref, storage.Accepted, "")
	}
	r, err := p.stored(ref.Record)
	if err != nil {
		return fmt.Errorf("release record %s: %w", ref.Record, err)
	}
	_, err = p.admit(ctx, r, max(p.level(r), trust.Observed))
	return err
}

// Reject drops a held record (ref.Index < 0) or refuses one held object on the
// operator's word; why is kept in the log.
func (p *Pipeline) Reject(ctx context.Context, ref storage.Ref, why string) error {
	log.Infow("rejected from quarantine", "record", ref.Record, "index", ref.Index, "why", why)
	if ref.Index >= 0 {
		return p.store.Decide(ctx, ref, storage.Refused, reason.OperatorRejected)
	}
	return p.store.Reject(ctx, ref.Record, reason.OperatorRejected)
}

// stored reads a record back in the type that proves its signature.
func (p *Pipeline) stored(id protocol.RecordID) (*protocol.Record, error) {
	raw, _, err := p.store.Record(id)
	if err != nil {
		return nil, err
	}
	return protocol.VerifyOffline(raw, p.identity.Chains())
}

// admit moves a held record to what judge makes of it at a level that is listed.
func (p *Pipeline) admit(ctx context.Context, r *protocol.Record, level trust.Level) (int, error) {
	e, out := p.judge(r, level)
	if e.State != storage.Accepted {
		return 0, reason.New(e.Reason, "admit record "+r.ID().String()+": its content keeps it in quarantine")
	}
	received, from, err := p.store.Source(r.ID())
	if err != nil {
		return 0, err
	}
	e.Received, e.From = received, from
	if err := p.store.Accept(ctx, e); err != nil {
		return 0, fmt.Errorf("admit record %s: %w", r.ID(), err)
	}
	return out.Accepted, nil
}
