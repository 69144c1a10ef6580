package p2p

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
	"github.com/multiformats/go-multiaddr"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// What every test of this package uses: organisations with real chains, and real hosts on simulated
// links in virtual time.

const testNetwork = "test"

func topic(t testing.TB, name string) protocol.Topic {
	t.Helper()
	parsed, err := protocol.ParseTopic(name)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// author is an organisation with one record key.
type author struct {
	*protocoltest.Author
	mu sync.Mutex // guards the logs of Author
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newAuthor founds an organisation that certifies the given peers.
func newAuthor(t testing.TB, peers ...peer.ID) *author {
	t.Helper()
	a, err := protocoltest.Found(testNetwork, "CERT Example", time.Now(), rand.Reader, func(c *protocol.Certificate) {
		c.PeerIDs = nil
		for _, p := range peers {
			c.PeerIDs = append(c.PeerIDs, []byte(p))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return &author{Author: a}
}

// sign makes the next record of a's log on topic with n bytes of incompressible object.
func (a *author) sign(t testing.TB, on protocol.Topic, n int) *protocol.Record {
	t.Helper()
	noise := make([]byte, n/2)
	_, _ = rand.Read(noise)
	return a.append(t, protocol.Draft{
		Topic: on, Kind: protocol.KindObjects,
		Objects: [][]byte{fmt.Appendf(nil, `{"type":"note","id":"note--00000000-0000-4000-8000-000000000000","x":"%x"}`, noise)},
	})
}

// identity makes a's identity record.
func (a *author) identity(t testing.TB) *protocol.Record {
	t.Helper()
	return a.append(t, protocol.Draft{Topic: protocol.TopicControl, Kind: protocol.KindIdentity, Statements: a.Statements})
}

func (a *author) append(t testing.TB, d protocol.Draft) *protocol.Record {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	d.Created = time.Now()
	d.Expires = d.Created.Add(24 * time.Hour)
	return must[*protocol.Record](t)(a.Record(d))
}

// testNode is a host with the rest of the node played by maps.
type testNode struct {
	*Host
	author *author

	mu       sync.Mutex // guards all below
	chains   *protocol.Chains
	levels   map[protocol.OrgID]trust.Level
	held     map[protocol.RecordID]Incoming
	order    []protocol.RecordID
	announce *protocol.Record
}

func (n *testNode) deps() Deps {
	return Deps{
		Chains: func() *protocol.Chains { n.mu.Lock(); defer n.mu.Unlock(); return n.chains },
		AddStatements: func(s ...*protocol.Statement) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.chains, _, _ = n.chains.With(s...)
		},
		Level: func(id protocol.OrgID) trust.Level { n.mu.Lock(); defer n.mu.Unlock(); return n.levels[id] },
		Known: func(r *protocol.Record) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			if _, ok := n.held[r.ID()]; ok {
				return reason.New(reason.DupHeld, "held")
			}
			return nil
		},
		Receive: func(_ context.Context, in Incoming) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.held[in.Record.ID()] = in
			n.order = append(n.order, in.Record.ID())
		},
		Announcement: func() *protocol.Record { n.mu.Lock(); defer n.mu.Unlock(); return n.announce },
		Heads:        n.heads,
		RecordAt:     n.recordAt,
	}
}

// heads are the tips of a key's logs among what n holds.
func (n *testNode) heads(org protocol.OrgID, key protocol.KeyID) (list []protocol.Head) {
	n.mu.Lock()
	defer n.mu.Unlock()
	tips := map[protocol.Topic]*protocol.Record{}
	for _, in := range n.held {
		h := in.Record.Header()
		if tip := tips[h.Topic]; in.Record.Key() == key && in.Record.Org() == org && (tip == nil || tip.Header().Sequence < h.Sequence) {
			tips[h.Topic] = in.Record
		}
	}
	for on, r := range tips {
		list = append(list, protocol.Head{Key: key, Topic: on, Sequence: r.Header().Sequence, ID: r.ID()})
	}
	return list
}

func (n *testNode) recordAt(org protocol.OrgID, key protocol.KeyID, on protocol.Topic, sequence uint64) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, in := range n.held {
		if h := in.Record.Header(); in.Record.Key() == key && in.Record.Org() == org && h.Topic == on && h.Sequence == sequence {
			return in.Record.Raw()
		}
	}
	return nil
}

func (n *testNode) has(id protocol.RecordID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.held[id]
	return ok
}

func (n *testNode) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.order)
}

func (n *testNode) knows(id protocol.OrgID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.chains.Org(id)
	return ok
}

func (n *testNode) list(a *author, l trust.Level) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.levels[a.Org] = l
}

