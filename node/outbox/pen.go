package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"tocsin/node/intake"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Safety is what keeps a key log from being written in two places. The zero value
// asks nobody and notes nothing.
type Safety struct {
	// Reservations notes how far the logs went; nil notes nothing.
	Reservations *Reservations
	// Elsewhere asks peers, once in a run and before the first signature, for verified
	// records of the key that differ from ours or lie beyond them; at gives ours.
	Elsewhere func(ctx context.Context, key protocol.KeyID, heads []protocol.Head,
		at func(protocol.Topic, uint64) (protocol.RecordID, bool)) []*protocol.Record
	// Replace makes and certifies a new record key because of a loss. It is called while nothing is
	// signed; an error means that signing stops. It must not call the publisher.
	Replace func(context.Context, Loss) (protocol.Signer, error)
	// Ends says what a loss proves of where the key's logs end; nil proves nothing.
	Ends func(Loss) Ends
}

// Ends is where the logs of a lost key end.
type Ends struct {
	// Heads are the last good places; a topic without one has none.
	Heads []protocol.Head
	// Proven says that the logs went on elsewhere.
	Proven bool
	// Parted says that another went on with them, so that nothing beyond Heads is ours. Else ours may go on beyond them.
	Parted bool
}

// with joins what was noted when a key stopped with what is known now.
func (e Ends) with(now Ends) Ends {
	switch {
	case e.Parted:
		return e
	case now.Parted:
		return now
	}
	now.Proven = now.Proven || e.Proven
	for _, h := range e.Heads {
		i := slices.IndexFunc(now.Heads, func(other protocol.Head) bool { return other.Topic == h.Topic })
		switch {
		case i < 0:
			now.Heads = append(now.Heads, h)
		case h.Sequence > now.Heads[i].Sequence:
			now.Heads[i] = h
		}
	}
	return now
}

// Loss is why a key must not sign any more: its log went on where this node did not write it.
type Loss struct {
	Key protocol.KeyID
	// Why is for people.
	Why string
	// Records are verified records of the key that this node does not hold.
	Records []*protocol.Record
	// Named are heads of the key above or beside ours that an own status names.
	Named []protocol.Head
	// Fork proves that two records stand at one place of the key's log; nil otherwise.
	Fork *protocol.ForkProof
	// Held are our own heads of the key.
	Held []protocol.Head
	// Whole is true when the reservations show that the store holds all that this node signed with the key: what lies
	// above, somebody else signed.
	Whole bool
	// Revoked is true when the organisation has revoked the key already.
	Revoked bool
}

// pen is what signs: the active key, and what is known of its standing.
type pen struct {
	safety Safety

	// mu is held from reading a log's head until its next record is durable, and
	// while the key is exchanged. It guards signer, asked and org.
	mu     sync.Mutex
	signer protocol.Signer
	asked  bool          // own files and peers were asked about this key
	org    *protocol.Org // the own chain as it was last looked at

	id      atomic.Pointer[protocol.KeyID] // of signer, for the validator
	suspect atomic.Pointer[Loss]           // seen, not dealt with yet
	stopped atomic.Pointer[reason.Error]   // nil while the key signs
	wake    chan struct{}                  // holds one: something is suspected
}

func newPen(key protocol.Signer) *pen {
	p := &pen{wake: make(chan struct{}, 1)}
	p.take(key)
	return p
}

// take makes key the active one; mu is held, or nobody else knows the pen yet.
func (p *pen) take(key protocol.Signer) {
	id := key.Public().ID()
	p.signer, p.org = key, nil
	p.id.Store(&id)
	p.suspect.Store(nil)
	p.stopped.Store(nil)
}

// Guard says how the publisher makes sure that its key logs are its own. It is called before anything is published.
func (p *Publisher) Guard(s Safety) {
	p.pen.mu.Lock()
	defer p.pen.mu.Unlock()
	p.pen.safety = s
	if r := s.Reservations; r != nil {
		if why := r.Stopped(*p.pen.id.Load()); why != "" {
			p.pen.stopped.Store(stoppedBy(*p.pen.id.Load(), why))
		}
	}
}

