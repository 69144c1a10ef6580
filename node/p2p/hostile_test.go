package p2p

//bubble: every test in this file runs inside inBubble, where time is virtual.

import (
	"strings"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"

	"tocsin/protocol"
)

// attacker speaks our protocols and checks nothing.
type attacker struct {
	id     peer.ID
	host   host.Host
	data   *pubsub.PubSub
	topics map[protocol.Topic]*pubsub.Topic
}

// attacker connects a raw host to n. A score of its own keeps it sending whatever it is told.
func (m *mesh) attacker(n *testNode, topics ...protocol.Topic) *attacker {
	m.t.Helper()
	h := m.stranger()
	a := &attacker{id: h.ID(), host: h, topics: make(map[protocol.Topic]*pubsub.Topic)}
	for _, id := range []libp2pproto.ID{controlProtocol, dataProtocol} {
		ps, err := pubsub.NewGossipSub(m.ctx, h,
			pubsub.WithGossipSubProtocols([]libp2pproto.ID{id}, features), pubsub.WithFloodPublish(true),
			pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(), pubsub.WithMessageIdFn(messageID))
		if err != nil {
			m.t.Fatal(err)
		}
		if id == dataProtocol {
			a.data = ps
		}
		for _, on := range topics {
			if (on == protocol.TopicControl) != (id == controlProtocol) {
				continue
			}
			handle, err := ps.Join(on.Path(testNetwork))
			if err != nil {
				m.t.Fatal(err)
			}
			if _, err := handle.Subscribe(); err != nil {
				m.t.Fatal(err)
			}
			a.topics[on] = handle
		}
	}
	info := must[*peer.AddrInfo](m.t)(peer.AddrInfoFromString(n.Addrs()[0]))
	if err := h.Connect(m.ctx, *info); err != nil {
		m.t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	return a
}

func (a *attacker) send(t testing.TB, on protocol.Topic, raw []byte) {
	t.Helper()
	if err := a.topics[on].Publish(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
}

// scoreOf is n's score of a peer that need not be a node.
func scoreOf(n *testNode, id peer.ID) (score float64, rejected int) {
	for _, p := range n.Peers() {
		if p.ID == id.String() {
			return p.Score, p.Rejected
		}
	}
	return 0, 0
}

// TestHostile sends what no conforming node relays: each kind is rejected, the fourth graylists the
// sender, and nobody honest loses a point (NET-05, NET-06, NET-07, NET-09).
func TestHostile(t *testing.T) {
	fraud, other := topic(t, "fraud"), topic(t, "vulnerable")
	spoil := map[string]func(*testing.T, *author) []byte{
		"bad signature": func(t *testing.T, a *author) []byte {
			r := a.sign(t, fraud, 300)
			raw := append([]byte(nil), r.Raw()...)
			raw[len(raw)-r.Header().BodyLength-1] ^= 1 // the signature ends the header
			return raw
		},
		"flipped body": func(t *testing.T, a *author) []byte {
			raw := append([]byte(nil), a.sign(t, fraud, 300).Raw()...)
			raw[len(raw)-1] ^= 1
			return raw
		},
		"wrong topic": func(t *testing.T, a *author) []byte { return a.sign(t, other, 300).Raw() },
		"too large":   func(t *testing.T, a *author) []byte { return a.sign(t, fraud, protocol.MaxGossipBytes+4096).Raw() },
		"junk":        func(t *testing.T, a *author) []byte { return []byte(newAuthor(t).Org.String()) },
	}
	for name, make := range spoil {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				nodes := m.line(3, fraud, other)
				evil := newAuthor(t)
				nodes[0].deps().AddStatements(evil.Statements...)
				a := m.attacker(nodes[0], fraud, other)
				good := evil.sign(t, other, 300)
				a.send(t, other, good.Raw())
				if !nodes[0].has(good.ID()) {
					t.Fatal("a valid record of the attacker was not relayed")
				}
				for i := range 5 {
					a.send(t, fraud, make(t, evil))
					time.Sleep(2 * time.Second)
					score, rejected := scoreOf(nodes[0], a.id)
					if i < 4 && rejected != i+1 {
						t.Fatalf("after %d invalid messages: %d rejected", i+1, rejected)
					}
					if i == 0 && score > -200 || i == 3 && score > scoreThresholds().GraylistThreshold {
						t.Errorf("after %d invalid messages the score is %.0f", i+1, score)
					}
				}
				late := evil.sign(t, other, 300)
				a.send(t, other, late.Raw())
				time.Sleep(2 * time.Second)
				if nodes[0].has(late.ID()) {
					t.Error("a graylisted peer was listened to")
				}
				honest(t, nodes)
			})
		})
	}
}

