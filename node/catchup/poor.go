package catchup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// The bounds of asking others for what one peer has only in part.
const (
	maxPoorBytes = 8 << 20 // such records of one topic that wait for it; what is more comes in the next round
	maxAskers    = 16      // peers asked for the same ids
	maxLacking   = 64      // records that a visit tries to complete
	lookLacking  = 64      // times that it looks for them
	gatherFor    = 2 * time.Minute
)

// poorRecords are pruned ones and headers; they belong to the session's goroutine.
type poorRecords struct {
	items []*itemMessage
	bytes int
}

func (p *poorRecords) add(item *itemMessage) {
	if p.bytes+len(item.Bytes) > maxPoorBytes {
		return
	}
	p.items, p.bytes = append(p.items, item), p.bytes+len(item.Bytes)
}

// settlePoor takes pruned records and headers when no connected peer has them full (SYN-12).
func (s *session) settlePoor(ctx context.Context, topic protocol.Topic, l *share) error {
	items := s.poor.items
	*s.poor = poorRecords{}
	if len(items) == 0 {
		return nil
	}
	ids := make([]protocol.RecordID, 0, len(items))
	for _, item := range items {
		if !s.k.d.Store.Has(item.ID) {
			ids = append(ids, item.ID)
		}
	}
	s.gatherFull(ctx, topic, l, ids)
	for _, item := range items {
		if _, refused := s.k.refused.find(item.ID, time.Now()); refused || s.k.d.Store.Has(item.ID) {
			continue
		}
		if err := s.take(ctx, topic, l, item); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// gatherFull brings what others have in full into the store. Nothing waits for the rest in memory, and nobody for long.
func (s *session) gatherFull(ctx context.Context, topic protocol.Topic, l *share, ids []protocol.RecordID) {
	ctx, cancel := context.WithTimeout(ctx, gatherFor)
	defer cancel()
	s.k.gather(ctx, topic, ids, s.peer, func(from *session, r *protocol.Record, _ *itemMessage) error {
		if err := from.store(ctx, l, r); err != nil {
			return err
		}
		if s.k.d.Store.Has(r.ID()) {
			s.tally.fetch()
		}
		return nil
	})
}

// lacking are records to ask the peer for, of which there is a part here: of listed organisations first. The next
// visit looks at those behind them, so that what nobody completes keeps nothing else from it.
func (s *session) lacking(now time.Time) []protocol.RecordID {
	ids := make([]protocol.RecordID, 0, maxLacking)
	for i, listed := range []bool{true, false} {
		want := func(org protocol.OrgID, _ protocol.Topic) bool { return s.k.d.Listed(org) == listed }
		for range lookLacking {
			if len(ids) == maxLacking {
				break
			}
			from := int(s.k.lacked[i].Load())
			page, next := s.k.d.Store.Lacking(from, maxLacking-len(ids), want)
			s.k.lacked[i].Store(int64(next))
			for _, id := range page {
				if _, tried := s.k.barren.find(barren{s.peer, id}, now); !tried && !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
			if next == 0 && from == 0 {
				break // it was looked at all of them
			}
		}
	}
	return ids
}

// complete asks for records that are here in part: the peer may have more of them (SYN-12).
func (s *session) complete(ctx context.Context) error {
	now := time.Now()
	ids := s.lacking(now)
	if len(ids) == 0 {
		return nil
	}
	if err := s.send(kindFetch, idsMessage{IDs: ids}); err != nil {
		return err
	}
	l := s.k.inflight.add(nil)
	for _, id := range ids {
		item, err := s.item(id)
		if err != nil {
			return err
		}
		s.k.barren.add(barren{s.peer, id}, refusal{until: now.Add(barrenLife)})
		if item.Form != formFull && item.Form != formPruned {
			continue
		}
		if err := s.take(ctx, protocol.Topic{}, l, item); err != nil {
			return err
		}
	}
	return nil
}

// gather asks connected peers but one for ids and hands each that comes full and verified to take, one after the other. It
// asks until take had no fault with each of them.
func (k *Keeper) gather(ctx context.Context, topic protocol.Topic, ids []protocol.RecordID, but string, take taker) {
	left := slices.Clone(ids)
	asked := 0
	for _, c := range k.d.Host.Companions() {
		if c.ID == but || asked == maxAskers || len(left) == 0 || ctx.Err() != nil {
			continue
		}
		var err error
		left, err = k.ask(ctx, c.ID, topic, left, take)
		if reason.Of(err) == reason.PeerUnsupported {
			continue
		}
		if asked++; err != nil {
			log.Debugw("peer did not give records", "peer", c.ID, "err", err)
		}
	}
}

// taker is given a full record that was gathered, and the session that it came by. It has room until it returns.
type taker func(from *session, r *protocol.Record, item *itemMessage) error

// ask fetches ids from one peer and returns those that were not taken.
func (k *Keeper) ask(ctx context.Context, peer string, topic protocol.Topic, ids []protocol.RecordID, take taker) (left []protocol.RecordID, err error) {
	stream, err := k.d.Host.Open(ctx, peer, exchange())
	if err != nil {
		return ids, err
	}
	s := k.session(peer, stream)
	taken := make(map[protocol.RecordID]bool)
	for chunk := range slices.Chunk(ids, fetchChunk) {
		if err = s.askChunk(ctx, topic, chunk, taken, take); err != nil {
			break
		}
	}
	left = slices.DeleteFunc(ids, func(id protocol.RecordID) bool { return taken[id] })
	if err != nil {
		stream.Reset()
		return left, fmt.Errorf("ask %s for records: %w", peer, err)
	}
	return left, stream.Close()
}

func (s *session) askChunk(ctx context.Context, topic protocol.Topic, ids []protocol.RecordID, taken map[protocol.RecordID]bool, take taker) error {
	if err := s.send(kindFetch, idsMessage{IDs: ids}); err != nil {
		return err
	}
	for _, id := range ids {
		item, err := s.item(id)
		if err != nil {
			return err
		}
		if item.Form != formFull {
			continue
		}
		switch err := s.hand(ctx, topic, item, take); {
		case err == nil:
			taken[id] = true
		case protocol.VerdictOf(err) == protocol.Reject:
			return errors.Join(errLies, err)
		case errors.Is(err, errNoChains):
			return err
		default:
			log.Debugw("full record not taken", "record", id, "err", err)
		}
	}
	return nil
}

// hand verifies one full record and hands it on, within the room that there is.
func (s *session) hand(ctx context.Context, topic protocol.Topic, item *itemMessage, take taker) error {
	h, err := s.hold(ctx, len(item.Bytes))
	if err != nil {
		return err
	}
	defer h.give()
	r, err := s.verify(ctx, topic, item, h)
	if err != nil {
		return err
	}
	if err := take(s, r, item); err != nil {
		// What our side says of it is no lie of the peer's.
		return fmt.Errorf("%w: %v", errNotTaken, err)
	}
	return nil
}

// errNotTaken says that our side did not take a record, or not now.
var errNotTaken = errors.New("not taken")
