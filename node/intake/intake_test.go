package intake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/node/identity"
	"tocsin/node/policy"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const testNetwork = "test"

// desktop is a pipeline over a store in memory, and an author it may list.
type desktop struct {
	*Pipeline
	t      *testing.T
	book   *policy.Book
	author *protocoltest.Author

	mu          sync.Mutex // guards what was told
	equivocated []*protocol.ForkProof
	forked      []*protocol.ForkProof
	pledged     int
}

func (d *desktop) told() Told {
	note := func(list *[]*protocol.ForkProof, f *protocol.ForkProof) {
		d.mu.Lock()
		defer d.mu.Unlock()
		*list = append(*list, f)
	}
	return Told{
		Equivocated: func(f *protocol.ForkProof, _ []byte) { note(&d.equivocated, f) },
		Forked:      func(f *protocol.ForkProof) { note(&d.forked, f) },
		Pledged: func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.pledged++
		},
	}
}

func newDesktop(t *testing.T, level trust.Level, change ...func(*Deps)) *desktop {
	t.Helper()
	author, err := protocoltest.Found(testNetwork, "Author", time.Now().Truncate(time.Millisecond), rand.Reader)
	check(t, err)
	dir := t.TempDir()
	book, err := policy.Open("", filepath.Join(dir, "trust.toml"))
	check(t, err)
	chains, err := identity.Open(filepath.Join(dir, "identity.cbor"), testNetwork)
	check(t, err)
	if _, errs := chains.Add(author.Statements...); len(errs) > 0 {
		t.Fatal(errs)
	}
	store, err := storage.Open("", storage.Options{Memory: true, Network: testNetwork})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	stands, err := standing.Open(filepath.Join(dir, "standing.json"), chains.Chains)
	check(t, err)
	d := &desktop{t: t, book: book, author: author}
	deps := Deps{Store: store, Policy: book, Identity: chains, Standing: stands, Told: d.told()}
	for _, edit := range change {
		edit(&deps)
	}
	d.Pipeline = New(deps)
	if level != trust.Unknown {
		d.list(level)
	}
	return d
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d *desktop) list(level trust.Level) {
	d.t.Helper()
	e := trust.Entry{Org: d.author.Org, Level: level, Expires: time.Now().AddDate(0, 6, 0), Reason: "test"}
	if level != trust.Blocked {
		e.Petname = "Author"
	}
	check(d.t, d.book.Set(e))
}

// record signs objects on malicious-code.
func (d *desktop) record(draft protocol.Draft, objects ...string) *protocol.Record {
	d.t.Helper()
	if draft.Topic == (protocol.Topic{}) {
		topic, err := protocol.ParseTopic("malicious-code")
		check(d.t, err)
		draft.Topic = topic
	}
	if draft.Kind == 0 {
		draft.Kind = protocol.KindObjects
	}
	for _, o := range objects {
		draft.Objects = append(draft.Objects, []byte(o))
	}
	draft.Rand = rand.Reader
	r, err := d.author.Record(draft)
	check(d.t, err)
	return r
}

