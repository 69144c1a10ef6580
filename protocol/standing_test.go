package protocol

import (
	"slices"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// K1 of the threat model, as far as it is true on paper: a stolen node key is
// ended by position, whatever times the thief writes (STM-19 to STM-22).
func TestK1StolenNodeKey(t *testing.T) {
	l := newLineage(t, "k1", 2, 3)
	base := l.base()
	stolen := l.record.Public().ID()
	good, control := place(l.record, "fraud", 10), place(l.record, "control", 3)
	twin := good
	twin.ID[5] = 9
	places := func(upTo uint64, onControl bool) map[Head]bool {
		return map[Head]bool{
			place(l.record, "fraud", 1): upTo >= 1, place(l.record, "fraud", 9): upTo >= 9, good: upTo >= 10, twin: upTo > 10,
			place(l.record, "fraud", 11): upTo >= 11, place(l.record, "fraud", 1<<62): upTo >= 1<<62,
			control: onControl, place(l.record, "control", 4): onControl && upTo > 1<<62, place(l.record, "drill", 1): upTo > 1<<62,
			place(l.key("other node"), "fraud", 99): true,
		}
	}
	heads := []Head{good, control}
	named := Revocation{Key: stolen, Reason: RevokedCompromised, Heads: heads}
	emergency := Revocation{Key: stolen, Emergency: true}
	status := func(counter, sequence uint64) *Statement {
		return l.beat(counter, time.Hour, l.operations, func(s *Status) { s.Heads = []Head{place(l.record, "fraud", sequence), control} })
	}
	for name, test := range map[string]struct {
		more   []*Statement
		stands map[Head]bool
	}{
		"nothing is revoked":                           {nil, places(1<<63-1, true)},
		"the operations key names the last good place": {[]*Statement{l.revoke(named, l.operations)}, places(10, true)},
		"two of three roots do":                        {[]*Statement{l.revoke(named, l.keys(1)[1:]...)}, places(10, true)},
		"the revocation claims to be from the future": {[]*Statement{l.revoke(Revocation{
			Key: stolen, Heads: heads, Created: time.UnixMilli(MaxTime),
		}, l.operations)}, places(10, true)},
		"nothing of it is good":                        {[]*Statement{l.revoke(Revocation{Key: stolen}, l.operations)}, places(0, false)},
		"two revocations: what both let stand":         {[]*Statement{l.revoke(named, l.operations), l.revoke(Revocation{Key: stolen, Heads: []Head{place(l.record, "fraud", 9), control}}, l.operations)}, places(9, true)},
		"emergency, no status":                         {[]*Statement{l.revoke(emergency, l.keys(1)...)}, places(0, false)},
		"emergency, at the heads of the status":        {[]*Statement{l.revoke(emergency, l.keys(1)...), status(1, 10)}, places(10, true)},
		"emergency, at the heads of the newest status": {[]*Statement{l.revoke(emergency, l.keys(1)...), status(2, 10)}, places(10, true)},
		"a status without a revocation voids nothing":  {[]*Statement{status(1, 1)}, places(1<<63-1, true)},
	} {
		c := l.after(slices.Concat(base, test.more)...)
		l.wantStanding(name, c, test.stands)
		if r, ok := l.orgIn(c).Revoked(stolen); ok != (len(test.more) > 0 && name != "a status without a revocation voids nothing") || ok && r.Key != stolen {
			t.Errorf("%s: revoked %v", name, ok)
		}
		if peers := c.PeerOrgs([]byte("peer 1"), l.start.Add(2*time.Hour)); (len(peers) == 1) == l.isRevoked(c, stolen) {
			t.Errorf("%s: the thief's peer is of %v", name, peers)
		}
	}
	c := l.after(base...)
	wantRefused(t, "by one root of three", c, l.revoke(named, l.keys(1)[0]), reason.CertUnknown)
	wantRefused(t, "by a stranger", c, l.revoke(named, l.key("stranger")), reason.CertUnknown)
	wantRefused(t, "by the thief", c, l.revoke(named, l.record), reason.CertUnknown)
	wantRefused(t, "by two operations keys at once", c, l.revoke(named, l.operations, l.key("another")), reason.CertUnknown)
	wantRefused(t, "spoilt", c, flipped(t, l.revoke(named, l.operations)), reason.SigInvalid)
	if err := c.Standing(OrgID{1}, stolen, good.Topic, 1, good.ID); err != nil {
		t.Errorf("an organisation that is not known: %v", err)
	}
}

func (l *lineage) isRevoked(c *Chains, key KeyID) bool {
	_, ok := l.orgIn(c).Revoked(key)
	return ok
}

// STM-20: a revocation outlives the window of its signer, and a later root.
func TestRevocationOutlivesItsSigner(t *testing.T) {
	l := newLineage(t, "outlives", 1, 1)
	base := l.base()
	r := l.revoke(Revocation{Key: l.record.Public().ID(), Created: l.start.Add(10 * MaxOperationsWindow)}, l.operations)
	byRoot := l.revoke(Revocation{Key: l.key("second node").Public().ID()}, l.keys(1)...)
	second := l.rotate(nil)
	c := l.after(slices.Concat(base, []*Statement{r, byRoot, second})...)
	if org := l.orgIn(c); len(org.Revocations) != 2 || len(org.Roots) != 1 {
		t.Errorf("%d revocations", len(org.Revocations))
	}
	byLater := l.revoke(Revocation{Key: l.key("third node").Public().ID()}, l.keys(2)...)
	if _, added, errs := c.With(byLater); added != 1 {
		t.Errorf("by the root in force: %v", errs)
	}
	if _, added, errs := l.after(base...).With(byLater, second); added != 2 {
		t.Errorf("it came before its root: %v", errs)
	}
}

// STM-21, STM-22: what an operations key that ended leaves standing, by root, by
// revocation, and by both.
func TestEndedOperationsKey(t *testing.T) {
	l := newLineage(t, "ended", 1, 1)
	ops, node := l.operations.Public().ID(), l.key("second node")
	base := append(l.base(), l.certify(2, node, l.operations))
	named := []Head{place(l.record, "fraud", 5)}
	fresh := l.key("fresh operations")
	for name, test := range map[string]struct {
		more  []*Statement
		upTo  uint64 // of the named record key
		other bool   // whether the other record key stands
		ended bool
	}{
		"kept":                     {[]*Statement{l.root(l.with(func(r *Root) { r.Heads = named }), l.signers(false)...)}, 1 << 62, true, false},
		"dropped":                  {[]*Statement{l.root(l.with(func(r *Root) { r.Keep, r.Heads = nil, named }), l.signers(false)...)}, 5, false, true},
		"dropped, no heads":        {[]*Statement{l.root(l.with(func(r *Root) { r.Keep = nil }), l.signers(false)...)}, 0, false, true},
		"dropped for compromise":   {[]*Statement{l.root(l.with(func(r *Root) { r.Keep, r.Heads, r.Compromise = nil, named, true }), l.signers(true)...)}, 5, false, true},
		"revoked by the root":      {[]*Statement{l.revoke(Revocation{Key: ops, Heads: named}, l.keys(1)...)}, 5, false, true},
		"revoked by another key":   {[]*Statement{l.delegate(1, fresh, nil), l.revoke(Revocation{Key: ops, Heads: named}, fresh)}, 1 << 62, true, false},
		"emergency":                {[]*Statement{l.revoke(Revocation{Key: ops, Emergency: true}, l.keys(1)...), l.delegate(1, fresh, nil), l.beat(1, 0, fresh, func(s *Status) { s.Heads = named })}, 5, false, true},
		"dropped, revoked earlier": {[]*Statement{l.root(l.with(func(r *Root) { r.Keep, r.Heads = nil, []Head{place(l.record, "fraud", 8)} }), l.signers(false)...), l.revoke(Revocation{Key: ops, Heads: named}, l.keys(1)...)}, 5, false, true},
		"dropped, certified again": {[]*Statement{l.root(l.with(func(r *Root) { r.Keep, r.Heads = nil, named }), l.signers(false)...), l.delegate(2, fresh, nil), l.certify(3, node, fresh)}, 5, true, true},
		"dropped, delegated again": {[]*Statement{l.root(l.with(func(r *Root) { r.Keep, r.Heads = nil, named }), l.signers(false)...), l.delegate(2, l.operations, nil)}, 1 << 62, true, false},
	} {
		c := l.after(slices.Concat(base, test.more)...)
		l.wantStanding(name, c, map[Head]bool{
			place(l.record, "fraud", 5): test.upTo >= 5, place(l.record, "fraud", 6): test.upTo >= 6, place(l.record, "drill", 1): test.upTo > 5,
			place(node, "fraud", 1): test.other, place(l.key("unheard of"), "fraud", 1): true,
		})
		org := l.orgIn(c)
		if _, revoked := org.Revoked(l.record.Public().ID()); org.Ended(ops) != test.ended || revoked && !test.ended {
			t.Errorf("%s: ended %v, revoked %v", name, org.Ended(ops), revoked)
		}
		if got := c.PeerOrgs([]byte("peer 1"), l.start.Add(2*time.Hour)); (len(got) == 0) != test.ended {
			t.Errorf("%s: its certificate gives a peer standing: %v", name, got)
		}
		if cert, ok := c.Certificate(base[2].Digest()); !ok || cert == nil {
			t.Errorf("%s: the certificate is gone, and with it what stands", name)
		}
	}
}

// with is the next root, changed.
func (l *lineage) with(change func(*Root)) Root {
	r := l.draftRoot()
	change(&r)
	return r
}

// STM-21: the first root that drops a key says what stands, and a later root that
// names it again under keep brings nothing back.
func TestDroppedStaysDropped(t *testing.T) {
	l := newLineage(t, "dropped", 1, 1)
	base := l.base()
	second := l.rotate(func(r *Root) { r.Keep, r.Heads = nil, []Head{place(l.record, "fraud", 5)} })
	third := l.rotate(func(r *Root) { r.Heads = []Head{place(l.record, "fraud", 9)} })
	c := l.after(slices.Concat(base, []*Statement{second, third})...)
	l.wantStanding("kept too late", c, map[Head]bool{place(l.record, "fraud", 5): true, place(l.record, "fraud", 6): false})
	late := l.delegate(1, l.operations, func(o *Operations) { o.Serial, o.NotAfter = 2, o.NotAfter.Add(-time.Hour) })
	if next, added, _ := c.With(late); added != 1 || !l.orgIn(next).Ended(l.operations.Public().ID()) {
		t.Error("another statement of the dropped root brings the key back")
	}
}

// STM-20: an operations key that ended revokes nothing and says nothing, from
// whenever it claims to be; a root before a compromise revokes nothing.
func TestSilentSigners(t *testing.T) {
	l := newLineage(t, "silent", 1, 1)
	base := l.base()
	fresh, node := l.key("fresh operations"), l.key("new node")
	revocation := l.revoke(Revocation{Key: node.Public().ID()}, l.operations)
	status := l.beat(9, time.Hour, l.operations, nil)
	byOldRoot := l.revoke(Revocation{Key: node.Public().ID(), Reason: RevokedCeased}, l.keys(1)...)
	before := l.after(slices.Concat(base, []*Statement{revocation, status, byOldRoot})...)
	if org := l.orgIn(before); len(org.Revocations) != 2 || org.Status == nil {
		t.Fatalf("%d revocations", len(org.Revocations))
	}
	for _, compromise := range []bool{false, true} {
		r := l.with(func(r *Root) { r.Keep, r.Compromise = nil, compromise })
		second := l.root(r, l.signers(compromise)...)
		l.roots = append(l.roots, second)
		after, _, _ := before.With(second, l.delegate(2, fresh, nil), l.certify(2, node, fresh))
		l.roots = l.roots[:1]
		org := l.orgIn(after)
		if want := map[bool]int{false: 1, true: 0}[compromise]; len(org.Revocations) != want || org.Status != nil {
			t.Errorf("compromise %v: %d revocations, status %v", compromise, len(org.Revocations), org.Status)
		}
		l.wantStanding("the new node", after, map[Head]bool{place(node, "fraud", 1): compromise})
		wantRefused(t, "revocation by a key that ended", after, revocation, reason.KeyRevoked)
		wantRefused(t, "status by a key that ended", after, status, reason.KeyRevoked)
		if compromise {
			wantRefused(t, "revocation by roots that were taken", after, byOldRoot, reason.ChainLimit)
		}
	}
}

// STM-06: a thief who signs the same claims with a key that ended keeps out nobody's
// word, whichever of the two comes first.
func TestSameClaimsOtherSigner(t *testing.T) {
	l := newLineage(t, "same", 1, 1)
	fresh, node := l.key("fresh operations"), l.key("node")
	drop := l.root(l.with(func(r *Root) { r.Keep = nil }), l.signers(false)...)
	l.roots = append(l.roots, drop)
	base := []*Statement{l.roots[0], l.delegate(1, l.operations, nil), drop, l.delegate(2, fresh, nil)}
	ops := fresh.Public().ID()
	for name, pair := range map[string]struct{ thief, honest *Statement }{
		"certificate":           {l.certify(1, node, l.operations), l.certify(1, node, fresh)},
		"revocation":            {l.revoke(Revocation{Key: KeyID{1}}, l.operations), l.revoke(Revocation{Key: KeyID{1}}, fresh)},
		"revocation by roots":   {l.revoke(Revocation{Key: ops}, l.operations), l.revoke(Revocation{Key: ops}, l.keys(2)...)},
		"... and by a good key": {l.revoke(Revocation{Key: ops}, fresh), l.revoke(Revocation{Key: ops}, l.keys(2)...)},
		"status":                {l.beat(1, 0, l.operations, nil), l.beat(1, 0, fresh, nil)},
	} {
		if pair.thief.digest != pair.honest.digest {
			t.Fatalf("%s: not the same claims", name)
		}
		want := picture(l.after(append(slices.Clone(base), pair.honest)...))
		for _, order := range [][]*Statement{{pair.thief, pair.honest}, {pair.honest, pair.thief}} {
			together, _, _ := NewChains("test").With(append(slices.Clone(base), order...)...)
			apart, _, _ := NewChains("test").With(base...)
			for _, s := range order {
				apart, _, _ = apart.With(s)
			}
			for _, c := range []*Chains{together, apart} {
				kept := find(c.Chain(l.org), pair.honest.digest)
				if picture(c) != want || kept == nil || !slices.Equal(kept.raw, pair.honest.raw) {
					t.Errorf("%s: the thief's word stands", name)
				}
			}
			if next, added, errs := apart.With(pair.thief); next != apart && picture(next) != want || added != 0 || len(errs) != 0 {
				t.Errorf("%s: again: added %d, %v", name, added, errs)
			}
		}
	}
}

// STM-07, STM-19: every claim of a revocation.
func TestRevocationClaims(t *testing.T) {
	l := newLineage(t, "claims", 1, 1)
	r := Revocation{Org: l.org, Key: KeyID{1}, Reason: RevokedCeased, Heads: []Head{place(l.record, "fraud", 1)}, Created: l.start}
	s := l.revoke(r, l.operations)
	if got := s.claims.(*Revocation); got.Org != l.org || got.Key != r.Key || got.Reason != RevokedCeased || got.Emergency ||
		!slices.Equal(got.Heads, r.Heads) || !got.Created.Equal(l.start) || s.Org() != l.org || s.Type() != StatementRevocation {
		t.Errorf("%+v", got)
	}
	l.checkClaims(t, StatementRevocation, r.claims(), []claimCase{
		{1, nil}, {2, nil}, {2, make([]byte, 31)}, {3, nil}, {3, uint64(256)}, {3, "compromised"}, {4, true}, {4, false}, {6, nil},
	}, []claimCase{{3, uint64(0)}, {3, uint64(255)}, {5, nil}, {6, uint64(0)}})
	r.Heads, r.Emergency = nil, true
	l.checkClaims(t, StatementRevocation, r.claims(), []claimCase{{4, uint64(1)}}, []claimCase{{4, nil}})
}

// What Verify pays for it: next to nothing where no key ended, which is the common case.
func BenchmarkStanding(b *testing.B) {
	l := newLineage(b, "bench", 1, 1)
	node := l.record.Public().ID()
	at := place(l.record, "fraud", 7)
	var heads []Head
	for _, topic := range DefaultTopics()[:8] {
		for i := range 9 {
			heads = append(heads, Head{Key: KeyID{byte(i)}, Topic: topic, Sequence: 9})
		}
	}
	heads = append(heads, place(l.record, "fraud", 9))
	for name, more := range map[string][]*Statement{
		"none":    nil,
		"revoked": {l.revoke(Revocation{Key: node, Heads: heads}, l.operations)},
		"dropped": {l.root(l.with(func(r *Root) { r.Keep, r.Heads = nil, heads[len(heads)-40:] }), l.signers(false)...)},
	} {
		c := l.after(append(l.base(), more...)...)
		org := l.orgIn(c)
		cert, h := org.Certificates[0], &Header{Topic: at.Topic, Sequence: at.Sequence}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := c.standing(cert, h, at.ID); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
