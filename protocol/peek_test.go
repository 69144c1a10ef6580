package protocol

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// manyStatements is an organisation's chain with certificates until it carries
// so many signatures.
func manyStatements(t testing.TB, org *testOrg, signatures int) []*Statement {
	t.Helper()
	list := org.chain()
	for n := len(list); n < signatures; n++ {
		c := *org.cert
		c.Serial = uint64(n + 1)
		s, err := SignCertificate(testNetwork, c, org.operations)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// VER-09: what an identity record may make a reader verify is bounded, whatever
// the reader knows already.
func TestIdentitySignatures(t *testing.T) {
	org := newTestOrg(t, "many", nil)
	list := manyStatements(t, org, MaxIdentitySignatures+1)
	everything, _, _ := NewChains(testNetwork).With(list...)
	for n, want := range map[int]reason.Code{MaxIdentitySignatures: "", MaxIdentitySignatures + 1: reason.ChainInvalid} {
		raw := org.sign(t, Draft{
			Topic: TopicControl, Kind: KindIdentity, Sequence: 1, Created: testNow, Expires: testNow.Add(day),
			Statements: list[:n],
		}).Raw()
		for name, chains := range map[string]*Chains{"nothing": NewChains(testNetwork), "everything": everything} {
			if _, err := Verify(raw, chains, testNow); reason.Of(err) != want {
				t.Errorf("%d signatures, %s known: %v, want %q", n, name, err, want)
			}
		}
	}
}

// STM-13: what is kept of a chain whose operations five roots signed is one
// identity record that every node takes.
func TestChainOfManySignatures(t *testing.T) {
	f := newFounding(t, "many roots", MaxRoots, MaxRoots)
	g := f.signGenesis(t)
	list := []*Statement{g}
	for i := range MaxOperations {
		o := f.draftOperations(g.Org())
		o.Serial = uint64(i + 1)
		o.NotAfter = o.NotAfter.Add(-time.Duration(i) * time.Hour)
		list = append(list, f.signOperations(t, o))
	}
	for i := range MaxCertificates {
		list = append(list, f.signCertificate(t, f.draftCertificate(g.Org(), uint64(i+1))))
	}
	chains, _, _ := NewChains(f.network).With(list...)
	chain := chains.Chain(g.Org())
	if n := countSignatures(chain); n > MaxIdentitySignatures || n < MaxIdentitySignatures-MaxRoots {
		t.Errorf("the chain carries %d signatures, at most %d", n, MaxIdentitySignatures)
	}
	if o, _ := chains.Org(g.Org()); len(o.Certificates) < 50 {
		t.Errorf("%d certificates are kept, want at least 50", len(o.Certificates))
	}
	slices.Reverse(list)
	if other, _, _ := NewChains(f.network).With(list...); picture(other) != picture(chains) {
		t.Error("what is kept depends on the order")
	}
}

// REC-02: Peek reads what a header claims, and neither more nor less than Verify would.
func TestPeek(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	objects := org.sign(t, testDraft(testObjects(2)...))
	identity := org.sign(t, Draft{
		Topic: TopicControl, Kind: KindIdentity, Sequence: 1, Created: testNow, Expires: testNow.Add(day),
		Statements: org.chain(),
	})
	for kind, r := range map[Kind]*Record{KindObjects: objects, KindIdentity: identity} {
		got, ok := Peek(r.Raw())
		if !ok || got != (Claimed{kind, org.cert.Digest()}) {
			t.Errorf("a record of kind %s: %+v, %v", kind, got, ok)
		}
	}
	header := identity.Raw()[:identity.headerLength]
	if got, ok := Peek(header); !ok || got.Kind != KindIdentity {
		t.Errorf("a header alone: %+v, %v", got, ok)
	}
	for n := range header {
		if _, ok := Peek(header[:n]); ok {
			t.Fatalf("the first %d bytes of a header were read", n)
		}
	}
	forged := func(change func(*forgery)) []byte { return org.forge(t, testDraft(testObjects(1)...), change) }
	for name, raw := range map[string][]byte{
		"no kind":     forged(func(f *forgery) { delete(f.payload, claimKind) }),
		"kind text":   forged(func(f *forgery) { f.payload[claimKind] = "identity" }),
		"kind beyond": forged(func(f *forgery) { f.payload[claimKind] = MaxKind }),
		"long header": forged(func(f *forgery) { f.payload[40] = bytes.Repeat([]byte("x"), MaxHeaderBytes) }),
	} {
		if got, ok := Peek(raw); ok {
			t.Errorf("%s: %+v", name, got)
		}
		if _, err := Verify(raw, org.chains, testNow); err == nil {
			t.Errorf("%s: verified, though nothing could be read", name)
		}
	}
	if got, ok := Peek(forged(func(f *forgery) { f.protected[4] = "short" })); !ok || got.Certificate != (Digest{}) {
		t.Errorf("no digest: %+v, %v", got, ok)
	}
}

// BenchmarkVerifyIdentity is the dearest identity record there can be, of a
// stranger: five keys sign each statement.
func BenchmarkVerifyIdentity(b *testing.B) {
	f := newFounding(b, "dear", MaxRoots, MaxRoots)
	list := []*Statement{f.signGenesis(b)}
	for i := 1; countSignatures(list)+MaxRoots <= MaxIdentitySignatures; i++ {
		o := f.draftOperations(list[0].Org())
		o.Serial = uint64(i)
		list = append(list, f.signOperations(b, o))
	}
	empty := NewChains(f.network)
	b.ReportAllocs()
	for b.Loop() {
		empty.With(list...)
	}
}
