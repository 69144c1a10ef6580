package p2p

//bubble: every test in this file runs inside inBubble, where time is virtual.

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// TestLine publishes on a line of three right after they were peered: the far
// end learns record and author although it was never told of either (NET-18).
func TestLine(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(3, fraud)
		r := nodes[0].publish(t, fraud, 1000)
		waitFor(t, 2*time.Second, "record at the far end", func() bool { return nodes[2].has(r.ID()) })
		if !nodes[2].knows(nodes[0].author.Org) {
			t.Error("the far end does not know the author")
		}
		if nodes[0].count() != 0 {
			t.Error("the author received its own record")
		}
		if in := nodes[2].held[r.ID()]; in.From != nodes[1].PeerID() {
			t.Errorf("record came from %s, want the middle node", in.From)
		}
	})
}

// TestIdentitySpreads: chains reach everybody, by announcement or by asking, and a node that
// comes later gets all of them from its first neighbour (NET-18, NET-19).
func TestIdentitySpreads(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		nodes := m.line(3)
		waitFor(t, 15*time.Second, "chains everywhere", func() bool {
			return nodes[0].knows(nodes[2].author.Org) && nodes[2].knows(nodes[0].author.Org)
		})
		late := m.node()
		time.Sleep(announceRest + 5*time.Second) // nobody to announce to: it must not count as done
		m.connect(late, nodes[2])
		for i, n := range nodes {
			if !late.knows(n.author.Org) {
				t.Errorf("after connecting, node %d is unknown", i)
			}
		}
		waitFor(t, 10*time.Second, "the late node's announcement everywhere", func() bool { return nodes[0].has(late.announce.ID()) })
		renewed := late.author.identity(t)
		late.mu.Lock()
		late.announce = renewed
		late.mu.Unlock()
		waitFor(t, announceRest+5*time.Second, "a changed identity everywhere", func() bool { return nodes[0].has(renewed.ID()) })
	})
}

// TestUnknownCertificate: a record whose signer nobody but the forwarder knows is asked for,
// received, and passed on to those behind (NET-14).
func TestUnknownCertificate(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(3, fraud)
		stranger := newAuthor(t)
		nodes[0].deps().AddStatements(stranger.Statements...)
		r := stranger.sign(t, fraud, 500)
		if err := nodes[0].Announce(m.ctx, r); err != nil {
			t.Fatal(err)
		}
		// Two hops, each asks once and goes on as soon as the chain is there.
		waitFor(t, 500*time.Millisecond, "record at the far end", func() bool { return nodes[2].has(r.ID()) })
		for i, n := range nodes[1:] {
			if n.Waiting() != 0 {
				t.Errorf("node %d still has %d records waiting", i+1, n.Waiting())
			}
		}
		time.Sleep(2 * time.Second)
		if p := nodes[1].peer(t, nodes[0]); p.Score < 0 || p.Rejected != 0 {
			t.Errorf("the forwarder was punished: %+v", p)
		}
	})
}

// TestUnknownForever: what nobody can vouch for waits a minute and goes, at nobody's cost (NET-14).
func TestUnknownForever(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(2, fraud)
		if err := nodes[0].Announce(m.ctx, newAuthor(t).sign(t, fraud, 500)); err != nil {
			t.Fatal(err)
		}
		waitFor(t, time.Second, "a waiting record", func() bool { return nodes[1].Waiting() == 1 })
		waitFor(t, 65*time.Second, "an empty waiting room", func() bool { return nodes[1].Waiting() == 0 })
		if nodes[1].count() > 1 { // the announcement
			t.Error("a record of an unknown signer was received")
		}
		if p := nodes[1].peer(t, nodes[0]); p.Score < 0 || p.Rejected != 0 {
			t.Errorf("the forwarder was punished: %+v", p)
		}
	})
}

// TestLeaveJoin: what is left is not received, what is joined again is.
func TestLeaveJoin(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(2, fraud)
		if err := nodes[1].Join(fraud); err != nil {
			t.Errorf("joining twice: %v", err)
		}
		if err := nodes[1].Leave(fraud); err != nil {
			t.Fatal(err)
		}
		if err := nodes[1].Leave(fraud); err != nil {
			t.Errorf("leaving twice: %v", err)
		}
		time.Sleep(time.Second)
		missed := nodes[0].publish(t, fraud, 300)
		if err := nodes[1].Announce(m.ctx, nodes[1].author.sign(t, fraud, 300)); reason.Of(err) != reason.TopicUnknown {
			t.Errorf("announce on a topic that was left: %v", err)
		}
		time.Sleep(15 * time.Second) // past the backoff of those who unsubscribed
		if err := nodes[1].Join(fraud); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		got := nodes[0].publish(t, fraud, 300)
		waitFor(t, 3*time.Second, "a record after joining again", func() bool { return nodes[1].has(got.ID()) })
		if nodes[1].has(missed.ID()) {
			t.Error("a record arrived on a topic that was left")
		}
		if err := nodes[1].Leave(protocol.TopicControl); reason.Of(err) != reason.Conflict {
			t.Errorf("leave control: %v", err)
		}
	})
}

