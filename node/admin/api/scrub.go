package api

import (
	"context"
	"net/http"
	"time"
)

// Scrub is what the last look at the whole store found, or has found so far.
type Scrub struct {
	Running bool `json:"running"`
	// OK is true when everything is as it should be.
	OK    bool      `json:"ok"`
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Records is how many were read, Repaired how many were put back from peers, Lost those that are damaged and that nobody has.
	Records  int      `json:"records"`
	Repaired int      `json:"repaired"`
	Lost     []string `json:"lost"`
	// Problems are sentences.
	Problems []string `json:"problems"`
}

// Scrub says what the last look at the whole store found.
func (c *Client) Scrub(ctx context.Context) (*Scrub, error) {
	return call[Scrub](ctx, c, http.MethodGet, "/scrub", nil, nil)
}

// ScrubNow looks at the whole store now; it takes minutes where there is much.
func (c *Client) ScrubNow(ctx context.Context) (*Scrub, error) {
	return call[Scrub](ctx, c, http.MethodPost, "/scrub", nil, nil)
}
