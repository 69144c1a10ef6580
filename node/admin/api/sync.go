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
	// Behind counts records that peers hold and that are still to come.
	Behind int `json:"behind"`
	// BehindObjects is an estimate of the objects in them.
	BehindObjects int `json:"behind_objects"`
	// Fetched counts records that came since this node fell behind; 0 when it is not.
	Fetched int `json:"fetched"`
	// FetchedObjects counts the objects in them.
	FetchedObjects int `json:"fetched_objects"`
	// Rate is in records per second.
	Rate float64 `json:"rate"`
	// Remaining is the expected time in seconds, 0 when not known.
	Remaining float64 `json:"remaining_s"`
	// Equal counts the peers with which the last round found every topic equal in the end.
	Equal int `json:"equal"`
	// Asked counts the peers that it asked.
	Asked int `json:"asked"`
	// Connected counts the peers that are connected now.
	Connected int `json:"connected"`
	// Repaired counts records that catch-up brought since the start.
	Repaired uint64 `json:"repaired"`
	// Refused counts records that were refused and are not fetched again for a day.
	Refused int `json:"refused"`
	// Gaps counts runs of places that are missing in key logs; 10,000 at most are counted.
	Gaps int `json:"gaps"`
	// Missing counts the places in them.
	Missing uint64 `json:"missing"`
	// Last is the last time this node was behind, absent when it never was since its start.
	Last *SyncGap `json:"last,omitempty"`
	// Peers says how this node stands with each peer.
	Peers []SyncPeer `json:"peers"`
}

// SyncBrief is catch-up in one line.
type SyncBrief struct {
	// CaughtUp is up to when nothing is missing of what peers held; absent before the first round that left nothing to fetch.
	CaughtUp time.Time `json:"caught_up,omitzero"`
	// Behind counts records that peers hold and that are still to come.
	Behind int `json:"behind"`
	// BehindObjects is an estimate of the objects in them.
	BehindObjects int `json:"behind_objects"`
	// Remaining is in seconds, 0 when not known.
	Remaining float64 `json:"remaining_s"`
	// Equal counts the peers with which the last round found every topic equal in the end.
	Equal int `json:"equal"`
	// Asked counts the peers that it asked.
	Asked int `json:"asked"`
	// Gap is the end of the last gap that was filled; absent for none.
	Gap time.Time `json:"gap,omitzero"`
	// Sources counts the peers that filled it.
	Sources int `json:"sources,omitempty"`
	// Took is in how many seconds they did.
	Took float64 `json:"took_s,omitempty"`
}

// SyncGap is a time for which records were missing.
type SyncGap struct {
	// From is when the first of the missing records was signed.
	From time.Time `json:"from"`
	// Until is when the last of them was.
	Until time.Time `json:"until"`
	// Records counts the records that came.
	Records int `json:"records"`
	// Objects counts the objects in them.
	Objects int `json:"objects"`
	// Took is how many seconds it took, or takes so far.
	Took float64 `json:"took_s"`
	// Done is true when all of it is here.
	Done bool `json:"done"`
	// Off is true when all of it was made before this node started.
	Off bool `json:"off"`
	// Sources are the peers that they came from.
	Sources []PeerCalled `json:"sources"`
}

// PeerCalled is a peer with its organisation, as far as that is known.
type PeerCalled struct {
	// ID is the peer's id in the mesh.
	ID string `json:"id"`
	// Org is its organisation; absent while that is not known.
	Org string `json:"org,omitempty"`
	// Petname is what the trust list calls the organisation; absent for none.
	Petname string `json:"petname,omitempty"`
}

// SyncPeer is how we stand with one peer.
type SyncPeer struct {
	PeerCalled
	// Last is when the last round with it ended; absent for none.
	Last time.Time `json:"last,omitzero"`
	// Next is when the next is due; absent for none.
	Next time.Time `json:"next,omitzero"`
	// Received counts records that came from it.
	Received int `json:"received"`
	// Sent counts records that went to it.
	Sent int `json:"sent"`
	// ReceivedBytes counts the bytes of those that came.
	ReceivedBytes int64 `json:"received_bytes"`
	// Equal is true when the last round left no difference.
	Equal bool `json:"equal"`
	// Unsupported is true when it does not speak the protocol.
	Unsupported bool `json:"unsupported,omitempty"`
	// Error is why the last round failed; absent when it did not.
	Error string `json:"error,omitempty"`
}

// SyncRequest asks for a round.
type SyncRequest struct {
	// Peer is a peer id or its beginning, or an organisation by petname or id; "" those whose turn it is.
	Peer string `json:"peer,omitempty" maxLength:"200"`
}

// KeyLog is one key's log on a topic, or one run of places that are missing in it.
type KeyLog struct {
	// Org is the organisation whose key it is: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Petname is what the trust list calls it; absent for a stranger.
	Petname string `json:"petname,omitempty"`
	// Key is the record key's id.
	Key string `json:"key"`
	// Topic is the topic of the log.
	Topic string `json:"topic"`
	// Head is the highest number that was ever held; 0 for none.
	Head uint64 `json:"head"`
	// At is when the record at the head was signed; absent for none.
	At time.Time `json:"at,omitzero"`
	// From is the first number of a run that is missing; absent where logs are listed whatever they lack.
	From uint64 `json:"from,omitempty"`
	// To is the last number of that run.
	To uint64 `json:"to,omitempty"`
}

// SyncDigest is what is held of a topic, here and at peers.
type SyncDigest struct {
	// Topic is the topic that was compared.
	Topic string `json:"topic"`
	// Until is what records were made before; later ones are left out.
	Until time.Time `json:"until"`
	// Records counts the records that are held here.
	Records int `json:"records"`
	// Digest is the digest over their ids.
	Digest string `json:"digest"`
	// Equal counts the peers whose digest is the same, of those that answered.
	Equal int `json:"equal"`
	// Peers are the peers that were asked.
	Peers []PeerDigest `json:"peers"`
}

// PeerDigest is what one peer holds of a topic.
type PeerDigest struct {
	PeerCalled
	// Records counts the records that the peer holds.
	Records int `json:"records"`
	// Digest is the peer's digest; absent where there is none.
	Digest string `json:"digest,omitempty"`
	// Equal is true when it holds the same.
	Equal bool `json:"equal"`
	// Error is why there is no digest; absent when there is one.
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
