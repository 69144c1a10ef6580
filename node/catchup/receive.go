package catchup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// errLies says that a peer sent what no honest one sends: the exchange is over (SYN-11).
var errLies = errors.New("the peer's bytes are not the record that it showed")

// tally counts what became of a visit's records; workers count in it.
type tally struct {
	mu                       sync.Mutex // guards all below
	fetched, refused, faults int
}

func (t *tally) fetch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fetched++
}

func (t *tally) refuse() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused++
}

// fault counts a fault of our own; true when there were too many. That there is no room for some records
// does not mean that there is none for others.
func (t *tally) fault(code reason.Code) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.faults++; code != reason.StoreFull {
		t.faults += maxFaults / 8
	}
	return t.faults >= maxFaults
}

func (t *tally) counts() (fetched, refused int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fetched, t.refused
}

// receive verifies an answer and hands it to the way in. It runs in a worker. An error ends the visit.
func (s *session) receive(ctx context.Context, topic protocol.Topic, l *share, item *itemMessage) error {
	r, err := s.verify(ctx, topic, item)
	if err != nil {
		s.k.inflight.giveUp(s, l, item.ID)
		s.k.barren.add(barren{s.peer, item.ID}, refusal{until: time.Now().Add(barrenLife)})
		s.tally.refuse()
		if protocol.VerdictOf(err) == protocol.Reject {
			return fmt.Errorf("%w: %w", errLies, err)
		}
		log.Debugw("record not taken", "peer", s.peer, "record", item.ID, "err", err)
		return nil
	}
	return s.store(ctx, l, r)
}

// verify: SYN-09. The error's verdict says whether the peer is to blame.
func (s *session) verify(ctx context.Context, topic protocol.Topic, item *itemMessage) (*protocol.Record, error) {
	check := func() (*protocol.Record, error) {
		switch item.Form {
		case formPruned:
			raw, err := unpack(item.Bytes)
			if err != nil {
				return nil, err
			}
			return protocol.VerifyPruned(raw, s.k.d.Chains())
		case formHeader:
			return protocol.VerifyHeader(item.Bytes, s.k.d.Chains())
		}
		return protocol.VerifyOffline(item.Bytes, s.k.d.Chains())
	}
	r, err := check()
	if d, ok := protocol.UnknownCertificate(err); ok {
		if err := s.chain.learn(ctx, s.k, s.peer, d); err != nil {
			return nil, err
		}
		r, err = check() // SYN-10
	}
	if err != nil {
		return nil, err
	}
	if r.ID() != item.ID {
		return nil, reason.New(reason.WireClaims, fmt.Sprintf("record %s came as %s", r.ID(), item.ID))
	}
	if topic != (protocol.Topic{}) { // none: its header is known here
		if err := r.CheckTopic(topic); err != nil {
			return nil, err
		}
	}
	if at := r.Header().Created; at.After(time.Now().Add(protocol.ClockSkew)) {
		return nil, reason.New(reason.TimeFuture, fmt.Sprintf("record %s was created at %s", r.ID(), at.Format(time.RFC3339)))
	}
	return r, nil
}

// store hands a verified record to the way in and notes what became of it.
func (s *session) store(ctx context.Context, l *share, r *protocol.Record) error {
	var err error
	if h := r.Header(); !h.Expires.After(time.Now()) {
		err = reason.New(reason.TimeExpired, fmt.Sprintf("record %s has expired", r.ID()))
	} else {
		err = s.k.d.Receive(ctx, r, s.peer)
	}
	code := reason.Of(err)
	switch {
	case err == nil:
		s.k.inflight.done(r.ID())
		s.tally.fetch()
		s.k.books.got(s.peer, r, time.Now())
		s.k.d.Host.Delivered(s.peer, r)
	case code == reason.DupHeld:
		s.k.inflight.done(r.ID())
	case refuses(code):
		// SYN-13
		refused := refusal{code: code, until: time.Now().Add(refusedLife)}
		if forAuthor(code) {
			refused.org = r.Org()
		}
		s.k.refused.add(r.ID(), refused)
		s.k.inflight.done(r.ID())
		s.tally.refuse()
		log.Debugw("record refused", "peer", s.peer, "record", r.ID(), "code", code)
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		s.k.inflight.giveUp(s, l, r.ID())
		log.Warnw("record not stored", "peer", s.peer, "record", r.ID(), "err", err)
		s.k.barren.add(barren{s.peer, r.ID()}, refusal{until: time.Now().Add(faultLife)})
		if s.tally.fault(code) {
			return fmt.Errorf("store what catch-up brings: %w", err)
		}
	}
	return nil
}

// learner asks for chains, many certificates at once: while one question is under way, the workers that
// need others wait, and the next asks for all of theirs.
type learner struct {
	asking chan struct{} // holds one while a question is under way

	mu     sync.Mutex // guards both
	wanted map[protocol.Digest]bool
	asked  map[protocol.Digest]bool
}

func newLearner() *learner {
	return &learner{asking: make(chan struct{}, 1), wanted: map[protocol.Digest]bool{}, asked: map[protocol.Digest]bool{}}
}

const (
	learnAtOnce = 64              // certificates in one question (NET-16)
	learnRest   = 2 * time.Second // a peer answers a question a second (NET-17)
	learnTries  = 3
)

// learn brings the chain of a certificate's organisation from a peer, or fails.
func (c *learner) learn(ctx context.Context, k *Keeper, peer string, d protocol.Digest) error {
	c.mu.Lock()
	c.wanted[d] = true
	c.mu.Unlock()
	select {
	case c.asking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.asking }()
	if _, ok := k.d.Chains().Certificate(d); ok {
		return nil
	}
	batch := c.batch(d)
	if batch == nil {
		return reason.New(reason.CertUnknown, fmt.Sprintf("%s does not know certificate %s either", peer, d))
	}
	var err error
	for try := range learnTries {
		if try > 0 {
			if err := pause(ctx, learnRest); err != nil {
				return err
			}
		}
		if err = k.d.Host.LearnFrom(ctx, peer, batch...); err == nil {
			return nil
		}
	}
	return reason.Wrap(reason.CertUnknown, fmt.Sprintf("learn certificate %s from %s", d, peer), err)
}

// batch is what to ask for when d is needed: d and what else is wanted; nil when d was asked for.
func (c *learner) batch(d protocol.Digest) [][32]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked[d] {
		return nil
	}
	out := [][32]byte{d}
	for w := range c.wanted {
		if w != d && !c.asked[w] && len(out) < learnAtOnce {
			out = append(out, w)
		}
	}
	for _, w := range out {
		c.asked[w] = true
		delete(c.wanted, w)
	}
	return out
}

// room bounds the bytes of records between the network and the store. A place is as large as a
// record by gossip; larger ones take several.
type room struct {
	places chan struct{}
	turn   chan struct{} // holds one: only one taker at a time may wait for several places
}

const (
	roomPlace  = 64 << 10
	roomPlaces = 128 // 8 MiB: two group commits of small records
)

func newRoom() *room {
	return &room{places: make(chan struct{}, roomPlaces), turn: make(chan struct{}, 1)}
}

// take waits for room for n bytes and says how much to give back.
func (r *room) take(ctx context.Context, n int) (int, error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-r.turn }()
	want := max(1, (n+roomPlace-1)/roomPlace)
	for got := range want {
		select {
		case r.places <- struct{}{}:
		case <-ctx.Done():
			r.give(got)
			return 0, ctx.Err()
		}
	}
	return want, nil
}

func (r *room) give(n int) {
	for range n {
		<-r.places
	}
}
