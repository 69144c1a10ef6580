// Package feed is the node's live events: one ordered stream of what happens, made of the store's
// durable change sequence, of the audit log and of what is only seen as it happens (peers, mesh, review, catch-up,
// health). Nothing is ever lost silently: where a reader missed something, it gets a gap.
package feed

import (
	"context"
	"slices"
	"strconv"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/audit"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/feed")

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

// Kinds are those that can be asked for.
func Kinds() []string {
	return []string{KindObject, KindPeer, KindMesh, KindReview, KindSync, KindDoctor, KindAudit}
}

// durable reports whether a kind is kept on disk.
func durable(kind string) bool { return kind == KindObject || kind == KindAudit }

// Event is one thing that happened.
type Event struct {
	// ID is the opaque cursor to go on with behind this event.
	ID   string
	At   time.Time
	Kind string
	// Change is set for KindObject, Audit for KindAudit, Data for the others: a Gap for KindGap, else a Turn.
	Change *storage.Change
	Audit  *audit.Entry
	Data   any
}

// Turn is how the state of something that is only seen as it happens became another.
type Turn struct {
	Name string `json:"name"`
	// Was and Now are the states, nil for what was not there, or is not any more.
	Was any `json:"was,omitempty"`
	Now any `json:"now,omitempty"`
}

// Unknown is how many events a gap has when nobody can know.
const Unknown = -1

// Gap is what a reader missed.
type Gap struct {
	// From and To are the cursors before and behind what is missing.
	From string `json:"from"`
	To   string `json:"to"`
	// Dropped counts events of the source that has the gap, of any kind; Unknown when the node or its store was another one then.
	Dropped int64 `json:"dropped"`
}

// Sources are what the hub looks at. All but Store and Audit may be nil; they are asked once a second, must be
// cheap and give comparable snapshots: what differs from the one before becomes an event.
type Sources struct {
	Store *storage.Store
	Audit *audit.Log
	// Peers, Mesh, Review, Sync and Doctor map a name to its state now, a value that marshals to JSON and can be compared with ==.
	Peers, Mesh, Review, Sync, Doctor func() map[string]any
}

// Hub gathers events. Readers may come and go concurrently; Run owns the gathering of what is not durable.
type Hub struct {
	sources Sources
	// boot names this run of the node in cursors: what was only seen as it happened ends with it.
	boot    string
	started time.Time
	changes recent[storage.Change]
	entries recent[audit.Entry]
	live    ring
}

// New wires a hub.
func New(s Sources) *Hub {
	now := time.Now()
	h := &Hub{sources: s, boot: strconv.FormatInt(now.UnixNano(), 36), started: now, live: ring{grown: make(chan struct{})}}
	h.changes = recent[storage.Change]{read: s.Store.Changes, seq: func(c storage.Change) uint64 { return c.Seq }}
	h.entries = recent[audit.Entry]{read: h.readAudit, seq: func(e audit.Entry) uint64 { return e.Seq }}
	return h
}

func (h *Hub) readAudit(after uint64, limit int) ([]audit.Entry, error) {
	entries, _, err := h.sources.Audit.Read(after, limit, audit.Filter{})
	return entries, err
}

// every is how often what is not durable is looked at.
const every = time.Second

// Run gathers until ctx ends.
func (h *Hub) Run(ctx context.Context) error {
	watched := h.watched()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		var turns []moment
		for _, w := range watched {
			turns = w.look(turns, now)
		}
		h.live.add(turns, now)
	}
}

// watched takes the first snapshots, with which later ones are compared.
func (h *Hub) watched() []*watch {
	s := h.sources
	all := []*watch{
		{kind: KindPeer, ask: s.Peers}, {kind: KindMesh, ask: s.Mesh}, {kind: KindReview, ask: s.Review},
		{kind: KindSync, ask: s.Sync}, {kind: KindDoctor, ask: s.Doctor},
	}
	all = slices.DeleteFunc(all, func(w *watch) bool { return w.ask == nil })
	for _, w := range all {
		w.was = w.ask()
	}
	return all
}
