package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// prunable signs a record of n objects.
func prunable(t testing.TB, o *testOrg, n int) *Record {
	t.Helper()
	return o.sign(t, testDraft(testObjects(n)...))
}

func mustPrune(t testing.TB, raw []byte, drop ...int) []byte {
	t.Helper()
	out, err := Prune(raw, drop)
	if err != nil {
		t.Fatalf("prune %v: %v", drop, err)
	}
	return out
}

// REC-30 REC-31 REC-34: whatever goes, the rest opens and proves itself, and what is gone is not in the bytes. The order
// in which leaves go does not matter.
func TestPrune(t *testing.T) {
	o := newTestOrg(t, "Pruned", nil)
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 7, 64, MaxLeaves} {
		r := prunable(t, o, n)
		leaves, err := r.Open()
		if err != nil {
			t.Fatal(err)
		}
		drop := rnd.Perm(n)[:1+rnd.IntN(n)]
		raw := mustPrune(t, r.Raw(), drop...)
		step := r.Raw()
		for _, i := range drop {
			step = mustPrune(t, step, i, i)
		}
		if !bytes.Equal(raw, step) {
			t.Errorf("%d leaves: pruned one by one it is another", n)
		}
		checkPruned(t, o, r, raw, leaves, drop)
	}
}

func checkPruned(t *testing.T, o *testOrg, whole *Record, raw []byte, leaves []Leaf, drop []int) {
	t.Helper()
	p, err := VerifyPruned(raw, o.chains)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(drop)
	if !slices.Equal(p.Missing(), drop) || p.Whole() || p.HeaderOnly() || !IsPruned(raw) {
		t.Errorf("missing %v, want %v", p.Missing(), drop)
	}
	if p.ID() != whole.ID() || p.Header() != whole.Header() || p.Org() != whole.Org() || p.Key() != whole.Key() {
		t.Error("it is not the record that it was")
	}
	got, err := p.Open()
	if err != nil || len(got) != len(leaves) {
		t.Fatalf("%d leaves, %v", len(got), err)
	}
	for i := range got {
		gone := slices.Contains(drop, i)
		if gone && (got[i].Object != nil || got[i].Salt != [SaltBytes]byte{}) || !gone && (got[i].Salt != leaves[i].Salt || !bytes.Equal(got[i].Object, leaves[i].Object)) {
			t.Errorf("leaf %d is %q", i, got[i].Object)
		}
		if gone && (bytes.Contains(raw, leaves[i].Object) || bytes.Contains(raw, leaves[i].Salt[:])) {
			t.Errorf("leaf %d is still in the bytes", i)
		}
		// REC-36
		proof, err := Prove(p, i)
		if gone {
			if reason.Of(err) != reason.NotFound {
				t.Errorf("leaf %d is proved: %v", i, err)
			}
			continue
		}
		want, _ := Prove(whole, i)
		if err != nil || !bytes.Equal(proof, want) {
			t.Errorf("the proof of leaf %d: %v", i, err)
		}
	}
	checkStoredForms(t, whole, raw, len(leaves), o)
}

// checkStoredForms reads a pruned record as what a node keeps.
func checkStoredForms(t *testing.T, whole *Record, raw []byte, leaves int, o *testOrg) {
	t.Helper()
	header := whole.Raw()[:len(whole.Raw())-whole.Header().BodyLength]
	for name, raw := range map[string][]byte{"sent": whole.Raw(), "pruned": raw, "header": header} {
		id, err := StoredID(testNetwork, raw)
		if err != nil || id != whole.ID() {
			t.Errorf("%s: id %s, %v", name, id, err)
		}
		if h, err := StoredHeader(raw); err != nil || h != whole.Header() {
			t.Errorf("%s: header %+v, %v", name, h, err)
		}
		if h, err := HeaderOf(raw); err != nil || !bytes.Equal(h, header) {
			t.Errorf("%s: header %x, %v", name, h, err)
		}
		r, err := VerifyStored(raw, o.chains)
		if err != nil || r.ID() != whole.ID() || r.Whole() != (name == "sent") || r.HeaderOnly() != (name == "header") {
			t.Errorf("%s: verified %v", name, err)
		}
		_, opened, err := OpenStored(raw)
		if name == "header" {
			if reason.Of(err) != reason.NotFound || len(r.Missing()) != leaves {
				t.Errorf("a header opens: %v; %d are missing", err, len(r.Missing()))
			}
		} else if err != nil || len(opened) != leaves {
			t.Errorf("%s: %d leaves, %v", name, len(opened), err)
		}
	}
}

