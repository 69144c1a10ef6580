// Package outbox is the one way out: it takes what an operator publishes, asks
// the release guard, packs objects into records, signs them, stores them through
// intake and announces them. Nothing is announced before it is durable.
package outbox

import (
	"context"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// Announcer is the mesh as the outbox sees it.
type Announcer interface {
	// Announce hands a durable record to the mesh; gossip.size when it is too large for gossip.
	Announce(ctx context.Context, r *protocol.Record) error
}

// Request is what an operator publishes.
type Request struct {
	Topic protocol.Topic
	// TLP is the label of unmarked objects and of the record header.
	TLP stix.TLP
	// Confidence is the default for silent objects, -1 for none.
	Confidence int
	// ValidFor is the default life of silent indicators, 0 for none.
	ValidFor time.Duration
	// Producer and Upstream label where it comes from, or "".
	Producer, Upstream string
	// Data is a STIX 2.1 or 2.0 bundle, object or list.
	Data []byte
	// Progress is called from time to time with objects done and their total; may be nil.
	Progress func(done, total int)
}

// Skipped names an object that did not go out.
type Skipped struct {
	ID     string
	Code   reason.Code
	Reason string
}

// Result says what went out. Invalid counts those of Skipped that were broken
// (exit code 3); Denied those that the release guard kept back (exit code 7).
type Result struct {
	Records []protocol.RecordID
	Objects int
	Skipped []Skipped
	Invalid int
	Denied  int
	// Waiting counts records above the gossip limit, which wait for catch-up.
	Waiting int
}

// Publisher is the way out. Publish may be called concurrently; key logs are
// written one at a time.
type Publisher struct{}
