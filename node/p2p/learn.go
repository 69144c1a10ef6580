package p2p

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	manet "github.com/multiformats/go-multiaddr/net"
)

// learnMeter bounds what peers that are not listed make us verify by answering
// with chains: connecting again, or under another id, gives no more of it.
type learnMeter struct {
	peers     *buckets[peer.ID]
	addresses *buckets[netip.Prefix]
}

func newLearnMeter() *learnMeter {
	return &learnMeter{peers: newBuckets[peer.ID](), addresses: newBuckets[netip.Prefix]()}
}

// readable is how many bytes of chains we take from p now (NET-22).
func (h *Host) readable(p peer.ID, now time.Time) int {
	if h.peers.listed(p) {
		return maxChainResponse
	}
	n := min(maxChainUnlisted, h.peers.learned.peers.left(p, learnPeer, now))
	for _, a := range h.addressesOf(p) {
		n = min(n, h.peers.learned.addresses.left(a, learnAddress, now))
	}
	return n
}

// haveRead charges what p sent. Answers that were read at the same time may
// leave a debt, which is paid off before the next.
func (h *Host) haveRead(p peer.ID, n int, now time.Time) {
	if h.peers.listed(p) {
		return
	}
	h.peers.learned.peers.spend(p, learnPeer, n, now)
	for _, a := range h.addressesOf(p) {
		h.peers.learned.addresses.spend(a, learnAddress, n, now)
	}
}

// addressesOf are the networks that p is connected from, each once.
func (h *Host) addressesOf(p peer.ID) []netip.Prefix {
	var list []netip.Prefix
	for _, c := range h.host.Network().ConnsToPeer(p) {
		ip, err := manet.ToIP(c.RemoteMultiaddr())
		if err != nil {
			continue // not by IP: the limit per peer stays
		}
		if a, ok := sourceOf(ip); ok && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// sourceOf is what one party can be taken to hold: an IPv4 address, or 64 bits of an IPv6 one.
func sourceOf(ip net.IP) (netip.Prefix, bool) {
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.Prefix{}, false
	}
	a = a.Unmap()
	prefix, err := a.Prefix(min(a.BitLen(), 64))
	return prefix, err == nil
}
