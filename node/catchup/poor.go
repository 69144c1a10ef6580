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
	best := make(map[protocol.RecordID]*itemMessage, len(items))
	ids := make([]protocol.RecordID, 0, len(items))
	for _, item := range items {
		if !s.k.d.Store.Has(item.ID) {
			best[item.ID] = item
			ids = append(ids, item.ID)
		}
	}
	for _, found := range s.k.gather(ctx, topic, ids, s.peer) {
		if err := s.receive(ctx, topic, l, found); err != nil {
			log.Debugw("full record not taken", "record", found.ID, "err", err)
			continue
		}
		delete(best, found.ID)
	}
	for _, id := range ids {
		if item, ok := best[id]; ok && !s.k.d.Store.Has(id) {
			if err := s.receive(ctx, topic, l, item); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// complete asks for records that are here in part: the peer may have more of them (SYN-12).
func (s *session) complete(ctx context.Context) error {
	now := time.Now()
	ids, _ := s.k.d.Store.Lacking(0, maxLacking, nil)
	ids = slices.DeleteFunc(ids, func(id protocol.RecordID) bool {
		_, tried := s.k.barren.find(barren{s.peer, id}, now)
		return tried
	})
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
		if err := s.receive(ctx, protocol.Topic{}, l, item); err != nil {
			return err
		}
	}
	return nil
}

// gather asks connected peers but one for ids until each came full and verified.
func (k *Keeper) gather(ctx context.Context, topic protocol.Topic, ids []protocol.RecordID, but string) map[protocol.RecordID]*itemMessage {
	found := make(map[protocol.RecordID]*itemMessage, len(ids))
	asked := 0
	for _, c := range k.d.Host.Companions() {
		if c.ID == but || asked == maxAskers || len(found) == len(ids) || ctx.Err() != nil {
			continue
		}
		err := k.ask(ctx, c.ID, topic, ids, found)
		if reason.Of(err) == reason.PeerUnsupported {
			continue
		}
		if asked++; err != nil {
			log.Debugw("peer did not give records", "peer", c.ID, "err", err)
		}
	}
	return found
}

// ask fetches ids that are not in found from one peer and adds those that come full and verify.
func (k *Keeper) ask(ctx context.Context, peer string, topic protocol.Topic, ids []protocol.RecordID, found map[protocol.RecordID]*itemMessage) error {
	var rest []protocol.RecordID
	for _, id := range ids {
		if found[id] == nil {
			rest = append(rest, id)
		}
	}
	stream, err := k.d.Host.Open(ctx, peer, exchange())
	if err != nil {
		return err
	}
	s := &session{k: k, peer: peer, stream: stream, chain: newLearner()}
	for len(rest) > 0 && err == nil {
		chunk := rest[:min(len(rest), fetchChunk)]
		rest = rest[len(chunk):]
		err = s.askChunk(ctx, topic, chunk, found)
	}
	if err != nil {
		stream.Reset()
		return fmt.Errorf("ask %s for records: %w", peer, err)
	}
	return stream.Close()
}

func (s *session) askChunk(ctx context.Context, topic protocol.Topic, ids []protocol.RecordID, found map[protocol.RecordID]*itemMessage) error {
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
		if _, err := s.verify(ctx, topic, item); err == nil {
			found[id] = item
		} else if protocol.VerdictOf(err) == protocol.Reject {
			return errors.Join(errLies, err)
		}
	}
	return nil
}
