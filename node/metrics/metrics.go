// Package metrics tells Prometheus how the node fares: the names that SPEC-like promises are made of, collected when
// asked for from plain functions, and counters that the node's parts feed. It has its own registry; nothing is global.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is the node's registry and its counters. All methods may be called concurrently.
type Metrics struct{}

// Registry is where libp2p and the mesh register theirs.
func (m *Metrics) Registry() prometheus.Registerer {
	panic("unwritten")
}

// Handler answers GET /metrics; who may ask is the admin port's matter.
func (m *Metrics) Handler() http.Handler {
	panic("unwritten")
}
