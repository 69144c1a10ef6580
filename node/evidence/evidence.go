// Package evidence keeps when and from whom this node first saw each record, outside the store, commits
// to it in the audit log, and puts together what proves an object: its proof, the chain of certificates, the first-seen
// facts and their place in the audit log.
package evidence

import (
	"context"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/storage"
)

// Fact is when and from whom a record was first seen.
type Fact struct {
	Record protocol.RecordID
	Seen   time.Time
	// From is the peer id in text form, "local", or "bundle:ORG" and the like.
	From string
	// By is the organisation whose node saw it; zero is this node. Others' facts come with bundles and are their word.
	By protocol.OrgID
}

// Book is the kept facts. All methods may be called concurrently.
type Book struct{}

// Open opens or creates the facts in dir.
func Open(dir string, store *storage.Store, log *audit.Log) (*Book, error) { panic("unwritten") }

// Run follows the change sequence of the store, keeps a fact for each new record and commits to them until ctx ends.
func (b *Book) Run(ctx context.Context) error { panic("unwritten") }

// Facts returns what is known of a record, our own first. The kept fact of this node is the oldest.
func (b *Book) Facts(id protocol.RecordID) []Fact { panic("unwritten") }

// Told keeps what others say about when they saw records, as a bundle carries it; durable when it returns nil.
func (b *Book) Told(ctx context.Context, facts []Fact) error { panic("unwritten") }

// Close releases the files.
func (b *Book) Close() error { panic("unwritten") }
