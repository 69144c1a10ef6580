package protocol

import (
	"bytes"
	"testing"

	"tocsin/protocol/reason"
)

// verified reads a record back, as a receiver would.
func verified(t testing.TB, raw []byte, chains *Chains) *Record {
	t.Helper()
	r, err := Verify(raw, chains, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// FRK-01 FRK-03 FRK-05: what NewForkProof makes of two records, a stranger reads, in
// either order and by either algorithm; of any other two it makes nothing.
func TestForkProof(t *testing.T) {
	for _, alg := range []Alg{EdDSA, ES256} {
		org := newTestOrgWith(t, alg, "forker", nil)
		other := newTestOrg(t, "other", nil)
		chains := testChains(t, org, other)
		a := verified(t, org.at(t, 7, nil, testObject(1)), chains)
		b := verified(t, org.at(t, 7, nil, testObject(2)), chains)
		body, err := NewForkProof(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := NewForkProof(b, a); err != nil || !bytes.Equal(again, body) {
			t.Errorf("the other way round: %v", err)
		}
		r := verified(t, other.sign(t, forkDraft(body)).Raw(), chains)
		f := r.Fork()
		if f == nil || f.Org != org.genesis.Org() || f.Key != org.record.Public().ID() || f.Topic != a.Header().Topic || f.Sequence != 7 {
			t.Fatalf("the proof is %+v", f)
		}
		if bytes.Compare(f.Records[0][:], f.Records[1][:]) >= 0 || f.Records != [2]RecordID{a.ID(), b.ID()} && f.Records != [2]RecordID{b.ID(), a.ID()} {
			t.Errorf("records %s", f.Records)
		}
		if a.Fork() != nil {
			t.Error("a record of objects proves a fork")
		}
		elsewhere := verified(t, org.at(t, 8, nil, testObject(2)), chains)
		topic := verified(t, org.at(t, 7, func(f *forgery) { f.payload[claimTopic] = "fraud" }, testObject(2)), chains)
		foreign := verified(t, other.at(t, 7, nil, testObject(2)), chains)
		for name, second := range map[string]*Record{"itself": a, "another place": elsewhere, "another topic": topic, "another key": foreign} {
			if _, err := NewForkProof(a, second); reason.Of(err) != reason.ForkInvalid {
				t.Errorf("a record and %s: %v", name, err)
			}
		}
	}
}

// FRK-03: the id leaves the signature out, so a second signature of one record is no fork.
func TestSecondSignatureIsNoFork(t *testing.T) {
	org := newTestOrgWith(t, ES256, "signer", nil)
	raw := org.at(t, 1, nil, testObject(1))
	w, err := splitRecord(raw)
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.Clone(raw)
	copy(second[len(w.header)-32:], otherS(w.message.Signature[32:]))
	if _, err := ReadForkProof(forkOf(t, raw, second), org.chains); reason.Of(err) != reason.ForkInvalid {
		t.Errorf("two signatures: %v", err)
	}
}

// FRK-04 FRK-05: one record key under two certificates is one key; certified by another organisation it is not.
func TestForkAcrossCertificates(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	sign := func(o *testOrg, change func(*Certificate)) (*Statement, *Certificate) {
		t.Helper()
		c := Certificate{Org: o.genesis.Org(), Serial: 2, RecordKey: org.record.Public(), MaxTLP: 4, NotBefore: testNow.Add(-5 * day), NotAfter: testNow.Add(5 * day)}
		change(&c)
		s, err := SignCertificate(testNetwork, c, o.operations)
		if err != nil {
			t.Fatal(err)
		}
		next, _, errs := testChains(t, o).With(s)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		cert, _ := next.Certificate(s.Digest())
		return s, cert
	}
	renewed, cert := sign(org, func(*Certificate) {})
	chains, _, errs := org.chains.With(renewed)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	under := func(c *Certificate) []byte {
		return org.at(t, 5, func(f *forgery) { f.protected[protectedCertificate] = c.digest[:] }, testObject(2))
	}
	one := org.at(t, 5, nil, testObject(1))
	body := mustForkBody(t, one, under(cert))
	if f, err := ReadForkProof(body, chains); err != nil || f.Key != org.record.Public().ID() {
		t.Errorf("a renewed certificate: %v", err)
	}
	if _, err := ReadForkProof(body, org.chains); reason.Of(err) != reason.CertUnknown {
		t.Errorf("a certificate that nobody knows: %v", err)
	} else if d, ok := UnknownCertificate(err); !ok || d != renewed.Digest() {
		t.Errorf("the error names %s, want %s", d, renewed.Digest())
	}
	thief := newTestOrg(t, "thief", nil)
	claimed, cert := sign(thief, func(*Certificate) {})
	both, _, errs := testChains(t, org, thief).With(claimed)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if _, err := ReadForkProof(mustForkBody(t, one, under(cert)), both); reason.Of(err) != reason.ForkInvalid {
		t.Errorf("a key that two organisations certify: %v", err)
	}
}

func mustForkBody(t testing.TB, raws ...[]byte) []byte {
	t.Helper()
	return forkOf(t, inOrder(t, raws...)...)
}

// TOP-05 FRK-01: the largest body is two of the largest headers.
func TestForkSize(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	pad := func(object int) []byte {
		var raw []byte
		for n := MaxHeaderBytes; raw == nil; n-- {
			try := org.at(t, 5, func(f *forgery) { f.payload[40] = make([]byte, n) }, testObject(object))
			if w, err := splitRecord(try); err == nil && len(w.header) == MaxHeaderBytes {
				raw = try
			}
		}
		return raw
	}
	body := mustForkBody(t, pad(1), pad(2))
	if len(body) != MaxForkBytes {
		t.Fatalf("two headers of %d bytes make %d, the limit is %d", MaxHeaderBytes, len(body), MaxForkBytes)
	}
	if r := verified(t, org.sign(t, forkDraft(body)).Raw(), org.chains); r.Fork() == nil {
		t.Error("no fork")
	}
	if _, err := Sign(testNetwork, forkDraft(append(body, 0)), org.cert, org.record); reason.Of(err) != reason.KindSize {
		t.Errorf("one byte more: %v", err)
	}
}

// VER-17 VER-15: a fork holds offline too, and no flipped bit of it does.
func TestForkBits(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	body := mustForkBody(t, org.at(t, 5, nil, testObject(1)), org.at(t, 5, nil, testObject(2)))
	r, err := VerifyOffline(org.sign(t, forkDraft(body)).Raw(), org.chains)
	if err != nil || r.Fork() == nil {
		t.Fatalf("offline: %v", err)
	}
	for bit := range 8 * len(body) {
		raw := bytes.Clone(body)
		raw[bit/8] ^= 1 << (bit % 8)
		if f, err := ReadForkProof(raw, org.chains); err == nil || f != nil || VerdictOf(err) == Accept {
			t.Fatalf("bit %d flipped, and still a fork", bit)
		}
	}
}

// FRK-01: a fork proof has one encoding, and costs no more than two signatures.
func FuzzForkProof(f *testing.F) {
	orgs := []*testOrg{newTestOrg(f, "Vector CERT", nil), newTestOrgWith(f, ES256, "Vector CERT with ES256", nil), newTestOrg(f, "Late CERT", nil)}
	chains := testChains(f, orgs...)
	seedFrom(f, "record", func(v *vector, raw []byte) {
		if w, err := splitRecord(raw); err == nil && len(w.body) < 64<<10 && w.payload[claimKind] == uint64(KindFork) {
			f.Add(w.body)
		}
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		withinBounds(t, func() {
			proof, err := ReadForkProof(body, chains)
			if err != nil {
				return
			}
			var headers [][]byte
			if err := decodeStrict(body, &headers); err != nil || !bytes.Equal(mustEncode(headers), body) {
				t.Fatalf("a fork proof is written anew with other bytes: %v", err)
			}
			if proof.Records[0] == proof.Records[1] || proof.Org == (OrgID{}) {
				t.Fatalf("no fork: %+v", proof)
			}
		})
	})
}
