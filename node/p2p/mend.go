package p2p

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/multiformats/go-multistream"
	"golang.org/x/sync/errgroup"
)

// A peer that crashed and is back before its old connection is found dead leaves gossip deaf: what we have for it goes into
// the old stream, and when that ends at last, pubsub forgets the peer's topics, which the peer has told on a stream that lives,
// and tells once. So connections that are doubled are probed, and to a peer whose topics were lost we connect anew.
const (
	// probeTime is how long a connection may take to show that somebody is there.
	probeTime = 5 * time.Second
	// deafAfter is how long after the end of a stream the peer's topics are to be known again.
	deafAfter = 3 * time.Second
	// anewRest is the least time between two new connections to a peer for this reason.
	anewRest = time.Minute
	// anewPause lets both sides see that the old connections have ended before there is another one.
	anewPause = time.Second
)

// lapses are the peers whose gossip may be broken. It may be used concurrently.
type lapses struct {
	mu      sync.Mutex // guards all below; nobody is in them for long
	doubled map[peer.ID]bool
	lost    map[peer.ID]time.Time // when a stream of theirs ended while they were connected
	anew    map[peer.ID]time.Time // when they were last connected to anew
}

func newLapses() *lapses {
	return &lapses{doubled: map[peer.ID]bool{}, lost: map[peer.ID]time.Time{}, anew: map[peer.ID]time.Time{}}
}

// double notes that there is more than one connection to a peer.
func (l *lapses) double(p peer.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubled[p] = true
}

// closed notes that a stream to a peer ended, when the peer is connected all the same.
func (l *lapses) closed(n network.Network, p peer.ID) {
	if n.Connectedness(p) != network.Connected {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost[p] = time.Now()
}

// due gives the peers to be probed and those to be listened for, and forgets what is over.
func (l *lapses) due(now time.Time) (doubled, lost []peer.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.doubled {
		doubled = append(doubled, p)
	}
	clear(l.doubled)
	for p, since := range l.lost {
		if now.Sub(since) >= deafAfter && now.Sub(l.anew[p]) >= anewRest {
			lost = append(lost, p)
			delete(l.lost, p)
		}
	}
	for p, at := range l.anew {
		if now.Sub(at) >= anewRest {
			delete(l.anew, p)
		}
	}
	return doubled, lost
}

// mayAnew reports whether to connect to a peer anew, and notes it.
func (l *lapses) mayAnew(p peer.ID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.anew[p]) < anewRest {
		l.lost[p] = now // looked at again when it may be
		return false
	}
	l.anew[p] = now
	return true
}

// mend looks after peers whose gossip may be broken.
func (h *Host) mend(ctx context.Context, work *errgroup.Group, now time.Time) {
	doubled, lost := h.peers.lapses.due(now)
	for _, p := range doubled {
		if !work.TryGo(func() error { h.probe(ctx, p, work); return nil }) {
			h.peers.lapses.double(p)
		}
	}
	for _, p := range lost {
		if h.connected(p) && !h.hears(p) {
			log.Infow("a peer's topics were lost with one of its connections", "peer", p)
			h.connectAnew(ctx, p, work)
		}
	}
}

// hears reports whether gossip knows what a peer takes part in, in both instances. Every node takes part in control.
func (h *Host) hears(p peer.ID) bool {
	joined, heard := map[*router]bool{}, map[*router]bool{}
	for _, j := range h.topics.all() {
		joined[j.router] = true
		for _, q := range j.handle.ListPeers() {
			heard[j.router] = heard[j.router] || q == p
		}
	}
	for r := range joined {
		if !heard[r] {
			return false
		}
	}
	return true
}

// probe asks each connection to a peer for a sign of life. Where one is dead, gossip may hang on it.
func (h *Host) probe(ctx context.Context, p peer.ID, work *errgroup.Group) {
	asking, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	conns := h.host.Network().ConnsToPeer(p)
	dead := make([]bool, len(conns))
	var asked sync.WaitGroup
	for i, c := range conns {
		asked.Go(func() { dead[i] = !answers(asking, c) })
	}
	asked.Wait()
	for i, c := range conns {
		if dead[i] && !c.IsClosed() && ctx.Err() == nil {
			log.Infow("a peer is back while an old connection hangs", "peer", p, "addr", c.RemoteMultiaddr())
			h.connectAnew(ctx, p, work)
			return
		}
	}
}

// answers reports whether somebody is there: whatever is said of the protocol is a sign.
func answers(ctx context.Context, c network.Conn) bool {
	s, err := c.NewStream(ctx)
	if err != nil {
		return false
	}
	defer func() { _ = s.Reset() }() // nothing is wanted of it
	if at, ok := ctx.Deadline(); ok {
		if err := s.SetDeadline(at); err != nil {
			return false
		}
	}
	err = multistream.SelectProtoOrFail(ping.ID, s)
	return err == nil || errors.Is(err, multistream.ErrNotSupported[string]{})
}

// connectAnew closes all connections to a peer, so that both sides begin from nothing, and dials it if it does not dial first.
func (h *Host) connectAnew(ctx context.Context, p peer.ID, work *errgroup.Group) {
	if !h.peers.lapses.mayAnew(p, time.Now()) {
		return
	}
	info := h.host.Peerstore().PeerInfo(p)
	h.close(p)
	work.TryGo(func() error {
		if err := poll(ctx, anewPause, pollMesh, func() bool { return h.connected(p) }); !errors.Is(err, errTimeout) {
			return nil // it has dialled, or the host ends
		}
		if err := h.dial(ctx, info); err != nil {
			h.peers.failed(p, err, time.Now())
		}
		return nil
	})
}