// Key names the key that signs now.
func (p *Publisher) Key() protocol.KeyID { return *p.pen.id.Load() }

// Stopped is nil while the node signs, else key.stopped with the cause.
func (p *Publisher) Stopped() error {
	if err := p.pen.stopped.Load(); err != nil {
		return err
	}
	return nil
}

// Saw takes note of a verified record that came from elsewhere. One of our own key that we do
// not hold means that somebody else writes our log: nothing is signed until that is
// dealt with. Memory only, so the validator may call it.
func (p *Publisher) Saw(r *protocol.Record) {
	key := *p.pen.id.Load()
	if r.Key() != key || r.Org() != p.own || p.store.Has(r.ID()) {
		return
	}
	p.suspected(&Loss{Key: key, Records: []*protocol.Record{r}, Why: fmt.Sprintf(
		"peers have record %s of this node's key at %s %d, and this node does not", r.ID(), r.Header().Topic, r.Header().Sequence)})
}

// SawFork takes note of a proof that our own key signed two records for one place.
func (p *Publisher) SawFork(f *protocol.ForkProof) {
	key := *p.pen.id.Load()
	if f.Key != key || f.Org != p.own {
		return
	}
	p.suspected(&Loss{Key: key, Fork: f, Why: fmt.Sprintf("this node's key signed two records for place %d on %s", f.Sequence, f.Topic)})
}

func (p *Publisher) suspected(l *Loss) {
	p.pen.suspect.CompareAndSwap(nil, l)
	select {
	case p.pen.wake <- struct{}{}:
	default: // somebody will look already
	}
}

// Suspected gives a value when there is something for Heal to deal with.
func (p *Publisher) Suspected() <-chan struct{} { return p.pen.wake }

// Heal looks now whether the key may sign, and deals with what speaks against it:
// a new key, or key.stopped. replaced says that the key is another one than before.
func (p *Publisher) Heal(ctx context.Context) (replaced bool, err error) {
	p.pen.mu.Lock()
	defer p.pen.mu.Unlock()
	before := *p.pen.id.Load()
	if err = p.ready(ctx); err == nil && p.pen.safety.Reservations != nil {
		if err := p.pen.safety.Reservations.Drop(*p.pen.id.Load()); err != nil {
			log.Warnw("the last record stays in the reservations", "err", err)
		}
	}
	return before != *p.pen.id.Load(), err
}

// Exchange runs f while nothing is signed, with our own heads of the active key, and makes
// the key that f returns the active one; nil keeps it. f must not call the publisher.
func (p *Publisher) Exchange(f func(heads []protocol.Head) (protocol.Signer, error)) error {
	p.pen.mu.Lock()
	defer p.pen.mu.Unlock()
	before := *p.pen.id.Load()
	key, err := f(p.heads(before))
	if err != nil || key == nil {
		return err
	}
	p.exchange(before, key)
	return nil
}

// Recover is Exchange for a key that has stopped. It asks peers once more, and f is given what is known of where the key's logs
// end, now or when it stopped, so that the key can be revoked there.
func (p *Publisher) Recover(ctx context.Context, f func(Ends) (protocol.Signer, error)) error {
	p.pen.mu.Lock()
	defer p.pen.mu.Unlock()
	before := *p.pen.id.Load()
	loss, err := p.loss(ctx)
	if err != nil {
		return err
	}
	if loss == nil {
		loss = &Loss{Key: before} // catch-up brought what was missing when it stopped
	}
	ends := p.ends(loss)
	if r := p.pen.safety.Reservations; r != nil {
		ends = r.Ends(before).with(ends)
	}
	key, err := f(ends)
	if err != nil || key == nil {
		return err
	}
	p.exchange(before, key)
	return nil
}

// ends is what a loss proves; the lock is held.
func (p *Publisher) ends(l *Loss) Ends {
	l.Held, l.Whole = p.heads(l.Key), p.whole(l.Key)
	if p.pen.safety.Ends == nil {
		return Ends{Heads: l.Held}
	}
	return p.pen.safety.Ends(*l)
}

