package p2p

import (
	"context"
	"sync"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// real starts a node on a real socket.
func real(t testing.TB, listen string, topics ...protocol.Topic) *testNode {
	t.Helper()
	key, id := newTransportKey(t)
	n := newNode(t, id)
	h, err := New(Config{Listen: []string{listen}, Key: key, Topics: topics}, n.deps())
	if err != nil {
		t.Fatal(err)
	}
	n.Host = h
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		wg.Wait()
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return n
}

// eventually polls in real time.
func eventually(t testing.TB, limit time.Duration, done func() bool) bool {
	t.Helper()
	return poll(t.Context(), limit, 10*time.Millisecond, done) == nil
}

// TestBurst sends a thousand full records over real sockets, through a node in the middle, as
// fast as Announce lets it: none is lost (NET-21).
func TestBurst(t *testing.T) {
	for _, listen := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(listen, func(t *testing.T) {
			fraud := topic(t, "fraud")
			a, b, c := real(t, listen, fraud), real(t, listen, fraud), real(t, listen, fraud)
			for _, pair := range [][2]*testNode{{a, b}, {b, c}} {
				if _, err := pair[0].Connect(t.Context(), pair[1].Addrs()[0]); err != nil {
					t.Fatal(err)
				}
				pair[1].list(a.author, trust.Anchor)
			}
			const n = 1000
			records := make([]*protocol.Record, n)
			for i := range records {
				records[i] = a.author.sign(t, fraud, 16<<10)
			}
			started := time.Now()
			for _, r := range records {
				if err := a.Announce(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			announced := time.Since(started)
			all := func(n *testNode) func() bool {
				return func() bool {
					for _, r := range records {
						if !n.has(r.ID()) {
							return false
						}
					}
					return true
				}
			}
			if !eventually(t, time.Minute, all(b)) || !eventually(t, time.Minute, all(c)) {
				t.Errorf("of %d records %d and %d arrived; dropped at the author %d, in the middle %d, at the end %d; middle %+v",
					n, b.count(), c.count(), a.data.trace.drops(), b.data.trace.drops(), c.data.trace.drops(), b.Topics())
			}
			t.Logf("announced %d records of %d bytes in %v, at the far end after %v", n, len(records[0].Raw()), announced, time.Since(started))
			honest(t, []*testNode{a, b, c})
		})
	}
}
