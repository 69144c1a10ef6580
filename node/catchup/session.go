package catchup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

const (
	fetchChunk = 64             // ids in one question, so that several peers share evenly
	fetchAhead = 3 * fetchChunk // ids unanswered when the next question goes out
	shareWait  = 200 * time.Millisecond
	// sharePatience is how long a session waits for what others are fetching; it is longer than stealAfter and
	// shorter than a peer's patience with us.
	sharePatience = 14 * time.Second
	// maxFaults of our own end a visit: the store will not get better by asking on. A record that met one
	// is not asked for again for faultLife, or it would keep others back.
	maxFaults = 256
	faultLife = 2 * time.Minute
)

// errRefused says that the peer refused to answer.
var errRefused = errors.New("the peer refuses")

// session is one visit to one peer. Its goroutine owns it, but where a field says otherwise.
type session struct {
	k      *Keeper
	peer   string
	stream *p2p.Stream
	// clock is read by other sessions.
	clock clock
	tally tally
	chain *learner
	// poor are records of the topic under way that others may have in full.
	poor *poorRecords
	// debt is of the peer's answers.
	debt debt
	// share is how much of its records may be on the way to the store; workers take of it.
	share *room
	// all has the last seconds compared too, which gossip may be bringing: somebody waits for the answer.
	all bool
	// upTo is the end of what was compared of every topic so far.
	upTo time.Time
}

func (k *Keeper) session(peer string, stream *p2p.Stream) *session {
	return &session{k: k, peer: peer, stream: stream, chain: newLearner(), poor: new(poorRecords), share: newRoom(sharePlace, sharePlaces)}
}

// visit compares every topic with a peer and fetches what is missing; all says how recent it may be.
func (k *Keeper) visit(ctx context.Context, peer string, all bool) outcome {
	stream, err := k.d.Host.Open(ctx, peer, exchange())
	if reason.Of(err) == reason.PeerUnsupported {
		return outcome{unsupported: true}
	}
	if err != nil {
		return outcome{err: err}
	}
	s := k.session(peer, stream)
	s.all = all
	eager := k.books.eager(peer)
	var out outcome
	for _, topic := range inOrder(k.d.Topics()) {
		if err = s.topic(ctx, topic, eager, &out); err != nil {
			break
		}
	}
	if err == nil {
		err = s.complete(ctx)
	}
	if err != nil {
		stream.Reset()
		out.err = fmt.Errorf("catch up with %s: %w", peer, err)
	} else if err := stream.Close(); err != nil {
		log.Debugw("exchange not closed", "peer", peer, "err", err)
	}
	out.fetched, out.refused = s.tally.counts()
	out.upTo = s.upTo
	return out
}

