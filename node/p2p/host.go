package p2p

import (
	"errors"
	"fmt"

	golog "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"tocsin/protocol/reason"
)

// userAgent is what identify tells: the protocol's version, not the program's.
const userAgent = "tocsin/1"

// newHost builds the libp2p host and binds its listeners. Transports are named
// one by one: a plain libp2p.New would also listen with WebTransport and WebRTC.
// Relay service, hole punching and the AutoNAT service stay off: a relayed
// connection is cut after two minutes, and gossip does not use it.
func newHost(cfg Config, gater *gater, meter metrics.Reporter) (host.Host, error) {
	// The one place that joins libp2p's log to ours; it is process-wide, and
	// doing it again changes nothing.
	gologshim.SetDefaultHandler(golog.SlogHandler())
	// It logs at length what New returns as an error.
	_ = golog.SetLogLevel("p2p-config", "fatal")

	if len(cfg.Listen) == 0 {
		return nil, reason.New(reason.ConfigInvalid, "start host: no listen address")
	}
	if cfg.Key == nil {
		return nil, reason.New(reason.ConfigInvalid, "start host: no transport key")
	}
	resources, err := newResourceManager(cfg.Metrics != nil)
	if err != nil {
		return nil, fmt.Errorf("start host: limits: %w", err)
	}
	connections, err := connmgr.NewConnManager(connLow, connHigh, connmgr.WithGracePeriod(connGrace))
	if err != nil {
		return nil, fmt.Errorf("start host: connection manager: %w", err)
	}
	options := []libp2p.Option{
		libp2p.Identity(cfg.Key),
		libp2p.ListenAddrStrings(cfg.Listen...),
		libp2p.UserAgent(userAgent),
		// NET-01: QUIC and TCP with TLS 1.3 or Noise, nothing else.
		libp2p.Transport(libp2pquic.NewTransport),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.Security(noise.ID, noise.New),
		libp2p.DisableRelay(),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(connections),
		libp2p.ConnectionGater(gater),
		libp2p.BandwidthReporter(meter),
	}
	if cfg.Metrics != nil {
		// Its counters are one set for the whole process, whatever registry shows them.
		options = append(options, libp2p.PrometheusRegisterer(cfg.Metrics))
	} else {
		options = append(options, libp2p.DisableMetrics())
	}
	h, err := libp2p.New(append(options, cfg.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("start host on %v: %w", cfg.Listen, errors.Join(err, connections.Close(), resources.Close()))
	}
	return h, nil
}