// honest checks that no node of the list was punished by a neighbour.
func honest(t *testing.T, nodes []*testNode) {
	t.Helper()
	ids := make(map[string]bool)
	for _, n := range nodes {
		ids[n.PeerID()] = true
	}
	for i, n := range nodes {
		for _, p := range n.Peers() {
			if ids[p.ID] && (p.Score < 0 || p.Rejected > 0) {
				t.Errorf("node %d punished an honest peer: %+v", i, p)
			}
		}
	}
}

// TestReplay: old records, future records, records over budget and the like cost nobody
// anything and go nowhere (NET-08).
func TestReplay(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(3, fraud)
		r := nodes[0].publish(t, fraud, 300)
		waitFor(t, 2*time.Second, "the record", func() bool { return nodes[2].has(r.ID()) })
		early := m.attacker(nodes[1], fraud)
		time.Sleep(seenTTL - 2*time.Minute)
		before := nodes[1].Topics()
		early.send(t, fraud, r.Raw())
		for i, after := range nodes[1].Topics() {
			if after.Ignored != before[i].Ignored {
				t.Errorf("the seen cache forgot too early: %+v", after)
			}
		}
		time.Sleep(4 * time.Minute) // now it has forgotten
		a := m.attacker(nodes[1], fraud)
		for range 5 {
			a.send(t, fraud, r.Raw())
		}
		time.Sleep(2 * time.Second)
		if score, rejected := scoreOf(nodes[1], a.id); score < 0 || rejected != 0 {
			t.Errorf("a replay was punished: score %.0f, rejected %d", score, rejected)
		}
		for i, after := range nodes[1].Topics() {
			if after.Topic == fraud && (after.Received != before[i].Received || after.Ignored == before[i].Ignored) {
				t.Errorf("replay counted wrongly: %+v, before %+v", after, before[i])
			}
		}
	})
}

// TestTooLargeForPubsub: what exceeds a pubsub message never reaches the validator (NET-05).
func TestTooLargeForPubsub(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		n := m.node(fraud)
		a := m.attacker(n, fraud)
		a.send(t, fraud, make([]byte, protocol.MaxPubsubBytes+1024))
		time.Sleep(2 * time.Second)
		if _, rejected := scoreOf(n, a.id); rejected != 0 {
			t.Errorf("the validator saw %d messages", rejected)
		}
		for _, ti := range n.Topics() {
			if ti.Rejected+ti.Ignored != 0 {
				t.Errorf("topic %+v", ti)
			}
		}
	})
}

// TestForeignTopics: what a peer subscribes to in other networks is not remembered.
func TestForeignTopics(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		n := m.node(fraud)
		a := m.attacker(n, fraud)
		for _, path := range []string{"/tocsin/1/other/fraud", "anything"} {
			handle := must[*pubsub.Topic](t)(a.data.Join(path))
			_ = must[*pubsub.Subscription](t)(handle.Subscribe())
			time.Sleep(time.Second)
			if list := n.data.ps.ListPeers(path); len(list) != 0 {
				t.Errorf("subscriptions to %s are remembered", path)
			}
		}
		if list := n.data.ps.ListPeers(fraud.Path(testNetwork)); len(list) != 1 {
			t.Errorf("%d peers on our own topic, want 1", len(list))
		}
	})
}

