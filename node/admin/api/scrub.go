package api

import (
	"context"
	"net/http"
	"time"
)

// Scrub is what the last look at the whole store found, or has found so far.
type Scrub struct {
	// Running is true while it looks: then the figures are those so far.
	Running bool `json:"running"`
	// OK is true when everything is as it should be.
	OK bool `json:"ok"`
	// Began is when it began; absent when it never did since the start.
	Began time.Time `json:"began,omitzero"`
	// Ended is when it ended; absent while it runs and when it never did.
	Ended time.Time `json:"ended,omitzero"`
	// Records counts the records that were read.
	Records int `json:"records"`
	// Repaired counts those that were put back from peers.
	Repaired int `json:"repaired"`
	// Lost are the ids of records that are damaged and that nobody has.
	Lost []string `json:"lost"`
	// Problems says in sentences what is wrong.
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
