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
	mu                                sync.Mutex // guards all below
	fetched, refused, faults, strange int
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

// unknown counts a record whose chain nobody gave; true when there were too many.
func (t *tally) unknown() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.strange++
	return t.strange >= maxUnknown
}

func (t *tally) counts() (fetched, refused int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fetched, t.refused
}

// take verifies an answer that is not fetched in a stream of many, and hands it to the way in.
func (s *session) take(ctx context.Context, topic protocol.Topic, l *share, item *itemMessage) error {
	h, err := s.hold(ctx, len(item.Bytes))
	if err != nil {
		return err
	}
	defer h.give()
	return s.receive(ctx, topic, l, item, h)
}

// receive verifies an answer that holds room and hands it to the way in. It runs in a worker. An error ends the visit.
func (s *session) receive(ctx context.Context, topic protocol.Topic, l *share, item *itemMessage, h *hold) error {
	r, err := s.verify(ctx, topic, item, h)
	if err != nil {
		s.k.inflight.giveUp(s, l, item.ID)
		s.k.barren.add(barren{s.peer, item.ID}, refusal{until: time.Now().Add(barrenLife)})
		s.tally.refuse()
		if protocol.VerdictOf(err) == protocol.Reject {
			return fmt.Errorf("%w: %w", errLies, err)
		}
		if errors.Is(err, errNoChains) || reason.Of(err) == reason.CertUnknown && s.tally.unknown() {
			return err // SYN-10
		}
		log.Debugw("record not taken", "peer", s.peer, "record", item.ID, "err", err)
		return nil
	}
	return s.store(ctx, l, r)
}

// verify: SYN-09. The error's verdict says whether the peer is to blame.
func (s *session) verify(ctx context.Context, topic protocol.Topic, item *itemMessage, h *hold) (*protocol.Record, error) {
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
		h.pause()
		err = s.chain.learn(ctx, s.k, s.peer, d)
		if again := h.resume(ctx); err == nil {
			err = again
		}
		if err != nil {
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
