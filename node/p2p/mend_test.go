package p2p

//bubble: every test in this file runs inside inBubble, where time is virtual.

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"

	"tocsin/protocol"
)

// crash has a node vanish, so that nobody is told, and start anew at another address with its key and its records.
func (m *mesh) crash(n *testNode, topics ...protocol.Topic) {
	m.t.Helper()
	m.silence(n)
	addr, option := m.address()
	h, err := New(Config{Topics: topics, Listen: []string{addr}, Key: n.Host.cfg.Key, Options: []libp2p.Option{option}}, n.deps())
	if err != nil {
		m.t.Fatal(err)
	}
	n.Host = h
	m.run(h)
}

// A node that crashed and is back at once, while its peer still holds the old connection, has gossip both ways again (NET-31).
func TestBackAfterACrash(t *testing.T) {
	for name, dialled := range map[string]bool{"it dialled": true, "it was dialled": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				on := topic(t, "fraud")
				a, b := m.node(on), m.node(on)
				if dialled {
					m.connect(b, a)
				} else {
					m.connect(a, b)
				}
				first := a.publish(t, on, 1)
				waitFor(t, time.Minute, "gossip before", func() bool { return b.has(first.ID()) })
				time.Sleep(10 * time.Second)
				m.crash(b, on)
				time.Sleep(time.Second)
				m.connect(b, a)
				time.Sleep(10 * time.Second) // the old one has been found out
				back, there := b.publish(t, on, 1), a.publish(t, on, 1)
				waitFor(t, time.Second, "its record at the peer", func() bool { return a.has(back.ID()) })
				waitFor(t, time.Second, "a record from the peer", func() bool { return b.has(there.ID()) })
				time.Sleep(5 * time.Minute) // the old connection is long over
				later := a.publish(t, on, 1)
				waitFor(t, 5*time.Second, "a record from the peer, later", func() bool { return b.has(later.ID()) })
			})
		})
	}
}

// Of nodes that dialled each other at once one of the two connections ends: whichever it is, gossip goes on (NET-31).
func TestOneOfTwoConnectionsEnds(t *testing.T) {
	for _, which := range []int{0, 1} {
		t.Run(fmt.Sprint(which), func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				on := topic(t, "fraud")
				a, b := m.node(on), m.node(on)
				var both sync.WaitGroup
				both.Go(func() { m.connect(a, b) })
				both.Go(func() { m.connect(b, a) })
				both.Wait()
				time.Sleep(10 * time.Second)
				conns := a.host.Network().ConnsToPeer(b.host.ID())
				if len(conns) != 2 {
					t.Fatalf("%d connections", len(conns))
				}
				if err := conns[which].Close(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				here, there := a.publish(t, on, 1), b.publish(t, on, 1)
				waitFor(t, time.Second, "gossip one way", func() bool { return b.has(here.ID()) })
				waitFor(t, time.Second, "gossip the other way", func() bool { return a.has(there.ID()) })
			})
		})
	}
}
