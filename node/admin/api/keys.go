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
	// Org is this organisation's id: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Words are the eight words of its fingerprint.
	Words []string `json:"words"`
	// Network is the name of the federation's network.
	Network string `json:"network"`
	// RootVersion is the version of the root in force.
	RootVersion uint64 `json:"root_version"`
	// Threshold is how many of the root keys must sign.
	Threshold int `json:"threshold"`
	// NextThreshold is how many of their successors must.
	NextThreshold int `json:"next_threshold"`
	// Disputed is true when there are two roots of one version: one of them is not the organisation's.
	Disputed bool `json:"disputed,omitempty"`
	// Stopped says why this node does not sign, "" when it does.
	Stopped string `json:"stopped,omitempty"`
	// Keys are the keys of the chain, roots first.
	Keys []Key `json:"keys"`
	// Status is the newest status statement; absent for none.
	Status *KeyStatus `json:"status,omitempty"`
	// RootsHere are files with root keys, which should not stay on this machine.
	RootsHere []string `json:"roots_here"`
	// RevocationsHere are files with emergency revocations, which should not either.
	RevocationsHere []string `json:"revocations_here"`
	// Pending is the id of an operations key that waits for a ceremony; absent for none.
	Pending string `json:"pending,omitempty"`
}

// Key is one key of an organisation.
type Key struct {
	// ID is the key's id: sha256: and 64 hex digits.
	ID string `json:"id"`
	// Words are the words to compare it by.
	Words []string `json:"words"`
	// Role is one of root, next (a root's successor), operations or record.
	Role string `json:"role"`
	// State is one of active, expired (what it signed stands), revoked and ended (by a later root).
	State string `json:"state"`
	// Here says that this node holds the private half and uses it.
	Here bool `json:"here"`
	// Until is when its newest certificate or delegation ends; absent for roots.
	Until time.Time `json:"until,omitzero"`
	// Reason is why it was revoked: unspecified, compromised, superseded or ceased; absent when it was not.
	Reason string `json:"reason,omitempty"`
	// Heads say how far a record key's logs go, as this node holds them; absent for other keys.
	Heads []KeyHead `json:"heads,omitempty"`
}

// KeyHead is the end of one key log.
type KeyHead struct {
	// Topic is the topic of the log.
	Topic string `json:"topic"`
	// Sequence is the number of its newest record.
	Sequence uint64 `json:"sequence"`
	// Record is the id of that record.
	Record string `json:"record"`
}

// KeyStatus is the organisation's newest status.
type KeyStatus struct {
	// Counter grows with each status.
	Counter uint64 `json:"counter"`
	// Created is when it was made.
	Created time.Time `json:"created"`
	// Stale is true when it is too old, or from the future: it says nothing of the present then.
	Stale bool `json:"stale"`
}

// KeyRotate replaces this node's record key.
type KeyRotate struct {
	// Revoke ends the old key at once, after what it has signed; else its certificate runs out.
	Revoke bool `json:"revoke,omitempty"`
	// Reason is kept in the audit log.
	Reason string `json:"reason,omitempty" maxLength:"1000"`
}

// KeyRevoke ends a key of the organisation.
type KeyRevoke struct {
	// Key is its id or a unique beginning of 8 hex digits or more.
	Key string `json:"key" minLength:"1" maxLength:"80"`
	// Why is one of unspecified, compromised, superseded or ceased.
	Why string `json:"why" maxLength:"20"`
	// After are the last good places, where they are not the newest that this node holds; none for those.
	After []KeyPlace `json:"after,omitempty" maxItems:"80"`
	// Reason is kept in the audit log.
	Reason string `json:"reason,omitempty" maxLength:"1000"`
}

// KeyPlace is a place of a key log; sequence 0 is before the first.
type KeyPlace struct {
	// Topic is the topic of the key's log.
	Topic string `json:"topic"`
	// Sequence is the number of the last record that counts; 0 is before the first.
	Sequence uint64 `json:"sequence"`
}

// KeyChanged says what became of this node's record key.
type KeyChanged struct {
	// Old is the id of the key that was replaced or ended.
	Old string `json:"old"`
	// Revoked says that the old key is: nothing that it signs from now on counts anywhere.
	Revoked bool `json:"revoked"`
	// New is this node's new record key; "" when it has the one it had.
	New string `json:"new,omitempty"`
	// Words are the words of the new key; absent without one.
	Words []string `json:"words,omitempty"`
	// Revocation are the files with the new key's emergency revocation, to be taken away.
	Revocation []string `json:"revocation,omitempty"`
}

// KeyStatements are statements that were made elsewhere, as they stand in a file.
type KeyStatements struct {
	// Raw are the statements as they stand in a file, in base64.
	Raw []byte `json:"raw"`
	// Key, if not "", must be what one of them revokes.
	Key string `json:"key,omitempty" maxLength:"80"`
}

// KeyImported is what became of one statement.
type KeyImported struct {
	// Type is the statement's type: genesis, root, operations, certificate, revocation or status.
	Type string `json:"type"`
	// Digest names the statement: sha256: and 64 hex digits.
	Digest string `json:"digest"`
	// Org is the organisation whose it is: sha256: and 64 hex digits.
	Org string `json:"org"`
	// Taken is true when it counts here now.
	Taken bool `json:"taken"`
	// Code is the reason code of the refusal; absent when it was taken.
	Code string `json:"code,omitempty"`
	// Reason says why it was refused; absent when it was taken.
	Reason string `json:"reason,omitempty"`
}

// KeyPropose drafts a statement that root keys have to sign.
type KeyPropose struct {
	// Type is one of operations, root or revocation; the other fields belong to one of them each.
	Type string `json:"type" maxLength:"20"`
	// Renew keeps the operations key and asks for more time; with the type operations.
	Renew bool `json:"renew,omitempty"`
	// Roots are public keys as text that the root in force named as next; with the type root.
	Roots []string `json:"roots,omitempty" maxItems:"5"`
	// Threshold is how many of them must sign; with the type root.
	Threshold int `json:"threshold,omitempty"`
	// Next are public keys as text of their successors; with the type root.
	Next []string `json:"next,omitempty" maxItems:"5"`
	// NextThreshold is how many of the successors must sign; with the type root.
	NextThreshold int `json:"next_threshold,omitempty"`
	// Compromise says that the old root keys are in wrong hands, or lost: the new ones alone sign; with the type root.
	Compromise bool `json:"compromise,omitempty"`
	// Drop are operations keys that end with the old root; with the type root.
	Drop []string `json:"drop,omitempty" maxItems:"8"`
	// Revoke says what to revoke; with the type revocation.
	Revoke *KeyRevoke `json:"revoke,omitempty"`
}

// KeyProposal is a draft and what it is called.
type KeyProposal struct {
	// Raw is the draft, in base64: what goes to those who hold root keys.
	Raw []byte `json:"raw"`
	// Digest names it: sha256: and 64 hex digits.
	Digest string `json:"digest"`
	// Words are the words of the digest, for those who sign to compare.
	Words []string `json:"words"`
}

// KeyFinish joins a proposal and the parts that people signed.
type KeyFinish struct {
	// Proposal is the draft as it was given, in base64.
	Proposal []byte `json:"proposal"`
	// Parts are what people signed, each in base64.
	Parts [][]byte `json:"parts" maxItems:"10"`
}

// KeyChain is the own chain as it stands in a record file.
type KeyChain struct {
	// Raw is the chain, in base64.
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
