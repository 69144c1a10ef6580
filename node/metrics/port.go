package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// port is what the admin port counts.
type port struct {
	requests *prometheus.CounterVec
	streams  prometheus.Gauge
	routes   *bounded
}

// maxRoutes bounds the routes that are told apart; there are fewer.
const maxRoutes = 512

func newPort() port {
	return port{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_admin_requests_total", Help: "Requests at the admin port, by route and status code.",
		}, []string{"route", "code"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_admin_sse_clients", Help: "Clients that follow live events."}),
		routes:  newBounded(maxRoutes),
	}
}

func (p *port) collectors() []prometheus.Collector {
	return []prometheus.Collector{p.requests, p.streams}
}

// Requested counts an answered request. route is the pattern that it matched, "" for one that was refused before.
func (m *Metrics) Requested(route string, code int) {
	if route == "" {
		route = "none"
	}
	m.port.requests.WithLabelValues(m.port.routes.name(route), strconv.Itoa(code)).Inc()
}

// Streaming counts a client that begins (1) or ceases (-1) to follow live events.
func (m *Metrics) Streaming(n int) { m.port.streams.Add(float64(n)) }
