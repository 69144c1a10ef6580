package protocol

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"tocsin/protocol/reason"
)

// Org is a verified organisation inside Chains. It is immutable.
type Org struct {
	ID           OrgID
	Genesis      Genesis
	Operations   []Operations
	Certificates []*Certificate
	// Roots are the later roots, by version; empty while genesis is the root in force.
	Roots []Root
	// Revocations are those in force, by digest.
	Revocations []Revocation
	// Status is the newest held, nil for none.
	Status *Status
	// Disputed is true when two valid root statements of one version are known: people must decide.
	Disputed bool

	standing *orgStanding // nil when no key of it ended
}

// Chains is an immutable snapshot of the identity chains that a node knows, of
// one network. Verify reads it; any number of goroutines may share it. The
// zero value is not usable.
type Chains struct {
	network string
	orgs    map[OrgID]*chainState
	certs   map[Digest]*Certificate
	// peers lists the organisations that have a certificate for a peer id.
	peers map[string][]OrgID
}

// NewChains returns an empty snapshot for a network ("main", "test", ...).
func NewChains(network string) *Chains { return &Chains{network: network} }

// Network is the name that every signature is bound to.
func (c *Chains) Network() string { return c.network }

// With returns a snapshot that also knows the statements that verify against
// what is known or against each other, in any order; added counts those that
// were new. Each error belongs to one statement that was left out: chain.invalid
// or sig.invalid when no knowledge could make it valid, cert.unknown when what
// it rests on is not known, status.old when a newer status is held or this one is too
// far ahead, key.revoked when the operations key that signed it ended, chain.limit when
// others fill the chain already or what it rests on is not in force.
// A statement that is known already is neither counted nor an error, unless it
// is better signed than the one known (STM-06): then it takes its place and is counted. An
// organisation's chain is bounded (limits.go). c itself does not change.
func (c *Chains) With(statements ...*Statement) (next *Chains, added int, errs []error) {
	// Every rule looks only at what stands higher in the chain, so that one
	// pass for each type reaches every statement that can verify (STM-11).
	drafts := map[OrgID]*chainDraft{}
	for _, typ := range statementOrder {
		for _, s := range ofType(statements, typ) {
			if err := c.draft(drafts, s); err != nil {
				errs = append(errs, err)
			}
		}
	}
	next = c
	for id, d := range drafts {
		if len(d.fresh) == 0 {
			continue
		}
		state := d.state()
		for _, s := range d.fresh {
			switch {
			case slices.Contains(state.kept[s.typ], s):
				added++
			case find(state.kept[s.typ], s.digest) == nil:
				errs = append(errs, state.leftOut(s))
			}
		}
		if next == c {
			next = c.clone()
		}
		next.replace(id, state)
	}
	return next, added, errs
}

// ofType picks statements of one type; roots by version, as each rests on the
// one before.
func ofType(statements []*Statement, typ StatementType) []*Statement {
	var out []*Statement
	for _, s := range statements {
		if s.typ == typ {
			out = append(out, s)
		}
	}
	if typ == StatementRoot {
		slices.SortStableFunc(out, func(a, b *Statement) int {
			return cmp.Compare(a.claims.(*Root).Version, b.claims.(*Root).Version)
		})
	}
	return out
}

// draft checks one statement against its organisation's draft, which it starts
// when there is none, and adds it there.
func (c *Chains) draft(drafts map[OrgID]*chainDraft, s *Statement) error {
	if s.network != c.network { // STM-03
		return reason.New(reason.ChainInvalid, describe(s)+": of network "+s.network)
	}
	d, ok := drafts[s.org]
	if !ok {
		d = newChainDraft(c.orgs[s.org])
		drafts[s.org] = d
	}
	return d.add(s)
}

func (c *Chains) clone() *Chains {
	next := &Chains{network: c.network, orgs: maps.Clone(c.orgs), certs: maps.Clone(c.certs), peers: maps.Clone(c.peers)}
	if next.orgs == nil {
		next.orgs, next.certs, next.peers = map[OrgID]*chainState{}, map[Digest]*Certificate{}, map[string][]OrgID{}
	}
	return next
}

