// Package review is the queue of what only a person may decide: promotions that the
// machine proposes, advisories about organisations, imported trust lists, changes
// that need a second approver. It keeps them in a plain file and carries out
// nothing itself.
package review

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/node/audit"
	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// The kinds of items.
const (
	Promotion = "promotion" // the machine proposes a higher level
	Advisory  = "advisory"  // another organisation warns of one
	Import    = "import"    // a trust list to look at
	Anchor    = "anchor"    // an anchor entry that needs a second approver
	Dispute   = "dispute"   // an organisation has two roots of one version
)

// The bounds of the queue.
const (
	// MaxItems is how many items wait at most.
	MaxItems = 10_000
	// MaxPayload bounds one item's payload, MaxDetail its lines.
	MaxPayload = 1 << 20
	MaxDetail  = 200
	// RejectedFor is how long the same matter is not queued again.
	RejectedFor = 30 * 24 * time.Hour
	maxFile     = 64 << 20
)

// Item is one thing to decide.
type Item struct {
	// ID is short and unique: a kind and 8 hex digits of a hash of the content, so
	// that the same matter is not queued twice. Add gives it.
	ID   string `json:"id"`
	Kind string `json:"kind"`
	// Org is the organisation concerned, zero for none.
	Org     protocol.OrgID `json:"org"`
	Title   string         `json:"title"`
	Detail  []string       `json:"detail,omitempty"`
	By      audit.Actor    `json:"by"`
	Created time.Time      `json:"created"`
	Expires time.Time      `json:"expires"`
	// Payload is what is carried out when it is accepted; its form is the kind's.
	Payload json.RawMessage `json:"payload,omitempty"`
}

// state is the file.
type state struct {
	Items []Item `json:"items"`
	// Rejected remembers until when a matter is not queued again, by id.
	Rejected map[string]time.Time `json:"rejected,omitempty"`
}

// Queue is the open queue. All methods may be called concurrently.
type Queue struct {
	path string
	mu   sync.Mutex // guards state and the file
	state
}

// Open reads the file (absent is empty). A file that cannot be read is config.invalid.
func Open(path string) (*Queue, error) {
	q := &Queue{path: path}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return q, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open review queue: %w", err)
	}
	if info.Size() > maxFile {
		return nil, reason.New(reason.ConfigInvalid, fmt.Sprintf("review queue %s has %d bytes, limit %d: move it away, the node starts an empty one", path, info.Size(), maxFile))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read review queue: %w", err)
	}
	if err := json.Unmarshal(raw, &q.state); err != nil {
		return nil, reason.Wrap(reason.ConfigInvalid, "read review queue "+path+" (move it away, the node starts an empty one)", err)
	}
	return q, nil
}

// Add queues an item, durably, and gives its id; added is false when the same matter
// waits already or was rejected within 30 days. What is over is dropped. Of more than MaxItems the oldest advisory
// gives way; without one the new item is refused (conflict).
func (q *Queue) Add(i Item) (id string, added bool, err error) {
	if len(i.Payload) > MaxPayload {
		return "", false, reason.New(reason.UsageInvalid, fmt.Sprintf("queue %s %q: payload of %d bytes, limit %d", i.Kind, i.Title, len(i.Payload), MaxPayload))
	}
	if len(i.Detail) > MaxDetail {
		more := len(i.Detail) - MaxDetail + 1
		i.Detail = append(slices.Clone(i.Detail[:MaxDetail-1]), fmt.Sprintf("and %d more", more))
	}
	i.ID = i.id()
	q.mu.Lock()
	defer q.mu.Unlock()
	next := q.tidy(i.Created)
	if _, rejected := next.Rejected[i.ID]; rejected || next.index(i.ID) >= 0 {
		return i.ID, false, nil
	}
	if len(next.Items) >= MaxItems {
		oldest := slices.IndexFunc(next.Items, func(o Item) bool { return o.Kind == Advisory })
		if oldest < 0 {
			return "", false, reason.New(reason.Conflict, fmt.Sprintf("queue %s: %d items wait already: decide some with 'tocsin review'", i.ID, len(next.Items)))
		}
		next.Items = slices.Delete(next.Items, oldest, oldest+1)
	}
	next.Items = append(next.Items, i)
	slices.SortStableFunc(next.Items, func(a, b Item) int { return a.Created.Compare(b.Created) })
	return i.ID, true, q.keep(next)
}

// id names the matter: kind, organisation and what would be carried out.
func (i *Item) id() string {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(i.Kind), i.Org[:], []byte(i.Title), i.Payload} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	return i.Kind + "-" + hex.EncodeToString(h.Sum(nil)[:4])
}

// List returns what waits at now, oldest first. The caller owns the slice.
func (q *Queue) List(now time.Time) []Item {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.tidy(now).Items
}

// Find returns the item of an id or a unique part at its beginning, of the id or of its
// digits; not.found, id.ambiguous. What is over at now is not found.
func (q *Queue) Find(id string, now time.Time) (Item, error) {
	var found []Item
	for _, i := range q.List(now) {
		_, digits, _ := strings.Cut(i.ID, "-")
		if i.ID == id {
			return i, nil
		}
		if id != "" && (strings.HasPrefix(i.ID, id) || strings.HasPrefix(digits, id)) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		return Item{}, reason.New(reason.NotFound, fmt.Sprintf("review item %.80q: nothing like it waits; 'tocsin review list' shows what does", id))
	case 1:
		return found[0], nil
	}
	return Item{}, reason.New(reason.Ambiguous, fmt.Sprintf("review item %s: %s and %s begin like this", id, found[0].ID, found[1].ID))
}

// Close takes an item out, durably; rejected remembers it for 30 days, so that the same matter
// does not come back at once. not.found when it does not wait.
func (q *Queue) Close(id string, rejected bool, now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	next := q.tidy(now)
	at := next.index(id)
	if at < 0 {
		return reason.New(reason.NotFound, "review item "+id+": it does not wait any more")
	}
	next.Items = slices.Delete(next.Items, at, at+1)
	if rejected {
		next.Rejected[id] = now.Add(RejectedFor)
	}
	return q.keep(next)
}

// tidy copies the state without what is over at now. The caller holds mu.
func (q *Queue) tidy(now time.Time) state {
	next := state{Rejected: map[string]time.Time{}}
	for _, i := range q.Items {
		if i.Expires.IsZero() || now.Before(i.Expires) {
			next.Items = append(next.Items, i)
		}
	}
	for id, until := range q.Rejected {
		if now.Before(until) {
			next.Rejected[id] = until
		}
	}
	// A flood of rejected matters must not grow the file: the oldest go first.
	if over := len(next.Rejected) - MaxItems; over > 0 {
		ids := slices.SortedFunc(maps.Keys(next.Rejected), func(a, b string) int {
			return cmp.Or(next.Rejected[a].Compare(next.Rejected[b]), strings.Compare(a, b))
		})
		for _, id := range ids[:over] {
			delete(next.Rejected, id)
		}
	}
	return next
}

func (s *state) index(id string) int {
	return slices.IndexFunc(s.Items, func(i Item) bool { return i.ID == id })
}

// keep writes a state and puts it in force. The caller holds mu.
func (q *Queue) keep(next state) error {
	raw, err := json.MarshalIndent(next, "", " ")
	if err != nil {
		return fmt.Errorf("write review queue: %w", err)
	}
	if err := durable.Write(q.path, raw, 0o600); err != nil {
		return fmt.Errorf("write review queue: %w", err)
	}
	q.state = next
	return nil
}
