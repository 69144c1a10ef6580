// Package review is the queue of what only a person may decide: promotions that the
// machine proposes, advisories about organisations, imported trust lists, changes that need a second
// approver. It keeps them in a plain file and carries out nothing itself.
package review

import (
	"encoding/json"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol"
)

// The kinds of items.
const (
	Promotion = "promotion" // the machine proposes a higher level
	Advisory  = "advisory"  // another organisation warns of one
	Import    = "import"    // a trust list to look at
	Anchor    = "anchor"    // an anchor entry that needs a second approver
	Dispute   = "dispute"   // an organisation has two roots of one version
)

// Item is one thing to decide.
type Item struct {
	// ID is short and unique: a kind and 8 hex digits of a hash of the content, so that the
	// same matter is not queued twice.
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

// Queue is the open queue. All methods may be called concurrently.
type Queue struct{}

// Open reads the file (absent is empty).
func Open(path string) (*Queue, error) { panic("unwritten") }

// Add queues an item, durably; false when the same matter waits or was rejected within
// 30 days. Items past Expires are dropped. At most 10,000 wait; advisories give way first.
func (q *Queue) Add(i Item) (bool, error) { panic("unwritten") }

// List returns what waits at now, oldest first.
func (q *Queue) List(now time.Time) []Item { panic("unwritten") }

// Find returns the item of an id or a unique prefix; not.found, id.ambiguous.
func (q *Queue) Find(id string) (Item, error) { panic("unwritten") }

// Close takes an item out, durably; rejected remembers it for 30 days.
func (q *Queue) Close(id string, rejected bool) error { panic("unwritten") }