// indicator is a valid object with a number for its id; change edits its text.
func indicator(n int, pattern string, change ...string) string {
	text := fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","pattern":%q,"pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`, n, pattern)
	return strings.NewReplacer(change...).Replace(text)
}

func values(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf("%d.%d.%d.%d", 1+i/200, i%200, 3, 4))
	}
	return "[ipv4-addr:value IN ('" + strings.Join(parts, "','") + "')]"
}

const (
	redMark    = `"object_marking_refs":["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"],"pattern"`
	ownMark    = "marking-definition--11111111-1111-4111-8111-111111111111"
	definition = `{"type":"marking-definition","spec_version":"2.1","id":"` + ownMark + `","created":"2026-01-01T00:00:00.000Z","definition_type":"tlp","definition":{"tlp":"red"}}`
)

// TestFates sends one record in which each object has another fate: a single bad
// object is refused alone, with its reason.
func TestFates(t *testing.T) {
	d := newDesktop(t, trust.Observed)
	objects := []struct {
		text  string
		state storage.State
		why   reason.Code
	}{
		{indicator(1, "[domain-name:value = 'a.example']"), storage.Accepted, ""},
		{indicator(2, "rule x {}", `"stix"`, `"yara"`), storage.NotEvaluated, ""},
		{indicator(3, "[domain-name:value LIKE '%.a.example']"), storage.NotEvaluated, ""},
		{indicator(4, "[domain-name:value = 'b.example' AND domain-name:x_n = 1]"), storage.NotEvaluated, ""},
		{indicator(5, "[domain-name:value = "), storage.Refused, reason.STIXPattern},
		{indicator(6, "[domain-name:value = 'c.example']", `"pattern"`, redMark), storage.Held, reason.TLPHeader},
		{indicator(7, "[domain-name:value = 'd.example']", `"pattern"`, `"object_marking_refs":["`+strings.ToUpper(ownMark[20:])+`"],"pattern"`), storage.Refused, reason.STIXRule},
		{indicator(8, "[domain-name:value = 'd.example']", `"pattern"`, `"object_marking_refs":["`+ownMark+`"],"pattern"`), storage.Held, reason.TLPHeader},
		{definition, storage.Accepted, ""},
		{`{"type":"indicator"`, storage.Refused, reason.JSONSyntax},
		{`{"type":"indicator","type":"indicator"}`, storage.Refused, reason.JSONDuplicate},
		{`{"type":"indicator"}`, storage.Refused, reason.STIXRule},
		{indicator(9, "[ipv4-addr:value = '0.0.0.0/0']"), storage.NotEvaluated, ""},
		{indicator(10, "[ipv4-addr:value = '10.0.0.0/8']"), storage.Accepted, ""},
		{indicator(11, "[ipv6-addr:value = '::/15']"), storage.NotEvaluated, ""},
		{`{"type":"ipv4-addr","spec_version":"2.1","id":"ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"198.51.100.3"}`, storage.Accepted, ""},
	}
	var texts []string
	for _, o := range objects {
		texts = append(texts, o.text)
	}
	r := d.record(protocol.Draft{TLP: stix.Green, Defaults: protocol.Defaults{Confidence: 70, ValidFor: time.Hour}}, texts...)
	out, err := d.Receive(context.Background(), r, "peer")
	check(t, err)
	hits, err := d.d.Store.Leaves(r.ID())
	check(t, err)
	if len(hits) != len(objects) {
		t.Fatalf("%d leaves, want %d", len(hits), len(objects))
	}
	counts := map[storage.State]int{}
	for i, o := range objects {
		counts[o.state]++
		if hits[i].State != o.state || hits[i].Reason != o.why {
			t.Errorf("object %d: %v %q, want %v %q\n%.200s", i, hits[i].State, hits[i].Reason, o.state, o.why, o.text)
		}
	}
	if out.Accepted != counts[storage.Accepted]+counts[storage.NotEvaluated] || out.Held != counts[storage.Held] || out.Refused != counts[storage.Refused] {
		t.Errorf("outcome %+v, want %v", out, counts)
	}
	if len(out.Refusals) != out.Held+out.Refused {
		t.Errorf("%d refusals are named, want %d", len(out.Refusals), out.Held+out.Refused)
	}
	first := hits[0]
	if first.Confidence != 70 || !first.ValidUntil.Equal(r.Header().Created.Add(time.Hour)) || !first.Claim {
		t.Errorf("REC-20: the record's defaults were not applied: %+v", first.Leaf)
	}
}

// TestBenign: an indicator that says "benign" speaks for nothing bad.
func TestBenign(t *testing.T) {
	d := newDesktop(t, trust.Partner)
	r := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']", `"pattern"`, `"indicator_types":["benign"],"pattern"`),
		indicator(2, "[domain-name:value = 'a.example']", `"pattern"`, `"indicator_types":["benign","anomalous-activity"],"pattern"`))
	_, err := d.Receive(context.Background(), r, "peer")
	check(t, err)
	hits, err := d.d.Store.Leaves(r.ID())
	check(t, err)
	if hits[0].Claim || !hits[1].Claim {
		t.Errorf("claims %v and %v, want false and true", hits[0].Claim, hits[1].Claim)
	}
}

