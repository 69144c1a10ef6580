package api

import (
	"context"
	"net/http"
	"net/url"
)

// Examination is what the checks of a node found.
type Examination struct {
	// State is the worst of the checks: ok, warn or fail.
	State string `json:"state"`
	// Checks are the checks with what they found.
	Checks []Checked `json:"checks"`
	// TookMS is how long the whole took, in milliseconds.
	TookMS int64 `json:"took_ms"`
}

// Checked is what one check found.
type Checked struct {
	// Name is the check's name, which the parameter check takes.
	Name string `json:"name"`
	// State is one of ok, skip (nothing to check here), warn or fail.
	State string `json:"state"`
	// Text says what was found, in a sentence.
	Text string `json:"text"`
	// Fix says what to do, as a command where there is one.
	Fix string `json:"fix,omitempty"`
	// TookMS is how long it took, in milliseconds.
	TookMS int64 `json:"took_ms"`
}

// Doctor has the node examine itself: everything, or the named checks.
func (c *Client) Doctor(ctx context.Context, names ...string) (*Examination, error) {
	return call[Examination](ctx, c, http.MethodGet, "/doctor", url.Values{"check": names}, nil)
}
