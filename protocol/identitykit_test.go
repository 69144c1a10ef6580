package protocol

import (
	"testing"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// founding is an organisation with all its keys, for tests of chains.
type founding struct {
	network    string
	roots      []Signer
	operations *PrivateKey
	record     *PrivateKey
	genesis    Genesis
	start      time.Time
}

// newFounding makes keys for m roots of which threshold must sign.
func newFounding(t testing.TB, name string, threshold, m int) *founding {
	t.Helper()
	f := &founding{
		network:    "test",
		operations: seededKey(t, EdDSA, name+" operations"),
		record:     seededKey(t, EdDSA, name+" record"),
		start:      time.UnixMilli(1_700_000_000_000).UTC(),
	}
	f.genesis = Genesis{
		Name: name, Country: "KE", Sector: "government", Contacts: []string{"mailto:cert@example.org"},
		Threshold: threshold, NextThreshold: 1, Created: f.start,
		Next: []KeyID{seededKey(t, EdDSA, name+" next").Public().ID()},
	}
	for i := range m {
		alg := EdDSA
		if i%2 == 1 {
			alg = ES256
		}
		root := seededKey(t, alg, name+" root "+string(rune('a'+i)))
		f.roots = append(f.roots, root)
		f.genesis.Roots = append(f.genesis.Roots, root.Public())
	}
	return f
}

func (f *founding) signGenesis(t testing.TB) *Statement {
	t.Helper()
	s, err := SignGenesis(f.network, f.genesis, f.roots...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f *founding) draftOperations(org OrgID) Operations {
	return Operations{
		Org: org, RootVersion: 1, Serial: 1, Key: f.operations.Public(),
		NotBefore: f.start, NotAfter: f.start.Add(MaxOperationsWindow),
	}
}

func (f *founding) draftCertificate(org OrgID, serial uint64) Certificate {
	start := f.start.Add(time.Duration(serial) * time.Hour)
	return Certificate{
		Org: org, Serial: serial, RecordKey: f.record.Public(), PeerIDs: [][]byte{[]byte("peer of " + f.genesis.Name)},
		MaxTLP: stix.Green, NotBefore: start, NotAfter: start.Add(CertificateWindow),
	}
}

func (f *founding) signOperations(t testing.TB, o Operations) *Statement {
	t.Helper()
	s, err := SignOperations(f.network, o, f.roots...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f *founding) signCertificate(t testing.TB, c Certificate) *Statement {
	t.Helper()
	s, err := SignCertificate(f.network, c, f.operations)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// chain gives genesis, operations and one certificate.
func (f *founding) chain(t testing.TB) []*Statement {
	t.Helper()
	g := f.signGenesis(t)
	return []*Statement{g, f.signOperations(t, f.draftOperations(g.Org())), f.signCertificate(t, f.draftCertificate(g.Org(), 1))}
}

func wantCode(t testing.TB, err error, code reason.Code) {
	t.Helper()
	if reason.Of(err) != code {
		t.Fatalf("error %v: want code %q", err, code)
	}
}
