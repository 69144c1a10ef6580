package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	path   string
	last   counterFile
	damage string
}

type counterFile struct {
	Counter uint64    `json:"counter"`
	Made    time.Time `json:"made"`
	// Skip is how many numbers the next status leaves out, counted from the higher of Counter and the newest one held.
	Skip uint64 `json:"skip,omitempty"`
}

// damagedSkip is how many numbers are left out when nobody knows the last one: those that were given and are not held. It is far
// below the jump that partners take no more.
const damagedSkip = 20

// OpenCounter reads the file; absent is the beginning. A damaged one is put aside: the counter goes on behind the newest
// status held, and some numbers further.
func OpenCounter(path string) (*Counter, error) {
	c := &Counter{path: path}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, reason.Wrap(reason.IdentityFile, "read "+path, err)
	}
	if err := json.Unmarshal(raw, &c.last); err != nil {
		return c, c.heal(err)
	}
	return c, nil
}

// heal begins the file anew. The copy comes first, and what is left out is durable: a stop in between gives no number twice.
func (c *Counter) heal(why error) error {
	name, err := durable.CopyAside(c.path)
	if err != nil {
		return err
	}
	if err := c.keep(counterFile{Skip: damagedSkip}); err != nil {
		return err
	}
	c.damage = fmt.Sprintf("it is kept as %s; statuses go on %d numbers behind the newest one held: %v", filepath.Base(name), damagedSkip, why)
	return nil
}

// keep writes the file.
func (c *Counter) keep(next counterFile) error {
	raw, err := json.Marshal(next)
	if err == nil {
		err = durable.Write(c.path, append(raw, '\n'), 0o600)
	}
	if err != nil {
		return err
	}
	c.last = next
	return nil
}

// Damage says what was wrong with the file and what was done about it; "" when nothing was.
func (c *Counter) Damage() string { return c.damage }

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
	next.Counter += c.last.Skip
	if err := c.keep(next); err != nil {
		return nil, fmt.Errorf("number a status: %w", err)
	}
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
	next := c.last
	next.Skip += n
	if err := c.keep(next); err != nil {
		return fmt.Errorf("leave out numbers of statuses: %w", err)
	}
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
