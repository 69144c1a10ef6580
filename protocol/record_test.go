package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tocsin/node/cputime"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// REC-04 REC-09 REC-12 REC-16 REC-20 PRF-01: what is drafted is what a receiver
// reads, whatever is drafted, by either algorithm.
func TestSignVerifyOpenProve(t *testing.T) {
	orgs := []*testOrg{newTestOrg(t, "eddsa", nil), newTestOrgWith(t, ES256, "es256", nil)}
	chains := testChains(t, orgs...)
	rapid.Check(t, func(rt *rapid.T) {
		org := rapid.SampledFrom(orgs).Draw(rt, "org")
		d := drawDraft(rt)
		made, err := Sign(testNetwork, d, org.cert, org.record)
		if err != nil {
			rt.Fatalf("sign: %v", err)
		}
		read, err := Verify(made.Raw(), chains, testNow)
		if err != nil {
			rt.Fatalf("verify: %v", err)
		}
		if made.ID() != read.ID() || made.Header() != read.Header() || read.Org() != org.genesis.Org() ||
			read.Key() != org.record.Public().ID() || read.Certificate().Digest() != org.cert.Digest() {
			rt.Fatalf("signed %+v\nread %+v", made.Header(), read.Header())
		}
		h := read.Header()
		if h.Topic != d.Topic || h.Sequence != d.Sequence || h.Upstream != d.Upstream || h.TLP != d.TLP ||
			!h.Created.Equal(d.Created.Truncate(time.Millisecond)) || h.Count != len(d.Objects) {
			rt.Fatalf("drafted %+v\nread %+v", d, h)
		}
		leaves, err := read.Open()
		if err != nil || !equalObjects(leaves, d.Objects) {
			rt.Fatalf("open: %v", err)
		}
		checkProof(rt, read, chains, rapid.IntRange(0, len(d.Objects)-1).Draw(rt, "leaf"), d.Objects)
	})
}

func drawDraft(rt *rapid.T) Draft {
	d := Draft{
		Topic:    rapid.SampledFrom(DefaultTopics()[2:]).Draw(rt, "topic"),
		Kind:     KindObjects,
		Sequence: rapid.Uint64Range(1, 1<<63-1).Draw(rt, "sequence"),
		Created:  testNow.Add(time.Duration(rapid.Int64Range(-int64(day), int64(ClockSkew)).Draw(rt, "created"))),
		TLP:      stix.TLP(rapid.IntRange(0, 1).Draw(rt, "tlp")),
		Upstream: rapid.StringMatching(`[ -~]{0,100}`).Draw(rt, "upstream"),
		Defaults: Defaults{
			Producer:   rapid.StringMatching(`[ -~]{0,40}`).Draw(rt, "producer"),
			Confidence: rapid.IntRange(-1, 100).Draw(rt, "confidence"),
			ValidFor:   time.Duration(rapid.IntRange(0, int(MaxValidFor/time.Second)).Draw(rt, "valid for")) * time.Second,
		},
		Objects: rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 300), 1, 40).Draw(rt, "objects"),
		Rand:    &seeded{seed: rapid.String().Draw(rt, "salts")},
	}
	d.Expires = d.Created.Add(2*day + time.Duration(rapid.Int64Range(0, int64(300*day)).Draw(rt, "life")))
	if d.Sequence > 1 {
		d.Previous = RecordID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "previous"))
	}
	return d
}

func checkProof(rt *rapid.T, r *Record, chains *Chains, index int, objects [][]byte) {
	raw, err := Prove(r, index)
	if err != nil {
		rt.Fatalf("prove: %v", err)
	}
	p, err := VerifyProof(raw, chains)
	if err != nil {
		rt.Fatalf("verify proof: %v", err)
	}
	if p.Record() != r.ID() || p.Org() != r.Org() || p.Index() != index || p.Header() != r.Header() ||
		!bytes.Equal(p.Object(), objects[index]) {
		rt.Fatalf("the proof is of leaf %d of %s", p.Index(), p.Record())
	}
}

// Whatever single bit of a record is flipped, it is not accepted. VER-12 VER-13
func TestNoBitCanChange(t *testing.T) {
	identity := Draft{Topic: TopicControl, Kind: KindIdentity, Sequence: 1, Created: testNow, Expires: testNow.Add(day)}
	for _, alg := range []Alg{EdDSA, ES256} {
		org := newTestOrgWith(t, alg, "signer", nil)
		d := testDraft(testObject(1))
		d.Upstream, d.Defaults = "feed", Defaults{Producer: "p", Confidence: 50, ValidFor: time.Hour}
		chain := identity
		chain.Statements = org.chain()
		checkBits(t, org.sign(t, d), org.chains, 1)
		// A statement that is not the one known costs a signature: of the body
		// every seventh bit will do.
		checkBits(t, org.sign(t, chain), org.chains, 7)
	}
}

