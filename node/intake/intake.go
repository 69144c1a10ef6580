// Package intake is the one way in: every record, foreign or own, passes
// Pipeline.Receive, which opens it, checks each object, derives what it can be looked up
// by, asks the trust list and stores it, accepted or held, with a reason.
package intake

import (
	"context"

	"tocsin/node/identity"
	"tocsin/node/policy"
	"tocsin/protocol"
	"tocsin/storage"
)

// Local is the source of records that this node made itself.
const Local = "local"

// Outcome says what became of a record.
type Outcome struct {
	State    storage.State
	Accepted int
	Held     int
	Refused  int
	// Refusals names each object that was refused or held, with its reason.
	Refusals []Refusal
}

// Refusal is one object that was not accepted.
type Refusal struct {
	Index  int
	Object string
	Err    error
}

// Pipeline is the way in. All methods may be called concurrently.
type Pipeline struct {
	store    *storage.Store
	policy   *policy.Book
	identity *identity.Book
	own      protocol.OrgID
}

// New wires a pipeline for the node of organisation own; it starts nothing.
func New(store *storage.Store, p *policy.Book, id *identity.Book, own protocol.OrgID) *Pipeline {
	return &Pipeline{store: store, policy: p, identity: id, own: own}
}

// Receive takes a verified record from a peer or Local. It is durable when it
// returns nil. A record already held gives dup.held, a second one at its place in
// the key log log.fork.
func (p *Pipeline) Receive(ctx context.Context, r *protocol.Record, from string) (Outcome, error) {
	panic("unwritten")
}

// Rejudge takes records out of quarantine that were held only because their
// organisation was not listed and now is. It returns how many objects were accepted.
func (p *Pipeline) Rejudge(ctx context.Context) (int, error) { panic("unwritten") }

// Release accepts a held record (index < 0) or object on the operator's word.
func (p *Pipeline) Release(ctx context.Context, ref storage.Ref, reason string) error {
	panic("unwritten")
}

// Reject drops a held record (index < 0) or object on the operator's word.
func (p *Pipeline) Reject(ctx context.Context, ref storage.Ref, reason string) error {
	panic("unwritten")
}
