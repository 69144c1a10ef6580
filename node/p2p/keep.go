package p2p

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"golang.org/x/sync/errgroup"

	"tocsin/protocol/reason"
)

const (
	firstBackoff = time.Second
	maxBackoff   = 30 * time.Second // a split that heals is to be forgotten within a minute
	dialTimeout  = 15 * time.Second
	dialAtOnce   = 8
	maintainTick = time.Second     // kept peers, loiterers
	standingTick = 5 * time.Second // who is listed: the trust list changes at run time
	connectWait  = 5 * time.Second
	exchangeOnce = 16 // chain exchanges at once

	protectListed = "tocsin-listed" // the connection manager's tag for listed and kept peers
)

// backoff doubles from a second to half a minute, with up to a quarter of jitter
// that depends on the peer, so that a fleet does not dial in step.
func backoff(failures int, p peer.ID) time.Duration {
	d := maxBackoff
	if failures < 10 {
		d = min(maxBackoff, firstBackoff<<(failures-1))
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(p))
	return d + d/4*time.Duration(hash.Sum32()%64)/64
}

// Connect dials a full multiaddr, keeps the peer from now on, exchanges chains and waits (at most 5 s) until
// both sides know each other's topics and stand in each other's mesh. Errors carry peer.dial;
// the peer is kept, and dialled again, all the same, unless addr itself is wrong.
func (h *Host) Connect(ctx context.Context, addr string) (peerID string, err error) {
	info, err := peer.AddrInfoFromString(addr)
	if err == nil && len(info.Addrs) == 0 {
		err = errors.New("no address before /p2p/")
	}
	if err != nil {
		return "", reason.Wrap(reason.PeerDial, fmt.Sprintf("connect to %q: want a full multiaddr that ends in /p2p/ID", addr), err)
	}
	if info.ID == h.host.ID() {
		return "", reason.New(reason.PeerDial, fmt.Sprintf("connect to %q: this is the node itself", addr))
	}
	h.keep(*info)
	if err := h.dial(ctx, *info); err != nil {
		h.peers.failed(info.ID, err, time.Now())
		return "", reason.Wrap(reason.PeerDial, "connect to "+addr, err)
	}
	if err := h.exchange(ctx, info.ID); err != nil {
		// An older or busy peer; the maintenance loop tries again.
		log.Debugw("chains not exchanged", "peer", info.ID, "err", err)
	}
	err = poll(ctx, connectWait, pollMesh, func() bool { return h.met(info.ID) })
	if err != nil && !errors.Is(err, errTimeout) {
		return "", reason.Wrap(reason.PeerDial, "connect to "+addr, err)
	}
	return info.ID.String(), nil
}

// keep makes a peer one to stay connected to: dialled when lost, never trimmed,
// its addresses outside the limits per address.
func (h *Host) keep(info peer.AddrInfo) {
	h.peers.keep(info)
	h.host.ConnManager().Protect(info.ID, protectListed)
	h.host.Peerstore().AddAddrs(info.ID, info.Addrs, peerstore.PermanentAddrTTL)
	if allow := rcmgr.GetAllowlist(h.host.Network().ResourceManager()); allow != nil {
		for _, a := range info.Addrs {
			// A name instead of an address cannot be allowed ahead; the limits then apply.
			_ = allow.Add(a)
		}
	}
}

// dial connects to a peer. Its error says the cause on one line.
func (h *Host) dial(ctx context.Context, info peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	// The library would refuse to dial an address that failed lately, for up to five minutes: the rhythm is backoff's.
	if err := h.host.Connect(network.WithForceDirectDial(ctx, "kept peer"), info); err != nil {
		log.Debugw("peer not reached", "peer", info.ID, "err", err) // the whole of what the library says
		return unreached{err}
	}
	return nil
}

func (h *Host) connected(p peer.ID) bool {
	return h.host.Network().Connectedness(p) == network.Connected
}

// met reports whether p and we know each other's topics and, where both take
// part, whether the mesh has taken it in or needs nobody more.
func (h *Host) met(p peer.ID) bool {
	common := 0
	for _, j := range h.topics.all() {
		if _, ok := j.router.trace.streamAge(p); !ok {
			return false
		}
		if !slices.Contains(j.handle.ListPeers(), p) {
			if j.router == h.control {
				return false // every node takes part in control: its hello is still to come
			}
			continue
		}
		if in, size := j.router.trace.meshed(j.path, p); !in && size < gossipParams().D {
			return false
		}
		if j.router == h.data {
			common++
		}
	}
	if common > 0 {
		return true
	}
	// No common topic besides control, or the other instance's hello is on its way.
	age, _ := h.data.trace.streamAge(p)
	return age > youngStream
}

// Disconnect stops keeping a peer and closes its connections; not.found when it is neither kept nor connected.
func (h *Host) Disconnect(peerID string) error {
	p, err := peer.Decode(peerID)
	if err != nil {
		return reason.Wrap(reason.NotFound, fmt.Sprintf("disconnect %q: not a peer id", peerID), err)
	}
	if !h.peers.unkeep(p) {
		return reason.New(reason.NotFound, "disconnect "+peerID+": neither kept nor connected")
	}
	h.host.ConnManager().Unprotect(p, protectListed)
	if err := h.host.Network().ClosePeer(p); err != nil {
		return fmt.Errorf("disconnect %s: %w", peerID, err)
	}
	return nil
}

