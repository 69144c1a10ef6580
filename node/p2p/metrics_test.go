package p2p

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tocsin/protocol"
)

// TestMeter feeds one instance's tracer and reads what Prometheus gets.
func TestMeter(t *testing.T) {
	g := newGossipMetrics()
	m := g.router("data", "self")
	g.router("control", "self")
	msg := func(from peer.ID) *pubsub.Message { return &pubsub.Message{ReceivedFrom: from} }
	m.DeliverMessage(msg("self")) // an own message is no arrival
	m.DeliverMessage(msg("a"))
	m.DeliverMessage(msg("b"))
	for range 3 {
		m.DuplicateMessage(msg("b"))
	}
	for why, n := range map[string]int{
		pubsub.RejectValidationIgnored: 1, pubsub.RejectValidationFailed: 2, pubsub.RejectValidationQueueFull: 1, pubsub.RejectValidationThrottled: 3,
	} {
		for range n {
			m.RejectMessage(msg("a"), why)
		}
	}
	m.UndeliverableMessage(msg("a"))
	m.Graft("a", "t")
	m.Graft("b", "t")
	m.Prune("a", "t")
	m.SendRPC(nil, "a")
	m.DropRPC(nil, "a")
	m.RecvRPC(nil)
	want := `
# HELP tocsin_gossip_duplicate_ratio Duplicates for each new message within the last five to ten minutes; 0 when there was none.
# TYPE tocsin_gossip_duplicate_ratio gauge
tocsin_gossip_duplicate_ratio{router="control"} 0
tocsin_gossip_duplicate_ratio{router="data"} 1.5
# HELP tocsin_gossip_graft_total Peers taken into a mesh.
# TYPE tocsin_gossip_graft_total counter
tocsin_gossip_graft_total{router="control"} 0
tocsin_gossip_graft_total{router="data"} 2
# HELP tocsin_gossip_prune_total Peers put out of a mesh.
# TYPE tocsin_gossip_prune_total counter
tocsin_gossip_prune_total{router="control"} 0
tocsin_gossip_prune_total{router="data"} 1
# HELP tocsin_validation_throttled_total Messages that were not looked at because the queue for validation was full.
# TYPE tocsin_validation_throttled_total counter
tocsin_validation_throttled_total{router="control"} 0
tocsin_validation_throttled_total{router="data"} 4
`
	if err := testutil.CollectAndCompare(g, strings.NewReader(want), "tocsin_gossip_duplicate_ratio", "tocsin_gossip_graft_total", "tocsin_gossip_prune_total", "tocsin_validation_throttled_total"); err != nil {
		t.Error(err)
	}
	for result, n := range map[string]float64{resultDelivered: 2, resultDuplicate: 3, resultIgnored: 1, resultRejected: 2, resultThrottled: 4, resultUndeliverable: 1} {
		if got := testutil.ToFloat64(g.messages.WithLabelValues("data", result)); got != n {
			t.Errorf("%s: %v, want %v", result, got, n)
		}
	}
	for c, name := range map[prometheus.Counter]string{m.sent: "sent", m.dropped: "dropped", m.came: "came"} {
		if got := testutil.ToFloat64(c); got != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestRatioWindow wants what is old forgotten, and not before its time.
func TestRatioWindow(t *testing.T) {
	begin := time.UnixMilli(1_800_000_000_000)
	type step struct {
		after        time.Duration
		fresh, again int
		want         float64
	}
	for name, steps := range map[string][]step{
		"nothing came":             {{0, 0, 0, 0}},
		"only duplicates":          {{0, 0, 5, 0}},
		"one window":               {{0, 1, 2, 2}, {ratioWindow - 1, 1, 0, 1}},
		"the one before counts":    {{0, 1, 4, 4}, {ratioWindow, 1, 0, 2}},
		"two later it is gone":     {{0, 1, 4, 4}, {ratioWindow, 1, 0, 2}, {2 * ratioWindow, 1, 0, 0}},
		"after a pause it is, too": {{0, 1, 4, 4}, {2 * ratioWindow, 1, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var w window
			for _, s := range steps {
				at := begin.Add(s.after)
				w.note(at, s.fresh, s.again)
				if got := w.ratio(at); got != s.want {
					t.Errorf("after %s: %v, want %v", s.after, got, s.want)
				}
			}
		})
	}
}

func TestScoreHistogram(t *testing.T) {
	want := `
# HELP x y
# TYPE x histogram
x_bucket{le="-2500"} 1
x_bucket{le="-1000"} 1
x_bucket{le="-500"} 1
x_bucket{le="-100"} 2
x_bucket{le="-10"} 2
x_bucket{le="0"} 3
x_bucket{le="10"} 4
x_bucket{le="100"} 4
x_bucket{le="1000"} 4
x_bucket{le="+Inf"} 5
x_sum -1090
x_count 5
`
	d := prometheus.NewDesc("x", "y", nil, nil)
	if err := testutil.CollectAndCompare(fixed{d, scoreHistogram(d, []float64{-3000, -100, 0, 10, 2000})}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// fixed collects one metric.
type fixed struct {
	desc   *prometheus.Desc
	metric prometheus.Metric
}

func (f fixed) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }
func (f fixed) Collect(ch chan<- prometheus.Metric) { ch <- f.metric }

func TestTransport(t *testing.T) {
	for want, addrs := range map[string][]string{
		"quic": {"/ip4/192.0.2.1/tcp/4001", "/ip4/192.0.2.1/udp/4001/quic-v1"},
		"tcp":  {"/ip6/2001:db8::1/tcp/4001"},
	} {
		if got := transport(addrs); got != want {
			t.Errorf("%v: %s, want %s", addrs, got, want)
		}
	}
}

// TestHostMetrics registers a real host's metrics, libp2p's among them, and holds ours against the rules. No label
// may carry the id of a peer.
func TestHostMetrics(t *testing.T) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	h, err := New(Config{Listen: []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}, Key: key, Topics: []protocol.Topic{protocol.TopicDrill}, Metrics: registry}, Deps{Chains: func() *protocol.Chains { return protocol.NewChains("test") }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var ours, theirs []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "tocsin_") {
			ours = append(ours, f.GetName())
		} else {
			theirs = append(theirs, f.GetName())
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.Contains(l.GetValue(), h.PeerID()) || strings.Contains(l.GetName(), "peer") {
					t.Errorf("%s has the label %s=%s", f.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
	if len(ours) < 10 || len(theirs) < 5 {
		t.Errorf("ours: %v\nlibp2p's: %v", ours, theirs)
	}
	problems, err := testutil.GatherAndLint(registry, ours...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
