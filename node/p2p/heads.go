package p2p

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"

	"tocsin/protocol"
)

// headsProtocol is the stream on which a node asks how far its own key logs went (NET-23).
const headsProtocol libp2pproto.ID = "/tocsin/heads/1"

const (
	headsService  = "tocsin/heads"
	headsDeadline = 2 * time.Second // the asker does not sign before, so it is short

	maxHeads        = 64 // tips in one answer: as many topics as a node joins
	maxHeadPlaces   = 8  // records in one answer
	maxHeadsRequest = 1 << 10
	// maxHeadsAnswer takes the tips, and every record that gossip carries.
	maxHeadsAnswer = 16<<10 + maxHeadPlaces*protocol.MaxGossipBytes

	headsPeers = 3 // peers that are asked
	// headsOthers is how long a first peer's being there leaves the others to come.
	headsOthers  = 300 * time.Millisecond
	headsAnswers = 7 // exchanges with each at most: the tips, then the records that prove them, some at a time
)

// headsRequest asks for the tips of a key's logs and, as proof, for records at places of them (NET-24).
type headsRequest struct {
	_      struct{} `cbor:",toarray"`
	Org    protocol.OrgID
	Key    protocol.KeyID
	Places []headPlace
}

type headPlace struct {
	_        struct{} `cbor:",toarray"`
	Topic    string
	Sequence uint64
}

// headsAnswer is what the answerer holds of that key.
type headsAnswer struct {
	_       struct{} `cbor:",toarray"`
	Heads   []headTip
	Records [][]byte
}

type headTip struct {
	_        struct{} `cbor:",toarray"`
	Topic    string
	Sequence uint64
	ID       protocol.RecordID
}

var errHeads = errors.New("heads message is malformed")

func decodeHeadsRequest(raw []byte) (*headsRequest, error) {
	var q headsRequest
	if err := DecodeMessage(raw, &q, maxHeads, errHeads); err != nil {
		return nil, err
	}
	if len(q.Places) > maxHeadPlaces {
		return nil, fmt.Errorf("%w: %d places, at most %d", errHeads, len(q.Places), maxHeadPlaces)
	}
	return &q, nil
}

func decodeHeadsAnswer(raw []byte) (*headsAnswer, error) {
	var a headsAnswer
	if err := DecodeMessage(raw, &a, maxHeads, errHeads); err != nil {
		return nil, err
	}
	if len(a.Records) > maxHeadPlaces {
		return nil, fmt.Errorf("%w: %d records, at most %d", errHeads, len(a.Records), maxHeadPlaces)
	}
	return &a, nil
}

// headsBounds is the service as the asker needs it.
func headsBounds() service {
	return service{id: headsProtocol, name: headsService, deadline: headsDeadline, maxRequest: maxHeadsRequest, rate: headsServe}
}

// headsExchange answers from what this node holds: anybody's logs are public on
// open topics, so it answers anybody (NET-24).
func headsExchange(deps *Deps) service {
	v := headsBounds()
	v.answer = func(_ peer.ID, request []byte, w io.Writer) error {
		q, err := decodeHeadsRequest(request)
		if err != nil {
			return err
		}
		raw, err := EncodeMessage(answerHeads(deps, q))
		if err != nil {
			return err
		}
		_, err = w.Write(raw)
		return err
	}
	return v
}

func answerHeads(deps *Deps, q *headsRequest) *headsAnswer {
	a := &headsAnswer{Heads: []headTip{}, Records: [][]byte{}}
	for _, h := range deps.Heads(q.Org, q.Key) {
		if len(a.Heads) < maxHeads {
			a.Heads = append(a.Heads, headTip{Topic: h.Topic.String(), Sequence: h.Sequence, ID: h.ID})
		}
	}
	for _, p := range q.Places {
		topic, err := protocol.ParseTopic(p.Topic)
		if err != nil {
			continue
		}
		if raw := deps.RecordAt(q.Org, q.Key, topic, p.Sequence); raw != nil && len(raw) <= protocol.MaxGossipBytes {
			a.Records = append(a.Records, raw)
		}
	}
	return a
}

// Elsewhere is what peers hold of a key's logs and we do not.
type Elsewhere struct {
	// Asked counts the peers that answered.
	Asked int
	// Records are verified records of the key that differ from what we hold or
	// lie beyond it, the highest of each topic last.
	Records []*protocol.Record
}

