package node

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/node/audit"
	"tocsin/node/outbox"
	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
)

// counted are the node's counters and gauges of some names, as a scrape has them; what is 0 is left out.
func (n *Node) counted(t *testing.T, prefixes ...string) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	n.metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	out := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if value != "0" && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			out[name] = value
		}
	}
	return out
}

// What a node publishes, receives and refuses is in its counters, and what it then holds in its gauges.
func TestMetricsOfANode(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	paths := oneFolder(filepath.Join(t.TempDir(), "n"))
	cfg := Config{Network: "test", Listen: []string{"/ip4/127.0.0.1/tcp/0"}}
	_, err := Init(paths, cfg, someone)
	must(err)
	n, err := New(paths, cfg, Options{Memory: true, NoAdmin: true, Version: "1.2.3"})
	must(err)
	t.Cleanup(func() { must(n.Close()) })
	object := func(i int) string {
		return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--%08x-58d2-4f0f-8a53-1e8f5c1b0a00","created":"2026-01-01T00:00:00.000Z",`+
			`"modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'x%d.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`, i, i)
	}
	topic := protocol.TopicDrill
	author := func(name string) *protocoltest.Author {
		t.Helper()
		a, err := protocoltest.Found("test", name, time.Now().Add(-time.Second).Truncate(time.Millisecond), rand.Reader)
		must(err)
		n.intake.Learn(a.Statements...)
		return a
	}
	record := func(a *protocoltest.Author, objects ...string) *protocol.Record {
		t.Helper()
		d := protocol.Draft{Topic: topic, Kind: protocol.KindObjects, TLP: stix.Green, Rand: rand.Reader}
		for _, o := range objects {
			d.Objects = append(d.Objects, []byte(o))
		}
		r, err := a.Record(d)
		must(err)
		return r
	}

	if before := n.counted(t, "tocsin_objects_"); len(before) != 0 {
		t.Errorf("before anything happened: %v", before)
	}
	_, err = n.Outbox.Publish(t.Context(), outbox.Request{Topic: topic, TLP: stix.Green, Confidence: -1, Data: []byte("[" + object(1) + "," + object(2) + "]")})
	must(err)
	partner, stranger := author("Partner"), author("Stranger")
	must(n.Policy.Set(trust.Entry{Org: partner.Org, Petname: "partner", Level: trust.Partner, Expires: time.Now().AddDate(0, 6, 0)}))
	good := record(partner, object(3), object(4), object(5))
	for _, r := range []*protocol.Record{good, good, record(partner, object(6), `{"type":"indicator","id":"x"}`), record(stranger, object(7))} {
		n.receive(t.Context(), p2p.Incoming{Record: r, From: "12D3KooWPeer"})
	}
	n.notTaken(topic, reason.New(reason.SigInvalid, "x"))
	got := n.counted(t, "tocsin_objects_", "tocsin_object_latency_seconds_count", "tocsin_store_records", `tocsin_trust_changes_total{kind="set"}`)
	want := map[string]string{
		`tocsin_objects_published_total{tlp="TLP:GREEN",topic="drill"}`:                   "2",
		`tocsin_objects_received_total{result="accepted",topic="drill",type="indicator"}`: "4",
		`tocsin_objects_received_total{result="held",topic="drill",type="indicator"}`:     "1",
		`tocsin_objects_received_total{result="duplicate",topic="drill",type="unopened"}`: "3",
		`tocsin_objects_received_total{result="refused",topic="drill",type="other"}`:      "1",
		`tocsin_objects_received_total{result="refused",topic="drill",type="unopened"}`:   "1",
		`tocsin_objects_refused_total{blame="sender",reason="sig.invalid"}`:               "1",
		`tocsin_objects_refused_total{blame="sender",reason="stix.rule"}`:                 "1",
		`tocsin_object_latency_seconds_count{topic="drill"}`:                              "2",
		`tocsin_store_records`:                   "3",
		`tocsin_trust_changes_total{kind="set"}`: "1",
	}
	if !maps.Equal(got, want) {
		t.Errorf("counted %v\nwant %v", got, want)
	}
}

// Changes to trust stand in the audit log before they are made: what failed is none.
func TestTrustChanges(t *testing.T) {
	l, err := audit.Open(filepath.Join(t.TempDir(), "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	changes := &trustChanges{log: l}
	for _, c := range []struct{ actions, want []string }{
		{nil, nil},
		{[]string{"trust.set", "peer.add", "trust.rollback", "trust.set", "trust.rollback.failed"}, []string{"set", "set"}},
		{[]string{"trust.rollback", "trust.rollback.failed"}, nil},
		{[]string{"trust.rollback", "trust.rollback", "trust.rollback.failed"}, []string{"rollback"}},
		{[]string{"trust.set.failed", "trust.import"}, []string{"import"}},
	} {
		for _, a := range c.actions {
			if _, err := l.Append(t.Context(), audit.Event{Action: a}); err != nil {
				t.Fatal(err)
			}
		}
		if got := changes.next(); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.actions, got, c.want)
		}
	}
}