// TestValueLimits holds what names more values than are indexed, at N and N+1.
func TestValueLimits(t *testing.T) {
	d := newDesktop(t, trust.Partner)
	full := MaxRecordValues / 500
	var texts []string
	for i := range full {
		texts = append(texts, indicator(i, values(500)))
	}
	texts = append(texts, indicator(1001, "[domain-name:value = 'one.example']"))
	_, err := d.Receive(context.Background(), d.record(protocol.Draft{}, texts...), "peer")
	check(t, err)
	if c := d.d.Store.Counts(); c.Objects != full || c.Held != 1 {
		t.Errorf("%d accepted and %d held, want %d and 1", c.Objects, c.Held, full)
	}
	desk := &desk{}
	h := d.record(protocol.Draft{}, texts[0]).Header()
	for n, want := range map[int]storage.State{MaxObjectValues: storage.Accepted, MaxObjectValues + 1: storage.Held} {
		desk.values = 0
		leaf, _ := desk.inspect([]byte(indicator(1, short(n))), &h)
		if leaf.State != want {
			t.Errorf("%d values: %v %q, want %v", n, leaf.State, leaf.Reason, want)
		}
	}
}

// short names n values within the length of a pattern.
func short(n int) string {
	var b strings.Builder
	b.WriteString("[x:y IN (")
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "'%x'", i+16)
	}
	return b.String() + ")]"
}

// TestStranger holds a stranger's record whole and accepts it when he is listed,
// with where and when it came from kept.
func TestStranger(t *testing.T) {
	ctx := context.Background()
	d := newDesktop(t, trust.Unknown)
	r := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"), "broken")
	out, err := d.Receive(ctx, r, "peer-1")
	check(t, err)
	if out.State != storage.Held || out.Held != 1 || out.Refused != 1 {
		t.Errorf("outcome %+v", out)
	}
	hits, _, err := d.d.Store.Lookup(pattern.Refang("a[.]example"), nil)
	check(t, err)
	if len(hits) != 1 || !hits[0].RecordHeld {
		t.Fatalf("a held object is not found: %+v", hits)
	}
	n, err := d.Rejudge(ctx, Curable()...)
	check(t, err)
	if n != 0 {
		t.Errorf("%d objects came out of quarantine while nobody lists the author", n)
	}
	d.list(trust.Observed)
	n, err = d.Rejudge(ctx, Curable()...)
	check(t, err)
	if c := d.d.Store.Counts(); n != 1 || c.Objects != 1 || c.Held != 0 || c.HeldRecords != 0 {
		t.Errorf("after listing: %d accepted, counts %+v", n, c)
	}
	if _, from, err := d.d.Store.Source(r.ID()); err != nil || from != "peer-1" {
		t.Errorf("source %q, %v", from, err)
	}
}

// TestKinds: opaque kinds of strangers are held, of listed authors accepted; an
// identity record is nobody's belief and teaches its chain.
func TestKinds(t *testing.T) {
	ctx := context.Background()
	d := newDesktop(t, trust.Unknown)
	opaque := d.record(protocol.Draft{Kind: 77, Body: []byte("later"), Topic: protocol.TopicDrill})
	out, err := d.Receive(ctx, opaque, "peer")
	check(t, err)
	if out.State != storage.Held {
		t.Errorf("a stranger's opaque record: %v", out.State)
	}
	other, err := protocoltest.Found(testNetwork, "Newcomer", time.Now().Truncate(time.Millisecond), rand.Reader)
	check(t, err)
	id, err := other.Record(protocol.Draft{Topic: protocol.TopicControl, Kind: protocol.KindIdentity, Statements: other.Statements})
	check(t, err)
	verified, err := protocol.Verify(id.Raw(), d.d.Identity.Chains(), time.Now())
	check(t, err)
	out, err = d.Receive(ctx, verified, "peer")
	check(t, err)
	if _, known := d.d.Identity.Chains().Org(other.Org); out.State != storage.Accepted || !known {
		t.Errorf("identity record: %v, chain known: %v", out.State, known)
	}
	d.list(trust.Partner)
	_, err = d.Rejudge(ctx, Curable()...)
	check(t, err)
	if _, state, err := d.d.Store.Record(opaque.ID()); err != nil || state != storage.Accepted {
		t.Errorf("the opaque record after listing: %v, %v", state, err)
	}
}

