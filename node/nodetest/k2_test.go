package nodetest

//bubble: every test in this file runs inside Run, where time is virtual.

import (
	"crypto/rand"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// root makes the organisation's root of version 2, with signers and keys as told.
func (h *Hostile) root(key protocol.PublicKey, signers ...protocol.Signer) *protocol.Statement {
	h.fleet.t.Helper()
	after, err := protocol.GenerateKey(protocol.EdDSA, rand.Reader)
	if err != nil {
		h.fleet.t.Fatal(err)
	}
	s, err := protocol.SignRoot(Federation, protocol.Root{
		Org: h.author.Org, Version: 2, Previous: protocol.Digest(h.author.Org), Roots: []protocol.PublicKey{key}, Threshold: 1,
		Next: []protocol.KeyID{after.Public().ID()}, NextThreshold: 1,
		Keep: []protocol.KeyID{h.author.Operations.Public().ID()}, Created: time.Now(),
	}, signers...)
	if err != nil {
		h.fleet.t.Fatal(err)
	}
	return s
}

// carry sends the chain of an organisation with one more statement.
func (h *Hostile) carry(of *Hostile, s *protocol.Statement) {
	chain := append(append([]*protocol.Statement(nil), of.author.Statements...), s)
	r := h.sign(protocol.Draft{Topic: protocol.TopicControl, Kind: protocol.KindIdentity, Statements: chain})
	h.Send(protocol.TopicControl.String(), r.Raw())
}

// TestK2StolenRoot is threat model K2: whoever has the current root alone rotates nothing, first or
// second; two roots by the true successor are a dispute, and no machine acts on such an organisation.
func TestK2StolenRoot(t *testing.T) {
	for name, c := range map[string]struct{ forgedFirst, disputed bool }{
		"forged first": {forgedFirst: true}, "honest first": {}, "two by the successor": {disputed: true},
	} {
		t.Run(name, func(t *testing.T) {
			Run(t, Options{Nodes: 10}, func(t *testing.T, f *Fleet) {
				f.Ring(1, 3)
				f.Settle(3 * time.Second)
				org := f.Hostile("organisation", []string{malware}, 0)
				other := f.Hostile("other end", []string{malware}, 5)
				for _, m := range f.Members {
					if err := m.Policy.Set(trust.Entry{Org: org.author.Org, Petname: "organisation", Level: trust.Anchor, Expires: time.Now().Add(24 * time.Hour)}); err != nil {
						t.Fatal(err)
					}
				}
				a := org.author
				honest := org.root(a.Next.Public(), a.Root, a.Next)
				thiefs, err := protocol.GenerateKey(protocol.EdDSA, rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				second := org.root(thiefs.Public(), a.Root, thiefs)
				if c.disputed {
					second = org.root(a.Next.Public(), a.Root, a.Next)
				}
				if c.forgedFirst {
					other.carry(org, second)
					org.carry(org, honest)
				} else {
					org.carry(org, honest)
					other.carry(org, second)
				}
				f.Settle(time.Minute)
				for _, m := range f.Members {
					_, chains, err := m.Keys.Own()
					if err != nil {
						t.Fatal(err)
					}
					known, ok := chains.Org(a.Org)
					if !ok || known.Disputed != c.disputed {
						t.Errorf("node %d: knows it %v, disputed is not %v", m.Number, ok, c.disputed)
						continue
					}
					if !c.disputed && (len(known.Roots) != 1 || known.Roots[0].Roots[0] != a.Next.Public()) {
						t.Errorf("node %d has another root than the honest one", m.Number)
					}
					topic, _ := protocol.ParseTopic(malware)
					if why := m.Standing.Org(a.Org, topic, time.Now()); (why == reason.OrgDisputed) != c.disputed {
						t.Errorf("node %d: out of automation because of %q, disputed %v", m.Number, why, c.disputed)
					}
				}
			})
		})
	}
}
