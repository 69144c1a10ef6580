package p2p

//bubble: every test in this file runs in a bubble, where time is virtual.

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestSlotsOfHandshakes: handshakes that run at once do not share a slot, and one
// that fails gives it back (NET-20).
func TestSlotsOfHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, self := newTransportKey(t)
		deps := newNode(t, self).deps()
		table := newPeerTable(&deps)
		g := &gater{peers: table}
		admitted := func(name string) (list []peer.ID) {
			for i := range 3 * newcomerSlots {
				if p := peer.ID(fmt.Sprint(name, i)); g.InterceptSecured(network.DirInbound, p, nil) {
					list = append(list, p)
				}
			}
			return list
		}
		first := admitted("first")
		if len(first) != newcomerSlots {
			t.Fatalf("%d handshakes at once have a slot, want %d", len(first), newcomerSlots)
		}
		if !g.InterceptSecured(network.DirInbound, first[0], nil) {
			t.Error("the second connection of a peer that has a slot was refused")
		}
		const stay = 5
		for _, p := range first[:stay] {
			table.arrived(p)
		}
		if more := admitted("second"); len(more) != 0 {
			t.Errorf("arriving made room for %d more", len(more))
		}
		time.Sleep(pendingSlot)
		if more := admitted("third"); len(more) != newcomerSlots-stay {
			t.Errorf("after the handshakes failed %d have a slot, want %d", len(more), newcomerSlots-stay)
		}
		if len(table.pending) != newcomerSlots-stay {
			t.Errorf("%d are remembered as about to arrive", len(table.pending))
		}
	})
}
