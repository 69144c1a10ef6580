package catchup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/catchup")

// Keeper catches up. Its methods may be called concurrently.
type Keeper struct {
	d Deps

	inflight *inflight
	room     *room
	refused  *refusals[protocol.RecordID]
	barren   *refusals[barren]
	books    *books
	bounds   bounds
	places   *places
	packer   *packer
	lacked   [2]atomic.Int64 // where the next visit looks for what lacks something: of the listed, of others

	pokes chan struct{} // holds one
	hints chan string
}

// New wires a keeper and registers the exchange with the host; it starts nothing.
func New(d Deps) *Keeper {
	k := &Keeper{
		d: d, inflight: newInflight(), room: newRoom(roomPlace, roomPlaces), books: newBooks(), bounds: usualBounds(), places: new(places), packer: newPacker(),
		refused: newRefusals[protocol.RecordID](maxRefused), barren: newRefusals[barren](maxBarren),
		pokes: make(chan struct{}, 1), hints: make(chan string, 64),
	}
	e := exchange()
	e.Serve = k.serve
	d.Host.Serve(e)
	return k
}

// Poke says that a gap was seen in a key log of a topic: it is looked for at once. It never blocks.
// At once means after gossip had its time (SYN-18).
func (k *Keeper) Poke(protocol.Topic) {
	select {
	case k.pokes <- struct{}{}:
	default:
	}
}

// hinted notes that a peer says we lack something (SYN-17). Who is neither listed nor added is heard as often as there are
// rounds, so that many of them neither make us compare all the time nor keep others from being heard.
func (k *Keeper) hinted(peer string, trusted bool) {
	if !k.books.hinted(peer, hintRest(trusted), time.Now()) {
		return
	}
	select {
	case k.hints <- peer:
	default: // the schedule finds it
	}
}

// Run reconciles by the schedule until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	var rounds sync.WaitGroup
	defer rounds.Wait()
	every := roundEvery
	var settled time.Time // from then on a round sees what was noticed so far
	ended := make(chan outcome, maxVisits)
	timer := time.NewTimer(roundFirst)
	defer timer.Stop()
	due := time.Now().Add(roundFirst)
	next := func(d time.Duration) {
		due = time.Now().Add(d)
		timer.Reset(d)
	}
	sooner := func(d time.Duration) {
		if time.Until(due) > d {
			next(d)
		}
	}
	notice := func(d time.Duration) {
		if at := time.Now().Add(d); at.After(settled) {
			settled = at
		}
		sooner(d)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-k.d.Host.Arrivals():
			k.books.arrived(p, time.Now())
			k.visitNow(ctx, &rounds, ended, p)
			notice(arrivalWait)
		case p := <-k.hints:
			if !k.visitNow(ctx, &rounds, ended, p) {
				sooner(hintRest(k.trusted(p))) // it was visited just now
			}
		case <-k.pokes:
			notice(gapWait)
		case <-timer.C:
			k.start(ctx, &rounds, ended, true, k.chosen(time.Now()))
			d := every + rand.N(every/8) // not in step with the others
			if rest := time.Until(settled); rest > 0 {
				d = min(d, rest)
			}
			next(d)
		case o := <-ended:
			every = stretch(every, o)
			switch {
			case every == roundSoon:
				every = roundEvery
				sooner(roundSoon)
			case o.fetched > 0: // what one peer brought the others may lack: a comparison tells them
				sooner(roundTell)
			}
		}
	}
}

// add adds the outcome of a visit to a round's.
func (o *outcome) add(other outcome) {
	if !other.unsupported {
		o.asked++
	}
	if other.equal() {
		if o.equals++; o.equals == 1 || other.upTo.Before(o.upTo) {
			o.upTo = other.upTo
		}
	}
	o.fetched += other.fetched
	o.refused += other.refused
	o.skipped += other.skipped
	o.left = o.left || other.left
	o.lacks = o.lacks || other.lacks
	o.cut = o.cut || other.cut
	o.err = errors.Join(o.err, other.err)
}

