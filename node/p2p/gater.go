package p2p

import (
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// gater keeps inbound slots for those whom the operator listed or configured
// (NET-20). It decides once the handshake has proved who calls; before that the
// resource manager bounds attempts by address.
type gater struct {
	peers *peerTable
}

var _ connmgr.ConnectionGater = (*gater)(nil)

// InterceptPeerDial implements connmgr.ConnectionGater.
func (g *gater) InterceptPeerDial(p peer.ID) bool { return !g.peers.blocked(p) }

// InterceptAddrDial implements connmgr.ConnectionGater.
func (*gater) InterceptAddrDial(peer.ID, multiaddr.Multiaddr) bool { return true }

// InterceptAccept implements connmgr.ConnectionGater.
func (*gater) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements connmgr.ConnectionGater.
func (g *gater) InterceptSecured(dir network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	if dir == network.DirOutbound || g.peers.admit(p) {
		return true
	}
	log.Debugw("inbound connection refused", "peer", p)
	return false
}

// InterceptUpgraded implements connmgr.ConnectionGater.
func (*gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
