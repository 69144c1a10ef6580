// Package invite lets two organisations that never met find each other: one makes an
// invitation, the other's node answers it over a stream, both people compare eight words by
// voice and confirm; only then does each list the other, as observed. It changes no trust itself: Confirm's
// caller does.
package invite

import (
	"slices"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/identity"
	"tocsin/protocol"
)

var log = logging.Logger("tocsin/invite")

// The states of a Pairing.
const (
	Open      = "open"      // made, nobody answered
	Compare   = "compare"   // both nodes know each other: the people compare the words
	Confirmed = "confirmed" // a person confirmed it here
	Cancelled = "cancelled"
)

// The bounds of what is kept.
const (
	// MaxPairings is how many invitations are kept, made and accepted.
	MaxPairings = 1000
	// MaxLife is how long an invitation may be good for.
	MaxLife = 90 * 24 * time.Hour
	// keepOver is how long one that is over is still shown, and told from an unknown one.
	keepOver = 30 * 24 * time.Hour
	maxFile  = 8 << 20
	// maxPetname bounds the name for the other; the trust list checks it when it is listed.
	maxPetname = 256
)

// Pairing is one invitation as one side sees it.
type Pairing struct {
	// Handle is the invitation's short name on both sides.
	Handle string `json:"handle"`
	// Made is true on the inviter's side.
	Made bool `json:"made"`
	// Petname is the name that the other shall bear here; "" while the inviter gave none.
	Petname string `json:"petname"`
	// Invite is what Text says.
	Invite protocol.Invitation `json:"-"`
	Text   string              `json:"text"`
	Org    protocol.OrgID      `json:"org"` // of the other; zero while open
	// Nonce is the inviter's part of the words; zero while open.
	Nonce [protocol.NonceBytes]byte `json:"nonce"`
	State string                    `json:"state"`
	// Created is when it was made or first accepted here.
	Created time.Time `json:"created"`
	// At is when it came into this state.
	At time.Time `json:"at"`
}

// Words are the eight words that both sides compare; nil while open.
func (p *Pairing) Words(own protocol.OrgID) []string {
	// INV-07
	if p.Org == (protocol.OrgID{}) {
		return nil
	}
	accepter := own
	if p.Made {
		accepter = p.Org
	}
	return identity.Spoken(protocol.Meeting{Invite: p.Invite, Accepter: accepter}.SpokenDigest(p.Nonce))
}

// Over reports whether nobody can answer it any more.
func (p *Pairing) Over(now time.Time) bool { return p.State == Open && !now.Before(p.Invite.Expires) }

// done reports whether nothing more will come of it.
func (p *Pairing) done(now time.Time) bool {
	return p.State == Confirmed || p.State == Cancelled || p.Over(now)
}

// tidy drops what is long over, and makes room for one more: of what is done, the oldest goes.
func tidy(list []Pairing, now time.Time) []Pairing {
	list = slices.DeleteFunc(slices.Clone(list), func(p Pairing) bool { return now.After(p.Invite.Expires.Add(keepOver)) })
	for len(list) >= MaxPairings {
		oldest := -1
		for i := range list {
			if list[i].done(now) && (oldest < 0 || list[i].At.Before(list[oldest].At)) {
				oldest = i
			}
		}
		if oldest < 0 {
			break
		}
		list = slices.Delete(list, oldest, oldest+1)
	}
	return list
}
