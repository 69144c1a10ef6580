// Package p2p is the node's face to the mesh: a libp2p host (QUIC and TCP), two
// GossipSub instances (control, and everything else), peers, and the exchange of identity
// chains. It verifies and relays; it does not store and does not believe.
package p2p

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"

	"tocsin/protocol"
	"tocsin/protocol/trust"
)

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
	// Receive takes a record from gossip; it may block for the commit.
	Receive func(context.Context, Incoming)
	// Announcement gives the node's own identity record to announce, nil before there is one.
	Announcement func() *protocol.Record
}

// Host is a running p2p host. Methods may be called concurrently after New.
type Host struct{}

// New builds the host and binds its listeners; nothing runs before Run.
func New(cfg Config, deps Deps) (*Host, error) { panic("unwritten") }

// Run gossips, keeps configured peers connected and answers streams until ctx
// ends. It returns nil when ctx ended, else the fault.
func (h *Host) Run(ctx context.Context) error { panic("unwritten") }

// Close releases the listeners.
func (h *Host) Close() error { panic("unwritten") }

// Announce publishes an own or accepted record to the mesh. A record above the gossip limit gives
// gossip.size: it is for catch-up.
func (h *Host) Announce(ctx context.Context, r *protocol.Record) error { panic("unwritten") }

// PeerID is the transport id in text form.
func (h *Host) PeerID() string { panic("unwritten") }

// Addrs are the full listen addresses, with /p2p/.
func (h *Host) Addrs() []string { panic("unwritten") }

// Connect dials a full multiaddr, keeps the peer from now on, exchanges chains and waits (at most 5 s) until
// both sides know each other's topics. Errors carry peer.dial.
func (h *Host) Connect(ctx context.Context, addr string) (peerID string, err error) {
	panic("unwritten")
}

// Disconnect stops keeping a peer and closes its connections; not.found when it is neither kept nor connected.
func (h *Host) Disconnect(peerID string) error { panic("unwritten") }

// Join joins a topic; joining twice is no error.
func (h *Host) Join(t protocol.Topic) error { panic("unwritten") }

// Leave leaves a topic; control cannot be left (conflict).
func (h *Host) Leave(t protocol.Topic) error { panic("unwritten") }

// PeerInfo is a plain snapshot of one peer.
type PeerInfo struct {
	ID        string
	Org       protocol.OrgID
	OrgKnown  bool
	Addrs     []string
	Connected bool
	Kept      bool // configured or added: reconnected when lost
	Since     time.Time
	Score     float64
	Topics    int // topics in common
	Mesh      int // of them, in the mesh
	Latency   time.Duration
	Rejected  int // invalid messages from it
	LastError string
}

// Peers returns a snapshot of connected and kept peers.
func (h *Host) Peers() []PeerInfo { panic("unwritten") }

// TopicInfo is a plain snapshot of one joined topic.
type TopicInfo struct {
	Topic      protocol.Topic
	Peers      int // subscribed peers that we see
	Mesh       int // of them, in our mesh
	Received   uint64
	Rejected   uint64
	Ignored    uint64
	LastRecord time.Time
}

// Topics returns a snapshot of joined topics in name order.
func (h *Host) Topics() []TopicInfo { panic("unwritten") }

// Waiting counts records that wait for their signer's chain.
func (h *Host) Waiting() int { panic("unwritten") }
