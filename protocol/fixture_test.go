package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	"tocsin/protocol/stix"
)

const testNetwork = "test"

// testNow is the present in every test of this package.
var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// seeded gives an endless stream of bytes that depends on nothing but the seed:
// salts and keys of tests and vectors are the same on every machine.
type seeded struct {
	seed  string
	block uint64
	rest  []byte
}

func (s *seeded) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		if len(s.rest) == 0 {
			sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(s.seed), s.block))
			s.block++
			s.rest = sum[:]
		}
		k := copy(p[n:], s.rest)
		n, s.rest = n+k, s.rest[k:]
	}
	return len(p), nil
}

func seededKey(t testing.TB, alg Alg, seed string) *PrivateKey {
	t.Helper()
	k, err := GenerateKey(alg, &seeded{seed: seed})
	if err != nil {
		t.Fatalf("make key %s: %v", seed, err)
	}
	return k
}

// testOrg is an organisation with one node, all keys at hand.
type testOrg struct {
	root, operations, record *PrivateKey
	genesis, delegation      *Statement
	certificate              *Statement
	cert                     *Certificate
	chains                   *Chains
}

func newTestOrg(t testing.TB, name string, change func(*Certificate)) *testOrg {
	return newTestOrgWith(t, EdDSA, name, change)
}

func newTestOrgWith(t testing.TB, alg Alg, name string, change func(*Certificate)) *testOrg {
	t.Helper()
	o := &testOrg{
		root:       seededKey(t, alg, name+" root"),
		operations: seededKey(t, alg, name+" operations"),
		record:     seededKey(t, alg, name+" record"),
	}
	day := 24 * time.Hour
	var err error
	o.genesis, err = SignGenesis(testNetwork, Genesis{
		Name: name, Country: "FI", Sector: "national-cert", Contacts: []string{"mailto:cert@example.org"},
		Roots: []PublicKey{o.root.Public()}, Threshold: 1,
		Next: []KeyID{seededKey(t, alg, name+" next root").Public().ID()}, NextThreshold: 1,
		Created: testNow.Add(-100 * day),
	}, o.root)
	if err != nil {
		t.Fatalf("genesis of %s: %v", name, err)
	}
	o.delegation, err = SignOperations(testNetwork, Operations{
		Org: o.genesis.Org(), RootVersion: 1, Serial: 1, Key: o.operations.Public(),
		NotBefore: testNow.Add(-90 * day), NotAfter: testNow.Add(300 * day),
	}, o.root)
	if err != nil {
		t.Fatalf("operations of %s: %v", name, err)
	}
	cert := Certificate{
		Org: o.genesis.Org(), Serial: 1, RecordKey: o.record.Public(),
		PeerIDs: [][]byte{[]byte("peer of " + name)}, MaxTLP: stix.Red,
		NotBefore: testNow.Add(-10 * day), NotAfter: testNow.Add(20 * day),
	}
	if change != nil {
		change(&cert)
	}
	if o.certificate, err = SignCertificate(testNetwork, cert, o.operations); err != nil {
		t.Fatalf("certificate of %s: %v", name, err)
	}
	o.chains = testChains(t, o)
	o.cert, _ = o.chains.Certificate(o.certificate.Digest())
	if o.cert == nil {
		t.Fatalf("the certificate of %s is not in its own chain", name)
	}
	return o
}

func (o *testOrg) chain() []*Statement {
	return []*Statement{o.genesis, o.delegation, o.certificate}
}

// testChains knows the given organisations.
func testChains(t testing.TB, orgs ...*testOrg) *Chains {
	t.Helper()
	chains := NewChains(testNetwork)
	for _, o := range orgs {
		next, _, errs := chains.With(o.chain()...)
		if len(errs) > 0 {
			t.Fatalf("add a chain: %v", errs)
		}
		chains = next
	}
	return chains
}

func testObject(i int) []byte {
	return fmt.Appendf(nil, `{"type":"indicator","spec_version":"2.1","id":"indicator--%08x-0000-4000-8000-000000000000",`+
		`"pattern":"[domain-name:value = 'bad-%d.example']","pattern_type":"stix"}`, i, i)
}

func testObjects(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = testObject(i)
	}
	return out
}

// testDraft is a draft that Sign takes.
func testDraft(objects ...[]byte) Draft {
	return Draft{
		Topic: Topic{"malicious-code"}, Kind: KindObjects, Sequence: 1,
		Created: testNow, Expires: testNow.Add(30 * 24 * time.Hour), TLP: stix.Green,
		Objects: objects, Rand: &seeded{seed: "salts"},
	}
}

func (o *testOrg) sign(t testing.TB, d Draft) *Record {
	t.Helper()
	r, err := Sign(testNetwork, d, o.cert, o.record)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return r
}

var _ io.Reader = (*seeded)(nil)

func equalObjects(leaves []Leaf, objects [][]byte) bool {
	if len(leaves) != len(objects) {
		return false
	}
	for i := range leaves {
		if !bytes.Equal(leaves[i].Object, objects[i]) {
			return false
		}
	}
	return true
}
