package p2p

import (
	"errors"
	"strings"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/prometheus/client_golang/prometheus"
)

// What became of a message, as the label result says it.
const (
	resultDelivered     = "delivered"
	resultDuplicate     = "duplicate"
	resultRejected      = "rejected"
	resultIgnored       = "ignored"
	resultThrottled     = "throttled"     // the validators did not keep up
	resultUndeliverable = "undeliverable" // the way in did not keep up
)

// ratioWindow is how long the duplicate ratio looks back, at least; at most twice as long.
const ratioWindow = 5 * time.Minute

// gossipMetrics are the counters of both gossip instances, told apart by the label router.
type gossipMetrics struct {
	messages, grafts, prunes, dropped, throttled, rpcs *prometheus.CounterVec
	ratio                                              *prometheus.Desc

	routers []*meter // set before the host runs
}

func newGossipMetrics() *gossipMetrics {
	count := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"router"}, labels...))
	}
	return &gossipMetrics{
		messages:  count("tocsin_gossip_messages_total", "Messages that came by gossip, by what became of them.", "result"),
		grafts:    count("tocsin_gossip_graft_total", "Peers taken into a mesh."),
		prunes:    count("tocsin_gossip_prune_total", "Peers put out of a mesh."),
		dropped:   count("tocsin_gossip_rpc_dropped_total", "Packets that were not sent because a peer's queue was full."),
		throttled: count("tocsin_validation_throttled_total", "Messages that were not looked at because the queue for validation was full."),
		rpcs:      count("tocsin_gossip_rpc_total", "Packets, by direction.", "direction"),
		ratio: prometheus.NewDesc("tocsin_gossip_duplicate_ratio",
			"Duplicates for each new message within the last five to ten minutes; 0 when there was none.", []string{"router"}, nil),
	}
}

// router gives the meter of one instance.
func (g *gossipMetrics) router(name string, self peer.ID) *meter {
	m := &meter{
		self:      self,
		name:      name,
		results:   map[string]prometheus.Counter{},
		grafts:    g.grafts.WithLabelValues(name),
		prunes:    g.prunes.WithLabelValues(name),
		dropped:   g.dropped.WithLabelValues(name),
		throttled: g.throttled.WithLabelValues(name),
		sent:      g.rpcs.WithLabelValues(name, "out"),
		came:      g.rpcs.WithLabelValues(name, "in"),
	}
	for _, r := range []string{resultDelivered, resultDuplicate, resultRejected, resultIgnored, resultThrottled, resultUndeliverable} {
		m.results[r] = g.messages.WithLabelValues(name, r)
	}
	g.routers = append(g.routers, m)
	return m
}

// Describe implements prometheus.Collector.
func (g *gossipMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range g.counters() {
		c.Describe(ch)
	}
	ch <- g.ratio
}

// Collect implements prometheus.Collector.
func (g *gossipMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range g.counters() {
		c.Collect(ch)
	}
	for _, m := range g.routers {
		ch <- prometheus.MustNewConstMetric(g.ratio, prometheus.GaugeValue, m.recent.ratio(time.Now()), m.name)
	}
}

func (g *gossipMetrics) counters() []*prometheus.CounterVec {
	return []*prometheus.CounterVec{g.messages, g.grafts, g.prunes, g.dropped, g.throttled, g.rpcs}
}

// meter counts what one instance does. pubsub calls it from its event loop.
type meter struct {
	self    peer.ID
	name    string
	results map[string]prometheus.Counter // never written after it was made
	recent  window

	grafts, prunes, dropped, throttled, sent, came prometheus.Counter
}

var _ pubsub.RawTracer = (*meter)(nil)

// OnNewOutboundStream implements pubsub.RawTracer.
func (*meter) OnNewOutboundStream(peer.ID, libp2pproto.ID) {}

// OnClosedOutboundStream implements pubsub.RawTracer.
func (*meter) OnClosedOutboundStream(peer.ID) {}

// Join implements pubsub.RawTracer.
func (*meter) Join(string) {}

// Leave implements pubsub.RawTracer.
func (*meter) Leave(string) {}

// Graft implements pubsub.RawTracer.
func (m *meter) Graft(peer.ID, string) { m.grafts.Inc() }

// Prune implements pubsub.RawTracer.
func (m *meter) Prune(peer.ID, string) { m.prunes.Inc() }

// ValidateMessage implements pubsub.RawTracer.
func (*meter) ValidateMessage(*pubsub.Message) {}

// DeliverMessage implements pubsub.RawTracer.
func (m *meter) DeliverMessage(msg *pubsub.Message) {
	if msg.ReceivedFrom != m.self { // own messages are delivered to ourselves
		m.results[resultDelivered].Inc()
		m.recent.note(time.Now(), 1, 0)
	}
}

// DuplicateMessage implements pubsub.RawTracer.
func (m *meter) DuplicateMessage(*pubsub.Message) {
	m.results[resultDuplicate].Inc()
	m.recent.note(time.Now(), 0, 1)
}

// RejectMessage implements pubsub.RawTracer.
func (m *meter) RejectMessage(_ *pubsub.Message, why string) {
	switch why {
	case pubsub.RejectValidationIgnored:
		m.results[resultIgnored].Inc()
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		m.results[resultThrottled].Inc()
		m.throttled.Inc()
	default:
		m.results[resultRejected].Inc()
	}
}

