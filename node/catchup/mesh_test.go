package catchup

//bubble: every test that uses inBubble runs in virtual time.

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"slices"
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

	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const testNetwork = "test"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testNode is a real host, a real store in memory and a keeper; the way in stores everything as accepted.
type testNode struct {
	*Keeper
	*protocoltest.Author
	host *p2p.Host

	mu     sync.Mutex // guards all below
	chains *protocol.Chains
	levels map[protocol.OrgID]trust.Level
	refuse func(*protocol.Record) error
	// came counts what the way in was given, by record; bytes are those of records.
	came map[protocol.RecordID]int
	from map[string]int
}

func (n *testNode) level(id protocol.OrgID) trust.Level {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.levels[id]
}

func (n *testNode) list(org protocol.OrgID, l trust.Level) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.levels[org] = l
}

func (n *testNode) refuseWith(f func(*protocol.Record) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuse = f
}

func (n *testNode) learn(s ...*protocol.Statement) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.chains, _, _ = n.chains.With(s...)
}

func (n *testNode) known() *protocol.Chains {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.chains
}

func (n *testNode) receive(ctx context.Context, r *protocol.Record, from string) error {
	n.mu.Lock()
	n.came[r.ID()]++
	n.from[from]++
	refuse := n.refuse
	n.mu.Unlock()
	if refuse != nil {
		if err := refuse(r); err != nil {
			return err
		}
	}
	return n.put(ctx, r, from)
}

func (n *testNode) put(ctx context.Context, r *protocol.Record, from string) error {
	e := storage.Entry{Record: r, State: storage.Accepted, Received: time.Now(), From: from}
	switch {
	case r.HeaderOnly():
		e.State, e.Reason = storage.Refused, reason.ObjectMissing
	case r.Header().Kind == protocol.KindObjects:
		for i := range r.Header().Count {
			l := storage.Leaf{Object: fmt.Sprintf("note--00000000-0000-4000-8000-%012d", i), Type: "note", State: storage.Accepted, Confidence: -1, Modified: r.Header().Created}
			if slices.Contains(r.Missing(), i) {
				l = storage.Leaf{State: storage.Refused, Reason: reason.ObjectMissing, Confidence: -1, Modified: r.Header().Created}
			}
			e.Leaves = append(e.Leaves, l)
		}
	}
	return n.d.Store.Accept(ctx, e)
}

// form is what n has of a record.
func (n *testNode) form(id protocol.RecordID) storage.Form {
	f, _, err := n.d.Store.Fetch(id)
	if err != nil {
		return 0
	}
	return f
}

// notes makes a draft one of so many objects of n bytes that do not compress.
func notes(count, n int) func(*protocol.Draft) {
	return func(d *protocol.Draft) {
		d.Kind, d.Body, d.Objects = protocol.KindObjects, nil, nil
		for i := range count {
			noise := make([]byte, n/2)
			_, _ = rand.Read(noise)
			d.Objects = append(d.Objects, fmt.Appendf(nil, `{"type":"note","id":"note--00000000-0000-4000-8000-%012d","x":"%x"}`, i, noise))
		}
	}
}

// twice counts records that came more than once.
func (n *testNode) twice() (twice int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, times := range n.came {
		if times > 1 {
			twice++
		}
	}
	return twice
}

func (n *testNode) records() int { return n.d.Store.Counts().Records }

// mesh is a simulated network; it lives in a bubble.
type mesh struct {
	t      *testing.T
	net    *simnet.Simnet
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	closed []func()
	next   int
}

func inBubble(t *testing.T, f func(t *testing.T, m *mesh)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &mesh{t: t, net: &simnet.Simnet{
			LatencyFunc: simnet.StaticLatency(10 * time.Millisecond),
			Logger:      slog.New(slog.NewTextHandler(io.Discard, nil)),
		}}
		m.ctx, m.stop = context.WithCancel(t.Context())
		m.net.Start()
		defer m.close()
		f(t, m)
	})
}

func (m *mesh) close() {
	m.stop()
	m.wg.Wait()
	for _, c := range m.closed {
		c()
	}
	m.net.Close()
}

func (m *mesh) address() (string, libp2p.Option) {
	addr := fmt.Sprintf("/ip4/%s/udp/8469/quic-v1", simnet.IntToPublicIPv4(m.next))
	m.next++
	link := simnet.LinkSettings{BitsPerSecond: 1000 * simlibp2p.OneMbps}
	return addr, simlibp2p.QUICSimnet(m.net, simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link})
}

func drill() protocol.Topic { return protocol.TopicDrill }

