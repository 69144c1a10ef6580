// Package review is the queue of what only a person may decide: promotions that the
// machine proposes, advisories about organisations, imported trust lists, changes
// that need a second approver. It keeps them in a plain file and carries out
// nothing itself.
package review

import (
	"bytes"
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

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/audit"
	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/review")

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
	// MaxAdvisories is how many advisories of one author wait: its newest.
	MaxAdvisories = 20
	maxFile       = 64 << 20
)

// Item is one thing to decide.
type Item struct {
	// ID is short and unique: a kind and 8 hex digits of a hash of the content, so
	// that the same matter is not queued twice. Add gives it.
	ID   string `json:"id"`
	Kind string `json:"kind"`
	// Org is the organisation concerned, zero for none.
	Org protocol.OrgID `json:"org"`
	// Author is the organisation whose word an advisory is, zero for other kinds.
	Author  protocol.OrgID `json:"author,omitzero"`
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
	path  string
	limit int        // of the file's bytes: what Open refuses is never written
	aside string     // set by Open
	mu    sync.Mutex // guards state and the file
	state
	claimed map[string]bool // by id, what somebody decides on now; guarded by mu
}

// Open reads the file (absent is empty). One that cannot be made sense of is moved aside: what waits
// in it must not keep the node from starting. Aside then says where it is.
func Open(path string) (*Queue, error) {
	q := &Queue{path: path, limit: maxFile, claimed: map[string]bool{}}
	err := q.read()
	if reason.Of(err) != reason.ConfigInvalid {
		return q, err
	}
	q.state = state{}
	q.aside = path + ".unreadable-" + time.Now().UTC().Format("20060102T150405.000000000")
	if failed := os.Rename(path, q.aside); failed != nil {
		return nil, fmt.Errorf("%w; move it aside: %w", err, failed)
	}
	log.Errorw("review queue cannot be read and begins anew; the file is kept", "kept", q.aside, "err", err)
	return q, nil
}

// Aside names the file that Open moved aside, "" for none.
func (q *Queue) Aside() string { return q.aside }

// read fills the queue from the file; config.invalid when it makes no sense.
func (q *Queue) read() error {
	info, err := os.Stat(q.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open review queue: %w", err)
	}
	if info.Size() > int64(q.limit) {
		return reason.New(reason.ConfigInvalid, fmt.Sprintf("review queue %s has %d bytes, limit %d", q.path, info.Size(), q.limit))
	}
	raw, err := os.ReadFile(q.path)
	if err != nil {
		return fmt.Errorf("read review queue: %w", err)
	}
	if err := json.Unmarshal(raw, &q.state); err != nil {
		return reason.Wrap(reason.ConfigInvalid, "read review queue "+q.path, err)
	}
	return nil
}

// Add queues an item, durably, and gives its id; added is false when the same matter
// waits already or was rejected within 30 days, and for an advisory that is older than MaxAdvisories others of
// its author. What is over is dropped. Of more than MaxItems, or more than the file may hold, the oldest
// advisories give way; when that is not enough the new item is refused (conflict).
func (q *Queue) Add(i Item) (id string, added bool, err error) { return q.add(i, false) }

// Ask is Add for what a person asks for: that the same was rejected before does not keep it out.
func (q *Queue) Ask(i Item) (id string, added bool, err error) { return q.add(i, true) }

func (q *Queue) add(i Item, again bool) (id string, added bool, err error) {
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
	if again {
		delete(next.Rejected, i.ID)
	}
	if _, rejected := next.Rejected[i.ID]; rejected || next.index(i.ID) >= 0 {
		return i.ID, false, nil
	}
	next.Items = append(next.Items, i)
	slices.SortStableFunc(next.Items, func(a, b Item) int { return a.Created.Compare(b.Created) })
	next.limitAuthor(i)
	if next.index(i.ID) < 0 {
		return i.ID, false, nil
	}
	raw, err := next.fit(i, q.limit)
	if err != nil {
		return "", false, err
	}
	return i.ID, true, q.keep(next, raw)
}

// limitAuthor leaves of the advisories of i's author the newest.
func (s *state) limitAuthor(i Item) {
	if i.Kind != Advisory {
		return
	}
	same := func(o Item) bool { return o.Kind == Advisory && o.Author == i.Author }
	n := 0
	for _, o := range s.Items {
		if same(o) {
			n++
		}
	}
	if n > MaxAdvisories {
		oldest := slices.IndexFunc(s.Items, same)
		s.Items = slices.Delete(s.Items, oldest, oldest+1)
	}
}

// fit drops the oldest advisories until the state is within its bounds, and encodes it. The new item
// itself does not give way: then it is refused.
func (s *state) fit(i Item, limit int) ([]byte, error) {
	for {
		raw, err := encode(s)
		if err != nil {
			return nil, fmt.Errorf("write review queue: %w", err)
		}
		excess, items := len(raw)-limit, len(s.Items)-MaxItems
		if excess <= 0 && items <= 0 {
			return raw, nil
		}
		for excess > 0 || items > 0 {
			oldest := slices.IndexFunc(s.Items, func(o Item) bool { return o.Kind == Advisory })
			if oldest < 0 || s.Items[oldest].ID == i.ID {
				return nil, reason.New(reason.Conflict, fmt.Sprintf("queue %s: it is full (%d items): decide some with 'tocsin review'", i.ID, len(s.Items)-1))
			}
			one, err := encode(s.Items[oldest])
			if err != nil {
				return nil, fmt.Errorf("write review queue: %w", err)
			}
			excess, items = excess-len(one), items-1
			s.Items = slices.Delete(s.Items, oldest, oldest+1)
		}
	}
}

// encode writes JSON without escapes that make six bytes of one.
func encode(v any) ([]byte, error) {
	var raw bytes.Buffer
	j := json.NewEncoder(&raw)
	j.SetEscapeHTML(false)
	j.SetIndent("", " ")
	err := j.Encode(v)
	return raw.Bytes(), err
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

// Claim is Find for who decides on the item: until release nobody else gets it (conflict), so that of an acceptance and a
// rejection at the same time one is carried out.
func (q *Queue) Claim(id string, now time.Time) (i Item, release func(), err error) {
	if i, err = q.Find(id, now); err != nil {
		return Item{}, nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.claimed[i.ID]:
		return Item{}, nil, reason.New(reason.Conflict, "review item "+i.ID+": somebody decides on it at this moment; look at it again")
	case q.index(i.ID) < 0: // decided since it was found
		return Item{}, nil, gone(i.ID)
	}
	q.claimed[i.ID] = true
	return i, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.claimed, i.ID)
	}, nil
}

func gone(id string) error {
	return reason.New(reason.NotFound, "review item "+id+": it does not wait any more")
}

// Close takes an item out, durably; rejected remembers it for 30 days, so that the same matter
// does not come back at once. not.found when it does not wait.
func (q *Queue) Close(id string, rejected bool, now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	next := q.tidy(now)
	at := next.index(id)
	if at < 0 {
		return gone(id)
	}
	next.Items = slices.Delete(next.Items, at, at+1)
	if rejected {
		next.Rejected[id] = now.Add(RejectedFor)
	}
	raw, err := encode(next)
	if err != nil {
		return fmt.Errorf("write review queue: %w", err)
	}
	return q.keep(next, raw)
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

// keep writes a state that is encoded already and puts it in force. The caller holds mu.
func (q *Queue) keep(next state, raw []byte) error {
	if err := durable.Write(q.path, raw, 0o600); err != nil {
		return fmt.Errorf("write review queue: %w", err)
	}
	q.state = next
	return nil
}
