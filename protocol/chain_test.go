package protocol

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

func chainsWith(t testing.TB, statements ...*Statement) *Chains {
	t.Helper()
	next, _, errs := NewChains("test").With(statements...)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return next
}

// picture tells two snapshots apart by everything they hold.
func picture(c *Chains) string {
	var b bytes.Buffer
	for _, id := range c.Orgs() {
		for _, s := range c.Chain(id) {
			fmt.Fprintln(&b, s.Digest())
		}
		org, _ := c.Org(id)
		for _, cert := range org.Certificates {
			found, ok := c.Certificate(cert.Digest())
			fmt.Fprintln(&b, ok && found == cert)
			for _, p := range cert.PeerIDs {
				fmt.Fprintln(&b, c.PeerOrgs(p, cert.NotBefore))
			}
		}
	}
	fmt.Fprintln(&b, len(c.certs), len(c.peers), c.Len())
	return b.String()
}

// STM-08, STM-09: every threshold from one of one to five of five, met exactly
// and missed by one, by any of the roots.
func TestThresholds(t *testing.T) {
	for m := 1; m <= MaxRoots; m++ {
		for threshold := 1; threshold <= m; threshold++ {
			f := newFounding(t, "threshold", threshold, m)
			g := f.signGenesis(t)
			o := f.draftOperations(g.Org())
			known := chainsWith(t, g)
			for first := range m {
				order := append(slices.Clone(f.roots[first:]), f.roots[:first]...)
				enough, err := SignOperations("test", o, order[:threshold]...)
				if err != nil {
					t.Fatal(err)
				}
				if _, added, errs := known.With(enough); added != 1 {
					t.Errorf("%d of %d from %d: %v", threshold, m, first, errs)
				}
				if threshold == 1 {
					continue
				}
				few, err := SignOperations("test", o, order[:threshold-1]...)
				if err != nil {
					t.Fatal(err)
				}
				_, added, errs := known.With(few)
				if added != 0 || len(errs) != 1 || reason.Of(errs[0]) != reason.ChainInvalid {
					t.Errorf("%d-1 of %d from %d: added %d, %v", threshold, m, first, added, errs)
				}
			}
		}
	}
}

