package protocol

import "time"

// Head is a place of a key log: one record key, one topic.
type Head struct {
	Key      KeyID
	Topic    Topic
	Sequence uint64
	ID       RecordID
}

// Root is a later root of an organisation (SPEC 3.5): it reveals keys whose
// KeyIDs the root before named as next, and names new next ones.
type Root struct {
	Org     OrgID
	Version uint64 // 2, 3, ...
	// Previous is the digest of the root before: the genesis for version 2.
	Previous      Digest
	Roots         []PublicKey // 1..5, each pre-rotated in Previous
	Threshold     int
	Next          []KeyID
	NextThreshold int
	// Compromise says that the root before may be in wrong hands: the revealed keys alone sign.
	Compromise bool
	// Keep are the operations keys (KeyIDs) of earlier roots that stay good; all
	// others are dropped, and what was signed under them stands only at or below Heads.
	Keep    []KeyID
	Heads   []Head
	Created time.Time
}

// RevocationReason says why a key is revoked.
type RevocationReason uint8

// The reasons of SPEC 3.6.
const (
	RevokedUnspecified RevocationReason = iota
	RevokedCompromised
	RevokedSuperseded
	RevokedCeased
)

// Revocation ends a record key or an operations key by position, never by time
// (SPEC 3.6). An operations key of the organisation may sign it for a record key; the
// threshold of the roots may for either. It stays good when its signer's window ends.
type Revocation struct {
	Org    OrgID
	Key    KeyID
	Reason RevocationReason
	// Emergency revocations are signed at key birth and name no heads: the key is
	// void above the heads of the newest status held.
	Emergency bool
	// Heads are the last good places of Key (or, for an operations key, of the record keys it
	// certified); on topics not named nothing stands.
	Heads   []Head
	Created time.Time
}

// Status is an organisation's heartbeat, signed by its operations key (SPEC 3.7).
type Status struct {
	Org         OrgID
	Counter     uint64
	RootVersion uint64
	// Certificates are the live ones, ascending.
	Certificates []Digest
	// Revocations counts the revocations in force; it never falls.
	Revocations uint64
	// Heads are the tips of the organisation's key logs.
	Heads   []Head
	Created time.Time
}

// StatusLife is how long a status holds: without a newer one the organisation is stale.
const StatusLife = 7 * 24 * time.Hour

// SignRoot makes a root statement, signed by revealed keys and, unless
// Compromise, by keys of the root before. Whether they are enough is for Chains.With to say.
func SignRoot(network string, r Root, signers ...Signer) (*Statement, error) { panic("unwritten") }

// SignRevocation makes a revocation.
func SignRevocation(network string, r Revocation, signers ...Signer) (*Statement, error) {
	panic("unwritten")
}

// SignStatus makes a status.
func SignStatus(network string, s Status, operations Signer) (*Statement, error) { panic("unwritten") }

// Proposal is a statement that waits for the signatures of people in several
// places (a key ceremony). Its encoding is canonical and under 4 KiB.
type Proposal struct {
	network string
	typ     StatementType
	payload []byte
}

// ProposeRoot, ProposeOperations and ProposeRevocation draft a statement for a ceremony.
func ProposeRoot(network string, r Root) (*Proposal, error) { panic("unwritten") }

// ProposeOperations drafts an operations statement for a ceremony.
func ProposeOperations(network string, o Operations) (*Proposal, error) { panic("unwritten") }

// ProposeRevocation drafts a revocation for a ceremony.
func ProposeRevocation(network string, r Revocation) (*Proposal, error) { panic("unwritten") }

// ParseProposal reads what Encode wrote.
func ParseProposal(raw []byte) (*Proposal, error) { panic("unwritten") }

// Encode writes the proposal.
func (p *Proposal) Encode() []byte { panic("unwritten") }

// Digest names the proposal; it is the digest of the statement that comes of it.
func (p *Proposal) Digest() Digest { panic("unwritten") }

// Network and Type say what is proposed; Claims gives the *Root, *Operations or *Revocation, for people to read before they sign.
func (p *Proposal) Claims() any { panic("unwritten") }

// Sign gives one signer's part, small enough for a QR code.
func (p *Proposal) Sign(s Signer) ([]byte, error) { panic("unwritten") }

// Assemble joins parts to a statement: each part's signature is checked against keys;
// sig.invalid names a bad one, usage.invalid a part of another proposal.
func (p *Proposal) Assemble(keys []PublicKey, parts ...[]byte) (*Statement, error) {
	panic("unwritten")
}

// Standing says whether a record at a place of a key log stands by the chains alone:
// nil, or key.revoked when a revocation or a root statement voids it. Position decides, never time.
func (c *Chains) Standing(org OrgID, key KeyID, topic Topic, sequence uint64, id RecordID) error {
	return nil
}

// Stale reports whether the organisation's newest status is older than StatusLife at now. An
// organisation that never published one is not stale until the newest of its
// certificates is older than StatusLife.
func (o *Org) Stale(now time.Time) bool { return false }

// Revoked returns the revocation that covers a key, if any.
func (o *Org) Revoked(key KeyID) (Revocation, bool) { return Revocation{}, false }
