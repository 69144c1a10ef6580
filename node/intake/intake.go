// Package intake is the one way in: every record, foreign or own, passes
// Pipeline.Receive, which opens it, checks each object, derives what it can be
// looked up by, asks the trust list and whose word stands, and stores it, accepted or held, with a
// reason. It knows no network and never answers a peer.
package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/breaker"
	"tocsin/node/identity"
	"tocsin/node/policy"
	"tocsin/node/standing"
	"tocsin/node/warnings"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/protocol/warn"
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

// Deps is what a pipeline works with.
type Deps struct {
	Store    *storage.Store
	Policy   *policy.Book
	Identity *identity.Book
	Standing *standing.Book
	// Warnings are the warning lists; nil means none.
	Warnings *warnings.Book
	// Breakers count what listed organisations send; nil means that nobody counts.
	Breakers *breaker.Book
	Own      protocol.OrgID
	// Quarantine is how many bytes of records may be held as a whole before those of
	// strangers and of keys that are over are refused, each counted as 1 KiB at least; strangers' identity records
	// count too. 0 means no limit.
	Quarantine int64
	// Room is store.full when there is no room for a record, of somebody on the trust list or not; nil means always room.
	Room func(listed bool) error

	// Told are called after what they tell is durable, from whichever goroutine
	// receives; each must return at once, and may be nil.
	Told Told
}

// Told is who wants to know what the pipeline finds.
type Told struct {
	// Equivocated gets the proof that a key signed two records for one place, when this
	// node is the first to know: it is the body of a record of kind fork.
	Equivocated func(f *protocol.ForkProof, body []byte)
	// Forked gets each newly held key, whoever proved it.
	Forked func(f *protocol.ForkProof)
	// Pledged says that vouches, commitments or advisories came or changed their fate.
	Pledged func()
	// Received gets each record that the way in was given, as far as it was judged, and why it was not stored.
	Received func(e storage.Entry, err error)
}

// Pipeline is the way in. All methods may be called concurrently.
type Pipeline struct {
	d      Deps
	quota  quota
	full   complaint
	graves graves
	desks  sync.Pool // of *desk, each in one goroutine's hands
}

// New wires a pipeline; it starts nothing.
func New(d Deps) *Pipeline {
	p := &Pipeline{d: d}
	p.quota.store, p.quota.limit = d.Store, d.Quarantine
	p.quota.listed = func(org protocol.OrgID) bool { return p.levelOn(org, protocol.TopicControl) >= trust.Observed }
	return p
}

// Receive takes a verified record from a peer (its id) or Local. It is durable
// when it returns nil. A record already held gives dup.held, a second one at its
// place in the key log log.fork, one of a blocked organisation org.blocked, a stranger's that
// finds the quarantine full (or one of a key that is over) quarantine.full, any that finds no room store.full, one whose storage life is over time.expired; none of these is stored. A pruned record is
// stored as such, with what is missing in it refused (object.missing), and a header alone keeps its place; a form that has more
// completes either later, but for what was erased here. What does not stand is stored as
// held with that reason, but for records that this node makes itself: they are an error.
func (p *Pipeline) Receive(ctx context.Context, r *protocol.Record, from string) (Outcome, error) {
	v, err := p.receive(ctx, r, from)
	if p.d.Told.Received != nil {
		if v.entry.Record == nil {
			v.entry.Record, v.entry.From = r, from
		}
		p.d.Told.Received(v.entry, err)
	}
	return v.Outcome, err
}

