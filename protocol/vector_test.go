package protocol

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

const vectorFolder = "testdata/vectors"

var update = flag.Bool("update", false, "write the test vectors of this package anew")

// vector is one test vector in its text form (SPEC 11): named values in order.
// A name may occur more than once.
type vector struct {
	name   string
	fields []vectorField
}

type vectorField struct{ key, value string }

func (v *vector) add(key, format string, args ...any) {
	v.fields = append(v.fields, vectorField{key, fmt.Sprintf(format, args...)})
}

// all returns the values under a key.
func (v *vector) all(key string) []string {
	var out []string
	for _, f := range v.fields {
		if f.key == key {
			out = append(out, f.value)
		}
	}
	return out
}

// get returns the one value under a key, "" when there is none.
func (v *vector) get(key string) string {
	values := v.all(key)
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func (v *vector) bytes(t testing.TB, key string) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.get(key))
	if err != nil {
		t.Fatalf("%s of vector %s: %v", key, v.name, err)
	}
	return b
}

func (v *vector) number(t testing.TB, key string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(v.get(key), 10, 64)
	if err != nil {
		t.Fatalf("%s of vector %s: %v", key, v.name, err)
	}
	return n
}

// input is the bytes under judgement: "input", and as many zero bytes as "zeros" says.
func (v *vector) input(t testing.TB) []byte {
	t.Helper()
	in := v.bytes(t, "input")
	if v.get("zeros") != "" {
		in = append(in, make([]byte, v.number(t, "zeros"))...)
	}
	return in
}

// chains holds the statements of the vector's chain.
func (v *vector) chains(t testing.TB) *Chains {
	t.Helper()
	statements, err := ReadStatements(v.get("network"), v.bytes(t, "chain"))
	if err != nil {
		t.Fatalf("chain of vector %s: %v", v.name, err)
	}
	chains, _, errs := NewChains(v.get("network")).With(statements...)
	if len(errs) > 0 {
		t.Fatalf("chain of vector %s: %v", v.name, errs)
	}
	return chains
}

// lineWidth is where a long value goes on in the next line, indented.
const lineWidth = 100

func (v *vector) text() []byte {
	var out strings.Builder
	for _, f := range v.fields {
		out.WriteString(f.key + ":")
		value := f.value
		if len(value) <= lineWidth || f.key == "comment" {
			out.WriteString(" " + value + "\n")
			continue
		}
		out.WriteString("\n")
		for len(value) > 0 {
			n := min(lineWidth, len(value))
			out.WriteString("  " + value[:n] + "\n")
			value = value[n:]
		}
	}
	return []byte(out.String())
}

// parseVector reads what text writes, and what SPEC 11 says, nothing else.
func parseVector(name string, text []byte) (*vector, error) {
	v := &vector{name: name}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, "  "); ok && len(v.fields) > 0 {
			v.fields[len(v.fields)-1].value += rest
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok || key == "" {
			return nil, fmt.Errorf("vector %s line %d: want \"key: value\"", name, i+1)
		}
		v.fields = append(v.fields, vectorField{key, strings.TrimPrefix(value, " ")})
	}
	return v, nil
}

// readVectors reads every vector of the folder.
func readVectors(t testing.TB) []*vector {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(vectorFolder, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors in %s: %v", vectorFolder, err)
	}
	var out []*vector
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseVector(strings.TrimSuffix(filepath.Base(path), ".txt"), text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// Every vector in the folder holds, whoever wrote it: VER-01 VER-02 VER-03.
func TestVectors(t *testing.T) {
	runners := map[string]func(*testing.T, *vector) error{
		"record":    runRecordVector,
		"proof":     runProofVector,
		"file":      runFileVector,
		"chain":     runChainVector,
		"pledge":    runPledgeVector,
		"invite":    runInviteVector,
		"key":       runKeyVector,
		"signature": runSignatureVector,
		"id":        runIDVector,
		"topic":     runTopicVector,
	}
	for _, v := range readVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			run := runners[v.get("type")]
			if run == nil {
				t.Fatalf("no such type of vector: %q", v.get("type"))
			}
			if v.get("comment") == "" {
				t.Error("the vector does not say what it is for")
			}
			checkOutcome(t, v, run(t, v))
		})
	}
}

