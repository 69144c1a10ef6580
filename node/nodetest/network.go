package nodetest

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
)

// lost is the delay of a packet that never arrives.
const lost = 10_000 * time.Hour

// link is every node's connection: 100 Mbit/s both ways.
var link = simnet.NodeBiDiLinkSettings{
	Downlink: simnet.LinkSettings{BitsPerSecond: 100 * simlibp2p.OneMbps},
	Uplink:   simnet.LinkSettings{BitsPerSecond: 100 * simlibp2p.OneMbps},
}

// network is the simulated internet of a fleet. It is the one place that knows
// simnet and simlibp2p.
type network struct {
	sim     *simnet.Simnet
	latency func(i, j int) time.Duration

	mu     sync.Mutex     // guards all below
	number map[string]int // of an endpoint, by address
	side   map[int]int    // which part of a partition an endpoint is in; nil when whole
}

func newNetwork(latency func(i, j int) time.Duration) *network {
	if latency == nil {
		latency = distance
	}
	n := &network{latency: latency, number: make(map[string]int)}
	n.sim = &simnet.Simnet{
		LatencyFunc: n.delay,
		// It logs each packet to an endpoint that has gone, which is what tests are about.
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	n.sim.Start()
	return n
}

// distance spreads the world: 5 to 60 ms, the same both ways.
func distance(i, j int) time.Duration {
	return time.Duration(5+(i*7+j*7+(i-j)*(i-j))%56) * time.Millisecond
}

// endpoint gives the next address, as listen multiaddr and libp2p option.
func (n *network) endpoint() (string, libp2p.Option) {
	n.mu.Lock()
	defer n.mu.Unlock()
	number := len(n.number)
	ip := simnet.IntToPublicIPv4(number)
	n.number[(&net.UDPAddr{IP: ip, Port: 8469}).String()] = number
	return fmt.Sprintf("/ip4/%s/udp/8469/quic-v1", ip), simlibp2p.QUICSimnet(n.sim, link)
}

// delay is how long a packet is under way.
func (n *network) delay(p *simnet.Packet) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	from, known := n.number[p.From.String()]
	to, also := n.number[p.To.String()]
	if !known || !also {
		return 0
	}
	if n.side != nil && n.side[from] != n.side[to] {
		return lost
	}
	return n.latency(from, to)
}

func (n *network) close() { n.sim.Close() }

// Partition cuts the fleet: endpoints of different groups lose every packet between them. Who
// is in no group is in the first.
func (f *Fleet) Partition(groups ...[]int) {
	side := make(map[int]int)
	for s, group := range groups {
		for _, i := range group {
			side[i] = s
		}
	}
	f.net.mu.Lock()
	defer f.net.mu.Unlock()
	f.net.side = side
}

// Heal undoes a partition.
func (f *Fleet) Heal() {
	f.net.mu.Lock()
	defer f.net.mu.Unlock()
	f.net.side = nil
}
