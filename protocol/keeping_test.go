package protocol

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// everything is a chain with statements of every type, good and not in force.
func everything(t *testing.T) (*lineage, []*Statement) {
	l := newLineage(t, "everything", 1, 2)
	fresh, node, lost := l.key("fresh operations"), l.key("node"), l.key("lost operations")
	all := append(l.base(), l.delegate(1, lost, nil), l.certify(5, l.key("under lost"), lost))
	all = append(all,
		l.revoke(Revocation{Key: l.record.Public().ID(), Heads: []Head{place(l.record, "fraud", 4)}}, l.operations),
		l.revoke(Revocation{Key: KeyID{8}}, lost), l.beat(3, time.Hour, lost, nil), l.beat(1, 0, l.operations, nil))
	all = append(all, l.rotate(func(r *Root) { r.Heads = []Head{place(l.key("under lost"), "fraud", 2)} }))
	all = append(all, l.delegate(2, fresh, nil), l.certify(6, node, fresh), l.revoke(Revocation{Key: node.Public().ID(), Emergency: true}, l.keys(2)[0]),
		l.beat(2, 2*time.Hour, fresh, func(s *Status) { s.RootVersion = 2 }), l.beat(1<<40, 0, fresh, func(s *Status) { s.RootVersion = 2 }))
	keep := func(r *Root) { r.Keep = append(r.Keep, fresh.Public().ID()) }
	all = append(all, l.rotate(keep), l.revoke(Revocation{Key: lost.Public().ID(), Emergency: true}, l.keys(3)[1]))
	return l, all
}

// STM-11: neither order nor grouping changes what is known in the end, for all types
// and with what is not in force among them.
func TestAllTypesInAnyOrder(t *testing.T) {
	l, all := everything(t)
	whole, added, _ := NewChains("test").With(all...)
	want := picture(whole)
	org := l.orgIn(whole)
	if len(org.Roots) != 2 || len(org.Revocations) != 3 || org.Status == nil || org.Status.Counter != 2 || added != len(all)-4 {
		t.Fatalf("%d roots, %d revocations, status %v, added %d of %d", len(org.Roots), len(org.Revocations), org.Status, added, len(all))
	}
	random := rand.New(rand.NewSource(3))
	for round := range 40 {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if next, n, _ := NewChains("test").With(all...); picture(next) != want || n != added {
			t.Fatalf("round %d: another result in another order", round)
		}
		c := NewChains("test")
		for range 6 { // a chain is genesis, two roots, operations, and one more deep
			for rest := all; len(rest) > 0; {
				n := 1 + random.Intn(min(4, len(rest)))
				c, _, _ = c.With(rest[:n]...)
				rest = rest[n:]
			}
		}
		if picture(c) != want {
			t.Fatalf("round %d: another result in pieces", round)
		}
	}
	if again, _, errs := NewChains("test").With(whole.Chain(l.org)...); len(errs) != 0 || picture(again) != want {
		t.Errorf("the chain handed out does not make the same snapshot: %v", errs)
	}
	if next, n, errs := whole.With(whole.Chain(l.org)...); next != whole || n != 0 || len(errs) != 0 {
		t.Errorf("what is known: added %d, %v", n, errs)
	}
}