// inOrder: SYN-07: control first.
func inOrder(topics []protocol.Topic) []protocol.Topic {
	out := slices.Clone(topics)
	slices.SortFunc(out, func(a, b protocol.Topic) int {
		if (a == protocol.TopicControl) != (b == protocol.TopicControl) {
			if a == protocol.TopicControl {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.String(), b.String())
	})
	return slices.Compact(out)
}

// topic is the session of one topic: gaps first where the peer's set is full of what we refuse, then all of it.
func (s *session) topic(ctx context.Context, topic protocol.Topic, gapsFirst bool, out *outcome) error {
	if gapsFirst {
		if err := s.gaps(ctx, topic, out); err != nil {
			return err
		}
	}
	d, err := s.compare(topic, out)
	if errors.Is(err, errRefused) {
		return nil // it does not take part in this topic
	}
	if err != nil {
		return err
	}
	out.left, out.cut = out.left || d.cut, out.cut || d.cut
	if err := s.fetch(ctx, topic, d.need, out); err != nil {
		return err
	}
	s.k.books.reach(s.peer, topic, d.reached)
	if d.have > 0 {
		out.lacks = true
		return s.send(kindHint, hintMessage{Topic: topic.String(), N: uint64(d.have)}) // SYN-17
	}
	return nil
}

// wanted leaves out what came meanwhile and what is refused.
func (s *session) wanted(need []protocol.RecordID, out *outcome) []protocol.RecordID {
	now := time.Now()
	return slices.DeleteFunc(need, func(id protocol.RecordID) bool {
		if s.k.d.Store.Has(id) {
			return true
		}
		if s.k.unwanted(s.peer, id, now) {
			out.skipped++
			return true
		}
		return false
	})
}

// fetch brings records, sharing them with other sessions, and returns when what we asked for is stored.
func (s *session) fetch(ctx context.Context, topic protocol.Topic, ids []protocol.RecordID, out *outcome) error {
	if len(ids) == 0 {
		return nil
	}
	s.k.books.behind(time.Now())
	l := s.k.inflight.add(ids)
	defer s.k.inflight.leave(s, l)
	workers, working := errgroup.WithContext(ctx)
	// A worker's error ends the visit now, not when the peer says something.
	stop := context.AfterFunc(working, s.stream.Reset)
	err := s.pull(working, topic, l, workers, out)
	stop()
	err = errors.Join(err, workers.Wait())
	if err != nil {
		return err
	}
	return s.settlePoor(ctx, topic, l)
}

// pull asks for what is missing, some questions ahead of the answers, and hands answers to workers.
func (s *session) pull(ctx context.Context, topic protocol.Topic, l *share, workers *errgroup.Group, out *outcome) error {
	var asked []protocol.RecordID
	var idle time.Duration
	for {
		left := true
		for left && len(asked) < fetchAhead+1 {
			var ids []protocol.RecordID
			if ids, left = s.k.inflight.take(s, l, fetchChunk); len(ids) == 0 {
				break
			}
			if err := s.send(kindFetch, idsMessage{IDs: ids}); err != nil {
				return err
			}
			asked = append(asked, ids...)
		}
		if len(asked) == 0 {
			if !left {
				return nil
			}
			if idle += shareWait; idle > sharePatience {
				out.left = true
				return nil // somebody else's, and in good hands
			}
			if err := pause(ctx, shareWait); err != nil {
				return err
			}
			continue
		}
		idle = 0
		item, err := s.item(asked[0])
		if err != nil {
			s.stood(ctx, topic, asked[0], err)
			return err
		}
		asked = asked[1:]
		if err := s.handle(ctx, topic, l, item, workers, out); err != nil {
			return err
		}
	}
}

// stood notes that a peer did not give in time what it was asked for. Only the record that it was waited for counts, and
// no broken connection does: many things break one.
func (s *session) stood(ctx context.Context, topic protocol.Topic, asked protocol.RecordID, err error) {
	var late net.Error
	if ctx.Err() == nil && errors.As(err, &late) && late.Timeout() {
		s.k.d.Host.Withheld(s.peer, topic, asked)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// handle takes one answer. What is full goes to a worker, once there is room for its bytes.
func (s *session) handle(ctx context.Context, topic protocol.Topic, l *share, item *itemMessage, workers *errgroup.Group, out *outcome) error {
	if !s.k.inflight.open(item.ID) {
		return nil // it came from elsewhere
	}
	switch item.Form {
	case formAbsent:
		// SYN-11: others may have it.
		s.k.barren.add(barren{s.peer, item.ID}, refusal{until: time.Now().Add(barrenLife)})
		s.k.d.Host.Withheld(s.peer, topic, item.ID)
		s.k.inflight.giveUp(s, l, item.ID)
		s.tally.refuse()
		return nil
	case formPruned, formHeader: // SYN-12
		s.poor.add(item)
		s.k.inflight.giveUp(s, l, item.ID)
		return nil
	}
	h, err := s.hold(ctx, len(item.Bytes))
	if err != nil {
		return err
	}
	workers.Go(func() error {
		defer h.give()
		return s.receive(ctx, topic, l, item, h)
	})
	return nil
}

// send asks a question. It is under way when the next answer is waited for.
func (s *session) send(k kind, v any) error {
	frame, err := encode(k, v)
	if err != nil {
		return err
	}
	return s.stream.Send(frame)
}

// frame waits for an answer of a kind.
func (s *session) frame(want kind) ([]byte, error) {
	before := s.clock.waited()
	s.clock.start()
	raw, err := s.stream.Receive()
	s.clock.stop()
	if err == nil {
		err = s.debt.add(s.clock.waited() - before)
	}
	if err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if kind(raw[0]) == kindRefusal {
		var m refusalMessage
		if err := decode(raw[1:], &m, anything); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: code %d", errRefused, m.Code)
	}
	if kind(raw[0]) != want {
		return nil, malformed("an answer of type %d to a question of type %d", raw[0], want)
	}
	return raw[1:], nil
}

// message waits for a message of Negentropy.
func (s *session) message(want kind) ([]byte, error) {
	body, err := s.frame(want)
	if err != nil {
		return nil, err
	}
	var m nextMessage
	if err := decode(body, &m, m.check); err != nil {
		return nil, err
	}
	return m.Message, nil
}

// item waits for the record that was asked for (SYN-05).
func (s *session) item(id protocol.RecordID) (*itemMessage, error) {
	body, err := s.frame(kindFetch)
	if err != nil {
		return nil, err
	}
	var m itemMessage
	if err := decode(body, &m, m.check); err != nil {
		return nil, err
	}
	if m.ID != id {
		return nil, malformed("record %s in answer to %s", m.ID, id)
	}
	if m.Form != formAbsent {
		s.debt.pay(1, len(m.Bytes))
	}
	return &m, nil
}

// gaps asks for what is missing in logs of listed organisations (SYN-19).
func (s *session) gaps(ctx context.Context, topic protocol.Topic, out *outcome) error {
	want := func(org protocol.OrgID, on protocol.Topic) bool { return on == topic && s.k.d.Listed(org) }
	for _, g := range s.k.d.Store.Gaps(gapQuestions, want) {
		to := min(g.To, g.From+maxPlaces-1)
		if err := s.send(kindRange, rangeMessage{Topic: topic.String(), Org: g.Org, Key: g.Key, From: g.From, To: to}); err != nil {
			return err
		}
		body, err := s.frame(kindRange)
		if err != nil {
			return err
		}
		var m idsMessage
		if err := decode(body, &m, m.check); err != nil {
			return err
		}
		if err := s.fetch(ctx, topic, s.wanted(m.IDs, out), out); err != nil {
			return err
		}
	}
	return nil
}

// gapQuestions is how many runs are asked for in one topic and visit.
const gapQuestions = 64