func TestPruneRefuses(t *testing.T) {
	o := newTestOrg(t, "Pruned", nil)
	r := prunable(t, o, 3)
	spoiled := bytes.Clone(r.Raw())
	spoiled[len(spoiled)-1] ^= 1
	opaque := o.sign(t, Draft{Topic: Topic{"fraud"}, Kind: 11, Sequence: 1, Created: testNow, Expires: testNow.Add(day), Body: []byte("x")})
	for name, c := range map[string]struct {
		raw  []byte
		drop int
		code reason.Code
	}{
		"leaf -1":              {r.Raw(), -1, reason.NotFound},
		"leaf 3 of 3":          {r.Raw(), 3, reason.NotFound},
		"changed bytes":        {spoiled, 0, reason.BodyHash},
		"header alone":         {r.headerBytes(), 0, reason.NotFound},
		"kind without leaves":  {opaque.Raw(), 0, reason.NotFound},
		"nothing":              {nil, 0, reason.WireFraming},
		"the mark and no more": {[]byte{prunedMark}, 0, reason.WireFraming},
	} {
		if _, err := Prune(c.raw, []int{c.drop}); reason.Of(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if raw := mustPrune(t, r.Raw()); !bytes.Equal(raw, r.Raw()) {
		t.Error("nothing to drop gives another record")
	}
}

// REC-30 to REC-35: what a stranger could send.
func TestVerifyPrunedRefuses(t *testing.T) {
	o := newTestOrg(t, "Pruned", nil)
	r := prunable(t, o, 3)
	raw := mustPrune(t, r.Raw(), 1)
	header := len(r.headerBytes())
	entries := func(parts ...[]byte) []byte {
		return append(bytes.Clone(raw[:1+header]), bytes.Join(parts, nil)...)
	}
	leaves, _ := r.Open()
	leaf := func(i int) []byte {
		return slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(len(leaves[i].Object))), leaves[i].Salt[:], leaves[i].Object)
	}
	gone := func(i int) []byte {
		h := leafHash(leaves[i].Salt[:], leaves[i].Object)
		return append(make([]byte, 4), h[:]...)
	}
	long := binary.BigEndian.AppendUint32(nil, 1<<31)
	most := binary.BigEndian.AppendUint32(nil, MaxObjectBytes+1)
	opaque := o.sign(t, Draft{Topic: Topic{"fraud"}, Kind: 11, Sequence: 1, Created: testNow, Expires: testNow.Add(day), Body: []byte("x")})
	flipped := func(at int) []byte {
		b := bytes.Clone(raw)
		b[at] ^= 1
		return b
	}
	for name, c := range map[string]struct {
		raw  []byte
		code reason.Code
	}{
		"as sent":                {r.Raw(), reason.WireFraming},
		"nothing is missing":     {entries(leaf(0), leaf(1), leaf(2)), reason.WireFraming},
		"bytes behind":           {entries(leaf(0), gone(1), leaf(2), []byte{0}), reason.WireFraming},
		"a leaf too many":        {entries(leaf(0), gone(1), leaf(2), gone(1)), reason.WireFraming},
		"a leaf too few":         {entries(leaf(0), gone(1)), reason.BodyFraming},
		"a hash cut off":         {entries(leaf(0), leaf(2), gone(1)[:35]), reason.BodyFraming},
		"a leaf cut off":         {entries(gone(0), gone(1), leaf(2)[:60]), reason.BodyFraming},
		"a salt cut off":         {entries(gone(0), gone(1), leaf(2)[:19]), reason.BodyFraming},
		"a length of 2 GiB":      {entries(long, gone(1), leaf(2)), reason.BodyFraming},
		"a length over the most": {entries(most, make([]byte, MaxObjectBytes+100)), reason.BodyFraming},
		"another order":          {entries(leaf(2), gone(1), leaf(0)), reason.BodyHash},
		"another hash":           {entries(leaf(0), gone(2), leaf(2)), reason.BodyHash},
		"another object":         {flipped(len(raw) - 1), reason.BodyHash},
		"another signature":      {flipped(header), reason.SigInvalid},
		"another kind":           {append([]byte{prunedMark}, opaque.headerBytes()...), reason.WireFraming},
		"longer than a body": {entries(gone(1), slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(r.header.RawLength)), make([]byte, 16+r.header.RawLength)), gone(2)),
			reason.BodySize},
		"too long": {append(bytes.Clone(raw), make([]byte, MaxPrunedBytes)...), reason.WireSize},
	} {
		if _, err := VerifyPruned(c.raw, o.chains); reason.Of(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	for n := range len(raw) {
		if _, err := VerifyPruned(raw[:n], o.chains); err == nil {
			t.Fatalf("the first %d bytes verify", n)
		}
	}
	if _, err := VerifyPruned(raw, newTestOrg(t, "Somebody else", nil).chains); reason.Of(err) != reason.CertUnknown {
		t.Errorf("an unknown certificate: %v", err)
	}
}

// REC-33: the largest record there may be is within the limit when it is pruned.
func TestLargestPruned(t *testing.T) {
	if most := 1 + MaxHeaderBytes + MaxRawBytes + MaxLeaves*(4+32); most > MaxPrunedBytes || most+64<<10 < MaxPrunedBytes {
		t.Errorf("a pruned record may have %d bytes, the limit is %d", most, MaxPrunedBytes)
	}
}

// REC-35: a header alone.
func TestVerifyHeader(t *testing.T) {
	o := newTestOrg(t, "Header", nil)
	r := prunable(t, o, 4)
	h, err := VerifyHeader(r.headerBytes(), o.chains)
	if err != nil || h.ID() != r.ID() || h.Header() != r.Header() || h.Org() != r.Org() || !h.HeaderOnly() || len(h.Missing()) != 4 {
		t.Fatalf("%+v, %v", h, err)
	}
	if body := h.Body(); len(body) != 0 {
		t.Errorf("a body of %d bytes", len(body))
	}
	bad := bytes.Clone(r.headerBytes())
	bad[len(bad)-1] ^= 1
	for name, c := range map[string]struct {
		raw  []byte
		code reason.Code
	}{
		"a body behind it": {r.Raw(), reason.WireFraming},
		"cut off":          {r.headerBytes()[:100], reason.WireFraming},
		"nothing":          {nil, reason.WireFraming},
		"too long":         {make([]byte, MaxHeaderBytes+1), reason.WireSize},
		"signature":        {bad, reason.SigInvalid},
	} {
		if _, err := VerifyHeader(c.raw, o.chains); reason.Of(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

// TestForkOfPruned: a place taken twice is proved by headers, whatever is left of the records.
func TestForkOfPruned(t *testing.T) {
	o := newTestOrg(t, "Pruned", nil)
	one, other := prunable(t, o, 2), prunable(t, o, 3)
	want, err := NewForkProof(one, other)
	if err != nil {
		t.Fatal(err)
	}
	p, err := VerifyPruned(mustPrune(t, one.Raw(), 0), o.chains)
	if err != nil {
		t.Fatal(err)
	}
	h, err := VerifyHeader(other.headerBytes(), o.chains)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := NewForkProof(h, p); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v", got, err)
	}
}

// REC-30: the example in SPEC 4.10 is what Prune makes of that in 4.5.
func TestSpecPruned(t *testing.T) {
	for _, v := range readVectors(t) {
		if v.name != "record-accept-minimal" {
			continue
		}
		raw := mustPrune(t, v.input(t), 0)
		_, section, _ := strings.Cut(readSpec(t), "### 4.10 Pruned records and headers")
		section, _, _ = strings.Cut(section, "\n## ")
		h, err := StoredHeader(raw)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("is %d bytes: `50`, the %d bytes of the header", len(raw), len(raw)-1-4-32); !strings.Contains(section, want) {
			t.Errorf("SPEC 4.10 does not say %q", want)
		}
		if root := hex.EncodeToString(h.Root[:]); !strings.Contains(section, root) || hex.EncodeToString(raw[len(raw)-32:]) != root {
			t.Errorf("the leaf hash is not the root %s", root)
		}
		return
	}
	t.Fatal("there is no vector record-accept-minimal")
}

// REC-32: what is read as a pruned record is the only way to write it.
func FuzzPruned(f *testing.F) {
	o := newTestOrg(f, "Vector CERT", nil)
	r := prunable(f, o, 5)
	for _, drop := range [][]int{{0}, {4}, {1, 3}, {0, 1, 2, 3, 4}} {
		f.Add(mustPrune(f, r.Raw(), drop...))
	}
	f.Add(r.headerBytes())
	f.Add(r.Raw())
	f.Fuzz(func(t *testing.T, raw []byte) {
		withinBounds(t, func() {
			_, _ = VerifyPruned(raw, o.chains)
			_, _ = VerifyHeader(raw, o.chains)
			w, r, err := readStored(raw)
			if err != nil || r.form != formPruned {
				return
			}
			// What the leaves hash to is not found by chance: let the header agree with them.
			var open Opener
			_, err = open.Open(r)
			if code := reason.Of(err); err != nil && (code != reason.BodyHash || len(open.hashes) != r.header.Count) {
				return
			}
			if again := appendPruned(w.header, open.leaves, open.hashes); !bytes.Equal(again, raw) {
				t.Fatalf("a pruned record is written anew with other bytes:\n%x\n%x", raw, again)
			}
		})
	})
}