// ThrottlePeer implements pubsub.RawTracer.
func (*meter) ThrottlePeer(peer.ID) {}

// RecvRPC implements pubsub.RawTracer.
func (m *meter) RecvRPC(*pubsub.RPC) { m.came.Inc() }

// SendRPC implements pubsub.RawTracer.
func (m *meter) SendRPC(*pubsub.RPC, peer.ID) { m.sent.Inc() }

// DropRPC implements pubsub.RawTracer.
func (m *meter) DropRPC(*pubsub.RPC, peer.ID) { m.dropped.Inc() }

// UndeliverableMessage implements pubsub.RawTracer.
func (m *meter) UndeliverableMessage(*pubsub.Message) { m.results[resultUndeliverable].Inc() }

// window counts new messages and duplicates of this ratioWindow and the one before.
type window struct {
	mu                   sync.Mutex // guards all below
	began                time.Time  // of the one that is filled
	fresh, again         int
	freshThen, againThen int
}

func (w *window) note(now time.Time, fresh, again int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn(now)
	w.fresh += fresh
	w.again += again
}

func (w *window) ratio(now time.Time) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn(now)
	fresh, again := w.fresh+w.freshThen, w.again+w.againThen
	if fresh == 0 {
		return 0
	}
	return float64(again) / float64(fresh)
}

// turn begins a new window when it is time; the lock is held.
func (w *window) turn(now time.Time) {
	age := now.Sub(w.began)
	if age < ratioWindow {
		return
	}
	w.freshThen, w.againThen = w.fresh, w.again
	if age >= 2*ratioWindow {
		w.freshThen, w.againThen = 0, 0
	}
	w.began, w.fresh, w.again = now, 0, 0
}

// meshMetrics shows the host's peers and topics as they are when somebody asks.
type meshMetrics struct {
	host                                             *Host
	meshPeers, topicPeers, peers, countries, scoreOf *prometheus.Desc
}

func newMeshMetrics(h *Host) *meshMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &meshMetrics{
		host:       h,
		meshPeers:  desc("tocsin_gossip_mesh_peers", "Peers in this node's mesh of a topic.", "topic"),
		topicPeers: desc("tocsin_gossip_topic_peers", "Connected peers that take part in a topic.", "topic"),
		peers:      desc("tocsin_peers", "Peers, connected ones by their transport; unreached are those to stay connected to.", "state", "transport"),
		countries:  desc("tocsin_peer_countries", "Countries that the organisations of connected peers name."),
		scoreOf:    desc("tocsin_peer_score", "Gossip scores of connected peers, the lower of the two of each."),
	}
}

// Describe implements prometheus.Collector.
func (m *meshMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.meshPeers, m.topicPeers, m.peers, m.countries, m.scoreOf} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *meshMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, t := range m.host.Topics() {
		ch <- prometheus.MustNewConstMetric(m.meshPeers, prometheus.GaugeValue, float64(t.Mesh), t.Topic.String())
		ch <- prometheus.MustNewConstMetric(m.topicPeers, prometheus.GaugeValue, float64(t.Peers), t.Topic.String())
	}
	type kind struct{ state, transport string }
	count := map[kind]int{{"connected", "tcp"}: 0, {"connected", "quic"}: 0, {"unreached", "none"}: 0}
	countries := map[string]bool{}
	var scores []float64
	for _, p := range m.host.Peers() {
		if !p.Connected {
			count[kind{"unreached", "none"}]++
			continue
		}
		count[kind{"connected", transport(p.Addrs)}]++
		scores = append(scores, p.Score)
		if org, ok := m.host.deps.Chains().Org(p.Org); p.OrgKnown && ok {
			countries[org.Genesis.Country] = true
		}
	}
	for k, n := range count {
		ch <- prometheus.MustNewConstMetric(m.peers, prometheus.GaugeValue, float64(n), k.state, k.transport)
	}
	ch <- prometheus.MustNewConstMetric(m.countries, prometheus.GaugeValue, float64(len(countries)))
	ch <- scoreHistogram(m.scoreOf, scores)
}

// transport names how a peer is connected: quic when one of its connections is, else tcp, the only other one there is.
func transport(addrs []string) string {
	for _, a := range addrs {
		if strings.Contains(a, "/quic-v1") {
			return "quic"
		}
	}
	return "tcp"
}

// scoreHistogram counts scores up to the thresholds at which a peer loses something, and between them.
func scoreHistogram(d *prometheus.Desc, scores []float64) prometheus.Metric {
	buckets := map[float64]uint64{-2500: 0, -1000: 0, -500: 0, -100: 0, -10: 0, 0: 0, 10: 0, 100: 0, 1000: 0}
	sum := 0.0
	for _, s := range scores {
		sum += s
		for at := range buckets {
			if s <= at {
				buckets[at]++
			}
		}
	}
	return prometheus.MustNewConstHistogram(d, uint64(len(scores)), sum, buckets)
}

// register shows gossip and mesh to whoever reads reg; nil shows nothing.
func (h *Host) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	return errors.Join(reg.Register(h.metrics), reg.Register(newMeshMetrics(h)))
}