// TestRefusedWhole: blocked authors, records already held, forks.
func TestRefusedWhole(t *testing.T) {
	ctx := context.Background()
	d := newDesktop(t, trust.Partner)
	one := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
	_, err := d.Receive(ctx, one, "peer")
	check(t, err)
	if _, err := d.Receive(ctx, one, "other peer"); reason.Of(err) != reason.DupHeld {
		t.Errorf("a second time: %v, want dup.held", err)
	}
	fork := d.record(protocol.Draft{Sequence: 1}, indicator(2, "[domain-name:value = 'b.example']"))
	if _, err := d.Receive(ctx, fork, "peer"); reason.Of(err) != reason.LogFork {
		t.Errorf("a second record at one place: %v, want log.fork", err)
	}
	d.list(trust.Blocked)
	two := d.record(protocol.Draft{}, indicator(3, "[domain-name:value = 'c.example']"))
	if _, err := d.Receive(ctx, two, "peer"); reason.Of(err) != reason.OrgBlocked {
		t.Errorf("a blocked author: %v, want org.blocked", err)
	}
	if c := d.d.Store.Counts(); c.Records != 1 || d.d.Store.Has(two.ID()) || d.d.Store.Has(fork.ID()) {
		t.Errorf("something of it was stored: %+v", c)
	}
}

// TestReleaseAndReject are the operator's word on quarantine.
func TestReleaseAndReject(t *testing.T) {
	ctx := context.Background()
	d := newDesktop(t, trust.Unknown)
	whole := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
	bad := d.record(protocol.Draft{}, indicator(2, "[domain-name:value = 'b.example']"))
	for _, r := range []*protocol.Record{whole, bad} {
		_, err := d.Receive(ctx, r, "peer")
		check(t, err)
	}
	check(t, d.Release(ctx, storage.Ref{Record: whole.ID(), Index: -1}, "known by telephone"))
	check(t, d.Reject(ctx, storage.Ref{Record: bad.ID(), Index: -1}, "nonsense"))
	if c := d.d.Store.Counts(); c.Objects != 1 || c.Held != 0 || c.HeldRecords != 0 {
		t.Errorf("counts %+v", c)
	}
	if _, err := d.Receive(ctx, bad, "peer"); reason.Of(err) != reason.DupHeld {
		t.Errorf("a rejected record came in again: %v", err)
	}
	d.list(trust.Partner)
	marked := d.record(protocol.Draft{TLP: stix.Green}, indicator(3, "[domain-name:value = 'c.example']", `"pattern"`, redMark),
		indicator(4, "[domain-name:value = 'd.example']", `"pattern"`, redMark))
	_, err := d.Receive(ctx, marked, "peer")
	check(t, err)
	check(t, d.Release(ctx, storage.Ref{Record: marked.ID(), Index: 0}, "agreed with the author"))
	check(t, d.Reject(ctx, storage.Ref{Record: marked.ID(), Index: 1}, "not ours to have"))
	hits, err := d.d.Store.Leaves(marked.ID())
	check(t, err)
	if hits[0].State != storage.Accepted || hits[1].State != storage.Refused || hits[1].Reason != reason.OperatorRejected {
		t.Errorf("fates %v and %v %q", hits[0].State, hits[1].State, hits[1].Reason)
	}
}

// TestSpoiledBody: a body that does not hash to its signed root is the
// publisher's doing; the record is held whole, as evidence.
func TestSpoiledBody(t *testing.T) {
	d := newDesktop(t, trust.Partner)
	r := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"))
	v := (&desk{}).judge(r, trust.Partner)
	if v.entry.State != storage.Accepted || v.Accepted != 1 {
		t.Fatalf("the sound record: %+v", v.Outcome)
	}
	spoiled, chains := spoiledVector(t)
	r, err := protocol.VerifyOffline(spoiled, chains)
	check(t, err)
	v = (&desk{}).judge(r, trust.Partner)
	if v.entry.State != storage.Held || v.entry.Reason != reason.BodyRoot || v.State != storage.Held {
		t.Errorf("REC-16: %v %q", v.entry.State, v.entry.Reason)
	}
}

// spoiledVector reads the protocol's test vector of such a record.
func spoiledVector(t *testing.T) ([]byte, *protocol.Chains) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "protocol", "testdata", "vectors", "record-body-root.txt"))
	check(t, err)
	fields, key := map[string]string{}, ""
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(line, ":"); ok && line[0] != ' ' {
			key = name
			fields[key] = strings.TrimSpace(value)
			continue
		}
		fields[key] += strings.TrimSpace(line)
	}
	unhex := func(name string) []byte {
		b, err := hex.DecodeString(fields[name])
		check(t, err)
		return b
	}
	statements, err := protocol.ReadStatements(fields["network"], unhex("chain"))
	check(t, err)
	chains, _, errs := protocol.NewChains(fields["network"]).With(statements...)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return unhex("input"), chains
}
