package p2p

import (
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"
)

// trace follows one GossipSub instance from inside: who is in which mesh, how
// many messages wait for each peer, what was refused. pubsub calls it from its
// event loop, so every method is short and calls nobody.
type trace struct {
	// refused is called for each message that was rejected (invalid) or ignored.
	refused func(path string, from peer.ID, invalid bool)
	// closed is called when our stream to a peer has gone.
	closed func(peer.ID)
	// sent is called for each record that a peer sent, whether it was the first to.
	sent func(peer.ID)

	mu      sync.Mutex                       // guards all below
	mesh    map[string]map[peer.ID]time.Time // since when
	streams map[peer.ID]*outStream
	dropped uint64 // messages lost to full queues; catch-up finds them
}

// outStream is our stream to a peer.
type outStream struct {
	opened  time.Time
	waiting int       // messages queued less those written
	wrote   time.Time // last write
}

var _ pubsub.RawTracer = (*trace)(nil)

func newTrace(refused func(string, peer.ID, bool), closed, sent func(peer.ID)) *trace {
	return &trace{
		refused: refused,
		closed:  closed,
		sent:    sent,
		mesh:    make(map[string]map[peer.ID]time.Time),
		streams: make(map[peer.ID]*outStream),
	}
}

// OnNewOutboundStream implements pubsub.RawTracer.
func (t *trace) OnNewOutboundStream(p peer.ID, _ libp2pproto.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.streams[p] = &outStream{opened: now, wrote: now}
}

// OnClosedOutboundStream implements pubsub.RawTracer. The router takes the peer
// out of its meshes without a Prune.
func (t *trace) OnClosedOutboundStream(p peer.ID) {
	t.closed(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.streams, p)
	for _, m := range t.mesh {
		delete(m, p)
	}
}

// Join implements pubsub.RawTracer.
func (t *trace) Join(string) {}

// Leave implements pubsub.RawTracer.
func (t *trace) Leave(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mesh, path)
}

// Graft implements pubsub.RawTracer.
func (t *trace) Graft(p peer.ID, path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, ok := t.mesh[path]
	if !ok {
		m = make(map[peer.ID]time.Time)
		t.mesh[path] = m
	}
	m[p] = time.Now()
}

// Prune implements pubsub.RawTracer.
func (t *trace) Prune(p peer.ID, path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mesh[path], p)
}

// RejectMessage implements pubsub.RawTracer.
func (t *trace) RejectMessage(m *pubsub.Message, why string) {
	switch why {
	case pubsub.RejectValidationIgnored:
		t.refused(m.GetTopic(), m.ReceivedFrom, false)
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		t.drop(1)
	default:
		t.refused(m.GetTopic(), m.ReceivedFrom, true)
	}
}

// SendRPC implements pubsub.RawTracer: the RPC stands in the peer's queue.
func (t *trace) SendRPC(_ *pubsub.RPC, p peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.streams[p]; ok {
		s.waiting++
	}
}

// DropRPC implements pubsub.RawTracer: the peer's queue was full.
func (t *trace) DropRPC(rpc *pubsub.RPC, _ peer.ID) { t.drop(len(rpc.GetPublish())) }

// UndeliverableMessage implements pubsub.RawTracer: intake is too slow.
func (t *trace) UndeliverableMessage(*pubsub.Message) { t.drop(1) }

// ValidateMessage implements pubsub.RawTracer.
func (t *trace) ValidateMessage(*pubsub.Message) {}

// DeliverMessage implements pubsub.RawTracer.
func (t *trace) DeliverMessage(m *pubsub.Message) { t.sent(m.ReceivedFrom) }

// DuplicateMessage implements pubsub.RawTracer.
func (t *trace) DuplicateMessage(m *pubsub.Message) { t.sent(m.ReceivedFrom) }

// ThrottlePeer implements pubsub.RawTracer.
func (t *trace) ThrottlePeer(peer.ID) {}

// RecvRPC implements pubsub.RawTracer.
func (t *trace) RecvRPC(*pubsub.RPC) {}

func (t *trace) drop(n int) {
	if n == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropped += uint64(n)
}

// written notes that an RPC left for p: pubsub writes each in one call.
func (t *trace) written(p peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.streams[p]; ok {
		s.wrote = time.Now()
		s.waiting-- // below zero for a moment when the write is faster than SendRPC
	}
}

// full lists peers that have more waiting than window and still take messages: one
// that took none for stall is left out.
func (t *trace) full(window int, stall time.Duration) []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []peer.ID
	for p, s := range t.streams {
		if s.waiting > window && time.Since(s.wrote) < stall {
			list = append(list, p)
		}
	}
	return list
}

// meshed reports whether p is in path's mesh, and the mesh's size.
func (t *trace) meshed(path string, p peer.ID) (bool, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.mesh[path][p]
	return ok, len(t.mesh[path])
}

// grafted is since when p is in path's mesh; false when it is not.
func (t *trace) grafted(path string, p peer.ID) (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.mesh[path][p]
	return at, ok
}

// streamAge is how long our stream to p has been open; false when there is none.
func (t *trace) streamAge(p peer.ID) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.streams[p]
	if !ok {
		return 0, false
	}
	return time.Since(s.opened), true
}

// young reports whether any stream is younger than age.
func (t *trace) young(age time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.streams {
		if time.Since(s.opened) < age {
			return true
		}
	}
	return false
}

// drops is how many messages were lost to full queues.
func (t *trace) drops() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropped
}

// writeMeter tells the traces what was written to gossip streams: the one sign
// that a peer's queue empties, which pubsub itself does not give.
// The host asks for it before the instances exist, so they are set later.
type writeMeter struct {
	control, data atomic.Pointer[trace]
}

var _ metrics.Reporter = (*writeMeter)(nil)

// LogSentMessageStream implements metrics.Reporter.
func (w *writeMeter) LogSentMessageStream(_ int64, id libp2pproto.ID, p peer.ID) {
	var t *trace
	switch id {
	case dataProtocol:
		t = w.data.Load()
	case controlProtocol:
		t = w.control.Load()
	}
	if t != nil {
		t.written(p)
	}
}

// LogSentMessage implements metrics.Reporter.
func (*writeMeter) LogSentMessage(int64) {}

// LogRecvMessage implements metrics.Reporter.
func (*writeMeter) LogRecvMessage(int64) {}

// LogRecvMessageStream implements metrics.Reporter.
func (*writeMeter) LogRecvMessageStream(int64, libp2pproto.ID, peer.ID) {}

// GetBandwidthForPeer implements metrics.Reporter.
func (*writeMeter) GetBandwidthForPeer(peer.ID) (s metrics.Stats) { return s }

// GetBandwidthForProtocol implements metrics.Reporter.
func (*writeMeter) GetBandwidthForProtocol(libp2pproto.ID) (s metrics.Stats) { return s }

// GetBandwidthTotals implements metrics.Reporter.
func (*writeMeter) GetBandwidthTotals() (s metrics.Stats) { return s }

// GetBandwidthByPeer implements metrics.Reporter.
func (*writeMeter) GetBandwidthByPeer() map[peer.ID]metrics.Stats { return nil }

// GetBandwidthByProtocol implements metrics.Reporter.
func (*writeMeter) GetBandwidthByProtocol() map[libp2pproto.ID]metrics.Stats { return nil }

// Reset implements metrics.Reporter.
func (*writeMeter) Reset() {}

// TrimIdle implements metrics.Reporter.
func (*writeMeter) TrimIdle(time.Time) {}