// STM-13, STM-29: a flood of certificates drives out no root, revocation or status,
// whichever comes first, and a flood of revocations leaves room to sign.
func TestRevocationsHaveRoomBeforeCertificates(t *testing.T) {
	l := newLineage(t, "room", 1, 1)
	base := append(l.base(), l.rotate(nil))
	var revocations, flood, certificates []*Statement
	for i := range 10 {
		r := Revocation{Key: KeyID{byte(i), 1}, Heads: []Head{place(l.record, "fraud", uint64(i+1))}, Created: l.start.Add(time.Duration(i) * time.Hour)}
		revocations = append(revocations, l.revoke(r, l.operations))
	}
	for i := range 100 {
		certificates = append(certificates, l.certify(uint64(i+2), l.record, l.operations))
		r := Revocation{Key: KeyID{byte(i), 2}, Created: l.start.Add(-time.Duration(i+1) * time.Hour)}
		flood = append(flood, l.revoke(r, l.operations))
	}
	status := l.beat(5, time.Hour, l.operations, func(s *Status) {
		s.RootVersion = 2
		for i := range 60 {
			s.Heads = append(s.Heads, Head{Key: KeyID{byte(i / 6)}, Topic: DefaultTopics()[i%6], Sequence: 1 << 20})
		}
	})
	lists := [][]*Statement{revocations, certificates, {status}, flood}
	var want string
	for round := range 4 {
		c := l.after(base...)
		for i := range lists {
			c, _, _ = c.With(lists[(i+round)%len(lists)]...)
		}
		org := l.orgIn(c)
		left := chainSize(c.Chain(l.org))
		if left.exceeded() || len(org.Roots) != 1 || org.Status == nil || len(org.Certificates) < 4 || len(org.Certificates) == MaxCertificates {
			t.Errorf("round %d: %v left, status %v, %d certificates", round, left, org.Status != nil, len(org.Certificates))
		}
		for _, r := range revocations {
			if find(c.Chain(l.org), r.digest) == nil {
				t.Errorf("round %d: a revocation was driven out", round)
			}
		}
		if n := len(org.Revocations); n <= 10 || n > MaxRevocations {
			t.Errorf("round %d: %d revocations", round, n)
		}
		if want == "" {
			want = picture(c)
		}
		if picture(c) != want {
			t.Errorf("round %d: what is kept depends on the order", round)
		}
		// The flood ends with the key that made it; the organisation's own word comes first.
		byRoot := l.revoke(Revocation{Key: KeyID{77}}, l.keys(2)...)
		if next, added, errs := c.With(byRoot); added != 1 || find(next.Chain(l.org), byRoot.digest) == nil {
			t.Errorf("round %d: no room for the roots: %v", round, errs)
		}
		wantRefused(t, "one more of the flood", c, l.revoke(Revocation{Key: KeyID{78}, Created: l.start.Add(-9999 * time.Hour)}, l.operations), reason.ChainLimit)
	}
}

// STM-13: certificates of an ended operations key have room last, and of these
// those first that records below a head need.
func TestEndedCertificatesComeLast(t *testing.T) {
	l := newLineage(t, "last", 1, 1)
	stolen := l.key("stolen operations")
	named := l.key("named")
	base := append(l.base(), l.delegate(1, stolen, nil), l.certify(2, named, stolen))
	base = append(base, l.rotate(func(r *Root) { r.Heads = []Head{place(named, "fraud", 3)} }))
	var flood []*Statement
	for i := range 100 {
		flood = append(flood, l.certify(uint64(i+10), l.key(fmt.Sprint("puppet ", i)), stolen))
	}
	c, _, _ := l.after(base...).With(flood...)
	honest := base[2]
	for _, s := range []*Statement{honest, base[4]} {
		if _, ok := c.Certificate(s.digest); !ok {
			t.Error("the thief's certificates drove out one that is needed")
		}
	}
	if err := c.Standing(l.org, flood[99].claims.(*Certificate).RecordKey.ID(), Topic{"fraud"}, 1, RecordID{}); reason.Of(err) != reason.KeyRevoked {
		t.Errorf("a puppet stands: %v", err)
	}
	mixed, _, _ := NewChains("test").With(append(slices.Clone(flood), base...)...)
	if picture(mixed) != picture(c) {
		t.Error("what is kept depends on the order")
	}
}

// STM-29: a revocation brings the operations statement along that it rests on.
func TestRevocationBringsItsOperations(t *testing.T) {
	l := newLineage(t, "brings", 1, 1)
	old, fresh := l.key("old operations"), l.key("fresh operations")
	base := []*Statement{
		l.roots[0], l.delegate(1, old, func(o *Operations) { o.NotAfter = o.NotAfter.Add(-time.Hour) }), l.delegate(1, fresh, nil),
		l.revoke(Revocation{Key: KeyID{1}}, old),
	}
	var certificates []*Statement
	for i := range 100 {
		certificates = append(certificates, l.certify(uint64(i+2), l.record, fresh))
	}
	c, _, _ := l.after(base...).With(certificates...)
	if org := l.orgIn(c); len(org.Revocations) != 1 || len(org.Operations) != 2 {
		t.Errorf("%d revocations, %d operations statements", len(org.Revocations), len(org.Operations))
	}
	if again, _, errs := NewChains("test").With(c.Chain(l.org)...); len(errs) != 0 || picture(again) != picture(c) {
		t.Errorf("the chain handed out does not verify alone: %v", errs)
	}
}
