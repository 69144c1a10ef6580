package logs

import (
	"slices"

	logging "github.com/ipfs/go-log/v2"
)

// names lists every subsystem in order. The log library knows those that were made with it. It learns libp2p's at their first line,
// and its table of them cannot be read safely while others log: they are named here.
func names() []string {
	all := append(logging.GetSubsystems(), libp2pNames()...)
	slices.Sort(all)
	return slices.Compact(all)
}

// libp2pNames are the subsystems of libp2p and its gossip that this program runs. Left out is p2p-config, which is silenced on purpose: it
// logs at length what becomes an error of ours.
func libp2pNames() []string {
	return []string{
		"backpressure", "basichost", "connmgr", "eventbus", "mdns", "net/conngater", "net/identify", "observedaddrs", "peerstore", "ping",
		"pstoremanager", "pubsub", "pubsub/rpc", "quic-transport", "quicreuse", "rcmgr", "reuseport-transport", "swarm2", "tcp-demultiplex",
		"tcp-tpt", "upgrader",
	}
}
