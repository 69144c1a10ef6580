// Package identity holds the identity chains that this node knows, as an
// immutable snapshot that is swapped atomically, and keeps them in one plain
// file outside the store. It founds an organisation and renews the node's own
// certificate. It does no networking.
package identity

import (
	"time"

	"tocsin/node/keystore"
	"tocsin/protocol"
)

// Book is the node's collection of chains. All methods may be called concurrently.
type Book struct{}

// Open reads the chains from path (absent is empty) for a network.
func Open(path, network string) (*Book, error) { panic("unwritten") }

// Chains returns the current snapshot.
func (b *Book) Chains() *protocol.Chains { panic("unwritten") }

// Add takes statements that verify, durably, and says how many were new.
func (b *Book) Add(statements ...*protocol.Statement) (added int, errs []error) { panic("unwritten") }

// Profile is what a founder says of the organisation.
type Profile struct {
	Name, Country, Sector string
	Contacts              []string
}

// Found makes the statements of a new one-of-one organisation: genesis,
// operations key and a first certificate for this node.
func Found(network string, p Profile, k *keystore.Keys, f *keystore.Founder, peerID []byte, now time.Time) ([]*protocol.Statement, error) {
	panic("unwritten")
}

// Renew makes a new certificate when the current one is past two thirds of its
// life and the node holds the operations key; nil when there is nothing to do.
func Renew(chains *protocol.Chains, own *protocol.Certificate, k *keystore.Keys, now time.Time) (*protocol.Statement, error) {
	panic("unwritten")
}

// Words gives the eight words of an organisation's fingerprint: the first 88 bits of its id.
func Words(id protocol.OrgID) []string { panic("unwritten") }
