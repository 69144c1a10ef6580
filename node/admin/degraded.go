package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// roomLeft is Space where there is one.
func (d Deps) roomLeft() *api.Space {
	if d.Space == nil {
		return nil
	}
	return d.Space()
}

// degraded is the answer of a node without its store to whatever needs it: an empty store would say that nothing is
// known, which is worse than no answer. nil lets the request through.
func degraded(r *http.Request, s *api.Space) *api.Problem {
	if s == nil || s.Degraded == "" {
		return nil
	}
	resource, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, api.Prefix), "/"), "/")
	// These do not touch the store, and can be changed as well; the others are read.
	open := []string{"peers", "topics", "login", "logout", "tokens", "login-codes", "log-levels"}
	if r.Method == http.MethodGet {
		open = append(open, "status", "audit", "trust", "warnings", "openapi.yaml", "reasons", "doctor", "build", "config", "diagnostics")
	}
	if slices.Contains(open, resource) || r.URL.Path == "/metrics" {
		return nil
	}
	return api.NewProblem(reason.StoreFull, fmt.Sprintf("%s %s: the node runs without its store: %s", r.Method, r.URL.Path, s.Degraded))
}