// note writes down what is worth an operator's attention.
func note(ctx context.Context, peer string, o outcome) {
	switch {
	case o.unsupported, ctx.Err() != nil:
	case errors.Is(o.err, errLies):
		log.Warnw("peer sent false records", "peer", peer, "err", o.err)
	case o.err != nil:
		log.Debugw("catch-up broke off", "peer", peer, "err", o.err)
	case o.fetched > 0:
		log.Infow("caught up", "peer", peer, "records", o.fetched, "refused", o.refused)
	}
}

// Now runs a round with one peer (its id in text form), or with as many as the schedule would take when peer is "", and returns
// when it is over. It leaves out nothing of the last seconds: what a peer held when it was asked is here then. An error says that it
// came to its end with none of them.
func (k *Keeper) Now(ctx context.Context, peer string) error {
	list, err := k.planByHand(ctx, peer)
	if err != nil {
		return err
	}
	var out outcome
	k.round(ctx, list, nil, func(o outcome, _ bool) { out = o })
	var late net.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("catch up: %w", ctx.Err())
	case out.asked == 0 && out.err == nil:
		return reason.Wrap(reason.PeerUnsupported, "catch up", errSilent)
	case out.err == nil || out.equals > 0:
		return nil
	case reason.Of(out.err) == "" && (errors.Is(out.err, errStalls) || errors.As(out.err, &late) && late.Timeout()):
		return reason.Wrap(reason.TimedOut, "catch up", out.err)
	}
	return fmt.Errorf("catch up: %w", out.err)
}

// Fetch brings records by id from whoever has them, full ones if there are any, and returns which of them it got as sent.
// They are verified; they are not handed to the way in. Scrub repairs with it. What it returns is held in memory.
func (k *Keeper) Fetch(ctx context.Context, topic protocol.Topic, ids []protocol.RecordID) (map[protocol.RecordID][]byte, error) {
	out := make(map[protocol.RecordID][]byte, len(ids))
	k.gather(ctx, topic, ids, "", func(_ *session, r *protocol.Record, item *itemMessage) error {
		out[r.ID()] = item.Bytes
		return nil
	})
	if ctx.Err() != nil {
		return out, fmt.Errorf("fetch records: %w", ctx.Err())
	}
	if len(out) == 0 && len(ids) > 0 && len(k.d.Host.Companions()) == 0 {
		return out, reason.Wrap(reason.PeerDial, "fetch records", errNoPeers)
	}
	return out, nil
}

// digestsOf asks one peer for its digests; nil and no error when it does not speak the protocol.
func (k *Keeper) digestsOf(ctx context.Context, peer string, topics []protocol.Topic, until uint64) ([]PeerDigest, error) {
	stream, err := k.d.Host.Open(ctx, peer, exchange())
	if reason.Of(err) == reason.PeerUnsupported {
		return nil, nil
	}
	if err != nil {
		return []PeerDigest{}, err
	}
	s := k.session(peer, stream)
	list := make([]PeerDigest, 0, len(topics))
	for _, t := range topics {
		d, err := s.digest(t, until)
		if err != nil && !errors.Is(err, errRefused) {
			stream.Reset()
			return list, err
		}
		d.ID = peer
		if err != nil {
			d.Error = "does not take part in this topic"
		}
		list = append(list, d)
	}
	return list, stream.Close()
}

func (s *session) digest(topic protocol.Topic, until uint64) (PeerDigest, error) {
	if err := s.send(kindDigest, digestMessage{Topic: topic.String(), Until: until}); err != nil {
		return PeerDigest{}, err
	}
	body, err := s.frame(kindDigest)
	if err != nil {
		return PeerDigest{}, err
	}
	var m digestAnswer
	if err := decode(body, &m, anything); err != nil {
		return PeerDigest{}, err
	}
	return PeerDigest{Records: int(min(m.N, 1<<40)), Digest: m.Digest}, nil
}
