package protocol

import (
	"bytes"
	"testing"
)

// REC-01 REC-04: what Sign makes, Verify takes, and both say the same of it.
func TestSignVerifyOpen(t *testing.T) {
	for _, alg := range []Alg{EdDSA, ES256} {
		org := newTestOrgWith(t, alg, "signer", nil)
		objects := testObjects(100)
		made := org.sign(t, testDraft(objects...))
		read, err := Verify(made.Raw(), org.chains, testNow)
		if err != nil {
			t.Fatalf("%v: %v", alg, err)
		}
		if made.ID() != read.ID() || made.Header() != read.Header() || made.Org() != read.Org() {
			t.Fatalf("%v: signed %+v, read %+v", alg, made.Header(), read.Header())
		}
		leaves, err := read.Open()
		if err != nil {
			t.Fatal(err)
		}
		if !equalObjects(leaves, objects) {
			t.Fatalf("%v: the objects came back changed", alg)
		}
		proof, err := Prove(read, 57)
		if err != nil {
			t.Fatal(err)
		}
		p, err := VerifyProof(proof, org.chains)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Object(), objects[57]) {
			t.Fatal("the proof is of another object")
		}
	}
}

func BenchmarkVerify16K(b *testing.B) {
	org := newTestOrg(b, "signer", nil)
	objects := testObjects(300)
	for i := range objects {
		var noise [150]byte
		(&seeded{seed: string(rune(i))}).Read(noise[:])
		objects[i] = append(objects[i], noise[:]...)
	}
	r := org.sign(b, testDraft(objects[:90]...))
	b.SetBytes(int64(len(r.Raw())))
	b.ReportMetric(float64(len(r.Raw())), "bytes/record")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(r.Raw(), org.chains, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	org := newTestOrg(b, "signer", nil)
	r := org.sign(b, testDraft(testObjects(100)...))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	org := newTestOrg(b, "signer", nil)
	d := testDraft(testObjects(100)...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Sign(testNetwork, d, org.cert, org.record); err != nil {
			b.Fatal(err)
		}
	}
}
