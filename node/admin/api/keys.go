package api

import (
	"context"
	"net/http"
	"time"
)

// What a key is for, and how it stands.
const (
	KeyRoot       = "root"
	KeyNext       = "next"
	KeyOperations = "operations"
	KeyRecord     = "record"

	KeyActive  = "active"  // counts now
	KeyExpired = "expired" // its time is over; what it signed stands
	KeyRevoked = "revoked" // ended by a revocation
	KeyEnded   = "ended"   // dropped by a later root
)

// Keys is the organisation's chain, as far as it is about keys, and how this node stands in it.
type Keys struct {
	Org         string   `json:"org"`
	Words       []string `json:"words"`
	Network     string   `json:"network"`
	RootVersion uint64   `json:"root_version"`
	// Threshold of the roots must sign, NextThreshold of their successors.
	Threshold     int  `json:"threshold"`
	NextThreshold int  `json:"next_threshold"`
	Disputed      bool `json:"disputed,omitempty"`
	// Stopped says why this node does not sign, "" when it does.
	Stopped string     `json:"stopped,omitempty"`
	Keys    []Key      `json:"keys"`
	Status  *KeyStatus `json:"status,omitempty"`
	// RootsHere and RevocationsHere are files that should not stay on this machine.
	RootsHere       []string `json:"roots_here"`
	RevocationsHere []string `json:"revocations_here"`
	// Pending is the id of an operations key that waits for a ceremony, or "".
	Pending string `json:"pending,omitempty"`
}

// Key is one key of an organisation.
type Key struct {
	ID    string   `json:"id"`
	Words []string `json:"words"`
	Role  string   `json:"role"`
	State string   `json:"state"`
	// Here says that this node holds the private half and uses it.
	Here bool `json:"here"`
	// Until is when its newest certificate or delegation ends; zero for roots.
	Until time.Time `json:"until,omitzero"`
	// Reason is why it was revoked.
	Reason string `json:"reason,omitempty"`
	// Heads say how far a record key's logs go, as this node holds them.
	Heads []KeyHead `json:"heads,omitempty"`
}

// KeyHead is the end of one key log.
type KeyHead struct {
	Topic    string `json:"topic"`
	Sequence uint64 `json:"sequence"`
	Record   string `json:"record"`
}

// KeyStatus is the organisation's newest status.
type KeyStatus struct {
	Counter uint64    `json:"counter"`
	Created time.Time `json:"created"`
	Stale   bool      `json:"stale"`
}

// KeyRotate replaces this node's record key.
type KeyRotate struct {
	// Revoke ends the old key at once, after what it has signed; else its certificate runs out.
	Revoke bool   `json:"revoke,omitempty"`
	Reason string `json:"reason,omitempty" maxLength:"1000"`
}

// KeyRevoke ends a key of the organisation.
type KeyRevoke struct {
	// Key is its id or a unique beginning of 8 hex digits or more.
	Key string `json:"key" minLength:"1" maxLength:"80"`
	// Why is unspecified, compromised, superseded or ceased.
	Why string `json:"why" maxLength:"20"`
	// After are the last good places where it is not what this node holds.
	After  []KeyPlace `json:"after,omitempty" maxItems:"80"`
	Reason string     `json:"reason,omitempty" maxLength:"1000"`
}

// KeyPlace is a place of a key log; sequence 0 is before the first.
type KeyPlace struct {
	Topic    string `json:"topic"`
	Sequence uint64 `json:"sequence"`
}

// KeyChanged says what became of this node's record key.
type KeyChanged struct {
	Old string `json:"old"`
	// Revoked says that the old key is: nothing that it signs from now on counts anywhere.
	Revoked bool `json:"revoked"`
	// New is this node's new record key; "" when it has the one it had.
	New   string   `json:"new,omitempty"`
	Words []string `json:"words,omitempty"`
	// Revocation are the files with the new key's emergency revocation, to be taken away.
	Revocation []string `json:"revocation,omitempty"`
}

// KeyStatements are statements that were made elsewhere, as they stand in a file.
type KeyStatements struct {
	Raw []byte `json:"raw"`
	// Key, if not "", must be what one of them revokes.
	Key string `json:"key,omitempty" maxLength:"80"`
}

// KeyImported is what became of one statement.
type KeyImported struct {
	Type   string `json:"type"`
	Digest string `json:"digest"`
	Org    string `json:"org"`
	Taken  bool   `json:"taken"`
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// KeyPropose drafts a statement that root keys have to sign.
type KeyPropose struct {
	// Type is operations, root or revocation; the fields below belong to one each.
	Type string `json:"type" maxLength:"20"`
	// Renew keeps the operations key and asks for more time.
	Renew bool `json:"renew,omitempty"`
	// Roots are public keys as text that the root in force named as next; Next those of
	// their successors.
	Roots         []string `json:"roots,omitempty" maxItems:"5"`
	Threshold     int      `json:"threshold,omitempty"`
	Next          []string `json:"next,omitempty" maxItems:"5"`
	NextThreshold int      `json:"next_threshold,omitempty"`
	Compromise    bool     `json:"compromise,omitempty"`
	// Drop are operations keys that end with the old root.
	Drop []string `json:"drop,omitempty" maxItems:"8"`
	// Revoke says what to revoke.
	Revoke *KeyRevoke `json:"revoke,omitempty"`
}

// KeyProposal is a draft and what it is called.
type KeyProposal struct {
	Raw    []byte   `json:"raw"`
	Digest string   `json:"digest"`
	Words  []string `json:"words"`
}

// KeyFinish joins a proposal and the parts that people signed.
type KeyFinish struct {
	Proposal []byte   `json:"proposal"`
	Parts    [][]byte `json:"parts" maxItems:"10"`
}

// KeyChain is the own chain as it stands in a record file.
type KeyChain struct {
	Raw []byte `json:"raw"`
}

// Keys shows the organisation's keys.
func (c *Client) Keys(ctx context.Context) (*Keys, error) {
	return call[Keys](ctx, c, http.MethodGet, "/keys", nil, nil)
}

// KeyChain gives the own chain.
func (c *Client) KeyChain(ctx context.Context) (*KeyChain, error) {
	return call[KeyChain](ctx, c, http.MethodGet, "/keys/chain", nil, nil)
}

// RotateKey replaces this node's record key.
func (c *Client) RotateKey(ctx context.Context, r KeyRotate) (*KeyChanged, error) {
	return call[KeyChanged](ctx, c, http.MethodPost, "/keys/rotate", nil, r)
}

// RevokeKey ends a key of the organisation.
func (c *Client) RevokeKey(ctx context.Context, r KeyRevoke) (*KeyChanged, error) {
	return call[KeyChanged](ctx, c, http.MethodPost, "/keys/revoke", nil, r)
}

// PublishStatements takes statements into the chains and spreads them.
func (c *Client) PublishStatements(ctx context.Context, s KeyStatements) (*List[KeyImported], error) {
	return call[List[KeyImported]](ctx, c, http.MethodPost, "/keys/statements", nil, s)
}

// ProposeKey drafts a statement for a ceremony.
func (c *Client) ProposeKey(ctx context.Context, p KeyPropose) (*KeyProposal, error) {
	return call[KeyProposal](ctx, c, http.MethodPost, "/keys/proposals", nil, p)
}

// FinishKey finishes a ceremony.
func (c *Client) FinishKey(ctx context.Context, f KeyFinish) (*KeyImported, error) {
	return call[KeyImported](ctx, c, http.MethodPost, "/keys/finish", nil, f)
}
