package protocol

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"tocsin/protocol/reason"
)

// chainState is one organisation's verified chain, as a snapshot holds it:
// immutable, and small enough for one identity record.
type chainState struct {
	org  *Org
	kept map[StatementType][]*Statement // oldest first, revocations by digest
	// spent are the certificates that give a peer no standing any more: revoked, or
	// under operations keys that ended.
	spent map[Digest]bool
}

// leftOut says why a statement that verified is not kept.
func (c *chainState) leftOut(s *Statement) error {
	switch signer := s.env.signatures[0].signer; {
	case (s.typ == StatementStatus || s.typ == StatementRevocation) && c.org.Ended(signer): // STM-21
		return reason.New(reason.KeyRevoked, describe(s)+": its operations key "+signer.String()+" ended")
	case s.typ == StatementStatus: // STM-24, STM-25
		return reason.New(reason.StatusOld, describe(s)+": a newer one is held, or it is too far ahead")
	}
	return reason.New(reason.ChainLimit, describe(s)+": others fill the chain, or what it rests on is not in force")
}

// state chooses what is kept (STM-13): the roots, the revocations in force, the
// newest status, then the newest operations statements and certificates, as
// long as all of it fits into one identity record. It depends on the set of statements
// only, not their order.
func (d *chainDraft) state() *chainState {
	c := newChainChoice(d)
	c.takeRevocations(true)
	c.findEnds()
	c.takeRevocations(false)
	c.takeStatus()
	c.takeCertificates()
	c.takeOperations()
	return c.finish()
}

// chainChoice is a chain on its way from all that verified to what is kept.
type chainChoice struct {
	draft *chainDraft
	line  rootLine
	kept  map[StatementType][]*Statement
	room  identityRoom
	// share is what is left of the part of room that revocations may take.
	share identityRoom
	// operations are the statements that others may rest on, best first.
	operations []*Statement
	// byRoots are the kept revocations that roots signed; they end operations keys too.
	byRoots []*Statement
	ends    map[KeyID]ending
}

// newChainChoice keeps genesis and roots, which always fit (STM-17).
func newChainChoice(d *chainDraft) *chainChoice {
	c := &chainChoice{
		draft: d, line: d.rootLine(), kept: map[StatementType][]*Statement{},
		room: identityRoom{MaxIdentityBytes, MaxIdentitySignatures}, ends: map[KeyID]ending{},
	}
	c.kept[StatementGenesis] = d.held[StatementGenesis]
	c.kept[StatementRoot] = c.line.statements
	for _, s := range slices.Concat(d.held[StatementGenesis], c.line.statements) {
		c.room = c.room.without(s)
	}
	c.share = identityRoom{
		max(c.room.bytes-RevocationReserve, c.room.bytes/2),
		max(c.room.signatures-RevocationReserveSigs, c.room.signatures/2),
	}
	for _, o := range d.held[StatementOperations] {
		if c.line.delegates(o) {
			c.operations = append(c.operations, o)
		}
	}
	return c
}

// takeRevocations keeps the revocations in force, those created last first
// (STM-20, STM-29): those of roots, or those of operations keys that are good.
func (c *chainChoice) takeRevocations(byRoots bool) {
	candidates := slices.Clone(c.draft.held[StatementRevocation])
	slices.SortFunc(candidates, latestFirst)
	for _, s := range candidates {
		if c.line.revokes(s) != byRoots || len(c.kept[StatementRevocation]) == MaxRevocations || c.said(s) {
			continue
		}
		var rests *Statement
		if !byRoots {
			rests = c.rests(func(o *Statement) bool {
				return len(s.env.signatures) == 1 && s.signedBy(o.claims.(*Operations).Key) && !c.ended(o)
			})
			if rests == nil { // its operations key ended
				continue
			}
		}
		if left := c.share.with(s, c.needs(rests)); !left.exceeded() && c.take(s, rests) {
			c.share = left
			if byRoots {
				c.byRoots = append(c.byRoots, s)
			}
		}
	}
}

// findEnds works out which operations keys ended (STM-21), and puts those that
// did not in front; no more than MaxOperations statements stay.
func (c *chainChoice) findEnds() {
	good := map[KeyID]bool{}
	dropped := map[*Statement]bool{}
	for _, o := range c.operations {
		ops := o.claims.(*Operations)
		id := ops.Key.ID()
		root := c.line.dropper(id, ops.RootVersion)
		if root == nil {
			good[id] = true
			continue
		}
		dropped[o] = true
		if end := c.ends[id]; end.root == nil || end.root.Version < root.Version {
			c.ends[id] = ending{root: root}
		}
	}
	for id := range good {
		delete(c.ends, id)
	}
	for _, s := range c.byRoots {
		r := s.claims.(*Revocation)
		if _, ok := c.draft.operationsKey(r.Key); ok {
			end := c.ends[r.Key]
			end.revocations = append(end.revocations, r)
			c.ends[r.Key] = end
		}
	}
	slices.SortFunc(c.operations, func(a, b *Statement) int {
		return cmp.Or(compareFlags(c.ended(a), c.ended(b)), compareFlags(dropped[a], dropped[b]), latestFirst(a, b))
	})
	c.operations = c.operations[:min(len(c.operations), MaxOperations)]
}

// takeStatus keeps the newest status by a good operations key (STM-24, STM-25).
func (c *chainChoice) takeStatus() {
	var newest, under *Statement
	for _, s := range c.draft.held[StatementStatus] {
		status := s.claims.(*Status)
		if c.line.at(status.RootVersion) == nil || !status.inReach(c.line.sets[0].created) || newest != nil && compareStatuses(s, newest) < 0 {
			continue
		}
		if o := c.rests(func(o *Statement) bool { return vouchesStatus(o, s) && !c.ended(o) }); o != nil {
			newest, under = s, o
		}
	}
	if newest != nil {
		c.take(newest, under)
	}
}

