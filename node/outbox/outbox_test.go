package outbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/policy"
	"tocsin/node/standing"
	"tocsin/node/warnings"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

const testNetwork = "test"

// office is a publisher over a store in memory and a mesh that notes what it is given.
type office struct {
	*Publisher
	t      *testing.T
	store  *storage.Store
	author *protocoltest.Author

	mu        sync.Mutex // guards what follows
	announced []protocol.RecordID
	early     int   // records that were announced before they were durable
	fail      error // what the mesh answers
}

// Announce is the mesh's part.
func (o *office) Announce(_ context.Context, r *protocol.Record) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.store.Has(r.ID()) {
		o.early++
	}
	o.announced = append(o.announced, r.ID())
	if len(r.Raw()) > protocol.MaxGossipBytes {
		return reason.New(reason.GossipSize, "too large")
	}
	return o.fail
}

func newOffice(t *testing.T) *office {
	t.Helper()
	author, err := protocoltest.Found(testNetwork, "Author", time.Now().Truncate(time.Millisecond), rand.Reader)
	check(t, err)
	return newOfficeOf(t, author)
}

// newOfficeOf is an office with an empty store of an organisation that may have had another.
func newOfficeOf(t *testing.T, author *protocoltest.Author) *office {
	t.Helper()
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
	o := &office{t: t, store: store, author: author}
	stands, err := standing.Open(filepath.Join(dir, "standing.json"), chains.Chains)
	check(t, err)
	lists, err := warnings.Open(filepath.Join(dir, "warnings"))
	check(t, err)
	in := intake.New(intake.Deps{Store: store, Policy: book, Identity: chains, Standing: stands, Warnings: lists, Own: author.Org})
	o.Publisher = New(store, in, chains, author.Org, author.Key, o)
	return o
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func topic(t *testing.T, name string) protocol.Topic {
	t.Helper()
	tp, err := protocol.ParseTopic(name)
	check(t, err)
	return tp
}

// publish sends objects as a bundle on malicious-code.
func (o *office) publish(objects ...string) Result {
	o.t.Helper()
	res, err := o.Publish(context.Background(), Request{Topic: topic(o.t, "malicious-code"), TLP: stix.Green, Confidence: -1, Data: bundle(objects...)})
	check(o.t, err)
	return res
}

func bundle(objects ...string) []byte {
	return []byte(`{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000000","objects":[` + strings.Join(objects, ",\n ") + `]}`)
}

// indicator is a valid object with a number for its id; change edits its text.
func indicator(n int, change ...string) string {
	text := fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'h%d.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`, n, n)
	return strings.NewReplacer(change...).Replace(text)
}

func marked(n int, ref string) string {
	return indicator(n, `"pattern":`, `"object_marking_refs":["`+ref+`"],"pattern":`)
}

const (
	clearMark = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
	amberMark = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
	ownMark   = "marking-definition--11111111-1111-4111-8111-aaaaaaaaaaaa"
	ownRed    = `{"type":"marking-definition","spec_version":"2.1","id":"` + ownMark + `","created":"2026-01-01T00:00:00.000Z","definition_type":"tlp","definition":{"tlp":"red"}}`
)

// codes lists the reasons of what was skipped.
func (r Result) codes() (codes []reason.Code) {
	for _, s := range r.Skipped {
		codes = append(codes, s.Code)
	}
	return codes
}

// TestPublish sends good, broken, strict and repeated objects together: what can
// go goes, durable before public, and the rest is named.
func TestPublish(t *testing.T) {
	o := newOffice(t)
	res := o.publish(indicator(1), marked(2, clearMark), marked(3, amberMark), `{"type":"indicator"}`,
		indicator(4, "= 'h4", "= "), indicator(1), indicator(1, "h1.example", "other.example"), indicator(5))
	if res.Objects != 3 || len(res.Records) != 2 || res.Invalid != 2 || res.Denied != 1 {
		t.Errorf("%d objects in %d records, %d invalid, %d denied", res.Objects, len(res.Records), res.Invalid, res.Denied)
	}
	want := []reason.Code{reason.STIXRule, reason.STIXPattern, reason.OutTLP, reason.STIXPublished, reason.STIXDuplicate}
	if got := res.codes(); !slices.Equal(got, want) {
		t.Errorf("skipped %v, want %v", got, want)
	}
	if o.early != 0 || !slices.Equal(o.announced, res.Records) {
		t.Errorf("announced %v (%d too early), published %v", o.announced, o.early, res.Records)
	}
	for i, tlp := range []stix.TLP{stix.Clear, stix.Green} {
		hits, err := o.store.Leaves(res.Records[i])
		check(t, err)
		if hits[0].TLP != tlp {
			t.Errorf("record %d is %v, want %v", i, hits[0].TLP, tlp)
		}
		body, err := o.store.Object(hits[0].Ref)
		check(t, err)
		if want := []string{marked(2, clearMark), indicator(1)}[i]; string(body) != want {
			t.Errorf("record %d holds %s, want %s", i, body, want)
		}
	}
}

// TestAgain: the same body tells nobody anything on the same topic, another body
// under one version is a contradiction, a new version goes out.
func TestAgain(t *testing.T) {
	o := newOffice(t)
	o.publish(indicator(1))
	if got := o.publish(indicator(1)).codes(); !slices.Equal(got, []reason.Code{reason.STIXPublished}) {
		t.Errorf("the same again: %v", got)
	}
	if got := o.publish(indicator(1, "h1.", "x1.")).codes(); !slices.Equal(got, []reason.Code{reason.STIXDuplicate}) {
		t.Errorf("another body: %v", got)
	}
	if res := o.publish(indicator(1, "h1.", "x1.", `"modified":"2026-01-01`, `"modified":"2026-01-02`)); res.Objects != 1 {
		t.Errorf("a new version: %+v", res)
	}
	res, err := o.Publish(context.Background(), Request{Topic: topic(t, "fraud"), TLP: stix.Green, Confidence: -1, Data: bundle(indicator(1))})
	check(t, err)
	if res.Objects != 1 {
		t.Errorf("the same on another topic: %+v", res)
	}
}

// TestMarkings: a marking under an id of its own binds, however it is spelt and
// wherever its definition is; one that nobody can read lets nothing out.
func TestMarkings(t *testing.T) {
	for name, objects := range map[string][]string{
		"defined beside it":    {ownRed, marked(1, ownMark)},
		"defined after it":     {marked(1, ownMark), ownRed},
		"in upper case":        {ownRed, marked(1, "marking-definition--11111111-1111-4111-8111-AAAAAAAAAAAA")},
		"type in upper case":   {strings.Replace(ownRed, `"tlp",`, `"TLP",`, 1), marked(1, ownMark)},
		"definition breaks":    {strings.Replace(ownRed, `"created":"2026-01-01T00:00:00.000Z",`, "", 1), marked(1, ownMark)},
		"definition twice":     {strings.Replace(ownRed, `"created"`, `"id":"x","created"`, 1), marked(1, ownMark)},
		"two names for it":     {strings.Replace(ownRed, `"created":`, `"ID":"tool--00000000-0000-4000-8000-000000000000","confidence":"x","created":`, 1), marked(1, ownMark)},
		"unreadable label":     {strings.Replace(ownRed, `"red"`, `"unclear"`, 1), marked(1, ownMark)},
		"only of a part of it": {ownRed, indicator(1, `"pattern":`, `"granular_markings":[{"marking_ref":"`+ownMark+`","selectors":["pattern"]}],"pattern":`)},
	} {
		t.Run(name, func(t *testing.T) {
			res := newOffice(t).publish(objects...)
			if res.Denied != 1 {
				t.Errorf("it was not denied: %+v", res)
			}
		})
	}
	t.Run("published before", func(t *testing.T) {
		o := newOffice(t)
		o.publish(ownRed)
		if res := o.publish(marked(1, ownMark)); res.Denied != 1 {
			t.Errorf("it was not denied: %+v", res)
		}
	})
	t.Run("no TLP at all", func(t *testing.T) {
		if res := newOffice(t).publish(marked(1, "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168")); res.Objects != 1 {
			t.Errorf("a marking that is not known as TLP does not count: %+v", res)
		}
	})
}

// TestPacking: records stay under the gossip limit, a single large object makes a
// record that waits for catch-up, and one that fits no record is named.
func TestPacking(t *testing.T) {
	o := newOffice(t)
	noise := func(n int) string {
		b := make([]byte, n/2)
		_, _ = rand.Read(b)
		return fmt.Sprintf("%x", b)
	}
	var objects []string
	for i := range 700 {
		objects = append(objects, indicator(i))
	}
	for i := range 40 { // these compress much worse than what came before
		objects = append(objects, indicator(1000+i, `"pattern":`, `"description":"`+noise(4000)+`","pattern":`))
	}
	objects = append(objects,
		indicator(2000, `"pattern":`, `"x_a":"`+noise(100_000)+`","x_b":"`+noise(100_000)+`","pattern":`),
		indicator(2001, `"pattern":`, `"x_a":"`+strings.Repeat("a", 250_000)+`","pattern":`))
	res := o.publish(objects...)
	if res.Objects != len(objects) || res.Waiting != 1 || len(res.Skipped) != 0 {
		t.Fatalf("%d of %d objects, %d waiting, skipped %.300v", res.Objects, len(objects), res.Waiting, res.Skipped)
	}
	total := 0
	for _, id := range res.Records {
		raw, _, err := o.store.Record(id)
		check(t, err)
		hits, err := o.store.Leaves(id)
		check(t, err)
		total += len(hits)
		if len(raw) > protocol.MaxGossipBytes && len(hits) > 1 {
			t.Errorf("a record of %d objects has %d bytes", len(hits), len(raw))
		}
	}
	if total != len(objects) {
		t.Errorf("%d objects in the records, want %d", total, len(objects))
	}
}

// TestLogs: concurrent publications and restarts of the publisher leave dense,
// linked key logs, one per topic, and control goes on beside them.
func TestLogs(t *testing.T) {
	o := newOffice(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := []string{"fraud", "drill"}[i%2]
			tp, err := protocol.ParseTopic(name)
			if err != nil {
				t.Error(err)
				return
			}
			for j := range 5 {
				_, err := o.Publish(context.Background(), Request{Topic: tp, Confidence: -1, Data: bundle(indicator(i*10 + j))})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r, err := o.Identity(context.Background())
	check(t, err)
	if len(r.Statements()) != 3 || r.Header().Sequence != 1 || r.Header().Topic != protocol.TopicControl {
		t.Errorf("identity record: %+v", r.Header())
	}
	for _, name := range []string{"fraud", "drill"} {
		l, ok := o.store.Head(o.own, o.pen.signer.Public().ID(), topic(t, name))
		if !ok || l.Head != 20 || l.Count != 20 {
			t.Errorf("%s: head %d, count %d, want 20 and 20", name, l.Head, l.Count)
		}
	}
}

// TestFaults: a mesh that fails loses nothing, nonsense is refused whole, and a
// stopped publication says how far it came.
func TestFaults(t *testing.T) {
	o := newOffice(t)
	o.fail = errors.New("no peers")
	if res := o.publish(indicator(1)); res.Objects != 1 || o.store.Counts().Objects != 1 {
		t.Errorf("a failing mesh: %+v", res)
	}
	for _, data := range []string{"", "hello", `{"type":`, "[1,2]", "\x00"} {
		_, err := o.Publish(context.Background(), Request{Topic: topic(t, "fraud"), Data: []byte(data)})
		if reason.Of(err) == "" {
			t.Errorf("%q: %v has no code", data, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	res, err := o.Publish(ctx, Request{Topic: topic(t, "fraud"), Confidence: -1, Data: bundle(indicator(2), indicator(3)),
		Progress: func(int, int) { cancel() }})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "0 of 2") || len(res.Records) != 0 {
		t.Errorf("stopped: %v, %+v", err, res)
	}
}

// TestTooManyValues names an object whose pattern holds more than is indexed.
func TestTooManyValues(t *testing.T) {
	o := newOffice(t)
	pattern := func(n int) string {
		var b bytes.Buffer
		b.WriteString("x:y IN (")
		for i := range n {
			fmt.Fprintf(&b, "'%x',", i+16)
		}
		return strings.TrimSuffix(b.String(), ",") + ")"
	}
	res := o.publish(indicator(1, "domain-name:value = 'h1.example'", pattern(intake.MaxObjectValues)),
		indicator(2, "domain-name:value = 'h2.example'", pattern(intake.MaxObjectValues+1)))
	if res.Objects != 1 || !slices.Equal(res.codes(), []reason.Code{reason.PatternLimit}) {
		t.Errorf("%d objects, skipped %+v", res.Objects, res.Skipped)
	}
}

// TestManySkipped: an answer stays small whatever the file holds, and counts all.
func TestManySkipped(t *testing.T) {
	const n = 30_000
	res := newOffice(t).publish(strings.TrimSuffix(strings.Repeat("{},", n), ","), indicator(1))
	last := res.Skipped[len(res.Skipped)-1]
	if res.Objects != 1 || res.Invalid != n || len(res.Skipped) != maxNamed+1 || !strings.Contains(last.Reason, fmt.Sprint(n-maxNamed)) {
		t.Errorf("%d objects, %d invalid, %d named, last %+v", res.Objects, res.Invalid, len(res.Skipped), last)
	}
}