// node makes a node that takes part in drill. Its keeper answers; it asks only when run says so.
func (m *mesh) node() *testNode {
	m.t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	check(m.t, err)
	id, err := peer.IDFromPrivateKey(key)
	check(m.t, err)
	author := found(m.t, id)
	n := &testNode{Author: author, levels: map[protocol.OrgID]trust.Level{}, came: map[protocol.RecordID]int{}, from: map[string]int{}}
	n.chains, _, _ = protocol.NewChains(testNetwork).With(author.Statements...)
	store, err := storage.Open("", storage.Options{Memory: true, Network: testNetwork})
	check(m.t, err)
	addr, option := m.address()
	n.host, err = p2p.New(p2p.Config{Listen: []string{addr}, Key: key, Topics: []protocol.Topic{drill()}, Options: []libp2p.Option{option}},
		p2p.Deps{
			Chains: n.known, AddStatements: n.learn, Level: n.level,
			Known: func(r *protocol.Record) error {
				if store.Has(r.ID()) {
					return reason.New(reason.DupHeld, "held")
				}
				return nil
			},
			Receive:      func(ctx context.Context, in p2p.Incoming) { _ = n.put(ctx, in.Record, in.From) },
			Announcement: func() *protocol.Record { return nil },
		})
	check(m.t, err)
	n.Keeper = New(Deps{
		Host: n.host, Store: store, Chains: n.known, Topics: func() []protocol.Topic { return []protocol.Topic{protocol.TopicControl, drill()} },
		Receive: n.receive, Listed: func(org protocol.OrgID) bool { return n.level(org) >= trust.Observed },
	})
	m.wg.Go(func() {
		if err := n.host.Run(m.ctx); err != nil {
			m.t.Errorf("run: %v", err)
		}
	})
	m.closed = append(m.closed, func() {
		check(m.t, n.host.Close())
		check(m.t, store.Close())
	})
	return n
}

// run lets a node's keeper work by its schedule until stop is called or the mesh ends.
func (m *mesh) run(n *testNode) (stop func()) {
	ctx, cancel := context.WithCancel(m.ctx)
	var running sync.WaitGroup
	running.Go(func() { check(m.t, n.Run(ctx)) })
	stop = func() { cancel(); running.Wait() }
	m.wg.Go(running.Wait)
	return stop
}

func (m *mesh) connect(a, b *testNode) {
	m.t.Helper()
	_, err := a.host.Connect(m.ctx, b.host.Addrs()[0])
	check(m.t, err)
}

// stranger is a bare libp2p host connected to n, for attackers.
func (m *mesh) stranger(n *testNode) host.Host {
	m.t.Helper()
	addr, option := m.address()
	h, err := libp2p.New(libp2p.ListenAddrStrings(addr), option, libp2p.DisableRelay(), libp2p.DisableMetrics())
	check(m.t, err)
	m.closed = append(m.closed, func() { _ = h.Close() })
	info, err := peer.AddrInfoFromString(n.host.Addrs()[0])
	check(m.t, err)
	check(m.t, h.Connect(m.ctx, *info))
	return h
}

// found makes an organisation whose certificate holds from long ago.
func found(t testing.TB, peers ...peer.ID) *protocoltest.Author {
	t.Helper()
	a, err := protocoltest.Found(testNetwork, "CERT", time.Now(), rand.Reader, func(c *protocol.Certificate) {
		c.PeerIDs = nil
		for _, p := range peers {
			c.PeerIDs = append(c.PeerIDs, []byte(p))
		}
	})
	check(t, err)
	return a
}

// signed makes n small records on drill, created an hour ago and later, each a second apart.
func signed(t testing.TB, a *protocoltest.Author, n int, change ...func(*protocol.Draft)) []*protocol.Record {
	t.Helper()
	start := time.Now().Add(-time.Hour)
	list := make([]*protocol.Record, n)
	for i := range list {
		d := protocol.Draft{
			Topic: drill(), Kind: 77, Body: fmt.Appendf(nil, "later %d", i), Rand: rand.Reader,
			Created: start.Add(time.Duration(i) * 100 * time.Millisecond), Expires: start.Add(24 * time.Hour),
		}
		for _, edit := range change {
			edit(&d)
		}
		r, err := a.Record(d)
		check(t, err)
		list[i] = r
	}
	return list
}

// hold puts records into a node's store, and the chain that they need into its chains.
func (n *testNode) hold(t testing.TB, a *protocoltest.Author, records ...*protocol.Record) {
	t.Helper()
	n.learn(a.Statements...)
	var wg sync.WaitGroup
	for _, r := range records {
		wg.Go(func() { check(t, n.put(context.Background(), r, "local")) })
	}
	wg.Wait()
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