// takeCertificates keeps certificates with what they rest on. Those of ended
// operations keys come last, for only records below a head need them.
func (c *chainChoice) takeCertificates() {
	candidates := slices.Clone(c.draft.held[StatementCertificate])
	rank := map[*Statement]int{}
	for _, s := range candidates {
		if end, ok := c.ends[s.env.signatures[0].signer]; ok {
			rank[s] = 1
			if !end.names(s.claims.(*Certificate).RecordKey.ID(), c.status()) {
				rank[s] = 2
			}
		}
	}
	slices.SortFunc(candidates, func(a, b *Statement) int { return cmp.Or(cmp.Compare(rank[a], rank[b]), latestFirst(a, b)) })
	for _, s := range candidates {
		o := c.rests(func(o *Statement) bool { return certifies(o, s) })
		if o != nil && len(c.kept[StatementCertificate]) < MaxCertificates && !c.said(s) {
			c.take(s, o)
		}
	}
}

// takeOperations keeps the other operations statements that there is room for.
func (c *chainChoice) takeOperations() {
	for _, o := range c.operations {
		if !c.has(o) {
			c.take(o, nil)
		}
	}
}

// take keeps a statement together with the operations statement that it rests
// on, if there is room for both.
func (c *chainChoice) take(s, rests *Statement) bool {
	rests = c.needs(rests)
	left := c.room.with(s, rests)
	if left.exceeded() {
		return false
	}
	c.room = left
	for _, s := range []*Statement{s, rests} {
		if s != nil {
			c.kept[s.typ] = append(c.kept[s.typ], s)
		}
	}
	return true
}

// needs is an operations statement that is not kept yet; nil for none.
func (c *chainChoice) needs(o *Statement) *Statement {
	if o == nil || c.has(o) {
		return nil
	}
	return o
}

func (c *chainChoice) has(s *Statement) bool { return slices.Contains(c.kept[s.typ], s) }

// said reports whether the same claims are kept already, signed by somebody who is
// as good or better.
func (c *chainChoice) said(s *Statement) bool { return find(c.kept[s.typ], s.digest) != nil }

// rests finds the operations statement that another one rests on, one that is
// kept already if there is any.
func (c *chainChoice) rests(matches func(o *Statement) bool) *Statement {
	for _, list := range [][]*Statement{c.kept[StatementOperations], c.operations} {
		if i := slices.IndexFunc(list, matches); i >= 0 {
			return list[i]
		}
	}
	return nil
}

// ended reports whether the key of an operations statement no longer counts.
func (c *chainChoice) ended(o *Statement) bool {
	_, ok := c.ends[o.claims.(*Operations).Key.ID()]
	return ok
}

func (c *chainChoice) status() *Status {
	if kept := c.kept[StatementStatus]; len(kept) > 0 {
		return kept[0].claims.(*Status)
	}
	return nil
}

// finish puts what is kept in order and describes it.
func (c *chainChoice) finish() *chainState {
	for _, typ := range []StatementType{StatementOperations, StatementCertificate} {
		slices.SortFunc(c.kept[typ], func(a, b *Statement) int { return latestFirst(b, a) })
	}
	slices.SortFunc(c.kept[StatementRevocation], func(a, b *Statement) int { return compareDigests(a.digest, b.digest) })
	genesis := c.kept[StatementGenesis][0]
	org := &Org{
		ID: genesis.org, Genesis: *genesis.claims.(*Genesis), Disputed: c.line.disputed, Status: c.status(), standing: c.standing(),
	}
	for _, set := range c.line.sets[1:] {
		org.Roots = append(org.Roots, *set.later)
	}
	for _, o := range c.kept[StatementOperations] {
		org.Operations = append(org.Operations, *o.claims.(*Operations))
	}
	for _, s := range c.kept[StatementRevocation] {
		org.Revocations = append(org.Revocations, *s.claims.(*Revocation))
	}
	state := &chainState{org: org, kept: c.kept, spent: map[Digest]bool{}}
	for _, s := range c.kept[StatementCertificate] {
		cert := s.claims.(*Certificate)
		org.Certificates = append(org.Certificates, cert)
		if _, revoked := org.Revoked(cert.RecordKey.ID()); revoked || org.Ended(s.env.signatures[0].signer) {
			state.spent[s.digest] = true
		}
	}
	return state
}

// identityRoom is what is left of the limits of one identity record.
type identityRoom struct{ bytes, signatures int }

func (r identityRoom) without(s *Statement) identityRoom {
	return identityRoom{r.bytes - len(s.raw), r.signatures - len(s.env.signatures)}
}

// with is what two statements leave; nil takes nothing.
func (r identityRoom) with(statements ...*Statement) identityRoom {
	for _, s := range statements {
		if s != nil {
			r = r.without(s)
		}
	}
	return r
}

func (r identityRoom) exceeded() bool { return r.bytes < 0 || r.signatures < 0 }

// latestFirst orders statements of one type by their end, or by when they were
// created if they have none, then by digest; the same claims by their signers.
func latestFirst(a, b *Statement) int {
	when := func(s *Statement) time.Time {
		switch v := s.claims.(type) {
		case *Operations:
			return v.NotAfter
		case *Certificate:
			return v.NotAfter
		case *Revocation:
			return v.Created
		}
		return time.Time{}
	}
	return cmp.Or(when(b).Compare(when(a)), compareDigests(a.digest, b.digest), bytes.Compare(a.raw, b.raw))
}

// compareFlags puts false before true.
func compareFlags(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