// checkOutcome holds an error against the expectation of a vector.
func checkOutcome(t *testing.T, v *vector, err error) {
	t.Helper()
	got := VerdictOf(err).String()
	if err != nil && reason.Of(err) == "" {
		got = Reject.String() // a text that is no id: no relay ever judges it
	}
	if want := v.get("expect"); got != want {
		t.Fatalf("got %s (%v), want %s", got, err, want)
	}
	if code := string(reason.Of(err)); code != v.get("code") {
		t.Fatalf("got code %q (%v), want %q", code, err, v.get("code"))
	}
}

// expectFields compares values with those of the vector; a key that the vector
// lacks is not compared.
func expectFields(t *testing.T, v *vector, got map[string]string) {
	t.Helper()
	for key, value := range got {
		if want := v.all(key); len(want) > 0 && strings.Join(want, "\n") != value {
			t.Errorf("%s: got %s, want %s", key, value, strings.Join(want, "\n"))
		}
	}
}

func runRecordVector(t *testing.T, v *vector) error {
	chains := v.chains(t)
	raw := v.input(t)
	var r *Record
	var err error
	if v.get("now") == "" {
		r, err = VerifyOffline(raw, chains)
	} else {
		r, err = Verify(raw, chains, time.UnixMilli(v.number(t, "now")))
	}
	if err != nil {
		want, isSet := v.get("unknown-certificate"), false
		if d, ok := UnknownCertificate(err); ok {
			isSet = want == d.String()
		}
		if want != "" && !isSet {
			t.Errorf("the error names another certificate than %s: %v", want, err)
		}
		return err
	}
	if on := v.get("on"); on != "" {
		topic, err := ParseTopic(on)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.CheckTopic(topic); err != nil {
			return err
		}
	}
	expectFields(t, v, recordFields(r))
	leaves, err := r.Open()
	if code := string(reason.Of(err)); code != v.get("open") {
		t.Errorf("open: got code %q (%v), want %q", code, err, v.get("open"))
	}
	var objects []string
	for _, leaf := range leaves {
		objects = append(objects, hex.EncodeToString(leaf.Object))
	}
	if want := v.all("object"); !slices.Equal(objects, want) {
		t.Errorf("objects: got %d, want %d that are the same", len(objects), len(want))
	}
	return nil
}

// recordFields is what a vector says of an accepted record.
func recordFields(r *Record) map[string]string {
	h := r.Header()
	var statements []string
	for _, s := range r.Statements() {
		statements = append(statements, s.Digest().String())
	}
	fork := ""
	if f := r.Fork(); f != nil {
		fork = fmt.Sprintf("%s %s %s %d %s %s", f.Org, f.Key, f.Topic, f.Sequence, f.Records[0], f.Records[1])
	}
	return map[string]string{
		"record-id": r.ID().String(), "org": r.Org().String(), "record-key": r.Key().String(),
		"certificate": h.Certificate.String(), "topic": h.Topic.String(), "kind": strconv.Itoa(int(h.Kind)),
		"sequence": strconv.FormatUint(h.Sequence, 10), "previous": h.Previous.String(),
		"created": strconv.FormatInt(h.Created.UnixMilli(), 10), "expires": strconv.FormatInt(h.Expires.UnixMilli(), 10),
		"tlp": strconv.Itoa(int(h.TLP)), "upstream": h.Upstream,
		"defaults": fmt.Sprintf("%q %d %d", h.Defaults.Producer, h.Defaults.Confidence, int(h.Defaults.ValidFor/time.Second)),
		"count":    strconv.Itoa(h.Count), "root": h.Root.String(), "statement": strings.Join(statements, "\n"),
		"fork": fork,
	}
}