// publish signs a record of n bytes and announces it, as the outbox would.
func (n *testNode) publish(t testing.TB, on protocol.Topic, size int) *protocol.Record {
	t.Helper()
	r := n.author.sign(t, on, size)
	n.mu.Lock()
	n.held[r.ID()] = Incoming{Record: r, From: "local"}
	n.mu.Unlock()
	if err := n.Announce(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// peer finds what n knows of another node.
func (n *testNode) peer(t testing.TB, other *testNode) PeerInfo {
	t.Helper()
	for _, p := range n.Peers() {
		if p.ID == other.PeerID() {
			return p
		}
	}
	t.Fatalf("%s does not know %s", n.PeerID(), other.PeerID())
	return PeerInfo{}
}

// mesh is a simulated network of hosts; it lives in a synctest bubble.
type mesh struct {
	t      *testing.T
	net    *simnet.Simnet
	stop   context.CancelFunc
	ctx    context.Context
	wg     sync.WaitGroup
	closed []func()
	next   int
	silent sync.Map // addresses whose packets are lost
	link   simnet.NodeBiDiLinkSettings
}

// linkOf is a connection of so many Mbit/s both ways.
func linkOf(mbps int) simnet.NodeBiDiLinkSettings {
	s := simnet.LinkSettings{BitsPerSecond: mbps * simlibp2p.OneMbps}
	return simnet.NodeBiDiLinkSettings{Downlink: s, Uplink: s}
}

// inBubble runs f with a mesh in virtual time; every goroutine must end before it returns.
func inBubble(t *testing.T, f func(t *testing.T, m *mesh)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t, link: linkOf(1000)}
		m.net = &simnet.Simnet{LatencyFunc: m.latency, Logger: slog.New(slog.DiscardHandler)}
		m.ctx, m.stop = context.WithCancel(context.Background())
		m.net.Start()
		defer m.close()
		f(t, m)
	})
}

// latency is how long a packet is under way; one from or to a node that was silenced does not arrive.
func (m *mesh) latency(p *simnet.Packet) time.Duration {
	_, from := m.silent.Load(p.From.String())
	_, to := m.silent.Load(p.To.String())
	if from || to {
		return 10_000 * time.Hour
	}
	return 10 * time.Millisecond
}

// silence has a node vanish as in a crash: nobody is told.
func (m *mesh) silence(n *testNode) {
	m.t.Helper()
	udp, err := multiaddr.NewMultiaddr(n.Addrs()[0])
	if err != nil {
		m.t.Fatal(err)
	}
	ip, err := udp.ValueForProtocol(multiaddr.P_IP4)
	if err != nil {
		m.t.Fatal(err)
	}
	m.silent.Store(ip+":8469", true)
}

func (m *mesh) close() {
	m.stop()
	m.wg.Wait()
	for _, c := range m.closed {
		c()
	}
	m.net.Close()
}

// address gives the next free simulated address, as listen multiaddr and libp2p option.
func (m *mesh) address() (string, libp2p.Option) {
	addr := fmt.Sprintf("/ip4/%s/udp/8469/quic-v1", simnet.IntToPublicIPv4(m.next))
	m.next++
	return addr, simlibp2p.QUICSimnet(m.net, m.link)
}

func newTransportKey(t testing.TB) (crypto.PrivKey, peer.ID) {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, must[peer.ID](t)(peer.IDFromPrivateKey(key))
}

// newNode makes a node's parts without a host; it knows its own chain only.
func newNode(t testing.TB, id peer.ID) *testNode {
	t.Helper()
	n := &testNode{
		author: newAuthor(t, id),
		levels: make(map[protocol.OrgID]trust.Level),
		held:   make(map[protocol.RecordID]Incoming),
	}
	n.chains, _, _ = protocol.NewChains(testNetwork).With(n.author.Statements...)
	n.announce = n.author.identity(t)
	return n
}

// node starts a node with the given topics.
func (m *mesh) node(topics ...protocol.Topic) *testNode { return m.nodeWith(Config{Topics: topics}) }

func (m *mesh) nodeWith(cfg Config) *testNode {
	m.t.Helper()
	key, id := newTransportKey(m.t)
	n := newNode(m.t, id)
	addr, option := m.address()
	cfg.Listen, cfg.Key, cfg.Options = []string{addr}, key, []libp2p.Option{option}
	h, err := New(cfg, n.deps())
	if err != nil {
		m.t.Fatal(err)
	}
	n.Host = h
	m.run(h)
	return n
}

func (m *mesh) run(h *Host) {
	m.wg.Go(func() {
		if err := h.Run(m.ctx); err != nil {
			m.t.Errorf("run: %v", err)
		}
	})
	m.closed = append(m.closed, func() {
		if err := h.Close(); err != nil {
			m.t.Errorf("close: %v", err)
		}
	})
}

// connect peers a with b as `peers add` does.
func (m *mesh) connect(a, b *testNode) {
	m.t.Helper()
	if _, err := a.Connect(m.ctx, b.Addrs()[0]); err != nil {
		m.t.Fatal(err)
	}
}

// line makes n nodes, each connected to the next.
func (m *mesh) line(n int, topics ...protocol.Topic) []*testNode {
	m.t.Helper()
	nodes := make([]*testNode, n)
	for i := range nodes {
		nodes[i] = m.node(topics...)
		if i > 0 {
			m.connect(nodes[i-1], nodes[i])
		}
	}
	return nodes
}

// stranger is a libp2p host of its own on the network, for attackers.
func (m *mesh) stranger() host.Host {
	m.t.Helper()
	addr, option := m.address()
	h, err := libp2p.New(libp2p.ListenAddrStrings(addr), option, libp2p.DisableRelay(), libp2p.DisableMetrics())
	if err != nil {
		m.t.Fatal(err)
	}
	m.closed = append(m.closed, func() { _ = h.Close() })
	return h
}

// waitFor lets virtual time pass until done, at most limit.
func waitFor(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
	}
}