// replace exchanges one organisation's state in a clone that nobody else has seen.
func (c *Chains) replace(id OrgID, state *chainState) {
	if old := c.orgs[id]; old != nil {
		for _, cert := range old.org.Certificates {
			delete(c.certs, cert.digest)
			for _, peer := range cert.PeerIDs {
				c.setPeer(string(peer), id, false)
			}
		}
	}
	c.orgs[id] = state
	for _, cert := range state.org.Certificates {
		c.certs[cert.digest] = cert
		for _, peer := range cert.PeerIDs {
			c.setPeer(string(peer), id, true)
		}
	}
}

// setPeer never changes a list in place: older snapshots share it.
func (c *Chains) setPeer(peer string, id OrgID, present bool) {
	var orgs []OrgID
	for _, o := range c.peers[peer] {
		if o != id {
			orgs = append(orgs, o)
		}
	}
	if present {
		orgs = append(orgs, id)
	}
	if len(orgs) == 0 {
		delete(c.peers, peer)
		return
	}
	c.peers[peer] = orgs
}

// Without returns a snapshot that has forgotten organisations.
func (c *Chains) Without(ids ...OrgID) *Chains {
	next := c.clone()
	for _, id := range ids {
		if next.orgs[id] != nil {
			next.replace(id, &chainState{org: &Org{}})
			delete(next.orgs, id)
		}
	}
	return next
}

// Org returns what is known of an organisation. The caller must not change it.
func (c *Chains) Org(id OrgID) (*Org, bool) {
	state, ok := c.orgs[id]
	if !ok {
		return nil, false
	}
	return state.org, true
}

// Len is the number of organisations known.
func (c *Chains) Len() int { return len(c.orgs) }

// Orgs returns the ids of all known organisations in ascending order.
func (c *Chains) Orgs() []OrgID {
	return slices.SortedFunc(maps.Keys(c.orgs), func(a, b OrgID) int { return bytes.Compare(a[:], b[:]) })
}

// Certificate finds a certificate by its digest. The caller must not change it.
func (c *Chains) Certificate(d Digest) (*Certificate, bool) {
	cert, ok := c.certs[d]
	return cert, ok
}

// Chain returns an organisation's statements in an order in which they verify
// (genesis first): what travels in an identity record or heads a record file.
// Together they are at most MaxIdentityBytes. nil when it is not known.
func (c *Chains) Chain(id OrgID) []*Statement {
	state, ok := c.orgs[id]
	if !ok {
		return nil
	}
	var out []*Statement
	for _, typ := range statementOrder {
		out = append(out, state.kept[typ]...)
	}
	return out
}

// PeerOrg returns the organisation that certified a libp2p peer id (binary
// form) at now, when exactly one did.
func (c *Chains) PeerOrg(peer []byte, now time.Time) (OrgID, bool) {
	orgs := c.PeerOrgs(peer, now)
	if len(orgs) != 1 {
		return OrgID{}, false
	}
	return orgs[0], true
}

// PeerOrgs returns every organisation that certified a libp2p peer id (binary
// form) at now, in ascending order. A peer does not sign what is certified of
// it, so a stranger can claim any peer: who grants something by organisation
// takes the one that grants most, for only its own operations key names it. A
// certificate grants nothing once its key is revoked or the operations key behind it ended.
func (c *Chains) PeerOrgs(peer []byte, now time.Time) []OrgID {
	var out []OrgID
	for _, id := range c.peers[string(peer)] {
		if slices.ContainsFunc(c.orgs[id].org.Certificates, func(cert *Certificate) bool {
			return covers(cert.NotBefore, cert.NotAfter, now) && !c.orgs[id].spent[cert.digest] &&
				slices.ContainsFunc(cert.PeerIDs, func(p []byte) bool { return bytes.Equal(p, peer) })
		}) {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b OrgID) int { return bytes.Compare(a[:], b[:]) })
	return out
}

// covers reports whether t lies in a window, both ends included.
func covers(notBefore, notAfter, t time.Time) bool {
	return !t.Before(notBefore) && !t.After(notAfter)
}
