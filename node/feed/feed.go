// Package feed is the node's live events: one ordered stream of what happens, made of the store's
// durable change sequence and of what is only seen as it happens (peers, mesh, review, catch-up,
// health, audit). Nothing is ever lost silently: where a reader missed something, it gets a gap.
package feed

import (
	"context"
	"time"

	"tocsin/node/audit"
	"tocsin/storage"
)

// The kinds of events.
const (
	KindObject = "object" // of the change sequence: durable, resumes after any time
	KindPeer   = "peer"
	KindMesh   = "mesh"
	KindReview = "review"
	KindSync   = "sync"
	KindDoctor = "doctor"
	KindAudit  = "audit" // of the audit log: durable
	KindGap    = "gap"   // what a reader missed; always sent
)

// Event is one thing that happened.
type Event struct {
	// ID is the opaque cursor to go on with behind this event.
	ID   string
	At   time.Time
	Kind string
	// Change is set for KindObject, Audit for KindAudit, Data (marshals to a JSON object) for the others.
	Change *storage.Change
	Audit  *audit.Entry
	Data   any
}

// Sources are what the hub looks at. All but Store and Audit may be nil; they are asked once a second, must be
// cheap and give comparable snapshots: what differs from the one before becomes an event.
type Sources struct {
	Store *storage.Store
	Audit *audit.Log
	// Peers, Mesh, Review, Sync and Doctor map a name to its state now, a value that marshals to JSON and can be compared with ==.
	Peers, Mesh, Review, Sync, Doctor func() map[string]any
}

// Hub gathers events. Readers may come and go concurrently; Run owns the gathering.
type Hub struct{}

// New wires a hub.
func New(s Sources) *Hub {
	panic("unwritten")
}

// Run gathers until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	panic("unwritten")
}

// Reader follows the hub for one client.
type Reader struct{}

// Follow begins behind cursor ("" for now; a plain number means behind that change of the change sequence) with the given kinds (none
// means KindObject). usage.invalid for a cursor or kind that is none.
func (h *Hub) Follow(cursor string, kinds ...string) (*Reader, error) {
	panic("unwritten")
}

// Next gives at least one event, or none when ctx ends (its error) or wait has passed (no error: time for a heartbeat).
func (r *Reader) Next(ctx context.Context, wait time.Duration) ([]Event, error) {
	panic("unwritten")
}
