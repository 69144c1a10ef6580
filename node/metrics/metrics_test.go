package metrics

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// full has something behind every name.
func full(t *testing.T, now time.Time) *Metrics {
	t.Helper()
	m := New(Build{Version: "1.2.3", Revision: "abc", Go: "go1.26", Started: now.Add(-time.Hour)})
	kinds := []string{"set", "invented"}
	err := m.registry.Register(newWatcher(Sources{
		Sync: func() (Sync, bool) {
			return Sync{Objects: 7, Gaps: 2, CaughtUp: now.Add(-90 * time.Second), Repaired: 5, Equal: 1, Asked: 3}, true
		},
		Store:        func() (Store, bool) { return Store{Bytes: 4096, Records: 3, Live: 20, Held: 4}, true },
		Disk:         func() (Disk, bool) { return Disk{Free: 100, Floor: 10}, true },
		Review:       func() Review { return Review{Waiting: 2, Oldest: now.Add(-time.Minute)} },
		Backup:       func() Backup { return Backup{Wanted: true, Made: now.Add(-time.Second)} },
		Keys:         func() map[string]time.Time { return map[string]time.Time{"record": now.Add(time.Hour)} },
		TrustChanges: func() []string { out := kinds; kinds = nil; return out },
		Policy:       func() int { return 9 },
		Waiting:      func() int { return 8 },
		Breakers:     func() int { return 1 },
	}, func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	m.Requested("GET /api/v1/status", 200)
	m.Requested("", 421)
	m.Vacuumed(2 * time.Second)
	return m
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// TestLint holds every name of ours against the rules of Prometheus, with values in all of them.
func TestLint(t *testing.T) {
	m := full(t, time.Now())
	m.Received(entry(t), false, nil)
	m.Received(entry(t), true, nil)
	m.Refused("drill", reason.New(reason.SigInvalid, "x"), false)
	problems, err := testutil.GatherAndLint(m.Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n, err := testutil.GatherAndCount(m.Gatherer(), "tocsin_objects_received_total"); err != nil || n == 0 {
		t.Errorf("%d received, %v", n, err)
	}
}

func TestValues(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	text := scrape(t, full(t, now))
	for _, line := range []string{
		`tocsin_build_info{goversion="go1.26",revision="abc",version="1.2.3"} 1`,
		"tocsin_start_time_seconds 1.7999964e+09",
		"tocsin_sync_lag_objects 7", "tocsin_sync_lag_seconds 90", "tocsin_sync_gaps_open 2", "tocsin_sync_repaired_total 5",
		"tocsin_sync_equal_peers 1", "tocsin_sync_asked_peers 3",
		"tocsin_store_bytes 4096", "tocsin_store_records 3", "tocsin_store_live_objects 20", "tocsin_store_held_objects 4",
		"tocsin_disk_free_bytes 100", "tocsin_disk_floor_bytes 10", "tocsin_disk_left_seconds +Inf",
		"tocsin_review_queue_length 2", "tocsin_review_oldest_seconds 60",
		"tocsin_backup_last_made_timestamp_seconds 1.799999999e+09", "tocsin_backup_last_verified_timestamp_seconds 0",
		`tocsin_key_expiry_timestamp_seconds{key="record"} 1.8000036e+09`,
		`tocsin_trust_changes_total{kind="set"} 1`, `tocsin_trust_changes_total{kind="other"} 1`, `tocsin_trust_changes_total{kind="import"} 0`,
		"tocsin_policy_version 9", "tocsin_records_waiting 8", "tocsin_breakers_open 1",
		`tocsin_admin_requests_total{code="200",route="GET /api/v1/status"} 1`, `tocsin_admin_requests_total{code="421",route="none"} 1`,
		"tocsin_admin_sse_clients 0", "tocsin_store_gc_seconds_count 1",
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

// TestAbsent wants nothing said of what nobody knows: a zero would read as a value.
func TestAbsent(t *testing.T) {
	m := New(Build{Started: time.Now()})
	if err := m.Watch(Sources{
		Sync:   func() (Sync, bool) { return Sync{}, true },
		Store:  func() (Store, bool) { return Store{}, false },
		Disk:   func() (Disk, bool) { return Disk{}, false },
		Backup: func() Backup { return Backup{} },
		Keys:   func() map[string]time.Time { return nil },
	}); err != nil {
		t.Fatal(err)
	}
	text := scrape(t, m)
	for _, name := range []string{"tocsin_sync_lag_seconds", "tocsin_disk_", "tocsin_backup_", "tocsin_key_", "tocsin_store_bytes", "tocsin_review_", "tocsin_policy_"} {
		if strings.Contains(text, "\n"+name) {
			t.Errorf("%s is there", name)
		}
	}
	if !strings.Contains(text, "\ntocsin_sync_lag_objects 0\n") {
		t.Error("what is known is missing")
	}
}

// entry is a record of three objects: accepted, held by itself, refused.
func entry(t *testing.T) storage.Entry {
	t.Helper()
	a, err := protocoltest.Found("test", "Northland", time.Now().Add(-time.Second), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Record(protocol.Draft{Topic: protocol.TopicDrill, Kind: protocol.KindObjects, TLP: stix.Green, Objects: [][]byte{[]byte(`{"a":1}`), []byte(`{"b":1}`), []byte(`{"c":1}`)}})
	if err != nil {
		t.Fatal(err)
	}
	return storage.Entry{Record: r, State: storage.Accepted, From: "peer", Leaves: []storage.Leaf{
		{Type: "indicator", State: storage.Accepted},
		{Type: "x-invented-7", State: storage.Held, Reason: reason.TrustUnknown},
		{Type: "indicator", State: storage.Refused, Reason: reason.STIXRule},
	}}
}

func TestReceived(t *testing.T) {
	e := entry(t)
	held := e
	held.State = storage.Held
	tests := map[string]struct {
		e      storage.Entry
		own    bool
		err    error
		want   []string
		absent []string
	}{
		"accepted": {e: e, want: []string{
			`tocsin_objects_received_total{result="accepted",topic="drill",type="indicator"} 1`,
			`tocsin_objects_received_total{result="held",topic="drill",type="other"} 1`,
			`tocsin_objects_received_total{result="refused",topic="drill",type="indicator"} 1`,
			`tocsin_objects_refused_total{blame="sender",reason="stix.rule"} 1`,
			`tocsin_object_latency_seconds_count{topic="drill"} 1`,
		}, absent: []string{"tocsin_objects_published_total{", "x-invented"}},
		"held as a whole": {e: held, want: []string{
			`tocsin_objects_received_total{result="held",topic="drill",type="indicator"} 1`,
		}, absent: []string{`result="accepted"`, "tocsin_object_latency_seconds_count"}},
		"own": {e: e, own: true, want: []string{
			`tocsin_objects_published_total{tlp="TLP:GREEN",topic="drill"} 3`,
		}, absent: []string{"tocsin_objects_received_total{"}},
		"own, not stored": {e: e, own: true, err: errors.New("x"), absent: []string{"tocsin_objects_published_total{", "tocsin_objects_received_total{"}},
		"held already": {e: storage.Entry{Record: e.Record}, err: reason.New(reason.DupHeld, "x"), want: []string{
			`tocsin_objects_received_total{result="duplicate",topic="drill",type="unopened"} 3`,
		}, absent: []string{`tocsin_objects_refused_total{blame="sender"`, `tocsin_objects_refused_total{blame="nobody"`}},
		"blocked": {e: storage.Entry{Record: e.Record}, err: reason.New(reason.OrgBlocked, "x"), want: []string{
			`tocsin_objects_received_total{result="refused",topic="drill",type="unopened"} 3`,
			`reason="org.blocked"} 3`,
		}},
		"no code": {e: storage.Entry{Record: e.Record}, err: errors.New("the disk is on fire"), want: []string{
			`tocsin_objects_refused_total{blame="us",reason="internal"} 3`,
		}, absent: []string{"fire"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := New(Build{Started: time.Now()})
			m.Received(tt.e, tt.own, tt.err)
			text := scrape(t, m)
			for _, w := range tt.want {
				if !strings.Contains(text, w) {
					t.Errorf("no %q", w)
				}
			}
			for _, a := range tt.absent {
				if strings.Contains(text, a) {
					t.Errorf("%q is there", a)
				}
			}
		})
	}
}

// A fault of this node's own is a step up from a 0 that was there before: the alert OwnFaults goes by the increase.
func TestOwnFaultsFromTheStart(t *testing.T) {
	m := New(Build{Started: time.Now()})
	own := func(n int) string {
		return fmt.Sprintf(`tocsin_objects_refused_total{blame="us",reason="store.full"} %d`, n)
	}
	before := scrape(t, m)
	m.Refused("drill", reason.New(reason.StoreFull, "x"), true)
	if after := scrape(t, m); !strings.Contains(before, own(0)) || !strings.Contains(after, own(1)) {
		t.Errorf("no %q and then %q", own(0), own(1))
	}
	if strings.Contains(before, `blame="sender"`) {
		t.Error("faults of senders that nobody made")
	}
}

// Whoever leaves in the middle of a scrape does not fill the log; what cannot be collected is one line with its cause.
func TestComplaints(t *testing.T) {
	for name, c := range map[string]struct {
		w     http.ResponseWriter
		fault error
		warns int
	}{
		"whole":   {httptest.NewRecorder(), nil, 0},
		"left":    {gone{httptest.NewRecorder()}, nil, 0},
		"missing": {httptest.NewRecorder(), errors.New("no such disk"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			var said, whispered []string
			note := func(into *[]string) func(string, ...any) {
				return func(msg string, more ...any) { *into = append(*into, fmt.Sprint(msg, more)) }
			}
			r := prometheus.NewRegistry()
			r.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "a"}), prometheus.NewGauge(prometheus.GaugeOpts{Name: "b"}), broken{c.fault})
			o := options(complaints{note(&said), note(&whispered)})
			o.Timeout = 0 // it would go on in the background
			promhttp.HandlerFor(r, o).ServeHTTP(c.w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if len(said) != c.warns || c.fault != nil && !strings.Contains(said[0], c.fault.Error()) {
				t.Errorf("log %q", said)
			}
			if (name == "left") != (len(whispered) > 0) {
				t.Errorf("debug log %q", whispered)
			}
		})
	}
}

// broken is a collector that cannot.
type broken struct{ fault error }

func (broken) Describe(ch chan<- *prometheus.Desc) { ch <- prometheus.NewDesc("c", "x", nil, nil) }

func (b broken) Collect(ch chan<- prometheus.Metric) {
	if b.fault != nil {
		ch <- prometheus.NewInvalidMetric(prometheus.NewDesc("c", "x", nil, nil), b.fault)
	}
}

// gone is a client that left.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestRefused(t *testing.T) {
	m := New(Build{Started: time.Now()})
	m.Refused("drill", reason.New(reason.SigInvalid, "x"), false)
	m.Refused("drill", fmt.Errorf("wrapped: %w", reason.New(reason.RateForwarder, "x")), true)
	m.Refused("drill", reason.New("invented.code", "x"), true)
	text := scrape(t, m)
	for _, w := range []string{
		`tocsin_objects_received_total{result="refused",topic="drill",type="unopened"} 1`,
		`tocsin_objects_received_total{result="ignored",topic="drill",type="unopened"} 2`,
		`reason="sig.invalid"} 1`, `reason="rate.forwarder"} 1`, `reason="internal"} 1`,
	} {
		if !strings.Contains(text, w) {
			t.Errorf("no %q", w)
		}
	}
	if strings.Contains(text, "invented") {
		t.Error("a label that is in no catalogue")
	}
}

// TestBounded has a sender name one topic too many: others than those known are one.
func TestBounded(t *testing.T) {
	b := newBounded(3)
	for _, v := range []string{"a", "b", "a", "c"} {
		if got := b.name(v); got != v {
			t.Errorf("%s became %s", v, got)
		}
	}
	for _, v := range []string{"d", "e"} {
		if got := b.name(v); got != other {
			t.Errorf("%s became %s", v, got)
		}
	}
	if got := b.name("c"); got != "c" {
		t.Errorf("a known value became %s", got)
	}
	m := New(Build{Started: time.Now()})
	for i := range maxTopics + 50 {
		m.Refused(fmt.Sprintf("t%d", i), reason.New(reason.SigInvalid, "x"), false)
	}
	if n, err := testutil.GatherAndCount(m.Gatherer(), "tocsin_objects_received_total"); err != nil || n != maxTopics+1 {
		t.Errorf("%d series, %v; want %d", n, err, maxTopics+1)
	}
}

// TestTypes wants each of the standard's types named once.
func TestTypes(t *testing.T) {
	types := stixTypes()
	slices.Sort(types)
	if got := len(slices.Compact(slices.Clone(types))); got != len(types) || got < 40 {
		t.Errorf("%d types, %d of them different", len(types), got)
	}
}

func TestTrend(t *testing.T) {
	begin := time.UnixMilli(1_800_000_000_000)
	type look struct {
		after time.Duration
		free  int64
		want  float64
	}
	inf := math.Inf(1)
	for name, looks := range map[string][]look{
		"too early to say":        {{0, 1000, inf}, {trendLeast - 1, 900, inf}},
		"an hour":                 {{0, 1000, inf}, {trendLeast, 900, 8 * 3600}},
		"nothing goes":            {{0, 1000, inf}, {5 * time.Hour, 1000, inf}},
		"it grows":                {{0, 1000, inf}, {5 * time.Hour, 2000, inf}},
		"at the floor":            {{0, 100, 0}},
		"below it":                {{0, 50, 0}},
		"what was a day ago":      {{0, 100_000, inf}, {2 * time.Hour, 1000, 2 * 3600 * 900 / 99_000.0}, {25 * time.Hour, 1000, inf}},
		"looked at again at once": {{0, 1000, inf}, {1, 1000, inf}, {trendLeast, 900, 8 * 3600}},
	} {
		t.Run(name, func(t *testing.T) {
			var tr trend
			for _, l := range looks {
				if got := tr.left(begin.Add(l.after), l.free, 100); got != l.want {
					t.Errorf("after %s: %v left, want %v", l.after, got, l.want)
				}
			}
		})
	}
	var tr trend
	for i := range 10_000 {
		tr.left(begin.Add(time.Duration(i)*time.Minute), 1000, 1)
	}
	if n := len(tr.samples); n > int(trendSpan/trendStep)+1 {
		t.Errorf("%d samples", n)
	}
}
