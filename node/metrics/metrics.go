// Package metrics tells Prometheus how the node fares: values collected when they are asked for, from plain functions,
// and counters that the node's parts feed. It has its own registry; nothing is global. No label names a peer, an
// organisation or an indicator, and every set of label values is bounded.
package metrics

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var log = logging.Logger("tocsin/metrics")

const (
	// maxScrapes is how many may ask at once: a scrape looks at every part of the node.
	maxScrapes = 4
	// scrapeTime is how long one may take.
	scrapeTime = 10 * time.Second
)

// Build says which program runs, and since when.
type Build struct {
	// Version and Revision are the program's, Go the toolchain's version.
	Version, Revision, Go string
	Started               time.Time
}

// Metrics is the node's registry and its counters. All methods may be called concurrently.
type Metrics struct {
	registry *prometheus.Registry
	arrivals arrivals
	port     port
	vacuum   prometheus.Histogram
}

// New makes the registry with what is known from the beginning.
func New(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), arrivals: newArrivals(), port: newPort(), vacuum: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tocsin_store_gc_seconds", Help: "How long it took to take off the disk what is not live.",
		Buckets: prometheus.ExponentialBuckets(0.25, 4, 7),
	})}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "tocsin_build_info", Help: "Always 1; the labels say which program runs.",
	}, []string{"version", "revision", "goversion"})
	build.WithLabelValues(b.Version, b.Revision, b.Go).Set(1)
	start := prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_start_time_seconds", Help: "When the node started, in seconds since 1970."})
	start.Set(stamp(b.Started))
	m.registry.MustRegister(build, start, m.vacuum, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.arrivals.collectors()...)
	m.registry.MustRegister(m.port.collectors()...)
	return m
}

// Registry is where libp2p and the mesh register theirs.
func (m *Metrics) Registry() prometheus.Registerer { return m.registry }

// Gatherer gives what is registered, for tests and reports.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Handler answers GET /metrics; who may ask is the admin port's matter. A part that cannot be collected is left out.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, options(complaints{log.Warnw, log.Debugw}))
}

func options(c complaints) promhttp.HandlerOpts {
	return promhttp.HandlerOpts{
		ErrorLog:            c,
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTime,
	}
}

// Vacuumed notes how long a vacuum of the store took.
func (m *Metrics) Vacuumed(took time.Duration) { m.vacuum.Observe(took.Seconds()) }

// complaints takes what the handler has to say into the node's log: one line a scrape for what cannot be collected. For who left
// there is one for each name, which nobody needs.
type complaints struct {
	warn, debug func(msg string, keysAndValues ...any)
}

// Println implements promhttp.Logger.
func (c complaints) Println(v ...any) {
	text := strings.TrimSpace(fmt.Sprintln(v...))
	if strings.HasPrefix(text, "error encoding and sending") {
		c.debug("a scrape was broken off", "err", text)
		return
	}
	c.warn("metrics are not complete", "err", text)
}

// stamp is a moment as Prometheus has it.
func stamp(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
