// Package scores keeps what this node saw of each organisation's work: the ledger that
// enters the arithmetic, and the scorecard for people. It follows the store's change sequence in the
// background and keeps its totals in a plain file. Everything in it is local.
package scores

import (
	"context"
	"time"

	"tocsin/protocol"
)

// Card is an organisation's scorecard in one scope (topic).
type Card struct {
	Org   protocol.OrgID
	Topic string
	// Objects counts claims taken in, Unique those whose values nobody else named.
	Objects, Unique int
	// Lead is the median time by which it was ahead of the next independent voice, over Leads values.
	Lead  time.Duration
	Leads int
	// Confirmed, Refuted and Withdrawn count values over all time; Q is the ledger factor now, 1/10,000.
	Confirmed, Refuted, Withdrawn int
	Q                             int
	// Retraction is the median time from a refutation to the author's withdrawal, over Retractions.
	Retraction  time.Duration
	Retractions int
	// First and Last are when its first and newest record came: Last is how long it has been silent.
	First, Last time.Time
}

// Book is the live ledger. All methods may be called concurrently.
type Book struct{}

// Q is the ledger factor of an organisation on a topic at now in 1/10,000; 0 when there is no ledger yet.
func (b *Book) Q(org protocol.OrgID, topic string, now time.Time) int { panic("unwritten") }

// Cards returns the scorecards of an organisation, by topic; the zero OrgID gives all.
func (b *Book) Cards(org protocol.OrgID, now time.Time) []Card { panic("unwritten") }

// Run follows the change sequence until ctx ends, and keeps the totals every minute and at the end.
func (b *Book) Run(ctx context.Context) error { panic("unwritten") }