// learn notes what is proven of a key that has stopped already: peers may come later than the stop. The lock is held.
func (p *Publisher) learn() {
	l, r := p.pen.suspect.Load(), p.pen.safety.Reservations
	if l == nil || r == nil || r.Ends(l.Key).Proven {
		return
	}
	if err := r.Prove(l.Key, p.ends(l)); err != nil {
		log.Errorw("where the key's logs end is not noted", "err", err)
	}
}

// exchange makes key the active one; the lock is held. Its logs are empty, so nobody needs to be asked.
func (p *Publisher) exchange(before protocol.KeyID, key protocol.Signer) {
	p.pen.take(key)
	p.pen.asked = true
	if r := p.pen.safety.Reservations; r != nil {
		if err := r.Forget(before); err != nil {
			log.Warnw("reservations of a former key stay", "key", before, "err", err)
		}
	}
}

// Settle notes where the key logs end. It is called at a clean stop, before the store closes.
func (p *Publisher) Settle() error {
	p.pen.mu.Lock()
	defer p.pen.mu.Unlock()
	r := p.pen.safety.Reservations
	if r == nil || !p.pen.asked {
		return nil // nothing was signed in this run: what is noted stays true
	}
	key := *p.pen.id.Load()
	return r.Settle(key, p.heads(key))
}

// heads are the ends of a key's logs as this node holds them.
func (p *Publisher) heads(key protocol.KeyID) []protocol.Head {
	var out []protocol.Head
	for _, l := range p.store.Logs() {
		if l.Key == key && l.Org == p.own {
			out = append(out, protocol.Head{Key: key, Topic: l.Topic, Sequence: l.Head, ID: l.HeadID})
		}
	}
	return out
}

// ready returns nil when the active key may sign: nothing speaks against it, or it was
// replaced by one of which that is true. The lock is held.
func (p *Publisher) ready(ctx context.Context) error {
	if err := p.Stopped(); err != nil {
		p.learn()
		return err
	}
	loss, err := p.loss(ctx)
	if err != nil || loss == nil {
		return err
	}
	loss.Held = p.heads(loss.Key)
	log.Errorw("this node's key log went on elsewhere: it signs no more with this key", "key", loss.Key, "why", loss.Why)
	if p.pen.safety.Replace != nil {
		loss.Whole = p.whole(loss.Key)
		key, err := p.pen.safety.Replace(ctx, *loss)
		if err == nil {
			p.exchange(loss.Key, key)
			return nil
		}
		if ctx.Err() != nil {
			return err // the node stops; the next start looks again
		}
		log.Errorw("no new record key: signing stops", "err", err)
		return p.stop(loss, loss.Why+"; no new key: "+err.Error())
	}
	return p.stop(loss, loss.Why)
}

func (p *Publisher) stop(l *Loss, why string) error {
	err := stoppedBy(l.Key, why)
	p.pen.stopped.Store(err)
	if r := p.pen.safety.Reservations; r != nil {
		if err := errors.Join(r.Prove(l.Key, p.ends(l)), r.Stop(l.Key, why)); err != nil {
			log.Errorw("a restart will have to find out again that signing stopped", "err", err)
		}
	}
	return err
}

func stoppedBy(key protocol.KeyID, why string) *reason.Error {
	return reason.New(reason.KeyStopped, "sign with key "+key.String()+": "+why)
}

