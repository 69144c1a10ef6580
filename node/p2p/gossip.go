package p2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	golog "github.com/ipfs/go-log/v2"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"
	"golang.org/x/time/rate"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// How long Announce waits for the mesh. Gossip is best effort and catch-up finds
// the rest, but a record published right after a peer was added should not need it.
const (
	settleWait  = 3 * time.Second       // for the first mesh member of a topic
	settleAgain = time.Minute           // not again for that topic within it
	youngStream = 2 * time.Second       // a stream this new may still bring subscriptions
	stallAfter  = time.Second           // a peer that takes nothing for so long is not waited for
	drainWait   = 10 * time.Second      // for queues to empty, in all
	pollMesh    = 20 * time.Millisecond // how often the mesh is looked at
	pollQueue   = 2 * time.Millisecond  // how often queues are looked at
	inspectTick = 1 * time.Second       // how often scores are copied out
)

// router is one GossipSub instance. There are two on one host (NET-02): gossipsub has
// no priority, and a withdrawal must not stand behind a bulk import.
type router struct {
	id    libp2pproto.ID
	ps    *pubsub.PubSub
	trace *trace
	// flood says that own messages go to every subscribed peer, not to the mesh only.
	flood bool
	pace  *rate.Limiter
	peers *peerTable

	mu      sync.Mutex           // guards settled
	settled map[string]time.Time // by path of a joined topic: when Announce last waited for its mesh
}

// newRouter builds an instance; ctx ends it.
func newRouter(ctx context.Context, h host.Host, id libp2pproto.ID, network string, p *peerTable, m *meter, refused func(string, peer.ID, bool)) (*router, error) {
	flood := id == controlProtocol
	filter := newSubscriptionFilter(network, flood)
	closed := func(q peer.ID) {
		filter.forget(q)
		p.lapses.closed(h.Network(), q)
	}
	r := &router{
		id:      id,
		trace:   newTrace(refused, closed, p.holes.sentBy),
		flood:   flood,
		pace:    rate.NewLimiter(announcePace.rate, announcePace.burst),
		peers:   p,
		settled: make(map[string]time.Time),
	}
	logger := slog.New(golog.SlogHandler().WithAttrs([]slog.Attr{slog.String("logger", "pubsub")}))
	rpcLogger := slog.New(golog.SlogHandler().WithAttrs([]slog.Attr{slog.String("logger", "pubsub/rpc")}))
	inspect := func(scores map[peer.ID]float64) { p.setScores(id, scores) }
	ps, err := pubsub.NewGossipSub(ctx, h,
		pubsub.WithLogger(logger),
		pubsub.WithRPCLogger(rpcLogger),
		pubsub.WithGossipSubProtocols([]libp2pproto.ID{id}, features),
		pubsub.WithGossipSubParams(gossipParams()),
		// Own messages of control reach every neighbour whatever the mesh looks like: an
		// eclipsed mesh cannot hold a withdrawal back.
		pubsub.WithFloodPublish(r.flood),
		// NET-03: the record's signature is ours; a second one would cost five times
		// the CPU and tie the message to a transport identity.
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithMaxMessageSize(protocol.MaxPubsubBytes),
		pubsub.WithMaxControlMessageSize(maxControlBytes),
		pubsub.WithSeenMessagesTTL(seenTTL),
		pubsub.WithValidateQueueSize(validateQueue),
		pubsub.WithPeerOutboundQueueSize(outboundQueue),
		pubsub.WithSubscriptionFilter(filter),
		pubsub.WithAppSpecificRpcInspector(newInspector().inspect),
		pubsub.WithPeerScore(scoreParams(p.appScore), scoreThresholds()),
		pubsub.WithPeerScoreInspect(inspect, inspectTick),
		pubsub.WithPeerGater(peerGaterParams()),
		pubsub.WithRawTracer(r.trace),
		pubsub.WithRawTracer(m),
	)
	if err != nil {
		return nil, fmt.Errorf("start gossip %s: %w", id, err)
	}
	r.ps = ps
	return r, nil
}

