package protocol

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// Status is an organisation's heartbeat, signed by its operations key (SPEC 3.7).
type Status struct {
	Org         OrgID
	Counter     uint64
	RootVersion uint64
	// Certificates are the live ones, ascending.
	Certificates []Digest
	// Revocations counts the revocations in force; it never falls under one root.
	Revocations uint64
	// Heads are the tips of the organisation's key logs.
	Heads   []Head
	Created time.Time
}

// The claims of a status (SPEC 3.7).
const (
	statusOrg = iota + 1
	statusCounter
	statusRootVersion
	statusCertificates
	statusRevocations
	statusHeads
	statusCreated
	lastStatus = statusCreated
)

// SignStatus makes a status.
func SignStatus(network string, s Status, operations Signer) (*Statement, error) {
	return signStatement(network, StatementStatus, s.claims(), []Signer{operations})
}

func (s *Status) claims() claims {
	c := claims{
		claimType:         uint64(numberStatus),
		statusOrg:         s.Org[:],
		statusCounter:     s.Counter,
		statusRootVersion: s.RootVersion,
		statusRevocations: s.Revocations,
		statusCreated:     millis(s.Created),
	}
	setList(c, statusCertificates, sorted(s.Certificates, compareDigests), func(d Digest) any { return d[:] })
	setHeads(c, statusHeads, s.Heads)
	return c
}

func readStatus(r *claimReader) (*Status, error) {
	s := &Status{
		Org:         OrgID(r.digest(statusOrg)),
		Counter:     r.number(statusCounter, 1, maxSequence),
		RootVersion: r.number(statusRootVersion, rootVersion, maxSequence),
		Revocations: r.number(statusRevocations, 0, maxSequence),
		Heads:       r.heads(statusHeads),
		Created:     r.time(statusCreated),
	}
	for _, e := range r.list(statusCertificates, MaxCertificates, true) {
		b, ok := e.([]byte)
		if !ok || len(b) != len(Digest{}) {
			r.fail(statusCertificates)
			break
		}
		s.Certificates = append(s.Certificates, Digest(b))
	}
	ascending(r, statusCertificates, s.Certificates, compareDigests)
	return s, r.err
}

func compareDigests(a, b Digest) int { return bytes.Compare(a[:], b[:]) }

// compareStatuses orders statuses, the newest last (STM-24). Of two that claim one
// place the lower digest is the newer one: any rule would do that all nodes share.
func compareStatuses(a, b *Statement) int {
	x, y := a.claims.(*Status), b.claims.(*Status)
	return cmp.Or(
		cmp.Compare(x.RootVersion, y.RootVersion),
		cmp.Compare(x.Counter, y.Counter),
		compareDigests(b.digest, a.digest),
		bytes.Compare(b.raw, a.raw),
	)
}

// inReach reports whether a status of an organisation of some age may have come to
// its counter (STM-25). The bound needs no other status, so that the answer does not
// depend on which of them a node saw.
func (s *Status) inReach(founded time.Time) bool {
	hours := max(0, s.Created.Sub(founded)/time.Hour)
	return s.Counter <= MaxStatusLead+uint64(hours)
}

// Future reports whether a statement is a status from more than ClockSkew after
// now: it is no sign of life yet, and may be one later.
func (s *Statement) Future(now time.Time) bool {
	status, ok := s.claims.(*Status)
	return ok && status.Created.After(now.Add(ClockSkew))
}

// Stale reports whether the organisation's newest status is older than StatusLife at now. An
// organisation that never published one is not stale until the newest of its
// certificates is older than StatusLife. A status from the future says nothing of the present.
func (o *Org) Stale(now time.Time) bool {
	if o.Status != nil {
		return now.Sub(o.Status.Created) > StatusLife || o.Status.Created.After(now.Add(ClockSkew)) // STM-26
	}
	return !slices.ContainsFunc(o.Certificates, func(c *Certificate) bool { return now.Sub(c.NotBefore) <= StatusLife })
}

// Withheld reports whether the newest status counts more revocations than are
// held: somebody keeps one back, or the chain has no room for all.
func (o *Org) Withheld() bool {
	return o.Status != nil && o.Status.Revocations > uint64(len(o.Revocations))
}
