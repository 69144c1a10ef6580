package protocol

import (
	"bytes"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// A document verifies by its own network, type, time, certificate and key, and by nothing else. BND-03
func TestDocument(t *testing.T) {
	for _, alg := range []Alg{EdDSA, ES256} {
		org := newTestOrgWith(t, alg, "Author", nil)
		raw, err := SignDocument(testNetwork, DocumentBundle, []byte("payload"), org.cert, org.record)
		if err != nil {
			t.Fatal(err)
		}
		d, err := ReadDocument(raw)
		if err != nil || string(d.Payload) != "payload" || d.Certificate != org.cert.Digest() {
			t.Fatalf("read %+v, %v", d, err)
		}
		if cert, err := d.Verify(DocumentBundle, testNow, org.chains); err != nil || cert.Org != org.cert.Org {
			t.Errorf("verify: %v", err)
		}
		for name, tc := range map[string]struct {
			typ    DocumentType
			at     time.Time
			chains *Chains
			code   reason.Code
		}{
			"another type":  {"record", testNow, org.chains, reason.SigInvalid},
			"before":        {DocumentBundle, org.cert.NotBefore.Add(-time.Millisecond), org.chains, reason.CertWindow},
			"after":         {DocumentBundle, org.cert.NotAfter.Add(time.Millisecond), org.chains, reason.CertWindow},
			"the last time": {DocumentBundle, org.cert.NotAfter, org.chains, ""},
			"nobody known":  {DocumentBundle, testNow, NewChains(testNetwork), reason.CertUnknown},
		} {
			if _, err := d.Verify(tc.typ, tc.at, tc.chains); reason.Of(err) != tc.code {
				t.Errorf("%s: %v, want %s", name, err, tc.code)
			}
		}
		other, err := SignDocument("other", DocumentBundle, []byte("payload"), org.cert, org.record)
		if err != nil {
			t.Fatal(err)
		}
		if d, err = ReadDocument(other); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Verify(DocumentBundle, testNow, org.chains); reason.Of(err) != reason.SigInvalid {
			t.Errorf("of another network: %v", err)
		}
		for i := range raw {
			bad := bytes.Clone(raw)
			bad[i] ^= 1
			d, err := ReadDocument(bad)
			if err == nil {
				_, err = d.Verify(DocumentBundle, testNow, org.chains)
			}
			if err == nil {
				t.Fatalf("byte %d changed, and it verifies", i)
			}
		}
	}
}

// The limit of a document at N and N+1, and other keys than the certificate's.
func TestDocumentLimits(t *testing.T) {
	org := newTestOrg(t, "Author", nil)
	fits := 0
	for n := MaxDocumentBytes - 200; n <= MaxDocumentBytes; n++ {
		raw, err := SignDocument(testNetwork, DocumentBundle, make([]byte, n), org.cert, org.record)
		if err == nil {
			fits = len(raw)
			continue
		}
		if reason.Of(err) != reason.WireSize || fits != MaxDocumentBytes {
			t.Errorf("payload of %d bytes: %v; the largest before had %d", n, err, fits)
		}
		break
	}
	if _, err := ReadDocument(make([]byte, MaxDocumentBytes+1)); reason.Of(err) != reason.WireSize {
		t.Errorf("a document too large: %v", err)
	}
	if _, err := SignDocument(testNetwork, DocumentBundle, nil, org.cert, seededKey(t, EdDSA, "thief")); reason.Of(err) != reason.SigInvalid {
		t.Errorf("signed with another key: %v", err)
	}
}

// FuzzDocument: what reads as a document re-encodes identically.
func FuzzDocument(f *testing.F) {
	org := newTestOrg(f, "Author", nil)
	raw, err := SignDocument(testNetwork, DocumentBundle, []byte("payload"), org.cert, org.record)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := ReadDocument(raw)
		if err != nil {
			return
		}
		again, err := encode(d.message)
		if err != nil || !bytes.Equal(append(bytes.Clone(headSign1), again...), raw) {
			t.Fatalf("%x re-encodes as %x, %v", raw, again, err)
		}
		if _, err := d.Verify(DocumentBundle, testNow, org.chains); err == nil && !bytes.Equal(d.Payload, []byte("payload")) {
			t.Fatalf("nobody signed %x", d.Payload)
		}
	})
}