// OwnHeads asks up to three connected peers, in two seconds at most, what they
// hold of a key's logs (NET-23). at gives the record that we hold at a place;
// head how far our log of a topic goes. A peer's word alone counts for nothing: what
// differs from ours is asked for and verified. While kept peers are not connected yet it waits for them.
func (h *Host) OwnHeads(ctx context.Context, org protocol.OrgID, key protocol.KeyID, heads []protocol.Head,
	at func(protocol.Topic, uint64) (protocol.RecordID, bool)) Elsewhere {
	ctx, cancel := context.WithTimeout(ctx, headsDeadline)
	defer cancel()
	var (
		mu    sync.Mutex // guards found
		found Elsewhere
		busy  sync.WaitGroup
		asked = map[peer.ID]bool{}
	)
	ours := map[protocol.Topic]uint64{}
	for _, head := range heads {
		ours[head.Topic] = head.Sequence
	}
	var first time.Time
	_ = poll(ctx, headsDeadline, pollMesh, func() bool {
		waiting := false
		for _, p := range h.peers.askable() {
			switch {
			case asked[p] || len(asked) == headsPeers:
			case !h.connected(p):
				waiting = true
			default:
				if asked[p] = true; first.IsZero() {
					first = time.Now()
				}
				busy.Go(func() {
					records, err := h.elsewhere(ctx, p, headsRequest{Org: org, Key: key}, ours, at)
					mu.Lock()
					defer mu.Unlock()
					found.Records = append(found.Records, records...)
					if err != nil {
						log.Debugw("peer did not say what it holds of us", "peer", p, "err", err)
						return
					}
					found.Asked++
				})
			}
		}
		return !waiting || len(asked) == headsPeers || !first.IsZero() && time.Since(first) > headsOthers
	})
	busy.Wait()
	slices.SortStableFunc(found.Records, func(a, b *protocol.Record) int {
		return cmp.Compare(a.Header().Sequence, b.Header().Sequence)
	})
	return found
}

// elsewhere asks one peer for the tips, and then for the records that show that it
// holds something else than we do.
func (h *Host) elsewhere(ctx context.Context, p peer.ID, of headsRequest, ours map[protocol.Topic]uint64,
	at func(protocol.Topic, uint64) (protocol.RecordID, bool)) ([]*protocol.Record, error) {
	tips, err := h.askHeads(ctx, p, &headsRequest{Org: of.Org, Key: of.Key, Places: []headPlace{}})
	if err != nil {
		return nil, err
	}
	var out []*protocol.Record
	asked := 1
	for places := range slices.Chunk(differing(tips.Heads, ours, at), maxHeadPlaces) {
		if asked++; asked > headsAnswers {
			break
		}
		a, err := h.askHeads(ctx, p, &headsRequest{Org: of.Org, Key: of.Key, Places: places})
		if err != nil {
			return out, nil // what is proven is enough to act on
		}
		for _, raw := range a.Records {
			r, err := protocol.VerifyOffline(raw, h.deps.Chains())
			if err != nil || r.Key() != of.Key || r.Org() != of.Org {
				return out, fmt.Errorf("a record that is no proof: %w", errors.Join(errHeads, err))
			}
			if held, ok := at(r.Header().Topic, r.Header().Sequence); !ok || held != r.ID() {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func (h *Host) askHeads(ctx context.Context, p peer.ID, q *headsRequest) (*headsAnswer, error) {
	request, err := EncodeMessage(q)
	if err != nil {
		return nil, err
	}
	raw, cut, err := h.ask(ctx, p, headsBounds(), request, maxHeadsAnswer)
	if err != nil {
		return nil, err
	}
	if cut {
		return nil, fmt.Errorf("%w: more than %d bytes", errHeads, maxHeadsAnswer)
	}
	return decodeHeadsAnswer(raw)
}

// differing are the places to ask for: every tip that is not ours first, then where our own
// logs end and the places right after, which tell whether the logs there go on from ours.
func differing(tips []headTip, ours map[protocol.Topic]uint64, at func(protocol.Topic, uint64) (protocol.RecordID, bool)) []headPlace {
	var places, beside []headPlace
	for _, tip := range tips {
		topic, err := protocol.ParseTopic(tip.Topic)
		if err != nil || tip.Sequence == 0 {
			continue
		}
		if held, ok := at(topic, tip.Sequence); ok && held == tip.ID {
			continue
		}
		places = append(places, headPlace{Topic: tip.Topic, Sequence: tip.Sequence})
		if head := ours[topic]; head > 0 && head < tip.Sequence {
			beside = append(beside, headPlace{Topic: tip.Topic, Sequence: head})
		}
		if next := ours[topic] + 1; next < tip.Sequence {
			beside = append(beside, headPlace{Topic: tip.Topic, Sequence: next})
		}
	}
	return append(places, beside...)
}