// checkBits flips each bit of the header and every step-th one of the body.
func checkBits(t *testing.T, r *Record, chains *Chains, step int) {
	t.Helper()
	for bit := 0; bit < 8*len(r.Raw()); bit++ {
		if bit >= 8*r.headerLength && bit%step != 0 {
			continue
		}
		raw := bytes.Clone(r.Raw())
		raw[bit/8] ^= 1 << (bit % 8)
		if got, err := Verify(raw, chains, testNow); err == nil || VerdictOf(err) == Accept || got != nil {
			t.Fatalf("%s, kind %s: bit %d flipped, and accepted", r.cert.RecordKey.Alg(), r.header.Kind, bit)
		}
	}
}

// No beginning of a record is a record, and nothing can be put behind it.
func TestNoPartIsARecord(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	whole := org.sign(t, testDraft(testObjects(3)...)).Raw()
	for n := range whole {
		if _, err := Verify(whole[:n], org.chains, testNow); VerdictOf(err) != Reject {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	if _, err := Verify(append(bytes.Clone(whole), 0), org.chains, testNow); VerdictOf(err) != Reject {
		t.Fatalf("a byte behind it: %v", err)
	}
}

// Sign refuses what it was not made for, and never gives a record that a
// receiver would not take.
func TestSignRecordRefuses(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	narrow := newTestOrg(t, "narrow", func(c *Certificate) {
		c.Topics, c.Kinds, c.MaxTLP = []string{"fraud"}, []Kind{KindObjects}, stix.Clear
	})
	for name, test := range map[string]struct {
		org    *testOrg
		key    Signer
		change func(*Draft)
		code   reason.Code
	}{
		"another key":             {org, narrow.record, func(*Draft) {}, reason.SigInvalid},
		"a signer that lies":      {org, lyingSigner{org.record}, func(*Draft) {}, reason.SigInvalid},
		"no topic":                {org, org.record, func(d *Draft) { d.Topic = Topic{} }, reason.WireClaims},
		"sequence 0":              {org, org.record, func(d *Draft) { d.Sequence = 0 }, reason.WireClaims},
		"expires before created":  {org, org.record, func(d *Draft) { d.Expires = d.Created }, reason.WireClaims},
		"created before 1970":     {org, org.record, func(d *Draft) { d.Created = time.UnixMilli(-1) }, reason.WireClaims},
		"an empty object":         {org, org.record, func(d *Draft) { d.Objects = [][]byte{{}} }, reason.BodySize},
		"no objects":              {org, org.record, func(d *Draft) { d.Objects = [][]byte{} }, reason.WireClaims},
		"no content":              {org, org.record, func(d *Draft) { d.Objects = nil }, ""},
		"two contents":            {org, org.record, func(d *Draft) { d.Body = []byte{1} }, ""},
		"content of another kind": {org, org.record, func(d *Draft) { d.Kind = 11 }, ""},
		"a body of objects":       {org, org.record, func(d *Draft) { d.Objects, d.Body = nil, []byte{1} }, ""},
		"text that is not UTF-8":  {org, org.record, func(d *Draft) { d.Upstream = "\xff" }, reason.WireCanonical},
		"too little randomness":   {org, org.record, func(d *Draft) { d.Rand = strings.NewReader("short") }, ""},
		"before its certificate":  {org, org.record, func(d *Draft) { d.Created = org.cert.NotBefore.Add(-time.Millisecond) }, reason.CertWindow},
		"topic out of scope":      {narrow, narrow.record, func(d *Draft) { d.TLP = stix.Clear }, reason.CertScope},
		"TLP out of scope":        {narrow, narrow.record, func(d *Draft) { d.Topic = Topic{"fraud"} }, reason.CertScope},
		"kind out of scope": {narrow, narrow.record, func(d *Draft) {
			d.Topic, d.TLP, d.Kind, d.Objects, d.Body = Topic{"fraud"}, stix.Clear, 11, nil, []byte{1}
		}, reason.CertScope},
	} {
		d := testDraft([]byte("{}"))
		test.change(&d)
		r, err := Sign(testNetwork, d, test.org.cert, test.key)
		if err == nil || r != nil || reason.Of(err) != test.code {
			t.Errorf("%s: %v, want code %q", name, err, test.code)
		}
	}
	broken := errors.New("the card is gone")
	_, err := Sign(testNetwork, testDraft([]byte("{}")), org.cert, brokenSigner{org.record, broken})
	if !errors.Is(err, broken) {
		t.Errorf("the signer's own error is lost: %v", err)
	}
}

type lyingSigner struct{ *PrivateKey }

func (lyingSigner) Sign([]byte) ([]byte, error) { return make([]byte, SignatureBytes), nil }

type brokenSigner struct {
	*PrivateKey
	err error
}

func (b brokenSigner) Sign([]byte) ([]byte, error) { return nil, b.err }

// VER-09: an identity record makes its signer known to the reader, and to
// nobody else: the snapshot that it was verified with stays as it was.
func TestIdentityRecordOfANewcomer(t *testing.T) {
	org := newTestOrg(t, "newcomer", nil)
	empty := NewChains(testNetwork)
	d := Draft{
		Topic: TopicControl, Kind: KindIdentity, Sequence: 1, Created: testNow, Expires: testNow.Add(day),
		Statements: org.chain(),
	}
	r, err := Verify(org.sign(t, d).Raw(), empty, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := empty.Org(org.genesis.Org()); ok {
		t.Error("Verify changed the chains that it was given")
	}
	next, added, errs := empty.With(r.Statements()...)
	if added != 3 || len(errs) != 0 {
		t.Fatalf("added %d statements: %v", added, errs)
	}
	objects := org.sign(t, testDraft(testObjects(2)...))
	if _, err := Verify(objects.Raw(), empty, testNow); reason.Of(err) != reason.CertUnknown {
		t.Errorf("a record of a stranger: %v", err)
	} else if d, ok := UnknownCertificate(err); !ok || d != org.cert.Digest() {
		t.Errorf("the error names certificate %s, want %s", d, org.cert.Digest())
	}
	if _, err := Verify(objects.Raw(), next, testNow); err != nil {
		t.Errorf("a record of an organisation that is known now: %v", err)
	}
	if leaves, err := r.Open(); leaves != nil || err != nil {
		t.Errorf("an identity record opened as %d leaves: %v", len(leaves), err)
	}
	if _, err := Prove(r, 0); reason.Of(err) != reason.ProofInvalid {
		t.Errorf("a proof of a statement: %v", err)
	}
}

// VER-08 VER-11 VER-15: the present counts by gossip, and only there.
func TestVerifyOfflineHasNoPresent(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	r := org.sign(t, testDraft(testObjects(2)...))
	for _, now := range []time.Time{time.UnixMilli(0), testNow.Add(-day), testNow.Add(50 * 365 * day)} {
		if _, err := Verify(r.Raw(), org.chains, now); VerdictOf(err) != Ignore {
			t.Errorf("at %s: %v", now, err)
		}
	}
	if _, err := VerifyOffline(r.Raw(), org.chains); err != nil {
		t.Errorf("offline: %v", err)
	}
	if _, ok := UnknownCertificate(errors.New("another")); ok {
		t.Error("an error names a certificate that it is not about")
	}
}

// VER-14
func TestCheckTopic(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	r := org.sign(t, testDraft(testObjects(1)...))
	if err := r.CheckTopic(r.Header().Topic); err != nil {
		t.Error(err)
	}
	if err := r.CheckTopic(TopicDrill); VerdictOf(err) != Reject || reason.Of(err) != reason.TopicMismatch {
		t.Errorf("another topic: %v", err)
	}
}

// PRF-05 PRF-07: a file keeps its items and their order, and its bounds.
func TestRecordFile(t *testing.T) {
	org := newTestOrg(t, "signer", nil)
	r := org.sign(t, testDraft(testObjects(2)...))
	proof, err := Prove(r, 1)
	if err != nil {
		t.Fatal(err)
	}
	items := []FileItem{{Record: r.Raw()}, {Statement: org.genesis}, {Proof: proof}, {Record: r.Raw()}}
	raw, err := AppendFile([]byte{}, items...)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadFile(testNetwork, raw)
	if err != nil || fmt.Sprint(fileLines(read)) != fmt.Sprint(fileLines(items)) {
		t.Fatalf("read %v (%v), wrote %v", fileLines(read), err, fileLines(items))
	}
	for _, bad := range []FileItem{{}, {Record: r.Raw(), Proof: proof}, {Statement: org.genesis, Record: r.Raw()}} {
		if _, err := AppendFile(nil, bad); err == nil {
			t.Errorf("wrote an item that is %d things at once", len(fileLines([]FileItem{bad})))
		}
	}
	if _, err := ReadFile(testNetwork, bytes.Repeat([]byte{0x40}, MaxFileItems)); err != nil {
		t.Errorf("%d items: %v", MaxFileItems, err)
	}
	if _, err := ReadFile(testNetwork, bytes.Repeat([]byte{0x40}, MaxFileItems+1)); reason.Of(err) != reason.WireSize {
		t.Errorf("%d items: %v", MaxFileItems+1, err)
	}
	_, err = ReadFile(testNetwork, append(bytes.Clone(raw), 0xff))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("item 4 of the record file, at offset %d", len(raw))) {
		t.Errorf("the error does not say where: %v", err)
	}
}

// benchmarkRecord is one of about 16 KiB on the wire.
func benchmarkRecord(b *testing.B, org *testOrg) *Record {
	objects := testObjects(100)
	for i := range objects {
		objects[i] = append(objects[i], noise(fmt.Sprint(i), 140)...)
	}
	return org.sign(b, testDraft(objects...))
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []Alg{EdDSA, ES256} {
		b.Run(alg.String(), func(b *testing.B) {
			org := newTestOrgWith(b, alg, "signer", nil)
			r := benchmarkRecord(b, org)
			b.SetBytes(int64(len(r.Raw())))
			b.ReportAllocs()
			start := cputime.Used()
			for b.Loop() {
				if _, err := Verify(r.Raw(), org.chains, testNow); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cputime.Used()-start)/float64(b.N), "cpu-ns/op")
		})
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
	b.ReportAllocs()
	for b.Loop() {
		org.sign(b, testDraft(testObjects(100)...))
	}
}