// loss finds what speaks against the active key: what was seen, the own chain, and,
// before the first signature of a run, own files and peers. The lock is held.
func (p *Publisher) loss(ctx context.Context) (*Loss, error) {
	if l := p.pen.suspect.Load(); l != nil {
		return l, nil
	}
	key := *p.pen.id.Load()
	if l := p.chainLoss(key); l != nil {
		return l, nil
	}
	if p.pen.asked {
		return nil, nil
	}
	l := p.fileLoss(key)
	if l == nil {
		var err error
		if l, err = p.again(ctx, key); err != nil {
			return nil, err
		}
	}
	// NET-23: who never signed, by the store or by the file, has nothing to ask for.
	if heads := p.heads(key); (len(heads) > 0 || l != nil) && p.pen.safety.Elsewhere != nil {
		at := func(t protocol.Topic, n uint64) (protocol.RecordID, bool) { return p.store.At(p.own, key, t, n) }
		if records := p.pen.safety.Elsewhere(ctx, key, heads, at); len(records) > 0 {
			last := records[len(records)-1]
			l = &Loss{Key: key, Records: records, Why: fmt.Sprintf(
				"peers hold this node's log on %s up to %d (record %s), and this node does not: it was restored, or runs twice",
				last.Header().Topic, last.Header().Sequence, last.ID())}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.pen.asked = l == nil
	return l, nil
}

// again stores the record that was signed last when a kill, or a store that went back by one commit, lost it. What the store
// refuses for good is a loss: it may have gone out.
func (p *Publisher) again(ctx context.Context, key protocol.KeyID) (*Loss, error) {
	r := p.pen.safety.Reservations
	if r == nil {
		return nil, nil
	}
	last := r.Pending(key)
	if last == nil {
		return nil, nil
	}
	topic, err := protocol.ParseTopic(last.Topic)
	if err != nil {
		return &Loss{Key: key, Why: "the last record that this node signed is unreadable: " + err.Error()}, nil
	}
	if head, _ := p.store.Head(p.own, key, topic); head.Head >= last.Sequence {
		r.Stored(key)
		return nil, nil
	}
	record, err := protocol.VerifyOffline(last.Record, p.identity.Chains())
	if err == nil {
		_, err = p.intake.Receive(ctx, record, intake.Local)
	}
	switch code := reason.Of(err); {
	case err == nil:
		r.Stored(key)
		log.Infow("the last record before the stop is stored again", "record", record.ID(), "topic", topic, "sequence", last.Sequence)
		return nil, nil
	case ctx.Err() != nil, code == "", code == reason.StoreFull, code == reason.Internal: // it may succeed later
		return nil, fmt.Errorf("store the last record before the stop again: %w", err)
	}
	return &Loss{Key: key, Why: fmt.Sprintf("the store lacks what this node signed at %s %d: %v", topic, last.Sequence, err)}, nil
}

// whole reports whether the reservations know a key and the store is as long as they say.
func (p *Publisher) whole(key protocol.KeyID) bool {
	r := p.pen.safety.Reservations
	return r != nil && r.Knows(key) && p.fileLoss(key) == nil
}

// fileLoss holds the store against the reservations.
func (p *Publisher) fileLoss(key protocol.KeyID) *Loss {
	r := p.pen.safety.Reservations
	if r == nil {
		return nil
	}
	if why := r.Restored(); why != "" {
		return &Loss{Key: key, Why: why}
	}
	topic, behind := r.Behind(key, func(t protocol.Topic) uint64 {
		head, _ := p.store.Head(p.own, key, t)
		return head.Head
	})
	if !behind {
		return nil
	}
	return &Loss{Key: key, Why: "the store is older than what this node signed on " + topic.String() + ": it was restored, or lost"}
}

// chainLoss looks into the own chain, each time it changed: it may have revoked the key, or
// a status, made elsewhere, may name a head that we do not hold.
func (p *Publisher) chainLoss(key protocol.KeyID) *Loss {
	org, ok := p.identity.Chains().Org(p.own)
	if !ok || org == p.pen.org {
		return nil
	}
	if r, revoked := org.Revoked(key); revoked {
		l := &Loss{Key: key, Revoked: true, Why: "the organisation revoked this node's record key"}
		if r.Reason == protocol.RevokedSuperseded {
			l.Why += ": another node with a copy of it replaced it"
		}
		return l
	}
	var named []protocol.Head
	if org.Status != nil {
		named = slices.DeleteFunc(slices.Clone(org.Status.Heads), func(h protocol.Head) bool {
			id, held := p.store.At(p.own, key, h.Topic, h.Sequence)
			head, _ := p.store.Head(p.own, key, h.Topic)
			return h.Key != key || held && id == h.ID || !held && h.Sequence <= head.Head
		})
	}
	if len(named) > 0 {
		return &Loss{Key: key, Named: named, Why: fmt.Sprintf(
			"the organisation's status %d names place %d on %s of this node's log, which this node does not hold",
			org.Status.Counter, named[0].Sequence, named[0].Topic)}
	}
	p.pen.org = org
	return nil
}
