package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Sync is how far catch-up is.
type Sync struct {
	// CaughtUp is up to when nothing is missing of what peers held, absent before the first round that left nothing to fetch.
	CaughtUp time.Time `json:"caught_up,omitzero"`
	// Behind counts records that peers hold and that are still to come, BehindObjects is an estimate of the objects in them.
	Behind        int `json:"behind"`
	BehindObjects int `json:"behind_objects"`
	// Fetched counts records since this node fell behind.
	Fetched        int `json:"fetched"`
	FetchedObjects int `json:"fetched_objects"`
	// Rate is in records per second, Remaining in seconds, 0 when not known.
	Rate      float64 `json:"rate"`
	Remaining float64 `json:"remaining_s"`
	// Equal is with how many peers of Asked the last round found every topic equal.
	Equal int `json:"equal"`
	Asked int `json:"asked"`
	// Connected counts the peers that are connected now.
	Connected int `json:"connected"`
	// Repaired counts records that catch-up brought since the start, Refused those that are not fetched again for a day.
	Repaired uint64 `json:"repaired"`
	Refused  int    `json:"refused"`
	// Gaps counts runs of places that are missing in key logs, Missing the places, as far as they are counted.
	Gaps    int    `json:"gaps"`
	Missing uint64 `json:"missing"`
	// Last is the last time this node was behind, absent when it never was since its start.
	Last  *SyncGap   `json:"last,omitempty"`
	Peers []SyncPeer `json:"peers"`
}

// SyncBrief is catch-up in one line.
type SyncBrief struct {
	CaughtUp      time.Time `json:"caught_up,omitzero"`
	Behind        int       `json:"behind"`
	BehindObjects int       `json:"behind_objects"`
	// Remaining is in seconds, 0 when not known.
	Remaining float64 `json:"remaining_s"`
	Equal     int     `json:"equal"`
	Asked     int     `json:"asked"`
	// Gap is the end of the last gap that was filled, from as many peers as Sources, in Took seconds.
	Gap     time.Time `json:"gap,omitzero"`
	Sources int       `json:"sources,omitempty"`
	Took    float64   `json:"took_s,omitempty"`
}

// SyncGap is a time for which records were missing.
type SyncGap struct {
	// From and Until are the created of the first and last of them.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// Records and Objects are what came.
	Records int `json:"records"`
	Objects int `json:"objects"`
	// Took is in seconds, until all of it was here or so far.
	Took float64 `json:"took_s"`
	Done bool    `json:"done"`
	// Off is true when all of it was made before this node started.
	Off     bool         `json:"off"`
	Sources []PeerCalled `json:"sources"`
}

// PeerCalled is a peer with its organisation, as far as that is known.
type PeerCalled struct {
	ID      string `json:"id"`
	Org     string `json:"org,omitempty"`
	Petname string `json:"petname,omitempty"`
}

// SyncPeer is how we stand with one peer.
type SyncPeer struct {
	PeerCalled
	// Last is when a round with it ended, Next when the next is due.
	Last time.Time `json:"last,omitzero"`
	Next time.Time `json:"next,omitzero"`
	// Received and Sent count records.
	Received      int   `json:"received"`
	Sent          int   `json:"sent"`
	ReceivedBytes int64 `json:"received_bytes"`
	// Equal is true when the last round left no difference.
	Equal bool `json:"equal"`
	// Unsupported is true when it does not speak the protocol.
	Unsupported bool   `json:"unsupported,omitempty"`
	Error       string `json:"error,omitempty"`
}

// SyncRequest asks for a round.
type SyncRequest struct {
	// Peer is a peer id or its beginning, or an organisation by petname or id; "" those whose turn it is.
	Peer string `json:"peer,omitempty" maxLength:"200"`
}

// KeyLog is one key's log on a topic. With From it is one run of places that are missing in it.
type KeyLog struct {
	Org     string `json:"org"`
	Petname string `json:"petname,omitempty"`
	Key     string `json:"key"`
	Topic   string `json:"topic"`
	// Head is the highest place that was ever held, At when its record was made.
	Head uint64    `json:"head"`
	At   time.Time `json:"at,omitzero"`
	// From to To are missing, both of them.
	From uint64 `json:"from,omitempty"`
	To   uint64 `json:"to,omitempty"`
}

// SyncDigest is what is held of a topic, here and at peers.
type SyncDigest struct {
	Topic string `json:"topic"`
	// Until is what records were made before; later ones are left out.
	Until   time.Time `json:"until"`
	Records int       `json:"records"`
	Digest  string    `json:"digest"`
	// Equal counts the peers whose digest is ours, of those in Peers that answered.
	Equal int          `json:"equal"`
	Peers []PeerDigest `json:"peers"`
}

// PeerDigest is one peer's.
type PeerDigest struct {
	PeerCalled
	Records int    `json:"records"`
	Digest  string `json:"digest,omitempty"`
	Equal   bool   `json:"equal"`
	// Error is why there is none.
	Error string `json:"error,omitempty"`
}

// Sync says how far catch-up is.
func (c *Client) Sync(ctx context.Context) (*Sync, error) {
	return call[Sync](ctx, c, http.MethodGet, "/sync", nil, nil)
}

// SyncNow runs a round and says how far catch-up is then; it takes as long as it takes, or until ctx ends.
func (c *Client) SyncNow(ctx context.Context, peer string) (*Sync, error) {
	return call[Sync](ctx, c, http.MethodPost, "/sync/now", nil, SyncRequest{Peer: peer})
}

// SyncGaps lists at most limit runs of missing places or, with all, key logs, whatever they lack.
func (c *Client) SyncGaps(ctx context.Context, limit int, all bool) (*List[KeyLog], error) {
	if all {
		limit = 0
	}
	return pages[KeyLog](ctx, c, "/sync/gaps", url.Values{"all": {strconv.FormatBool(all)}}, limit)
}

// SyncVerify asks up to peers peers what they hold and compares.
func (c *Client) SyncVerify(ctx context.Context, peers int) (*List[SyncDigest], error) {
	q := url.Values{"peers": {strconv.Itoa(peers)}}
	return call[List[SyncDigest]](ctx, c, http.MethodPost, "/sync/verify", q, nil)
}