// TestMaxTopics: at the limit and one above.
func TestMaxTopics(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node()
		for i := 1; i < maxTopics; i++ { // control is one of them
			if err := n.Join(topic(t, fmt.Sprintf("t%d", i))); err != nil {
				t.Fatalf("topic %d: %v", i, err)
			}
		}
		if err := n.Join(topic(t, "more")); reason.Of(err) != reason.Conflict {
			t.Errorf("topic %d: %v", maxTopics+1, err)
		}
		if len(n.Topics()) != maxTopics {
			t.Errorf("%d topics, want %d", len(n.Topics()), maxTopics)
		}
	})
}

// TestAnnounceLimits: a record above the gossip limit is for catch-up (NET-05).
func TestAnnounceLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(2, fraud)
		large := nodes[0].author.sign(t, fraud, protocol.MaxGossipBytes+4096)
		if err := nodes[0].Announce(m.ctx, large); reason.Of(err) != reason.GossipSize {
			t.Errorf("announce %d bytes: %v", len(large.Raw()), err)
		}
		fits := nodes[0].publish(t, fraud, protocol.MaxGossipBytes*9/10)
		waitFor(t, 5*time.Second, "a large record", func() bool { return nodes[1].has(fits.ID()) })
	})
}

// TestBlocked: records of a blocked organisation are not received or relayed, its
// peers get no slot, and the neighbour that forwards them loses nothing (NET-08).
func TestBlocked(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(3, fraud)
		nodes[1].list(nodes[0].author, trust.Blocked)
		r := nodes[0].publish(t, fraud, 300)
		time.Sleep(3 * time.Second)
		if nodes[1].has(r.ID()) || nodes[2].has(r.ID()) {
			t.Error("a blocked organisation's record went through")
		}
		for _, p := range nodes[1].Peers() {
			if p.Rejected != 0 {
				t.Errorf("blocked counted as invalid: %+v", p)
			}
		}
	})
}

// TestReconnect: a kept peer is dialled again when the connection breaks, and when it comes up later.
func TestReconnect(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(2, fraud)
		id := must[peer.ID](t)(peer.Decode(nodes[0].PeerID()))
		if err := nodes[1].host.Network().ClosePeer(id); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 5*time.Second, "the loss", func() bool { return !nodes[0].peer(t, nodes[1]).Connected })
		waitFor(t, 20*time.Second, "a new connection", func() bool { return nodes[0].peer(t, nodes[1]).Connected })
		r := nodes[0].publish(t, fraud, 300)
		waitFor(t, 5*time.Second, "a record over the new connection", func() bool { return nodes[1].has(r.ID()) })
	})
}

// TestPeerNotThere: a peer that is down is kept, its error shown, and no publish waits for it.
func TestPeerNotThere(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		_, id := newTransportKey(t)
		gone := "/ip4/1.2.3.4/udp/8469/quic-v1/p2p/" + id.String()
		n := m.nodeWith(Config{Topics: []protocol.Topic{fraud}, Peers: []string{gone}})
		waitFor(t, time.Minute, "an error to show", func() bool { return n.Peers()[0].LastError != "" })
		if p := n.Peers()[0]; p.Connected || !p.Kept || p.ID != id.String() {
			t.Errorf("peer that is down: %+v", p)
		}
		started := time.Now()
		n.publish(t, fraud, 300)
		if d := time.Since(started); d > time.Second {
			t.Errorf("publishing waited %v for a peer that is down", d)
		}
		if _, err := n.Connect(m.ctx, gone); reason.Of(err) != reason.PeerDial {
			t.Errorf("connect to a peer that is down: %v", err)
		}
		for _, bad := range []string{"", "/ip4/1.2.3.4/tcp/1", "nonsense", "/p2p/" + id.String(), n.Addrs()[0]} {
			if _, err := n.Connect(m.ctx, bad); reason.Of(err) != reason.PeerDial {
				t.Errorf("connect to %q: %v", bad, err)
			}
		}
		if !n.host.ConnManager().IsProtected(id, protectListed) {
			t.Error("a kept peer may be trimmed")
		}
		if err := n.Disconnect(id.String()); err != nil {
			t.Error(err)
		}
		if n.host.ConnManager().IsProtected(id, protectListed) {
			t.Error("a peer that is not kept any more is protected")
		}
		if err := n.Disconnect(id.String()); reason.Of(err) != reason.NotFound {
			t.Errorf("disconnect twice: %v", err)
		}
		if len(n.Peers()) != 0 {
			t.Errorf("after disconnecting: %+v", n.Peers())
		}
	})
}

