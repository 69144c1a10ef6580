package protocol

import (
	"fmt"
	"testing"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// lineage is an organisation that rotates: its root keys of every version are at
// hand, m of each version, threshold of which must sign.
type lineage struct {
	*founding
	t         testing.TB
	threshold int
	m         int
	org       OrgID
	roots     []*Statement // genesis first
}

func newLineage(t testing.TB, name string, threshold, m int) *lineage {
	t.Helper()
	l := &lineage{founding: newFounding(t, name, threshold, m), t: t, threshold: threshold, m: m}
	l.genesis.Roots = publicKeys(l.keys(1))
	l.founding.roots = l.keys(1)
	l.genesis.Next, l.genesis.NextThreshold = keyIDsOf(l.keys(2)), threshold
	g := l.signGenesis(t)
	l.org, l.roots = g.Org(), []*Statement{g}
	return l
}

// keys are the root keys of a version.
func (l *lineage) keys(version int) []Signer {
	out := make([]Signer, l.m)
	for i := range out {
		alg := EdDSA
		if i == 3 {
			alg = ES256
		}
		out[i] = seededKey(l.t, alg, fmt.Sprintf("%s root %d.%d", l.genesis.Name, version, i))
	}
	return out
}

func publicKeys(signers []Signer) (out []PublicKey) {
	for _, s := range signers {
		out = append(out, s.Public())
	}
	return out
}

func keyIDsOf(signers []Signer) (out []KeyID) {
	for _, s := range signers {
		out = append(out, s.Public().ID())
	}
	return out
}

// draftRoot is the root after the newest one, which keeps the operations key.
func (l *lineage) draftRoot() Root {
	version := len(l.roots) + 1
	return Root{
		Org: l.org, Version: uint64(version), Previous: l.roots[version-2].Digest(),
		Roots: publicKeys(l.keys(version)), Threshold: l.threshold,
		Next: keyIDsOf(l.keys(version + 1)), NextThreshold: l.threshold,
		Keep: []KeyID{l.operations.Public().ID()}, Created: l.start.Add(time.Duration(version) * time.Hour),
	}
}

// signers are the fewest keys that may sign a root after the newest one.
func (l *lineage) signers(compromise bool) []Signer {
	version := len(l.roots) + 1
	out := l.keys(version)[:l.threshold:l.threshold]
	if !compromise {
		out = append(out, l.keys(version - 1)[:l.threshold]...)
	}
	return out
}

// rotate makes the next root.
func (l *lineage) rotate(change func(*Root)) *Statement {
	l.t.Helper()
	r := l.draftRoot()
	if change != nil {
		change(&r)
	}
	s := l.root(r, l.signers(r.Compromise)...)
	l.roots = append(l.roots, s)
	return s
}

func (l *lineage) root(r Root, signers ...Signer) *Statement {
	l.t.Helper()
	return l.must(SignRoot(l.network, r, signers...))
}

func (l *lineage) must(s *Statement, err error) *Statement {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// delegate makes an operations statement under a root version for a key.
func (l *lineage) delegate(version int, key Signer, change func(*Operations)) *Statement {
	l.t.Helper()
	o := Operations{
		Org: l.org, RootVersion: uint64(version), Serial: 1, Key: key.Public(),
		NotBefore: l.start, NotAfter: l.start.Add(MaxOperationsWindow),
	}
	if change != nil {
		change(&o)
	}
	return l.must(SignOperations(l.network, o, l.keys(version)[:l.threshold]...))
}

// certify makes a certificate for a record key by an operations key.
func (l *lineage) certify(serial uint64, record, operations Signer) *Statement {
	l.t.Helper()
	start := l.start.Add(time.Duration(serial) * time.Hour)
	return l.must(SignCertificate(l.network, Certificate{
		Org: l.org, Serial: serial, RecordKey: record.Public(), PeerIDs: [][]byte{fmt.Appendf(nil, "peer %d", serial)},
		MaxTLP: stix.Green, NotBefore: start, NotAfter: start.Add(CertificateWindow),
	}, operations))
}

func (l *lineage) revoke(r Revocation, signers ...Signer) *Statement {
	l.t.Helper()
	r.Org = l.org
	if r.Created.IsZero() {
		r.Created = l.start
	}
	return l.must(SignRevocation(l.network, r, signers...))
}

// beat makes a status; created is counted from the founding.
func (l *lineage) beat(counter uint64, created time.Duration, operations Signer, change func(*Status)) *Statement {
	l.t.Helper()
	s := Status{Org: l.org, Counter: counter, RootVersion: 1, Created: l.start.Add(created)}
	if change != nil {
		change(&s)
	}
	return l.must(SignStatus(l.network, s, operations))
}

// base is genesis, the operations key, and a certificate for the record key.
func (l *lineage) base() []*Statement {
	l.t.Helper()
	return []*Statement{l.roots[0], l.delegate(1, l.operations, nil), l.certify(1, l.record, l.operations)}
}

func (l *lineage) key(name string) *PrivateKey {
	return seededKey(l.t, EdDSA, l.genesis.Name+" "+name)
}

// after is what is known of the organisation after statements, which all must be taken.
func (l *lineage) after(statements ...*Statement) *Chains {
	l.t.Helper()
	return chainsWith(l.t, statements...)
}

func (l *lineage) orgIn(c *Chains) *Org {
	l.t.Helper()
	org, ok := c.Org(l.org)
	if !ok {
		l.t.Fatal("the organisation is not known")
	}
	return org
}

// place is a place of a key log whose RecordID follows from the sequence.
func place(key Signer, topic string, sequence uint64) Head {
	return Head{Key: key.Public().ID(), Topic: Topic{topic}, Sequence: sequence, ID: RecordID{byte(sequence), byte(sequence >> 8), 1}}
}

// wantStanding checks which places stand: each sequence of each topic.
func (l *lineage) wantStanding(what string, c *Chains, stands map[Head]bool) {
	l.t.Helper()
	for at, want := range stands {
		err := c.Standing(l.org, at.Key, at.Topic, at.Sequence, at.ID)
		if (err == nil) != want || err != nil && reason.Of(err) != reason.KeyRevoked {
			l.t.Errorf("%s: place %d of %s: %v, want it to stand: %v", what, at.Sequence, at.Topic, err, want)
		}
	}
}

// wantRefused checks that a statement is left out with a code.
func wantRefused(t testing.TB, what string, c *Chains, s *Statement, code reason.Code) {
	t.Helper()
	next, added, errs := c.With(s)
	if next != c && picture(next) != picture(c) || added != 0 || len(errs) != 1 || reason.Of(errs[0]) != code {
		t.Errorf("%s: added %d, %v, want %s", what, added, errs, code)
	}
}
