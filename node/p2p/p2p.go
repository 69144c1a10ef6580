// Package p2p is the node's face to the mesh: a libp2p host (QUIC and TCP), two
// GossipSub instances (control, and everything else), peers, and the exchange of identity
// chains. It verifies and relays; it does not store and does not believe.
package p2p

import (
	"context"
	"errors"
	"fmt"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

var log = logging.Logger("tocsin/p2p")

// Config says how the host is built. The zero value of each field is its default.
type Config struct {
	// Listen are multiaddrs; port 0 picks one. Default: none is an error.
	Listen []string
	// Key is the transport key. Required.
	Key crypto.PrivKey
	// Topics are joined at start. Control is always joined.
	Topics []protocol.Topic
	// Peers are full multiaddrs (with /p2p/) to keep connected to.
	Peers []string
	// MDNS finds peers on the local network; off by default.
	MDNS bool
	// Options are appended to the host's own libp2p options (for tests on
	// simulated links).
	Options []libp2p.Option
	// Metrics is where libp2p's, the mesh's and gossip's metrics are registered; nil for nowhere.
	Metrics prometheus.Registerer
}

// Incoming is a record that passed Verify, as gossip delivered it.
type Incoming struct {
	Record *protocol.Record
	// From is the forwarding peer's id in text form.
	From string
}

// Deps are what the host asks of the rest of the node. All functions are called
// concurrently, Known from the validator: in memory, microseconds, no I/O.
type Deps struct {
	// Chains returns the current snapshot of identity chains.
	Chains func() *protocol.Chains
	// AddStatements keeps statements that arrived.
	AddStatements func(...*protocol.Statement)
	// Level is the effective trust level of an organisation now.
	Level func(protocol.OrgID) trust.Level
	// Known says whether the record is already held (dup.held), or another one stands at
	// its place in the key log (log.fork); nil when it is new.
	Known func(*protocol.Record) error
	// Second is shown a verified record at whose place another was accepted so lately that
	// Known may not know of it: together they prove a fork. It must return at once; may be nil.
	Second func(*protocol.Record)
	// Receive takes a record from gossip; it may block for the commit.
	Receive func(context.Context, Incoming)
	// Announcement gives the node's own identity record to announce, nil before there is one.
	Announcement func() *protocol.Record
	// Heads lists the tips of a key's logs that this node holds; nil when it answers nobody.
	Heads func(protocol.OrgID, protocol.KeyID) []protocol.Head
	// RecordAt gives the record at a place of a key log as sent, nil when its body is not held.
	RecordAt func(protocol.OrgID, protocol.KeyID, protocol.Topic, uint64) []byte
	// Invited answers a peer, by its transport id in binary form, that says it was invited; nil when nobody is.
	Invited func(ctx context.Context, from []byte, q InviteRequest) (InviteAnswer, error)
	// Witness cosigns the checkpoint of a peer, by its transport id in binary form; nil when this node witnesses nothing.
	Witness func(ctx context.Context, from []byte, q WitnessRequest) (WitnessAnswer, error)
	// Refused is told of each message that gossip did not take, and why; it must return at once, and may be nil.
	Refused func(protocol.Topic, error)
}

// Host is a running p2p host. Methods may be called concurrently after New.
//
// All fields are set by New and never change; each has a lock of its own where
// it needs one.
type Host struct {
	cfg     Config
	deps    *Deps
	network string
	stop    context.CancelFunc // ends both gossip instances

	host    host.Host
	control *router
	data    *router
	judge   *judge
	peers   *peerTable
	topics  *topicTable
	waiting *waitingRoom
	talk
}

// talk is what the host has for its streams with peers, gossip aside.
type talk struct {
	streams  *streamServers
	arrivals chan string
	sent     *buckets[peer.ID] // bytes in exchanges
	metrics  *gossipMetrics
}

// How often the node's own identity record is announced.
const (
	announceTick  = time.Second      // looks for a change
	announceAgain = 6 * time.Hour    // repeats, for nodes that came since by other ways
	announceRest  = 10 * time.Second // least time between two announcements
)

// New builds the host and binds its listeners; records are read and peers kept
// connected only while Run runs.
func New(cfg Config, deps Deps) (*Host, error) {
	h := &Host{
		cfg:     cfg,
		deps:    &deps,
		network: deps.Chains().Network(),
		judge:   newJudge(&deps),
		peers:   newPeerTable(&deps),
		topics:  newTopicTable(),
		waiting: newWaitingRoom(),
		talk:    talk{arrivals: make(chan string, maxArrivals), sent: newBuckets[peer.ID](), metrics: newGossipMetrics()},
	}
	kept := make([]peer.AddrInfo, 0, len(cfg.Peers))
	for _, addr := range cfg.Peers {
		info, err := peer.AddrInfoFromString(addr)
		if err != nil {
			return nil, reason.Wrap(reason.ConfigInvalid, fmt.Sprintf("peer %q: want a full multiaddr that ends in /p2p/ID", addr), err)
		}
		kept = append(kept, *info)
	}
	meter := &writeMeter{}
	lower, err := newHost(cfg, &gater{peers: h.peers}, meter)
	if err != nil {
		return nil, err
	}
	h.host = lower
	lower.Network().Notify(h.watchConnections())
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	h.streams = newStreamServers(lower, h.peers.blocked, h.services()...)
	if err := errors.Join(h.startGossip(ctx, meter), h.register(cfg.Metrics)); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	for _, info := range kept {
		if info.ID != lower.ID() {
			h.keep(info)
		}
	}
	return h, nil
}

// services are the stream protocols that this host answers.
func (h *Host) services() []service {
	list := []service{identityExchange(h.host, h.deps)}
	if h.deps.Heads != nil {
		list = append(list, headsExchange(h.deps))
	}
	if h.deps.Invited != nil {
		list = append(list, inviteExchange(h.deps))
	}
	if h.deps.Witness != nil {
		list = append(list, witnessExchange(h.deps))
	}
	return list
}

// startGossip builds both instances and joins the configured topics; ctx ends the instances.
func (h *Host) startGossip(ctx context.Context, meter *writeMeter) error {
	var err error
	if h.control, err = newRouter(ctx, h.host, controlProtocol, h.network, h.peers, h.metrics.router("control", h.host.ID()), h.refused); err != nil {
		return err
	}
	if h.data, err = newRouter(ctx, h.host, dataProtocol, h.network, h.peers, h.metrics.router("data", h.host.ID()), h.refused); err != nil {
		return err
	}
	meter.control.Store(h.control.trace)
	meter.data.Store(h.data.trace)
	for _, t := range append([]protocol.Topic{protocol.TopicControl}, h.cfg.Topics...) {
		if err := h.Join(t); err != nil {
			return err
		}
	}
	return nil
}

// Run gossips, keeps configured peers connected and answers streams until ctx
// ends. It returns nil when ctx ended, else the fault.
func (h *Host) Run(ctx context.Context) error {
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error { return h.runTopics(running) })
	g.Go(func() error { return h.runPeers(running) })
	g.Go(func() error { return h.runWaiting(running) })
	g.Go(func() error { return h.runAnnouncements(running) })
	if h.cfg.MDNS {
		g.Go(func() error { return h.runMDNS(running) })
	}
	err := g.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Close releases the listeners and ends gossip. It may be called without Run, and after it returned.
func (h *Host) Close() error {
	h.streams.close()
	h.stop()
	err := h.host.Close()
	h.streams.wait()
	return err
}

// runAnnouncements publishes the node's own identity record on control: once somebody is there
// to hear it, when it changes, and every six hours. A neighbour that comes later
// asks for chains by itself; gossip would not carry the same bytes twice.
func (h *Host) runAnnouncements(ctx context.Context) error {
	tick := time.NewTicker(announceTick)
	defer tick.Stop()
	var last protocol.RecordID
	var at time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		r := h.deps.Announcement()
		j, ok := h.topics.get(protocol.TopicControl)
		if r == nil || !ok || time.Since(at) < announceRest {
			continue
		}
		if r.ID() == last && time.Since(at) < announceAgain || len(j.handle.ListPeers()) == 0 {
			continue
		}
		if err := h.Announce(ctx, r); err != nil {
			log.Warnw("own identity not announced", "record", r.ID(), "err", err)
		}
		last, at = r.ID(), time.Now()
	}
}

// PeerID is the transport id in text form.
func (h *Host) PeerID() string { return h.host.ID().String() }

// Addrs are the full listen addresses, with /p2p/.
func (h *Host) Addrs() []string {
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: h.host.ID(), Addrs: h.host.Addrs()})
	if err != nil {
		return nil // an id of our own always encodes
	}
	list := make([]string, 0, len(addrs))
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return list
}