// refusedStatements are statements that must not enter a chain, with the code for each.
func refusedStatements(t *testing.T, f, stranger *founding) map[string]struct {
	s    *Statement
	code reason.Code
} {
	chain := f.chain(t)
	org := chain[0].Org()
	parse := func(network string, raw []byte, err error) *Statement {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseStatement(network, raw)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	operations := f.draftOperations(org)
	operations.Serial = 2
	ops := mustEncode(operations.claims())
	certificate := f.draftCertificate(org, 2)
	cert := mustEncode(certificate.claims())
	aad := func(network, typ string) []byte { return externalAAD(network, typ) }
	sign := func(network string, payload, aad []byte, keys ...Signer) *Statement {
		raw, err := writeSign(payload, aad, keys)
		return parse(network, raw, err)
	}
	sign1 := func(payload, aad []byte, key Signer) *Statement {
		raw, err := writeSign1(payload, aad, []Signer{key})
		return parse("test", raw, err)
	}
	// A signature under the name of a key that did not make it.
	named := func(payload, aad []byte, name PublicKey, key Signer) *Statement {
		m := sign1Message{Protected: protectedHeader(name), Payload: payload}
		m.Signature, _ = key.Sign(sigStructure1(m.Protected, aad, payload))
		return parse("test", append(slices.Clone(headSign1), mustEncode(m)...), nil)
	}
	window := func(from, to time.Duration) *Statement {
		c := f.draftCertificate(org, 3)
		c.NotBefore, c.NotAfter = f.start.Add(from), f.start.Add(to)
		return f.signCertificate(t, c)
	}
	end := MaxOperationsWindow
	return map[string]struct {
		s    *Statement
		code reason.Code
	}{
		"operations signed as genesis":        {sign("test", ops, aad("test", "genesis"), f.roots...), reason.SigInvalid},
		"operations signed as certificate":    {sign("test", ops, aad("test", "certificate"), f.roots...), reason.SigInvalid},
		"operations signed for a record":      {sign("test", ops, aad("test", "record"), f.roots...), reason.SigInvalid},
		"operations of another network":       {sign("test", ops, aad("main", "operations"), f.roots...), reason.SigInvalid},
		"operations read for another network": {sign("main", ops, aad("main", "operations"), f.roots...), reason.ChainInvalid},
		"operations by a stranger's roots":    {sign("test", ops, aad("test", "operations"), stranger.roots...), reason.ChainInvalid},
		"operations by the operations key":    {sign("test", ops, aad("test", "operations"), f.operations, f.record), reason.ChainInvalid},
		"operations, a stranger signs along":  {sign("test", ops, aad("test", "operations"), append(slices.Clone(f.roots), f.record)...), reason.ChainInvalid},
		"certificate signed as operations":    {sign1(cert, aad("test", "operations"), f.operations), reason.SigInvalid},
		"certificate of another network":      {sign1(cert, aad("main", "certificate"), f.operations), reason.SigInvalid},
		"certificate by a stranger":           {sign1(cert, aad("test", "certificate"), stranger.operations), reason.CertUnknown},
		"certificate by a root":               {sign1(cert, aad("test", "certificate"), f.roots[0]), reason.CertUnknown},
		"certificate under another's name":    {named(cert, aad("test", "certificate"), f.operations.Public(), stranger.operations), reason.SigInvalid},
		"certificate before operations":       {window(-time.Millisecond, time.Hour), reason.CertUnknown},
		"certificate after operations":        {window(end-time.Hour, end+time.Millisecond), reason.CertUnknown},
		"chain of an unknown organisation":    {stranger.chain(t)[1], reason.CertUnknown},
		"certificate of an unknown one":       {stranger.chain(t)[2], reason.CertUnknown},
	}
}

// STM-03, STM-05, STM-09, STM-10: wrong signer, network, type, time.
func TestChainsRefuse(t *testing.T) {
	f, stranger := newFounding(t, "honest", 2, 3), newFounding(t, "stranger", 2, 3)
	chain := f.chain(t)
	known := chainsWith(t, chain[:2]...)
	before := picture(known)
	for name, test := range refusedStatements(t, f, stranger) {
		next, added, errs := known.With(test.s)
		if next != known || added != 0 || len(errs) != 1 || reason.Of(errs[0]) != test.code {
			t.Errorf("%s: added %d, %v, want %s", name, added, errs, test.code)
		}
		next, added, errs = known.With(test.s, chain[2])
		if added != 1 || len(errs) != 1 || len(next.Chain(chain[0].Org())) != 3 {
			t.Errorf("%s beside a good one: added %d, %v", name, added, errs)
		}
	}
	if picture(known) != before {
		t.Error("a snapshot changed")
	}
}

// STM-08: a genesis is held against its own roots only.
func TestGenesisRefused(t *testing.T) {
	f := newFounding(t, "genesis", 2, 3)
	payload := mustEncode(f.genesisClaims())
	for name, test := range map[string]struct {
		aad     []byte
		signers []Signer
		code    reason.Code
	}{
		"one of two":     {externalAAD("test", "genesis"), f.roots[:1], reason.ChainInvalid},
		"not a root":     {externalAAD("test", "genesis"), []Signer{f.roots[0], f.operations}, reason.ChainInvalid},
		"as operations":  {externalAAD("test", "operations"), f.roots, reason.SigInvalid},
		"other network":  {externalAAD("main", "genesis"), f.roots, reason.SigInvalid},
		"other protocol": {mustEncode([]any{"tocsin/2", "test", "genesis"}), f.roots, reason.SigInvalid},
	} {
		raw, err := writeSign(payload, test.aad, test.signers)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseStatement("test", raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, added, errs := NewChains("test").With(s); added != 0 || len(errs) != 1 || reason.Of(errs[0]) != test.code {
			t.Errorf("%s: added %d, %v", name, added, errs)
		}
		// A bad copy first does not keep the good statement out.
		if _, added, errs := NewChains("test").With(s, f.signGenesis(t)); added != 1 || len(errs) != 1 {
			t.Errorf("%s, then the good one: added %d, %v", name, added, errs)
		}
	}
}

// STM-10: the window of a certificate may equal that of its operations key.
func TestCertificateWindowInclusive(t *testing.T) {
	f := newFounding(t, "window", 1, 1)
	g := f.signGenesis(t)
	o := f.draftOperations(g.Org())
	o.NotAfter = f.start.Add(CertificateWindow)
	c := f.draftCertificate(g.Org(), 1)
	c.NotBefore, c.NotAfter = o.NotBefore, o.NotAfter
	ops := f.signOperations(t, o)
	if _, added, errs := chainsWith(t, g, ops).With(f.signCertificate(t, c)); added != 1 {
		t.Error(errs)
	}
	// Two statements for one key do not add up to one long window.
	later := f.draftOperations(g.Org())
	later.Serial, later.NotBefore, later.NotAfter = 2, o.NotAfter, o.NotAfter.Add(CertificateWindow)
	c.NotBefore, c.NotAfter = c.NotBefore.Add(time.Hour), c.NotAfter.Add(time.Hour)
	if _, added, _ := chainsWith(t, g, ops, f.signOperations(t, later)).With(f.signCertificate(t, c)); added != 0 {
		t.Error("a certificate across two windows was accepted")
	}
}

// STM-11: neither order nor grouping changes what is known in the end.
func TestWithInAnyOrder(t *testing.T) {
	var all []*Statement
	for i := range 3 {
		f := newFounding(t, fmt.Sprint("org ", i), 1+i%2, 2)
		chain := f.chain(t)
		all = append(all, chain...)
		second := f.draftOperations(chain[0].Org())
		second.Serial, second.Key = 2, seededKey(t, ES256, fmt.Sprint("second ", i)).Public()
		all = append(all, f.signOperations(t, second), f.signCertificate(t, f.draftCertificate(chain[0].Org(), 2)))
		for _, test := range refusedStatements(t, f, newFounding(t, fmt.Sprint("nobody ", i), 1, 1)) {
			if test.code == reason.SigInvalid {
				all = append(all, test.s)
			}
		}
	}
	whole, added, _ := NewChains("test").With(all...)
	want := picture(whole)
	if added != 15 {
		t.Fatalf("added %d", added)
	}
	random := rand.New(rand.NewSource(1))
	for round := range 60 {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if next, n, _ := NewChains("test").With(all...); picture(next) != want || n != added {
			t.Fatalf("round %d: another result in another order", round)
		}
		c, total := NewChains("test"), 0
		for range 3 { // a chain is three deep
			for rest := all; len(rest) > 0; {
				n := 1 + random.Intn(min(4, len(rest)))
				next, more, _ := c.With(rest[:n]...)
				c, total, rest = next, total+more, rest[n:]
			}
		}
		if picture(c) != want || total != added {
			t.Fatalf("round %d: another result in pieces: added %d", round, total)
		}
	}
	if next, n, errs := whole.With(whole.Chain(whole.Orgs()[0])...); next != whole || n != 0 || len(errs) != 0 {
		t.Errorf("what is known: added %d, %v", n, errs)
	}
}

// STM-05: no flipped bit gives a statement that enters the chain.
func TestBitFlips(t *testing.T) {
	f := newFounding(t, "flip", 1, 2)
	chain := f.chain(t)
	for i, s := range chain {
		known := chainsWith(t, chain[:i]...)
		for bit := range len(s.Raw()) * 8 {
			raw := slices.Clone(s.Raw())
			raw[bit/8] ^= 1 << (bit % 8)
			flipped, err := ParseStatement("test", raw)
			if err != nil {
				if reason.Of(err) == "" {
					t.Fatalf("%s bit %d: no code: %v", s.Type(), bit, err)
				}
				continue
			}
			if _, added, errs := known.With(flipped); added != 0 || len(errs) != 1 || reason.Of(errs[0]) == "" {
				t.Fatalf("%s bit %d: added %d, %v", s.Type(), bit, added, errs)
			}
		}
	}
}

// STM-13: the bounds hold, what ends last stays, in whatever order it came.
func TestChainBounds(t *testing.T) {
	f := newFounding(t, "bounds", 1, 1)
	g := f.signGenesis(t)
	org := g.Org()
	base := []*Statement{g}
	for i := range MaxOperations + 3 {
		o := f.draftOperations(org)
		o.Serial = uint64(i + 1)
		o.NotAfter = o.NotAfter.Add(-time.Duration(i) * time.Hour)
		base = append(base, f.signOperations(t, o))
	}
	c, added, errs := NewChains("test").With(base...)
	if added != 1+MaxOperations || len(errs) != 3 || reason.Of(errs[0]) != reason.ChainLimit {
		t.Fatalf("added %d, %v", added, errs)
	}
	if o, _ := c.Org(org); o.Operations[MaxOperations-1].Serial != 1 || o.Operations[0].Serial != MaxOperations {
		t.Errorf("operations kept: %+v", o.Operations)
	}
	var certs []*Statement
	for i := range 100 {
		certs = append(certs, f.signCertificate(t, f.draftCertificate(org, uint64(i+1))))
	}
	rand.New(rand.NewSource(2)).Shuffle(len(certs), func(i, j int) { certs[i], certs[j] = certs[j], certs[i] })
	var pictures []string
	for _, step := range []int{1, 7, 100} {
		next := c
		for piece := range slices.Chunk(certs, step) {
			next, _, _ = next.With(piece...)
		}
		size := 0
		for _, s := range next.Chain(org) {
			size += len(s.Raw())
		}
		o, _ := next.Org(org)
		n := len(o.Certificates)
		signatures := countSignatures(next.Chain(org))
		full := size+400 > MaxIdentityBytes || n == MaxCertificates || signatures == MaxIdentitySignatures
		if size > MaxIdentityBytes || n > MaxCertificates || signatures > MaxIdentitySignatures || !full {
			t.Errorf("%d bytes, %d certificates, %d signatures", size, n, signatures)
		}
		if o.Certificates[n-1].Serial != 100 || o.Certificates[0].Serial != uint64(101-n) || len(next.certs) != n {
			t.Errorf("certificates %d to %d of %d kept", o.Certificates[0].Serial, o.Certificates[n-1].Serial, n)
		}
		if again := chainsWith(t, next.Chain(org)...); picture(again) != picture(next) {
			t.Error("the chain handed out does not make the same snapshot")
		}
		pictures = append(pictures, picture(next))
	}
	if pictures[0] != pictures[1] || pictures[1] != pictures[2] {
		t.Error("what is kept depends on the order")
	}
}

// STM-13: a certificate goes with the operations statement it rests on.
func TestCertificateGoesWithItsOperations(t *testing.T) {
	f := newFounding(t, "goes", 1, 1)
	chain := f.chain(t)
	c := chainsWith(t, chain...)
	var newer []*Statement
	for i := range MaxOperations {
		o := f.draftOperations(chain[0].Org())
		o.Key = seededKey(t, EdDSA, fmt.Sprint("newer ", i)).Public()
		o.NotBefore, o.NotAfter = o.NotBefore.Add(time.Hour), o.NotAfter.Add(time.Hour)
		newer = append(newer, f.signOperations(t, o))
	}
	next, added, errs := c.With(newer...)
	if added != MaxOperations || len(errs) != 0 {
		t.Fatalf("added %d, %v", added, errs)
	}
	if _, ok := next.Certificate(chain[2].Digest()); ok || len(next.certs) != 0 || len(next.peers) != 0 {
		t.Error("a certificate outlived its operations statement")
	}
	if _, ok := c.Certificate(chain[2].Digest()); !ok {
		t.Error("an older snapshot changed")
	}
}

func TestPeerOrgs(t *testing.T) {
	one, two := newFounding(t, "one", 1, 1), newFounding(t, "two", 1, 1)
	shared := []byte("shared peer")
	cert := func(f *founding, org OrgID, serial uint64, peers ...[]byte) *Statement {
		c := f.draftCertificate(org, serial)
		c.PeerIDs = peers
		return f.signCertificate(t, c)
	}
	a, b := one.chain(t), two.chain(t)
	orgA, orgB := a[0].Org(), b[0].Org()
	c := chainsWith(t, a[0], a[1], b[0], b[1], cert(one, orgA, 1, []byte("a"), shared), cert(two, orgB, 5, shared))
	now := one.start.Add(24 * time.Hour)
	if org, ok := c.PeerOrg([]byte("a"), now); !ok || org != orgA {
		t.Error("the only one that names it")
	}
	if _, ok := c.PeerOrg(shared, now); ok {
		t.Error("two name it")
	}
	if orgs := c.PeerOrgs(shared, now); len(orgs) != 2 || bytes.Compare(orgs[0][:], orgs[1][:]) >= 0 {
		t.Errorf("two name it: %v", orgs)
	}
	if org, ok := c.PeerOrg(shared, one.start.Add(2*time.Hour)); !ok || org != orgA {
		t.Error("before the second certificate begins")
	}
	start := one.start.Add(time.Hour)
	for at, want := range map[time.Time]bool{
		start: true, start.Add(-1): false, start.Add(CertificateWindow): true, start.Add(CertificateWindow + 1): false,
	} {
		if _, ok := c.PeerOrg([]byte("a"), at); ok != want {
			t.Errorf("at %v: %v", at, ok)
		}
	}
	if _, ok := c.PeerOrg([]byte("nobody"), now); ok {
		t.Error("a peer nobody names")
	}
	less := c.Without(orgB, OrgID{9})
	if org, ok := less.PeerOrg(shared, now); !ok || org != orgA || less.Len() != 1 || len(less.certs) != 1 {
		t.Error("forgetting one organisation")
	}
	if _, ok := less.Org(orgB); ok || less.Chain(orgB) != nil || c.Len() != 2 {
		t.Error("forgotten and still there, or an older snapshot changed")
	}
}

// With stays cheap when much is known: a new certificate in a thousand organisations.
func BenchmarkWith(b *testing.B) {
	c := NewChains("test")
	var last *founding
	var org OrgID
	for i := range 1000 {
		f := newFounding(b, fmt.Sprint(i), 1, 1)
		chain := f.chain(b)
		next, _, errs := c.With(chain...)
		if len(errs) > 0 {
			b.Fatal(errs)
		}
		c, last, org = next, f, chain[0].Org()
	}
	s := last.signCertificate(b, last.draftCertificate(org, 2))
	for b.Loop() {
		if _, added, _ := c.With(s); added != 1 {
			b.Fatal("not added")
		}
	}
}
