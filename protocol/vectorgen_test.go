package protocol

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// vectorMaker collects vectors. Two organisations and their keys are enough
// for all of them.
type vectorMaker struct {
	t       testing.TB
	org     *testOrg // the usual signer
	es256   *testOrg
	scoped  *testOrg // its certificate is narrow
	vectors []*vector
}

func makeVectors(t testing.TB) []*vector {
	m := &vectorMaker{
		t:     t,
		org:   newTestOrg(t, "Vector CERT", nil),
		es256: newTestOrgWith(t, ES256, "Vector CERT with ES256", nil),
		scoped: newTestOrg(t, "Narrow CERT", func(c *Certificate) {
			c.Topics, c.Kinds, c.MaxTLP = []string{"fraud", "malicious-code"}, []Kind{KindObjects}, 0
		}),
	}
	m.acceptedRecords()
	m.acceptedControl()
	m.edgeRecords()
	m.brokenFraming()
	m.brokenCanonical()
	m.brokenClaims()
	m.brokenPlace()
	m.brokenTimes()
	m.brokenSigner()
	m.brokenIdentity()
	m.forks()
	m.pledges()
	m.invitations()
	m.unknownThings()
	m.brokenBodies()
	m.proofs()
	m.files()
	m.chainVectors()
	m.keysOverTime()
	m.keys()
	m.signatures()
	m.ids()
	m.topics()
	return m.vectors
}

// start begins a vector of a type.
func (m *vectorMaker) start(name, typ, comment string) *vector {
	m.t.Helper()
	if slices.ContainsFunc(m.vectors, func(v *vector) bool { return v.name == name }) {
		m.t.Fatalf("two vectors of the name %s", name)
	}
	v := &vector{name: name}
	v.add("type", "%s", typ)
	v.add("comment", "%s", comment)
	m.vectors = append(m.vectors, v)
	return v
}

// expect ends a vector with the outcome; code "" is accept.
func (v *vector) expect(code reason.Code) {
	v.add("expect", "%s", verdictOfCode(code))
	if code != "" {
		v.add("code", "%s", code)
	}
}

func verdictOfCode(code reason.Code) Verdict {
	if code == "" {
		return Accept
	}
	return VerdictOf(reason.New(code, ""))
}

func (v *vector) addHex(key string, b []byte) { v.add(key, "%s", hex.EncodeToString(b)) }

func chainBytes(orgs ...*testOrg) []byte {
	var out []byte
	for _, o := range orgs {
		for _, s := range o.chain() {
			out = append(out, s.Raw()...)
		}
	}
	return out
}

// record begins a vector of type record as everybody knows the given organisations.
func (m *vectorMaker) record(name, comment string, now time.Time, raw []byte, known ...*testOrg) *vector {
	v := m.start("record-"+name, "record", comment)
	v.add("network", testNetwork)
	if !now.IsZero() {
		v.add("now", "%d", now.UnixMilli())
	}
	v.addHex("chain", chainBytes(known...))
	v.addHex("input", raw)
	return v
}

// refused makes a vector of a record that is not accepted.
func (m *vectorMaker) refused(name, comment string, code reason.Code, raw []byte) {
	m.record(name, comment, testNow, raw, m.org).expect(code)
}

// accepted makes a vector of a record that is accepted and whose body holds.
func (m *vectorMaker) accepted(name, comment string, now time.Time, raw []byte, known ...*testOrg) *vector {
	m.t.Helper()
	return m.acceptedBut(name, comment, "", now, raw, known...)
}

// acceptedBut is accepted for a body that opens with an error of a code.
func (m *vectorMaker) acceptedBut(name, comment string, open reason.Code, now time.Time, raw []byte, known ...*testOrg) *vector {
	m.t.Helper()
	v := m.record(name, comment, now, raw, known...)
	v.expect("")
	r, err := VerifyOffline(raw, testChains(m.t, known...))
	if err != nil {
		m.t.Fatalf("vector %s: %v", v.name, err)
	}
	fields := recordFields(r)
	for _, key := range []string{
		"record-id", "org", "record-key", "certificate", "topic", "kind", "sequence", "previous", "created",
		"expires", "tlp", "upstream", "defaults", "count", "root", "statement", "fork",
	} {
		for value := range strings.SplitSeq(fields[key], "\n") {
			if value != "" {
				v.add(key, "%s", value)
			}
		}
	}
	if open != "" {
		v.add("open", "%s", open)
		return v
	}
	leaves, err := r.Open()
	if err != nil {
		m.t.Fatalf("vector %s: %v", v.name, err)
	}
	for _, leaf := range leaves {
		v.addHex("object", leaf.Object)
	}
	return v
}

// forge is the usual record, spoiled.
func (m *vectorMaker) forge(change func(*forgery)) []byte {
	m.t.Helper()
	return m.org.forge(m.t, testDraft(testObjects(1)...), change)
}

// TestVectorFiles holds the files against what the generator makes, or writes
// them with -update.
func TestVectorFiles(t *testing.T) {
	made := makeVectors(t)
	if *update {
		writeVectors(t, made)
	}
	files, err := filepath.Glob(filepath.Join(vectorFolder, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(made) {
		t.Errorf("%d vector files, the generator makes %d", len(files), len(made))
	}
	for _, v := range made {
		text, err := os.ReadFile(filepath.Join(vectorFolder, v.name+".txt"))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(text, v.text()) {
			t.Errorf("vector %s is not what the generator makes: run go generate ./protocol", v.name)
		}
	}
}

func writeVectors(t *testing.T, vectors []*vector) {
	if err := os.RemoveAll(vectorFolder); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(vectorFolder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if err := os.WriteFile(filepath.Join(vectorFolder, v.name+".txt"), v.text(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A code that bytes, chains and clock can cause has a vector; the others are
// named here and in SPEC 11, and nowhere else: VER-02.
func TestEveryCodeHasAVector(t *testing.T) {
	notExpressible := map[reason.Code]bool{
		reason.DupHeld: true, reason.LogFork: true, reason.RateForwarder: true, reason.RatePublisher: true,
		reason.OrgBlocked: true, reason.TopicUnknown: true,
	}
	seen := map[reason.Code]bool{}
	for _, v := range readVectors(t) {
		if code := reason.Code(v.get("code")); code != "" {
			seen[code] = true
		}
	}
	for code, verdict := range verdicts {
		if seen[code] == notExpressible[code] {
			t.Errorf("%s (%s): has a vector: %v, cannot have one: %v", code, verdict, seen[code], notExpressible[code])
		}
	}
	for code := range notExpressible {
		if _, ok := verdicts[code]; !ok {
			t.Errorf("%s is no code of the verdict table", code)
		}
	}
}