func runProofVector(t *testing.T, v *vector) error {
	p, err := VerifyProof(v.input(t), v.chains(t))
	if err != nil {
		return err
	}
	expectFields(t, v, map[string]string{
		"record-id": p.Record().String(), "org": p.Org().String(), "index": strconv.Itoa(p.Index()),
		"object": hex.EncodeToString(p.Object()), "root": p.Header().Root.String(),
	})
	return nil
}

func runFileVector(t *testing.T, v *vector) error {
	items, err := ReadFile(v.get("network"), v.input(t))
	if err != nil {
		return err
	}
	expectFields(t, v, map[string]string{"item": strings.Join(fileLines(items), "\n")})
	return nil
}

func fileLines(items []FileItem) []string {
	var out []string
	for _, item := range items {
		switch {
		case item.Statement != nil:
			out = append(out, "statement "+item.Statement.Digest().String())
		case item.Record != nil:
			out = append(out, fmt.Sprintf("record of %d bytes", len(item.Record)))
		case item.Proof != nil:
			out = append(out, fmt.Sprintf("proof of %d bytes", len(item.Proof)))
		}
	}
	return out
}

// A chain vector passes when all its statements do, and fails with the first error.
func runChainVector(t *testing.T, v *vector) error {
	chains := v.chains(t)
	var statements []*Statement
	for rest := v.input(t); len(rest) > 0; {
		item, after, err := nextItem(rest)
		if err != nil {
			return reason.Wrap(reason.WireFraming, "a statement", err)
		}
		s, err := ParseStatement(v.get("network"), item)
		if err != nil {
			return err
		}
		statements, rest = append(statements, s), after
	}
	chains, _, errs := chains.With(statements...)
	if len(errs) > 0 {
		return errs[0]
	}
	var digests []string
	for _, s := range statements {
		digests = append(digests, string(s.Type())+" "+s.Digest().String())
	}
	expectFields(t, v, map[string]string{
		"org": statements[0].Org().String(), "statement": strings.Join(digests, "\n"), "root": rootState(chains, statements[0].Org()),
	})
	return nil
}

// rootState is the version of the root in force, and whether its successor is disputed.
func rootState(chains *Chains, id OrgID) string {
	org, _ := chains.Org(id)
	state := strconv.Itoa(1 + len(org.Roots))
	if org.Disputed {
		state += " disputed"
	}
	return state
}

func runKeyVector(t *testing.T, v *vector) error {
	k, err := NewPublicKey(Alg(v.number(t, "alg")), v.input(t))
	if err != nil {
		return err
	}
	expectFields(t, v, map[string]string{"key-id": k.ID().String()})
	return nil
}

func runSignatureVector(t *testing.T, v *vector) error {
	k, err := NewPublicKey(Alg(v.number(t, "alg")), v.bytes(t, "key"))
	if err != nil {
		return err
	}
	if !k.Verify(v.bytes(t, "message"), v.input(t)) {
		return reason.New(reason.SigInvalid, "")
	}
	return nil
}

// ID-04
func runIDVector(t *testing.T, v *vector) error {
	id, err := ParseOrgID(v.get("text"))
	other, otherErr := ParseRecordID(v.get("text"))
	if (err == nil) != (otherErr == nil) || [32]byte(id) != [32]byte(other) {
		t.Errorf("an org id and a record id are read in different ways")
	}
	if err == nil {
		expectFields(t, v, map[string]string{"bytes": hex.EncodeToString(id[:]), "text": id.String()})
	}
	return err
}

// TOP-01 TOP-02
func runTopicVector(t *testing.T, v *vector) error {
	topic, err := ParseTopic(v.get("text"))
	if err != nil {
		return err
	}
	expectFields(t, v, map[string]string{"text": topic.String(), "path": topic.Path(v.get("network"))})
	return nil
}
