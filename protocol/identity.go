package protocol

import (
	"time"

	"tocsin/protocol/stix"
)

// StatementType says what a statement states. It is part of the signed bytes
// (external_aad), so no statement can be read as another kind.
type StatementType string

// The statement types of SPEC 3.
const (
	StatementGenesis     StatementType = "genesis"
	StatementOperations  StatementType = "operations"
	StatementCertificate StatementType = "certificate"
)

// Statement is one link of an organisation's chain: parsed, canonical, its
// place in a chain not yet checked. It is immutable.
type Statement struct {
	raw    []byte
	typ    StatementType
	digest Digest
	org    OrgID
	claims any
}

// ParseStatement reads one statement (SPEC 3.1). Errors are Errors of this package.
func ParseStatement(raw []byte) (*Statement, error) { panic("unwritten") }

// Raw returns the statement as sent. The caller must not change it.
func (s *Statement) Raw() []byte { return s.raw }

// Type says what the statement states.
func (s *Statement) Type() StatementType { return s.typ }

// Digest names the statement; signatures are not part of it.
func (s *Statement) Digest() Digest { return s.digest }

// Org is the organisation that the statement belongs to.
func (s *Statement) Org() OrgID { return s.org }

// Genesis founds an organisation (SPEC 3.2).
type Genesis struct {
	// Name, Country (ISO 3166-1 alpha-2), Sector and Contacts are what the
	// organisation says of itself; a petname of the local trust list is its identity.
	Name, Country, Sector string
	Contacts              []string
	// Roots are 1..5 root keys, Threshold of which must sign.
	Roots     []PublicKey
	Threshold int
	// Next are the KeyIDs of the successors (pre-rotation), NextThreshold of which must be revealed.
	Next          []KeyID
	NextThreshold int
	// Created is the founding time, millisecond precision.
	Created time.Time
}

// Operations delegates daily work from the root to one key, at most 400 days (SPEC 3.3).
type Operations struct {
	Org                 OrgID
	RootVersion         uint64
	Serial              uint64
	Key                 PublicKey
	NotBefore, NotAfter time.Time
}

// Certificate certifies one node's keys (SPEC 3.4). Empty Topics or Kinds mean all.
type Certificate struct {
	Org                 OrgID
	Serial              uint64
	RecordKey           PublicKey
	PeerIDs             [][]byte // libp2p peer ids in binary form
	EncryptionKey       []byte
	Topics              []string
	Kinds               []Kind
	MaxTLP              stix.TLP
	NotBefore, NotAfter time.Time
	digest              Digest
}

// Digest names the certificate; record headers point to it.
func (c *Certificate) Digest() Digest { return c.digest }

// SignGenesis makes the founding statement, signed by at least g.Threshold of
// the root keys, and returns it; its Org is the new organisation's id.
func SignGenesis(network string, g Genesis, roots ...Signer) (*Statement, error) { panic("unwritten") }

// SignOperations makes an operations statement, signed by root keys.
func SignOperations(network string, o Operations, roots ...Signer) (*Statement, error) {
	panic("unwritten")
}

// SignCertificate makes a node certificate, signed by the operations key.
func SignCertificate(network string, c Certificate, operations Signer) (*Statement, error) {
	panic("unwritten")
}

// Org is a verified organisation inside Chains.
type Org struct {
	ID           OrgID
	Genesis      Genesis
	Operations   []Operations
	Certificates []*Certificate
}

// Chains is an immutable snapshot of the identity chains that a node knows, of
// one network. Verify reads it; any number of goroutines may share it. The
// zero value is not usable.
type Chains struct {
	network string
	orgs    map[OrgID]*chainState
	certs   map[Digest]*Certificate
}

type chainState struct{}

// NewChains returns an empty snapshot for a network ("main", "test", ...).
func NewChains(network string) *Chains { panic("unwritten") }

// Network is the name that every signature is bound to.
func (c *Chains) Network() string { return c.network }

// With returns a snapshot that also knows the statements that verify against
// what is known or against each other, in any order; added counts those that
// were new. Each error belongs to one statement that was left out. An
// organisation's chain is bounded (limits.go). c itself does not change.
func (c *Chains) With(statements ...*Statement) (next *Chains, added int, errs []error) {
	panic("unwritten")
}

// Org returns what is known of an organisation.
func (c *Chains) Org(id OrgID) (*Org, bool) { panic("unwritten") }

// Orgs returns the ids of all known organisations in ascending order.
func (c *Chains) Orgs() []OrgID { panic("unwritten") }

// Certificate finds a certificate by its digest.
func (c *Chains) Certificate(d Digest) (*Certificate, bool) { panic("unwritten") }

// Chain returns an organisation's statements in an order in which they verify
// (genesis first): what travels in an identity record or heads a record file.
func (c *Chains) Chain(id OrgID) []*Statement { panic("unwritten") }

// PeerOrg returns the organisation that certified a libp2p peer id (binary form) at now.
func (c *Chains) PeerOrg(peer []byte, now time.Time) (OrgID, bool) { panic("unwritten") }
