package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// How often a status is made.
const (
	// StatusEvery is the age at which a status is made anew although nothing happened.
	StatusEvery = 20 * time.Hour
	// StatusRest is the least time between two of them.
	StatusRest = time.Hour
)

// Counter numbers the organisation's statuses: no number is given twice, whatever is lost in
// between. It is a small file outside the store. It is not safe for concurrent use.
type Counter struct {
	path string
	last counterFile
}

type counterFile struct {
	Counter uint64    `json:"counter"`
	Made    time.Time `json:"made"`
}

// OpenCounter reads the file; absent is the beginning. identity.file says what to do about a damaged one.
func OpenCounter(path string) (*Counter, error) {
	c := &Counter{path: path}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &c.last)
	}
	if err != nil {
		return nil, reason.Wrap(reason.IdentityFile,
			"read "+path+" (move it away: the counter goes on from the last status that peers hold)", err)
	}
	return c, nil
}

// Due reports whether a status is to be made now: none is held, the last one ages, or
// something changed since and an hour has passed.
func (c *Counter) Due(org *protocol.Org, changed bool, now time.Time) bool {
	made := c.last.Made
	if org.Status != nil && org.Status.Created.After(made) {
		made = org.Status.Created
	}
	age := now.Sub(made)
	return org.Status == nil && c.last.Counter == 0 || age >= StatusEvery || age < 0 || changed && age >= StatusRest
}

// Next makes the next status of an organisation: its live certificates, how many keys are
// revoked, and heads. The number is on the disk before it is signed; if we stop in
// between it is lost, not given again.
func (c *Counter) Next(network string, org *protocol.Org, heads []protocol.Head, operations protocol.Signer, now time.Time) (*protocol.Statement, error) {
	next := counterFile{Counter: c.last.Counter + 1, Made: now.UTC().Truncate(time.Millisecond)}
	if org.Status != nil {
		next.Counter = max(next.Counter, org.Status.Counter+1)
	}
	raw, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	if err := durable.Write(c.path, append(raw, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("number a status: %w", err)
	}
	c.last = next
	s, err := protocol.SignStatus(network, protocol.Status{
		Org: org.ID, Counter: next.Counter, RootVersion: RootVersion(org), Certificates: live(org, now),
		Revocations: uint64(len(org.Revocations)), Heads: heads, Created: next.Made,
	}, operations)
	if err != nil {
		return nil, fmt.Errorf("make status %d: %w", next.Counter, err)
	}
	return s, nil
}

// Skip leaves numbers out: those that were given after a backup that this file came back from.
func (c *Counter) Skip(n uint64) error {
	next := counterFile{Counter: c.last.Counter + n, Made: c.last.Made}
	raw, err := json.Marshal(next)
	if err == nil {
		err = durable.Write(c.path, append(raw, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("leave out numbers of statuses: %w", err)
	}
	c.last = next
	return nil
}

// RootVersion is the version of the root in force.
func RootVersion(org *protocol.Org) uint64 {
	if n := len(org.Roots); n > 0 {
		return org.Roots[n-1].Version
	}
	return 1
}

// RootsInForce are the root keys that sign for an organisation now, how many of them must,
// and the digests of their successors.
func RootsInForce(org *protocol.Org) (roots []protocol.PublicKey, threshold int, next []protocol.KeyID, nextThreshold int) {
	if n := len(org.Roots); n > 0 {
		r := org.Roots[n-1]
		return r.Roots, r.Threshold, r.Next, r.NextThreshold
	}
	g := org.Genesis
	return g.Roots, g.Threshold, g.Next, g.NextThreshold
}

// live are the digests of certificates that hold now and whose keys are not revoked, ascending.
func live(org *protocol.Org, now time.Time) []protocol.Digest {
	var out []protocol.Digest
	for _, c := range org.Certificates {
		if _, revoked := org.Revoked(c.RecordKey.ID()); !revoked && now.Before(c.NotAfter) {
			out = append(out, c.Digest())
		}
	}
	slices.SortFunc(out, func(a, b protocol.Digest) int { return bytes.Compare(a[:], b[:]) })
	return out
}