func (p *Pipeline) receive(ctx context.Context, r *protocol.Record, from string) (verdict, error) {
	if p.d.Store.Has(r.ID()) && (r.HeaderOnly() || !p.d.Store.Lacks(r.ID())) {
		return verdict{}, reason.New(reason.DupHeld, "receive record "+r.ID().String()+": already held")
	}
	if from != Local && !r.Header().Expires.After(time.Now()) {
		return verdict{}, reason.New(reason.TimeExpired, "receive record "+r.ID().String()+": its storage life is over")
	}
	level := p.level(r)
	if level == trust.Blocked {
		return verdict{}, reason.New(reason.OrgBlocked, "receive record "+r.ID().String()+": "+r.Org().String()+" is blocked in the trust list")
	}
	if err := p.learn(r); err != nil {
		return verdict{}, fmt.Errorf("receive record %s: %w", r.ID(), err)
	}
	// What cannot be stored is not counted by the breakers either; a revocation is learned all the same.
	if p.d.Room != nil {
		if err := p.d.Room(level >= trust.Observed); err != nil {
			return verdict{}, fmt.Errorf("receive record %s: %w", r.ID(), err)
		}
	}
	version := p.d.Standing.Version()
	v, err := p.decide(r, level, from)
	if err != nil {
		return verdict{}, fmt.Errorf("receive record %s: %w", r.ID(), err)
	}
	v.entry.Received, v.entry.From = time.Now(), from
	if err := p.store(ctx, v.entry, level); err != nil {
		if reason.Of(err) == reason.LogFork && from != Local { // a record of ours that went nowhere proves nothing
			p.prove(r)
		}
		return verdict{}, fmt.Errorf("receive record %s: %w", r.ID(), err)
	}
	if err := p.bury(ctx, r); err != nil {
		return v, fmt.Errorf("receive record %s: erase it again: %w", r.ID(), err)
	}
	if err := p.settle(ctx, r, &v, version, from); err != nil {
		return v, fmt.Errorf("receive record %s: %w", r.ID(), err)
	}
	p.tell(r)
	log.Debugw("record received", "record", r.ID(), "org", r.Org(), "from", from,
		"state", v.State, "accepted", v.Accepted, "held", v.Held, "refused", v.Refused)
	return v, nil
}

// learn takes over what a record says that needs nobody's belief: statements and
// proofs, which verify by themselves whoever carries them.
func (p *Pipeline) learn(r *protocol.Record) error {
	p.Learn(r.Statements()...)
	f := r.Fork()
	if f == nil {
		return nil
	}
	_, err := p.hold(f)
	return err
}

// Learn takes statements of identity chains that came by whatever way.
func (p *Pipeline) Learn(statements ...*protocol.Statement) {
	if len(statements) == 0 {
		return
	}
	if _, errs := p.d.Identity.Add(statements...); len(errs) > 0 {
		log.Debugw("statements left out", "err", errors.Join(errs...))
	}
}

// decide judges a record: its content first, then whether it stands.
func (p *Pipeline) decide(r *protocol.Record, level trust.Level, from string) (verdict, error) {
	if r.HeaderOnly() {
		if over(reason.Of(p.stands(r, from, time.Now()))) {
			level = trust.Unknown
		}
		return alone(r), p.headerRoom(r, level)
	}
	v := p.judge(r, level)
	err := p.stands(r, from, time.Now())
	if err != nil && from == Local && r.Header().Kind != protocol.KindIdentity {
		return v, err // better unsaid than said and held everywhere
	}
	if err != nil {
		v.hold(codeOf(err, reason.KeyRevoked))
		return v, nil
	}
	if p.d.Breakers == nil || level < trust.Observed || from == Local || r.Header().Kind != protocol.KindObjects {
		return v, nil
	}
	open, err := p.count(r, &v)
	if open {
		v.hold(reason.OrgTripped)
	}
	return v, err
}

