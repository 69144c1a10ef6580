// Package invite lets two organisations that never met find each other: one makes an
// invitation, the other's node answers it over a stream, both people compare eight words by
// voice and confirm; only then does each list the other, as observed. It changes no trust itself: Confirm's
// caller does.
package invite

import (
	"time"

	"tocsin/protocol"
)

// The states of a Pairing.
const (
	Open      = "open"      // made, nobody answered
	Compare   = "compare"   // both nodes know each other: the people compare the words
	Confirmed = "confirmed" // a person confirmed it here
	Cancelled = "cancelled"
)

// Pairing is one invitation as one side sees it.
type Pairing struct {
	// Handle is the invitation's short name on both sides.
	Handle string `json:"handle"`
	// Made is true on the inviter's side.
	Made bool `json:"made"`
	// Petname is the name that the other shall bear here.
	Petname string              `json:"petname"`
	Invite  protocol.Invitation `json:"invite"`
	Org     protocol.OrgID      `json:"org"` // of the other; zero while open
	State   string              `json:"state"`
	At      time.Time           `json:"at"`
}

// Words are the eight words that both sides compare; nil while open.
func (p *Pairing) Words(own protocol.OrgID) []string { panic("unwritten") }
