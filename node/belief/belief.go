// Package belief answers what this node believes about a value and why: it
// joins what the store holds with the trust list in force, now. It writes
// nothing. (It is a package of its own because the admin port and every output ask the
// same question.)
package belief

import (
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/policy"
	"tocsin/protocol"
	"tocsin/storage"
)

// Desk answers questions. All methods may be called concurrently.
type Desk struct {
	store  *storage.Store
	policy *policy.Book
	own    protocol.OrgID
}

// New returns a desk for the node of organisation own.
func New(store *storage.Store, p *policy.Book, own protocol.OrgID) *Desk {
	return &Desk{store: store, policy: p, own: own}
}

// Check judges each value as typed (defanged input is fine), in order.
func (d *Desk) Check(values []string, now time.Time) ([]api.CheckItem, error) { panic("unwritten") }

// Explain gives the arithmetic behind one value, or behind each value that a
// STIX id names. not.found when neither is known.
func (d *Desk) Explain(subject string, now time.Time) (*api.Explanation, error) { panic("unwritten") }