// TestPublishAtOnce: right after Connect returns, no record is lost.
func TestPublishAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		a, b := m.node(fraud), m.node(fraud)
		m.connect(a, b)
		var last *protocol.Record
		for range 20 {
			last = b.publish(t, fraud, 300)
		}
		waitFor(t, 3*time.Second, "all records", func() bool { return a.count() >= 20 && a.has(last.ID()) })
		info := a.peer(t, b)
		if info.Topics != 2 || info.Mesh != 2 || !info.OrgKnown || info.Org != b.author.Org || !info.Connected || !info.Kept || info.Latency == 0 {
			t.Errorf("peer after Connect: %+v", info)
		}
		for _, ti := range a.Topics() {
			if ti.Peers != 1 || ti.Mesh != 1 || ti.Received == 0 && ti.Topic == fraud {
				t.Errorf("topic after Connect: %+v", ti)
			}
			if got := a.Readers(ti.Topic); len(got) != 1 || got[0] != b.PeerID() {
				t.Errorf("readers of %s: %v", ti.Topic, got)
			}
		}
	})
}

// TestProtectListed: peers of listed organisations are protected while they are listed.
func TestProtectListed(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		nodes := m.line(2)
		id := must[peer.ID](t)(peer.Decode(nodes[0].PeerID()))
		protected := func() bool { return nodes[1].host.ConnManager().IsProtected(id, protectListed) }
		if protected() {
			t.Error("a stranger is protected")
		}
		nodes[1].list(nodes[0].author, trust.Observed)
		waitFor(t, standingTick+time.Second, "protection", protected)
		nodes[1].list(nodes[0].author, trust.Unknown)
		waitFor(t, standingTick+time.Second, "no protection", func() bool { return !protected() })
	})
}

// TestConfig refuses what cannot work, with the host not left half open.
func TestConfig(t *testing.T) {
	key, id := newTransportKey(t)
	deps := newNode(t, id).deps()
	for name, cfg := range map[string]Config{
		"no address":    {Key: key},
		"no key":        {Listen: []string{"/ip4/127.0.0.1/tcp/0"}},
		"bad peer":      {Key: key, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Peers: []string{"/ip4/127.0.0.1/tcp/1"}},
		"bad address":   {Key: key, Listen: []string{"localhost:1"}},
		"websocket":     {Key: key, Listen: []string{"/ip4/127.0.0.1/tcp/0/ws"}},
		"web transport": {Key: key, Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1/webtransport"}},
	} {
		h, err := New(cfg, deps)
		if err == nil {
			t.Errorf("%s: a host listens on %v", name, h.Addrs())
			_ = h.Close()
		}
	}
}

// TestCloseWithoutRun releases everything: the bubble fails on any goroutine left.
func TestCloseWithoutRun(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		key, id := newTransportKey(t)
		addr, option := m.address()
		n := newNode(t, id)
		h, err := New(Config{Listen: []string{addr}, Key: key, Options: []libp2p.Option{option}}, n.deps())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestServerRate: one peer cannot make us serve chains without end (NET-15, NET-17).
func TestServerRate(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node()
		h := m.stranger()
		info := must[*peer.AddrInfo](t)(peer.AddrInfoFromString(n.Addrs()[0]))
		if err := h.Connect(m.ctx, *info); err != nil {
			t.Fatal(err)
		}
		request := must[[]byte](t)(EncodeMessage(&chainRequest{Known: []knownChain{}}))
		served := 0
		for range identityServe.burst * 2 {
			if raw, err := ask(m.ctx, h, info.ID, request); err == nil && len(raw) > 0 {
				served++
			}
		}
		if served < identityServe.burst-1 || served > identityServe.burst+5 {
			t.Errorf("%d requests served, want about %d", served, identityServe.burst)
		}
	})
}

// ask opens an identity stream by hand.
func ask(ctx context.Context, h host.Host, p peer.ID, request []byte) ([]byte, error) {
	s, err := h.NewStream(ctx, p, identityProtocol)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Reset() }()
	raw, _, err := exchangeOn(s, identityBounds(), request, maxChainResponse)
	return raw, err
}
