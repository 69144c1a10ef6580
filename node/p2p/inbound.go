package p2p

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Inbound counts the peers that have a connection which they opened themselves: proof that this node can be reached.
func (h *Host) Inbound() int {
	came := map[peer.ID]bool{}
	for _, c := range h.host.Network().Conns() {
		if c.Stat().Direction == network.DirInbound {
			came[c.RemotePeer()] = true
		}
	}
	return len(came)
}
