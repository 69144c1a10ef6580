// Package catchup fetches what gossip did not bring: it reconciles the sets of records per topic with
// peers, fetches what is missing in chunks, hands it to the way in, and answers peers that do the same. It is the
// only retry there is. It judges nothing and stores nothing itself.
package catchup

import (
	"context"
	"time"

	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/storage"
)

// Deps is what catch-up works with.
type Deps struct {
	Host  *p2p.Host
	Store *storage.Store
	// Chains is the current snapshot of identity chains.
	Chains func() *protocol.Chains
	// Topics are what this node joined, control first.
	Topics func() []protocol.Topic
	// Receive is the way in; it returns when the record is durable.
	Receive func(ctx context.Context, r *protocol.Record, from string) error
	// Listed says whether an organisation is on the trust list at observed or above.
	Listed func(protocol.OrgID) bool
}

// Status is a snapshot.
type Status struct {
	// CaughtUp is up to when nothing is missing of what a peer held: the end of what was compared in the last round that left nothing
	// to fetch, which is some seconds before that round; zero before the first.
	CaughtUp time.Time
	// Behind counts the records that peers hold and we are still to fetch, Objects is an estimate of the objects in them. Refused ones are not counted.
	Behind, Objects int
	Progress
	// Equal is with how many peers the last round found every topic equal in the end, of Asked.
	Equal, Asked int
	// Repaired counts records that catch-up brought since the start, Refused those on the table of refused ids.
	Repaired uint64
	Refused  int
	Peers    []PeerStatus
	Last     *Gap
}

// Progress is how the fetching goes that is under way; zero when nothing is missing.
type Progress struct {
	// Fetched and FetchedObjects count since the round began in which we fell behind, Rate is records per second.
	Fetched, FetchedObjects int
	Rate                    float64
	// Remaining is the expected time, 0 when unknown.
	Remaining time.Duration
}

// PeerStatus is how we stand with one peer.
type PeerStatus struct {
	ID string
	// Last is when a round with it ended, Next when the next is due.
	Last, Next time.Time
	// Received and Sent count records, ReceivedBytes their bytes.
	Received, Sent int
	ReceivedBytes  int64
	// Equal is true when the last round left no difference.
	Equal bool
	// Unsupported is true when it does not speak the protocol.
	Unsupported bool
	// Error is why the last round failed, "" when it did not.
	Error string
}

// Gap is the last time we were behind.
type Gap struct {
	// From and Until are the created of the first and last record that was missing.
	From, Until time.Time
	// Records and Objects came, as they were counted.
	Records, Objects int
	// Took is how long it was until all of it was here; Sources are the peers that sent it.
	Took    time.Duration
	Sources []string
	// Done is false while it is being filled.
	Done bool
}

// Comparison is a topic's digest here and at peers.
type Comparison struct {
	Topic protocol.Topic
	// Until is what records were made before; later ones are left out.
	Until time.Time
	// Records and Digest are ours.
	Records int
	Digest  protocol.Digest
	// Peers have theirs.
	Peers []PeerDigest
}

// PeerDigest is one peer's.
type PeerDigest struct {
	ID      string
	Records int
	Digest  protocol.Digest
	// Error is why there is none.
	Error string
}
