package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/protocol/reason"
	"tocsin/storage"
)

// What became of an object, as the label result says it.
const (
	resultAccepted  = "accepted"
	resultHeld      = "held"
	resultDuplicate = "duplicate"
	resultRefused   = "refused"
	resultIgnored   = "ignored"
)

const (
	// other stands for what a bounded set has no room for.
	other = "other"
	// unopened is the type of what was not looked into: a record refused as a whole counts as one object.
	unopened = "unopened"
	// maxTopics bounds the topics that are told apart: a node joins fewer, but bundles carry any.
	maxTopics = 128
)

// arrivals are the counters of what comes in and goes out.
type arrivals struct {
	received, refused, published *prometheus.CounterVec
	latency                      *prometheus.HistogramVec
	topics                       *bounded
	types                        map[string]bool
}

func newArrivals() arrivals {
	count := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	a := arrivals{
		received:  count("tocsin_objects_received_total", "Objects that came from elsewhere, by what became of them.", "topic", "type", "result"),
		refused:   count("tocsin_objects_refused_total", "Objects that were refused or ignored, by reason code and by whose fault it was.", "reason", "blame"),
		published: count("tocsin_objects_published_total", "Objects that this node published.", "topic", "tlp"),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tocsin_object_latency_seconds", Help: "From the signature of an object until it was accepted here.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 86400},
		}, []string{"topic"}),
		topics: newBounded(maxTopics),
		types:  map[string]bool{},
	}
	for _, t := range stixTypes() {
		a.types[t] = true
	}
	// A series that appears with its first count has not grown in Prometheus' eyes, and the first fault would fire no alert.
	for _, e := range reason.All() {
		if e.Blame == reason.BlameUs {
			a.refuse(e.Code, 0)
		}
	}
	return a
}

func (a *arrivals) collectors() []prometheus.Collector {
	return []prometheus.Collector{a.received, a.refused, a.published, a.latency}
}

// stixTypes are the types of STIX 2.1 that are told apart.
func stixTypes() []string {
	return []string{
		"attack-pattern", "campaign", "course-of-action", "grouping", "identity", "incident", "indicator", "infrastructure",
		"intrusion-set", "location", "malware", "malware-analysis", "note", "observed-data", "opinion", "report", "threat-actor",
		"tool", "vulnerability", "relationship", "sighting", "marking-definition", "language-content", "extension-definition",
		"artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file", "ipv4-addr",
		"ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url", "user-account",
		"windows-registry-key", "x509-certificate",
	}
}

// Received counts what became of a record that the way in was given: e as far as it was judged, err when it was not
// stored. own says that this node made it.
func (m *Metrics) Received(e storage.Entry, own bool, err error) {
	a, h := &m.arrivals, e.Record.Header()
	topic := a.topics.name(h.Topic.String())
	if own {
		if err == nil && len(e.Leaves) > 0 { // the control messages of a node are not published by anybody
			a.published.WithLabelValues(topic, h.TLP.String()).Add(float64(len(e.Leaves)))
		}
		return
	}
	if err != nil {
		a.whole(topic, reason.Of(err), max(h.Count, 1), resultRefused)
		return
	}
	type kind struct{ typ, result string }
	seen, accepted := map[kind]int{}, false
	for i := range e.Leaves {
		l, result := &e.Leaves[i], resultAccepted
		switch {
		case l.State == storage.Refused:
			result = resultRefused
			a.refuse(l.Reason, 1)
		case l.State == storage.Held || e.State == storage.Held:
			result = resultHeld
		default:
			accepted = true
		}
		seen[kind{a.typeName(l.Type), result}]++
	}
	for k, n := range seen {
		a.received.WithLabelValues(topic, k.typ, k.result).Add(float64(n))
	}
	// Once for each record: a record of ten thousand objects has one signature and one arrival.
	if accepted {
		a.latency.WithLabelValues(topic).Observe(max(time.Since(h.Created), 0).Seconds())
	}
}

// Refused counts a message that gossip did not take, of which nothing but the topic is known: it counts as one object.
// ignored says that it cost its sender nothing.
func (m *Metrics) Refused(topic string, err error, ignored bool) {
	result := resultRefused
	if ignored {
		result = resultIgnored
	}
	m.arrivals.whole(m.arrivals.topics.name(topic), reason.Of(err), 1, result)
}

// whole counts a record that was not looked into.
func (a *arrivals) whole(topic string, code reason.Code, n int, result string) {
	if code == reason.DupHeld {
		result = resultDuplicate
	}
	a.received.WithLabelValues(topic, unopened, result).Add(float64(n))
	if result != resultDuplicate {
		a.refuse(code, n)
	}
}

// refuse counts under the code's own name when the catalogue has it, else as a fault of this node's own.
func (a *arrivals) refuse(code reason.Code, n int) {
	e, ok := reason.Lookup(code)
	if !ok {
		e, _ = reason.Lookup(reason.Internal)
	}
	a.refused.WithLabelValues(string(e.Code), string(e.Blame)).Add(float64(n))
}

func (a *arrivals) typeName(t string) string {
	if a.types[t] {
		return t
	}
	return other
}

// bounded is a set of label values that stops growing.
type bounded struct {
	mu    sync.Mutex // guards known
	known map[string]bool
	limit int
}

func newBounded(limit int) *bounded { return &bounded{known: map[string]bool{}, limit: limit} }

// name is the value itself while there is room for it, else other.
func (b *bounded) name(v string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known[v] {
		return v
	}
	if len(b.known) >= b.limit {
		return other
	}
	b.known[v] = true
	return v
}
