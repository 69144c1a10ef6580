package api

import (
	"context"
	"net/http"
	"net/url"
)

// Examination is what the checks of a node found. State is the worst: ok, warn or fail.
type Examination struct {
	State  string    `json:"state"`
	Checks []Checked `json:"checks"`
	TookMS int64     `json:"took_ms"`
}

// Checked is what one check found. State is ok, skip (nothing to check here), warn or fail.
type Checked struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Text  string `json:"text"`
	// Fix says what to do, as a command where there is one.
	Fix    string `json:"fix,omitempty"`
	TookMS int64  `json:"took_ms"`
}

// Doctor has the node examine itself: everything, or the named checks.
func (c *Client) Doctor(ctx context.Context, names ...string) (*Examination, error) {
	return call[Examination](ctx, c, http.MethodGet, "/doctor", url.Values{"check": names}, nil)
}
