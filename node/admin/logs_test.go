package admin

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/logs"
	"tocsin/protocol/reason"
)

// withLogs is a bench whose node has a book of log levels.
func withLogs(t *testing.T) (*bench, *api.Client) {
	b := newBench(t)
	b.deps.Logs = logs.New("info")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.deps.Logs.Run(ctx) }()
	t.Cleanup(func() { stop(); ok(t, <-done) })
	return b, serve(t, b.deps)
}

// Levels are changed for a time, listed, given back, and written down with who and for how long.
func TestLogLevels(t *testing.T) {
	b, c := withLogs(t)
	set, err := c.SetLogLevel(t.Context(), api.LogLevelRequest{Subsystem: "tocsin/admin", Level: "debug", For: 600})
	ok(t, err)
	if len(set.Items) != 1 || set.Items[0].Before != "info" || time.Until(set.Items[0].Until) < 9*time.Minute {
		t.Errorf("set: %+v", set.Items)
	}
	list, err := c.LogLevels(t.Context())
	ok(t, err)
	changed := 0
	for _, l := range list.Items {
		if !l.Until.IsZero() {
			changed++
		}
	}
	if len(list.Items) < 10 || changed != 1 {
		t.Errorf("%d subsystems, %d changed", len(list.Items), changed)
	}
	list, err = c.ResetLogLevels(t.Context())
	ok(t, err)
	for _, l := range list.Items {
		if !l.Until.IsZero() {
			t.Errorf("after the reset: %+v", l)
		}
	}
	_, err = c.SetLogLevel(t.Context(), api.LogLevelRequest{Subsystem: "nonsense", Level: "debug", For: 1})
	refused(t, err, reason.NotFound)
	for _, r := range []api.LogLevelRequest{
		{Subsystem: "tocsin/admin", Level: "loud", For: 1}, {Subsystem: "tocsin/admin", Level: "debug"},
		{Subsystem: "tocsin/admin", Level: "debug", For: 86401}, {Subsystem: "", Level: "debug", For: 1},
	} {
		_, err := c.SetLogLevel(t.Context(), r)
		refused(t, err, reason.UsageInvalid)
	}
	entries, _, err := b.deps.Audit.Read(0, 100, audit.Filter{Action: "log-level"})
	ok(t, err)
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action+" "+e.Target+" "+e.Detail["level"]+" "+e.Detail["for"])
	}
	if got := strings.Join(actions, "|"); !strings.Contains(got, "log-level.set tocsin/admin debug 10m0s") || !strings.Contains(got, "log-level.reset") || !strings.Contains(got, "log-level.set.failed nonsense") {
		t.Errorf("audit log: %s", got)
	}
}

// What a bug report asks for: the log's lines, stacks with this very test in them, and a trace; one trace at a time.
func TestDiagnostics(t *testing.T) {
	_, c := withLogs(t)
	log.Errorw("a line for the report", "n", 7)
	deadline := time.Now().Add(5 * time.Second)
	for raw := []byte(nil); !bytes.Contains(raw, []byte("a line for the report")); {
		if time.Now().After(deadline) {
			t.Fatalf("the line is not in %s", raw)
		}
		var err error
		raw, err = c.RecentLog(t.Context())
		ok(t, err)
	}
	stacks, err := c.Goroutines(t.Context())
	ok(t, err)
	if !bytes.Contains(stacks, []byte("TestDiagnostics")) {
		t.Errorf("stacks: %.300s", stacks)
	}
	made := make(chan error, 2)
	for range 2 {
		go func() {
			raw, err := c.Trace(t.Context(), 1)
			if err == nil && !bytes.HasPrefix(raw, []byte("go 1.")) {
				t.Errorf("no trace: %.40q", raw)
			}
			made <- err
		}()
	}
	first, second := <-made, <-made
	if first == nil {
		first, second = second, first
	}
	refused(t, first, reason.Conflict)
	ok(t, second)
	_, err = c.Trace(t.Context(), 11)
	refused(t, err, reason.UsageInvalid)
}

// A node without a book has none of these resources.
func TestNoLogs(t *testing.T) {
	b := newBench(t)
	h := NewHandler(b.deps)
	for _, path := range []string{"/log-levels", "/diagnostics/log", "/diagnostics/goroutines", "/diagnostics/trace"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, api.Prefix+path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