// Announce publishes an own or accepted record to the mesh. A record above the gossip limit gives
// gossip.size: it is for catch-up. A topic that is not joined gives topic.unknown.
//
// It blocks to pace: at most about 16 MiB a second after a burst of 4 MiB, and
// while a neighbour's queue is half full. When a connected peer takes part in the topic but the mesh
// has not formed yet, it waits for that at most 3 s, once a minute. It never
// waits for peers that are not connected. A nil error means handed to the
// mesh, not delivered.
func (h *Host) Announce(ctx context.Context, r *protocol.Record) error {
	raw := r.Raw()
	topic := r.Header().Topic
	if len(raw) > protocol.MaxGossipBytes {
		return reason.New(reason.GossipSize, fmt.Sprintf("announce record %s: %d bytes are above the gossip limit of %d", r.ID(), len(raw), protocol.MaxGossipBytes))
	}
	t, ok := h.topics.get(topic)
	if !ok {
		return reason.New(reason.TopicUnknown, fmt.Sprintf("announce record %s: topic %s is not joined", r.ID(), topic))
	}
	if err := t.router.ready(ctx, t.path, len(raw)); err != nil {
		return fmt.Errorf("announce record %s: %w", r.ID(), err)
	}
	if err := t.handle.Publish(ctx, raw, pubsub.WithValidatorData(r)); err != nil {
		return fmt.Errorf("announce record %s on %s: %w", r.ID(), topic, err)
	}
	log.Debugw("record announced", "record", r.ID(), "topic", topic, "bytes", len(raw))
	return nil
}

// ready waits until a message of n bytes may be published on path.
func (r *router) ready(ctx context.Context, path string, n int) error {
	if err := r.pace.WaitN(ctx, max(n, announceCharge)); err != nil {
		return err
	}
	if err := r.settle(ctx, path); err != nil {
		return err
	}
	return r.drain(ctx)
}

// settle waits for somebody to send to on path when there is somebody who may become it.
func (r *router) settle(ctx context.Context, path string) error {
	settled := func() bool { return r.reaches(path) || !r.somebody(path) }
	if settled() || !r.mayWait(path, time.Now()) {
		return nil
	}
	return ignoreTimeout(ctx, poll(ctx, settleWait, pollMesh, settled))
}

// reaches reports whether a message on path would go to anybody now.
func (r *router) reaches(path string) bool {
	if _, n := r.trace.meshed(path, ""); n > 0 {
		return true
	}
	return r.flood && len(r.ps.ListPeers(path)) > 0
}

// mayWait allows one wait for a path's mesh within settleAgain.
func (r *router) mayWait(path string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.settled[path]; ok && now.Sub(last) < settleAgain {
		return false
	}
	r.settled[path] = now
	return true
}

// somebody reports whether a connected peer takes part in path or may be about to say so.
func (r *router) somebody(path string) bool {
	return r.trace.young(youngStream) || len(r.ps.ListPeers(path)) > 0
}

// drain waits while the queue of a neighbour that counts is more than half full. Where listed or
// configured peers are connected, only they count: a stranger that reads slowly
// on purpose must not slow us down for the others.
func (r *router) drain(ctx context.Context) error {
	drained := func() bool {
		full := r.trace.full(outboundWindow, stallAfter)
		return len(full) == 0 || !r.peers.anyCounts(full)
	}
	if drained() {
		return nil
	}
	return ignoreTimeout(ctx, poll(ctx, drainWait, pollQueue, drained))
}

// errTimeout says that poll gave up.
var errTimeout = errors.New("timed out")

// poll calls done every tick until it is true (nil), limit has passed (errTimeout) or ctx ended.
func poll(ctx context.Context, limit, tick time.Duration, done func() bool) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return errTimeout
		case <-ticker.C:
		}
	}
	return nil
}

// ignoreTimeout makes a wait that gave up no error: what it waited for was only wished for.
func ignoreTimeout(ctx context.Context, err error) error {
	if errors.Is(err, errTimeout) {
		return nil
	}
	return ctx.Err()
}