// Peers returns a snapshot of connected and kept peers.
func (h *Host) Peers() []PeerInfo {
	list := h.peers.snapshot()
	topics := h.topics.all()
	subscribed := make([]map[peer.ID]bool, len(topics))
	for i, j := range topics {
		subscribed[i] = make(map[peer.ID]bool)
		for _, p := range j.handle.ListPeers() {
			subscribed[i][p] = true
		}
	}
	for i := range list {
		info := &list[i]
		p, err := peer.Decode(info.ID)
		if err != nil || !info.Connected {
			continue
		}
		_, info.KeptBack = h.peers.holes.score(p, time.Now())
		info.Latency = h.host.Peerstore().LatencyEWMA(p)
		info.Addrs = nil
		for _, c := range h.host.Network().ConnsToPeer(p) {
			info.Addrs = append(info.Addrs, c.RemoteMultiaddr().String())
		}
		for k, j := range topics {
			if subscribed[k][p] {
				info.Topics++
			}
			if in, _ := j.router.trace.meshed(j.path, p); in {
				info.Mesh++
			}
		}
	}
	return list
}

// watchConnections keeps the peer table in step with the network; the returned
// bundle is registered for the host's life.
func (h *Host) watchConnections() *network.NotifyBundle {
	return &network.NotifyBundle{
		ConnectedF: func(n network.Network, c network.Conn) {
			if len(n.ConnsToPeer(c.RemotePeer())) > 1 {
				h.peers.lapses.double(c.RemotePeer())
			}
			if h.peers.arrived(c.RemotePeer()) {
				log.Infow("peer connected", "peer", c.RemotePeer(), "addr", c.RemoteMultiaddr(), "direction", c.Stat().Direction)
			}
		},
		DisconnectedF: func(n network.Network, c network.Conn) {
			if n.Connectedness(c.RemotePeer()) == network.NotConnected {
				h.peers.departed(c.RemotePeer())
				log.Infow("peer disconnected", "peer", c.RemotePeer())
			}
		},
	}
}

// runPeers keeps configured peers connected, exchanges chains with new ones and
// follows who is listed, until ctx ends.
func (h *Host) runPeers(ctx context.Context) error {
	identified, err := h.host.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted))
	if err != nil {
		return fmt.Errorf("watch for new peers: %w", err)
	}
	defer identified.Close()
	var dials, exchanges errgroup.Group
	dials.SetLimit(dialAtOnce)
	exchanges.SetLimit(exchangeOnce)
	defer func() {
		_ = dials.Wait()
		_ = exchanges.Wait()
	}()
	tick := time.NewTicker(maintainTick)
	defer tick.Stop()
	standings := time.NewTicker(standingTick)
	defer standings.Stop()
	h.redial(ctx, &dials)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			h.redial(ctx, &dials)
			h.mend(ctx, &dials, time.Now())
			h.sendAway(time.Now())
		case <-standings.C:
			h.refreshStandings()
			for _, p := range h.peers.unexchanged() {
				h.tryExchange(ctx, p, &exchanges)
			}
		case e := <-identified.Out():
			done, ok := e.(event.EvtPeerIdentificationCompleted)
			if ok {
				h.arrive(ctx, done.Peer, &exchanges)
			}
		}
	}
}

func (h *Host) redial(ctx context.Context, dials *errgroup.Group) {
	for _, info := range h.peers.due(time.Now()) {
		dials.TryGo(func() error {
			if err := h.dial(ctx, info); err != nil {
				h.peers.failed(info.ID, err, time.Now())
			}
			return nil
		})
	}
}

func (h *Host) tryExchange(ctx context.Context, p peer.ID, exchanges *errgroup.Group) {
	exchanges.TryGo(func() error {
		if err := h.exchange(ctx, p); err != nil {
			log.Debugw("chains not exchanged", "peer", p, "err", err)
		}
		return nil
	})
}

// arrive exchanges chains with a new peer and then says that it is here: what it has to say is
// about them. Somebody slow keeps nobody else from arriving.
func (h *Host) arrive(ctx context.Context, p peer.ID, exchanges *errgroup.Group) {
	if !exchanges.TryGo(func() error {
		if err := h.exchange(ctx, p); err != nil {
			log.Debugw("chains not exchanged", "peer", p, "err", err)
		}
		h.announceArrival(p)
		return nil
	}) {
		h.announceArrival(p)
	}
}

// refreshStandings follows the trust list and newly learned chains.
func (h *Host) refreshStandings() {
	listed, unlisted, blocked := h.peers.refresh()
	for _, p := range listed {
		h.host.ConnManager().Protect(p, protectListed)
	}
	for _, p := range unlisted {
		h.host.ConnManager().Unprotect(p, protectListed)
	}
	for _, p := range blocked { // NET-30
		log.Infow("peer of a blocked organisation is sent away", "peer", p)
		h.close(p)
	}
}

// sendAway closes connections of newcomers that hold slots and show no certificate.
func (h *Host) sendAway(now time.Time) {
	for _, p := range h.peers.loiterers(now) {
		log.Infow("peer showed no certificate in time", "peer", p)
		h.close(p)
	}
}

func (h *Host) close(p peer.ID) {
	if err := h.host.Network().ClosePeer(p); err != nil {
		log.Debugw("connection not closed", "peer", p, "err", err)
	}
}
