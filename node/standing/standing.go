// Package standing says whose word stands now: which records are void by a
// revocation, a fork or a rollback, and which organisations are out of automation because they
// are disputed, silent or tripped a breaker. What no chain tells (forks, rollbacks, trips) is kept in a plain
// file. It moves no record itself.
package standing

import (
	"context"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Rollback is an operator's decision that a key's word does not count after a position.
type Rollback struct {
	Org protocol.OrgID `json:"org"`
	Key protocol.KeyID `json:"key"`
	// Topic limits it, "" for all topics of the key.
	Topic string    `json:"topic,omitempty"`
	After uint64    `json:"after"`
	At    time.Time `json:"at"`
	Why   string    `json:"why"`
}

// Trip is a breaker that is open for an organisation on a topic.
type Trip struct {
	Org   protocol.OrgID `json:"org"`
	Topic string         `json:"topic"`
	Why   string         `json:"why"`
	At    time.Time      `json:"at"`
}

// Fork is a key held because it signed two records for one place.
type Fork struct {
	Org      protocol.OrgID `json:"org"`
	Key      protocol.KeyID `json:"key"`
	Topic    string         `json:"topic"`
	Sequence uint64         `json:"sequence"`
	At       time.Time      `json:"at"`
}

// Book is the live standing. All methods may be called concurrently.
type Book struct{}

// Open reads the file (absent is empty). chains gives the snapshot in force.
func Open(path string, chains func() *protocol.Chains) (*Book, error) { panic("unwritten") }

// Record says whether a record stands: nil, or an error with key.revoked (by the chains),
// log.fork (at or after a fork of its key; a whole organisation after three forks in 90 days),
// key.rolledback or org.tripped (its organisation's breaker on this topic, for records created after the trip). Own records
// are judged like all others.
func (b *Book) Record(r *protocol.Record) error { panic("unwritten") }

// Place is Record for a place of a key log.
func (b *Book) Place(org protocol.OrgID, h protocol.Head, created time.Time) error {
	panic("unwritten")
}

// Org says why an organisation is out of automation on a topic now: org.disputed,
// org.stale, org.tripped, or "". The node's own organisation never is stale to itself.
func (b *Book) Org(org protocol.OrgID, topic protocol.Topic, now time.Time) reason.Code {
	panic("unwritten")
}

// Forked notes a proven fork, durably; first is false when the key is held already.
func (b *Book) Forked(f *protocol.ForkProof, at time.Time) (first bool, err error) {
	panic("unwritten")
}

// RollBack notes an operator's rollback, durably. A wider one replaces a narrower one of the same key and topic.
func (b *Book) RollBack(r Rollback) error { panic("unwritten") }

// Trip opens a breaker, durably; first is false when it is open already.
func (b *Book) Trip(t Trip) (first bool, err error) { panic("unwritten") }

// Restore closes the breakers of an organisation (topic "" for all) and takes back its
// rollbacks; it returns how many. A fork is never forgiven: the organisation makes a new key.
func (b *Book) Restore(org protocol.OrgID, topic string) (int, error) { panic("unwritten") }

// Rollbacks, Trips and Forks list what is in force, newest first.
func (b *Book) Rollbacks() []Rollback { panic("unwritten") }

// Trips lists the open breakers, newest first.
func (b *Book) Trips() []Trip { panic("unwritten") }

// Forks lists the held keys, newest first.
func (b *Book) Forks() []Fork { panic("unwritten") }

// Version counts changes, of the chains' revocations too once Changed was called; it never falls.
func (b *Book) Version() uint64 { panic("unwritten") }

// Changed says that the chains changed in a way that may void records.
func (b *Book) Changed() { panic("unwritten") }

// Wait returns nil when the version is above the given one, or ctx's error.
func (b *Book) Wait(ctx context.Context, version uint64) error { panic("unwritten") }