// count tells the breaker what is new of a record: all of it, or, when a part of it came before, the hits among what that part
// lacked. A header says nothing, so that it was not counted when it came.
func (p *Pipeline) count(r *protocol.Record, v *verdict) (open bool, err error) {
	var before []storage.Hit
	if p.d.Store.Has(r.ID()) {
		if before, err = p.d.Store.Leaves(r.ID()); err != nil {
			return false, fmt.Errorf("count what is new of it: %w", err)
		}
	}
	if len(before) == 0 {
		return p.d.Breakers.Came(r, v.hits, time.Now())
	}
	hits := 0
	for i := range min(len(before), len(v.entry.Leaves)) {
		if before[i].Reason == reason.ObjectMissing && v.entry.Leaves[i].Reason == reason.WarnHard {
			hits++
		}
	}
	if hits == 0 {
		return false, nil
	}
	return p.d.Breakers.Note(r.Org(), r.Header().Topic.String(), 0, hits, 0, time.Now())
}

// stands reports why a record does not stand that is judged as one that comes in, and came at some moment. What this node makes
// itself is not held for a breaker: that is about records from elsewhere.
func (p *Pipeline) stands(r *protocol.Record, from string, came time.Time) error {
	if from == Local {
		h := r.Header()
		return p.d.Standing.Position(r.Org(), protocol.Head{Key: r.Key(), Topic: h.Topic, Sequence: h.Sequence, ID: r.ID()})
	}
	if err := p.d.Standing.Arriving(r); err != nil {
		return err
	}
	return p.d.Standing.Late(r, came)
}

// store puts an entry into the store, within the quarantine's bounds if they are for it.
func (p *Pipeline) store(ctx context.Context, e storage.Entry, level trust.Level) error {
	if !bounded(&e, level) {
		return p.d.Store.Accept(ctx, e)
	}
	org, n := e.Record.Org(), charge(len(e.Record.Raw()))
	free, err := p.quota.reserve(org, n)
	if err != nil {
		p.full.note(org, err)
		return err
	}
	defer free()
	if err := p.d.Store.Accept(ctx, e); err != nil {
		return err
	}
	if e.State != storage.Held {
		p.quota.keep(org, n)
	}
	return nil
}

// settle looks again when the standing changed while a record was on its way into
// the store: the sweep that follows a change does not see what comes behind it.
func (p *Pipeline) settle(ctx context.Context, r *protocol.Record, v *verdict, version uint64, from string) error {
	if p.d.Standing.Version() == version {
		return nil
	}
	if v.State == storage.Held && slices.Contains(Unstable(), v.entry.Reason) {
		n, err := p.rejudge(ctx, r.ID())
		if n > 0 {
			v.State, v.Accepted, v.Held = storage.Accepted, n, v.Held-n
		}
		return err
	}
	if v.State != storage.Accepted {
		return nil
	}
	err := p.stands(r, from, v.entry.Received)
	if err == nil {
		return nil
	}
	why := codeOf(err, reason.KeyRevoked)
	if _, err := p.d.Store.Hold(ctx, []protocol.RecordID{r.ID()}, why); err != nil {
		return err
	}
	v.hold(why)
	return nil
}

// tell says what came to who wants to know.
func (p *Pipeline) tell(r *protocol.Record) {
	switch r.Header().Kind {
	case protocol.KindVouch, protocol.KindCommitment, protocol.KindAdvisory:
		if p.d.Told.Pledged != nil {
			p.d.Told.Pledged()
		}
	}
}

// judge lends a desk to judge r.
func (p *Pipeline) judge(r *protocol.Record, level trust.Level) verdict {
	d, ok := p.desks.Get().(*desk)
	if !ok {
		d = new(desk)
	}
	defer p.desks.Put(d)
	d.warn = p.index()
	return d.judge(r, level)
}

func (p *Pipeline) index() *warn.Index {
	if p.d.Warnings == nil {
		return nil
	}
	return p.d.Warnings.Index()
}

// level is the trust in the record's organisation for its topic.
func (p *Pipeline) level(r *protocol.Record) trust.Level { return p.levelOn(r.Org(), r.Header().Topic) }

func (p *Pipeline) levelOn(org protocol.OrgID, topic protocol.Topic) trust.Level {
	if org == p.d.Own {
		return trust.Own
	}
	return p.d.Policy.List().Level(org, topic.String(), "", time.Now())
}
