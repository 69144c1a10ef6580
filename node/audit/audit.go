// Package audit is the node's own record of who did what, when and why: an append-only,
// hash-chained file outside the store. An action is written before it is
// done; when it cannot be written, it is not done.
package audit

import (
	"context"
	"time"

	"tocsin/protocol"
)

// Actor is who acts: a person at the admin socket, or the node itself (UID -1).
type Actor struct {
	UID int `json:"uid"`
	// User is the account's name, "" when the system has none for UID.
	User string `json:"user,omitempty"`
	// Via is "socket", "config", "node" or "command" (a command that ran without a node).
	Via string `json:"via"`
}

// Node is the actor of what the node does by itself.
func Node() Actor { return Actor{UID: -1, Via: "node"} }

// WithActor gives a context whose work is that actor's.
func WithActor(ctx context.Context, a Actor) context.Context { panic("unwritten") }

// ActorOf says whose work a context is; Node when nobody was named.
func ActorOf(ctx context.Context) Actor { panic("unwritten") }

// Event is what is written down.
type Event struct {
	// Action is a dotted name: "trust.set", "trust.remove", "trust.reload", "quarantine.accept",
	// "key.rotate", "key.revoke", "key.stop", "invite.create", "review.accept", "breaker.trip", "fork.seen" ...
	Action string `json:"action"`
	// Target is what it was done to: an organisation, key, record, file.
	Target string `json:"target,omitempty"`
	// Reason is the actor's word.
	Reason string `json:"reason,omitempty"`
	// Detail is small: at most 64 pairs and 16 KiB; a longer one is cut and says so.
	Detail map[string]string `json:"detail,omitempty"`
}

// Entry is one line of the log.
type Entry struct {
	Seq   uint64    `json:"seq"`
	At    time.Time `json:"at"`
	Actor Actor     `json:"actor"`
	Event
	// Prev is the hash of the entry before; Hash is SHA-256 over the line without Hash.
	Prev protocol.Digest `json:"prev"`
	Hash protocol.Digest `json:"hash"`
}

// Filter selects entries; zero fields select all.
type Filter struct {
	// Action is a whole action or its first part ("trust").
	Action string
	// Target and Text match parts, Text anywhere in the line.
	Target, Text string
	UID          *int
	Since, Until time.Time
}

// Log is the open log. All methods may be called concurrently.
type Log struct{}

// Open opens or creates the log, checks its chain and cuts off a torn last line (kept
// beside it). audit.damaged when the chain does not hold: the node still starts a new
// segment that names the break.
func Open(path string) (*Log, error) { panic("unwritten") }

// Append writes an entry for the actor of ctx, durable when it returns nil.
func (l *Log) Append(ctx context.Context, e Event) (Entry, error) { panic("unwritten") }

// Read returns up to limit entries after a sequence number that the filter selects,
// and the sequence number to go on from, 0 at the end.
func (l *Log) Read(after uint64, limit int, f Filter) (entries []Entry, next uint64, err error) {
	panic("unwritten")
}

// Last returns the newest n entries that the filter selects, oldest first.
func (l *Log) Last(n int, f Filter) ([]Entry, error) { panic("unwritten") }

// Head is the sequence number and hash of the newest entry.
func (l *Log) Head() (uint64, protocol.Digest) { panic("unwritten") }

// Wait returns when there is an entry after a sequence number, or ctx ends.
func (l *Log) Wait(ctx context.Context, after uint64) error { panic("unwritten") }

// Close releases the file.
func (l *Log) Close() error { panic("unwritten") }

// Verification is what Verify found.
type Verification struct {
	Entries uint64
	Head    protocol.Digest
	// Problems are sentences that name the line; empty means sound.
	Problems []string
}

// Verify checks a log file from its bytes alone.
func Verify(path string) (Verification, error) { panic("unwritten") }