// TestTwoInstances: who is graylisted on data is still heard on control, and the other way
// round nothing is carried by the wrong one (NET-02).
func TestTwoInstances(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		n := m.node(fraud)
		a := m.attacker(n, fraud, protocol.TopicControl)
		for range 5 {
			a.send(t, fraud, []byte(newAuthor(t).Org.String()))
		}
		evil := newAuthor(t)
		late := evil.sign(t, fraud, 100)
		announcement := evil.identity(t)
		a.send(t, protocol.TopicControl, announcement.Raw())
		a.send(t, fraud, late.Raw())
		time.Sleep(2 * time.Second)
		if !n.has(announcement.ID()) {
			t.Error("control does not hear a peer that misbehaved on data")
		}
		if n.has(late.ID()) {
			t.Error("data hears a graylisted peer")
		}
		for _, j := range n.topics.all() {
			if on := j.router.id == controlProtocol; on != (j.topic == protocol.TopicControl) {
				t.Errorf("topic %s is carried by %s", j.topic, j.router.id)
			}
		}
	})
}

// TestNoAuthor: a message with pubsub's own author or signature is rejected, be
// the record inside as good as it may (NET-03).
func TestNoAuthor(t *testing.T) {
	for name, policy := range map[string]pubsub.MessageSignaturePolicy{"signed": pubsub.StrictSign, "author only": pubsub.StrictNoSign} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				fraud := topic(t, "fraud")
				n := m.node(fraud)
				good := newAuthor(t)
				n.deps().AddStatements(good.Statements...)
				h := m.stranger()
				ps, err := pubsub.NewGossipSub(m.ctx, h, pubsub.WithGossipSubProtocols([]libp2pproto.ID{dataProtocol}, features),
					pubsub.WithFloodPublish(true), pubsub.WithMessageIdFn(messageID), pubsub.WithMessageSignaturePolicy(policy))
				if err != nil {
					t.Fatal(err)
				}
				handle := must[*pubsub.Topic](t)(ps.Join(fraud.Path(testNetwork)))
				info := must[*peer.AddrInfo](t)(peer.AddrInfoFromString(n.Addrs()[0]))
				if err := h.Connect(m.ctx, *info); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				r := good.sign(t, fraud, 100)
				if err := handle.Publish(m.ctx, r.Raw()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				if _, rejected := scoreOf(n, h.ID()); rejected != 1 || n.has(r.ID()) {
					t.Errorf("%d rejected, received %v", rejected, n.has(r.ID()))
				}
			})
		})
	}
}

// TestNoDowngrade: nobody can speak an older protocol with us (NET-01).
func TestNoDowngrade(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node(topic(t, "fraud"))
		h := m.stranger()
		info := must[*peer.AddrInfo](t)(peer.AddrInfoFromString(n.Addrs()[0]))
		if err := h.Connect(m.ctx, *info); err != nil {
			t.Fatal(err)
		}
		old := append([]libp2pproto.ID{"/tocsin/mesh/data/1.1.0", "/tocsin/mesh/control/1.1.0"}, pubsub.GossipSubDefaultProtocols...)
		for _, id := range old {
			if s, err := h.NewStream(m.ctx, info.ID, id); err == nil {
				_, err = s.Write([]byte{0})
				if _, read := s.Read(make([]byte, 1)); err == nil && read == nil {
					t.Errorf("%s was spoken", id)
				}
				_ = s.Reset()
			}
		}
		for _, id := range must[[]libp2pproto.ID](t)(h.Peerstore().GetProtocols(info.ID)) {
			for _, banned := range []string{"meshsub", "floodsub", "relay", "dcutr", "autonat/2", "kad"} {
				if strings.Contains(string(id), banned) {
					t.Errorf("the host offers %s", id)
				}
			}
		}
	})
}
