package p2p

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
)

// mdnsService is the name under which nodes find each other on a local network,
// before the network's own name.
const mdnsService = "_tocsin-"

// finder hands peers that mDNS found to the dialler.
type finder struct{ found chan<- peer.AddrInfo }

// HandlePeerFound implements mdns.Notifee; what comes faster than it is dialled is found again later.
func (f finder) HandlePeerFound(info peer.AddrInfo) {
	select {
	case f.found <- info:
	default:
	}
}

// runMDNS looks for peers on the local network until ctx ends. A peer that is
// found is dialled once; it is not kept. A machine without multicast has its other
// peers all the same, so that is no fault of the host.
func (h *Host) runMDNS(ctx context.Context) error {
	found := make(chan peer.AddrInfo, 16)
	service := mdns.NewMdnsService(h.host, mdnsService+h.network+"._udp", finder{found})
	if err := service.Start(); err != nil {
		log.Warnw("no search for peers on the local network", "err", err)
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return service.Close()
		case info := <-found:
			if info.ID == h.host.ID() || h.connected(info.ID) {
				continue
			}
			_ = h.dial(ctx, info) // it says itself why not; whoever is there announces itself again
		}
	}
}
