package catchup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/recon"
	"tocsin/storage"
)

// restFactor is how many times as long as an answer took a peer that nobody listed waits for the next: no
// more than a fifth of a core for each of its exchanges.
const restFactor = 4

// exchange is the protocol with its bounds, as the asker needs it.
func exchange() p2p.Exchange {
	return p2p.Exchange{
		ID: syncProtocol, Name: syncService, Idle: frameIdle, Deadline: frameDeadline,
		MaxFrame: maxAnswer, Memory: exchangeMemory, PerPeer: exchangesPeer, Total: exchangesTotal,
	}
}

// server answers one exchange; its goroutine owns it.
type server struct {
	k      *Keeper
	peer   string
	stream *p2p.Stream
	// trusted says that the peer is listed or kept.
	trusted bool
	// responder is of the session under way, nil before the first.
	responder *recon.Responder
}

// serve answers a peer until it closes.
func (k *Keeper) serve(ctx context.Context, from peer.ID, stream *p2p.Stream) error {
	v := &server{k: k, peer: from.String(), stream: stream}
	v.trusted = k.trusted(v.peer)
	for {
		raw, err := stream.Receive()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		began := time.Now()
		if err := v.question(ctx, kind(raw[0]), raw[1:]); err != nil {
			return fmt.Errorf("answer question of type %d: %w", raw[0], err)
		}
		if took := time.Since(began); !v.trusted && took > 0 && kind(raw[0]) != kindFetch {
			if err := pause(ctx, restFactor*took); err != nil {
				return err
			}
		}
	}
}

// question answers one frame.
func (v *server) question(ctx context.Context, k kind, body []byte) error {
	switch k {
	case kindOpen:
		var m openMessage
		if err := decode(body, &m, m.check); err != nil {
			return err
		}
		return v.open(&m)
	case kindNext:
		var m nextMessage
		if err := decode(body, &m, m.check); err != nil {
			return err
		}
		if v.responder == nil {
			return malformed("no session is open")
		}
		return v.answer(kindNext, m.Message)
	case kindFetch:
		var m idsMessage
		if err := decode(body, &m, m.check); err != nil {
			return err
		}
		if err := m.checkFetch(); err != nil {
			return err
		}
		return v.fetch(ctx, m.IDs)
	case kindRange:
		var m rangeMessage
		if err := decode(body, &m, m.check); err != nil {
			return err
		}
		return v.places(&m)
	case kindHint:
		var m hintMessage
		if err := decode(body, &m, m.check); err != nil {
			return err
		}
		v.k.hinted(v.peer, v.trusted)
		return nil
	case kindDigest:
		var m digestMessage
		if err := decode(body, &m, m.check); err != nil {
			return err
		}
		return v.digest(&m)
	}
	return malformed("type %d is no question", k)
}

// joined finds a topic that this node takes part in.
func (v *server) joined(name string) (protocol.Topic, bool) {
	for _, t := range v.k.d.Topics() {
		if t.String() == name {
			return t, true
		}
	}
	return protocol.Topic{}, false
}

func (v *server) open(m *openMessage) error {
	topic, ok := v.joined(m.Topic)
	if !ok {
		return v.send(kindRefusal, refusalMessage{Code: refusedTopic})
	}
	// SYN-03: the set as it is now, for the whole session.
	r, err := recon.NewResponder(bounded(v.k.d.Store.Set(topic), m.Until), maxMessage)
	if err != nil {
		return err
	}
	v.responder = r
	return v.answer(kindOpen, m.Message)
}

func (v *server) answer(k kind, message []byte) error {
	out, err := v.responder.Answer(message)
	if err != nil {
		return err
	}
	return v.send(k, nextMessage{Message: out})
}

// fetch answers with what there is of each record, in order (SYN-05).
func (v *server) fetch(ctx context.Context, ids []protocol.RecordID) error {
	for _, id := range ids {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		item, err := v.item(ctx, id)
		if err != nil {
			return err
		}
		if err := v.send(kindFetch, item); err != nil {
			return err
		}
		if item.Form == formFull || item.Form == formPruned {
			v.k.books.sent(v.peer)
		}
	}
	return nil
}

// item is what there is of a record. Who is neither listed nor kept waits for what it costs to pack.
func (v *server) item(ctx context.Context, id protocol.RecordID) (itemMessage, error) {
	item := itemMessage{ID: id}
	began := time.Now()
	f, raw, err := v.k.d.Store.Fetch(id)
	switch {
	case err != nil: // nothing there, or damaged: scrub's business
	case f == storage.Full:
		item.Form, item.Bytes = formFull, raw
	case f == storage.HeaderOnly:
		item.Form, item.Bytes = formHeader, raw
	case f == storage.Pruned:
		item.Form, item.Bytes = formPruned, v.k.packer.pack(raw, maxBytes)
		if item.Bytes == nil {
			// SYN-08: it is shown, so something of it is given.
			if item.Bytes, err = protocol.HeaderOf(raw); err != nil {
				return item, err
			}
			item.Form = formHeader
		}
		if !v.trusted {
			return item, pause(ctx, restFactor*time.Since(began))
		}
	}
	return item, nil
}

// places: SYN-06.
func (v *server) places(m *rangeMessage) error {
	answer := idsMessage{IDs: []protocol.RecordID{}}
	if topic, ok := v.joined(m.Topic); ok {
		answer.IDs = append(answer.IDs, v.k.d.Store.Range(m.Org, m.Key, topic, m.From, m.To)...)
	}
	return v.send(kindRange, answer)
}

// digest: SYN-20.
func (v *server) digest(m *digestMessage) error {
	topic, ok := v.joined(m.Topic)
	if !ok {
		return v.send(kindRefusal, refusalMessage{Code: refusedTopic})
	}
	set := bounded(v.k.d.Store.Set(topic), m.Until)
	d, err := digestOf(topic, set)
	if err != nil {
		return err
	}
	return v.send(kindDigest, digestAnswer{N: uint64(set.Len()), Digest: d})
}

func (v *server) send(k kind, m any) error {
	frame, err := encode(k, m)
	if err != nil {
		return err
	}
	return v.stream.Send(frame)
}

var (
	errNoPeers = errors.New("no peer is connected")
	errSilent  = errors.New("no peer that was asked speaks the protocol of catch-up")
)

// Digests asks up to peers connected peers for the digest of what they hold per topic and compares (SYN-20).
func (k *Keeper) Digests(ctx context.Context, peers int) []Comparison {
	topics := inOrder(k.d.Topics())
	until := settled(time.Now())
	out := make([]Comparison, len(topics))
	for i, t := range topics {
		set := bounded(k.d.Store.Set(t), bound(until))
		out[i] = Comparison{Topic: t, Until: until, Records: set.Len()}
		if d, err := digestOf(t, set); err == nil {
			out[i].Digest = d
		}
	}
	asked := 0
	for _, c := range k.d.Host.Companions() {
		if asked == peers || ctx.Err() != nil {
			break
		}
		list, err := k.digestsOf(ctx, c.ID, topics, bound(until))
		if list == nil && err == nil {
			continue // it does not speak the protocol
		}
		asked++
		for i := range out {
			d := PeerDigest{ID: c.ID}
			switch {
			case i < len(list):
				d = list[i]
			case err != nil:
				d.Error = err.Error()
			}
			out[i].Peers = append(out[i].Peers, d)
		}
	}
	return out
}
