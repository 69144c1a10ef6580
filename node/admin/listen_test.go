package admin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// A socket that a killed process left is taken over; a live one is refused, and so
// is a file that is no socket: it stays as it is.
func TestListenOnWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	ok(t, err)
	dead.SetUnlinkOnClose(false) // as after kill -9
	ok(t, dead.Close())
	l, err := listen(path)
	ok(t, err)

	_, err = listen(path)
	refused(t, err, reason.NodeRunning)
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the live socket is gone: %v", err)
	} else {
		ok(t, c.Close())
	}
	ok(t, l.Close())
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket stays after Close")
	}

	ok(t, os.WriteFile(path, []byte("mine"), 0o600))
	_, err = listen(path)
	refused(t, err, reason.Conflict)
	if raw, _ := os.ReadFile(path); string(raw) != "mine" {
		t.Error("the file in the way was changed")
	}
}

// The group may use the socket whatever the umask of the service is.
func TestSocketMode(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "s")
	l, err := listen(path)
	ok(t, err)
	defer l.Close()
	info, err := os.Lstat(path)
	ok(t, err)
	if got := info.Mode().Perm(); got != 0o660 {
		t.Errorf("mode %o, want 660", got)
	}
}

func TestSocketPathLimit(t *testing.T) {
	for length, fits := range map[int]bool{107: true, 108: false} {
		path := "/" + strings.Repeat("x", length-1)
		err := api.CheckSocketPath(path)
		if fits != (err == nil) {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
	_, err := listen("/tmp/" + strings.Repeat("x", 200))
	refused(t, err, reason.SocketPath)
}

// While the node starts, only the status answers.
func TestStarting(t *testing.T) {
	b := newBench(t)
	d := b.deps
	d.Running = func() bool { return false }
	c := serve(t, d)
	s, err := c.Status(t.Context())
	ok(t, err)
	if s.State != api.StateStarting || s.Org != d.Self.Org.String() {
		t.Errorf("status %+v", s)
	}
	_, err = c.Peers(t.Context())
	refused(t, err, reason.NodeStarting)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if p := api.ProblemOf(c.Ready(ctx)); p.Code != string(reason.NodeStarting) && p.Code != string(reason.TimedOut) {
		t.Errorf("Ready: %+v", p)
	}
}

// TestDegraded: a node without its store answers at once, what needs no store with content and the rest with store.full.
func TestDegraded(t *testing.T) {
	b := newBench(t)
	d := b.deps
	d.Space = func() *api.Space { return &api.Space{Level: "stop", Degraded: "no room"} }
	c := serve(t, d)
	ok(t, c.Ready(t.Context()))
	_, err := c.Peers(t.Context())
	ok(t, err)
	h := asOwner(NewHandler(d))
	s := &Server{running: d.Running, space: d.roomLeft}
	for request, full := range map[string]bool{
		"GET status": false, "GET peers": false, "POST peers": false, "DELETE peers/x": false, "GET topics": false, "GET trust": false, "GET audit": false,
		"POST trust": true, "GET sync": true, "POST sync/now": true, "POST check": true, "GET search": true, "POST publish": true, "GET quarantine": true,
	} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		s.guard(h).ServeHTTP(w, httptest.NewRequest(method, api.Prefix+"/"+path, nil))
		if got := strings.Contains(w.Body.String(), string(reason.StoreFull)); got != full {
			t.Errorf("%s: %d %s", request, w.Code, w.Body)
		}
	}
}

// A fault in a handler is an answer, and the port goes on.
func TestPanicIsAnAnswer(t *testing.T) {
	b := newBench(t)
	d := b.deps
	d.Mesh.Peers = func() []PeerInfo { panic("no such peer table") }
	c := serve(t, d)
	_, err := c.Peers(t.Context())
	refused(t, err, reason.Internal)
	if strings.Contains(err.Error(), "peer table") {
		t.Errorf("the client sees what the fault says: %v", err)
	}
	_, err = c.Topics(t.Context())
	ok(t, err)
}

// What is no resource, no JSON, too long or out of range is a problem object.
func TestFrameworkErrorsAreProblems(t *testing.T) {
	b := newBench(t)
	h := asOwner(NewHandler(b.deps))
	for _, c := range []struct {
		method, path, body string
		status             int
		code               reason.Code
	}{
		{"GET", "/", "", 404, reason.NotFound},
		{"GET", "/api/v1/nothing", "", 404, reason.NotFound},
		{"GET", "/api/v2/status", "", 404, reason.NotFound},
		{"POST", "/api/v1/check", "{", 400, reason.UsageInvalid},
		{"POST", "/api/v1/check", `{"values":"x"}`, 422, reason.UsageInvalid},
		{"POST", "/api/v1/check", `{"values":[]}`, 422, reason.UsageInvalid},
		{"POST", "/api/v1/check", `{"values":["a"],"more":1}`, 422, reason.UsageInvalid},
		{"POST", "/api/v1/peers", `{"addr":"` + strings.Repeat("x", 2<<20) + `"}`, 413, reason.InputSize},
		{"GET", "/api/v1/changes?limit=1001", "", 422, reason.UsageInvalid},
		{"GET", "/api/v1/changes?after=-1", "", 422, reason.UsageInvalid},
		{"GET", "/api/v1/search?state=odd", "", 422, reason.UsageInvalid},
		{"GET", "/api/v1/quarantine?cursor=odd", "", 400, reason.UsageInvalid},
		{"POST", "/api/v1/objects", "{}", 422, reason.UsageInvalid}, // no topic
		{"POST", "/api/v1/objects?topic=No+Topic", "{}", 400, reason.UsageInvalid},
		{"POST", "/api/v1/objects?topic=fraud&tlp=pink", "{}", 400, reason.UsageInvalid},
		{"POST", "/api/v1/objects?topic=fraud&confidence=101", "{}", 422, reason.UsageInvalid},
		{"POST", "/api/v1/objects?topic=fraud&hold=2h", "{}", 400, reason.UsageInvalid},
		{"POST", "/api/v1/objects?topic=fraud&valid_for=-1h", "{}", 400, reason.UsageInvalid},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(w.Body.String(), `"code":"`+string(c.code)+`"`) {
			t.Errorf("%s %s: %d %s %.300s", c.method, c.path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
}

// No page of documentation that loads anything from elsewhere, no schema links.
func TestNothingFromElsewhere(t *testing.T) {
	b := newBench(t)
	h := asOwner(NewHandler(b.deps))
	for path, want := range map[string]int{
		"/docs": http.StatusNotFound, "/schemas/Status.json": http.StatusNotFound, "/api/v1/openapi.yaml": http.StatusOK, "/api/v1/status": http.StatusOK,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		r.Host = "evil.example"
		h.ServeHTTP(w, r)
		if w.Code != want || strings.Contains(w.Body.String(), "$schema") || strings.Contains(w.Body.String(), "evil.example") {
			t.Errorf("%s: %d %.200s", path, w.Code, w.Body)
		}
	}
}

// Run leaves when it is told to, followers and all.
func TestRunLeavesWithFollowers(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	s, err := New(filepath.Join(dir, "s"), b.deps)
	ok(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	c := api.NewClient(filepath.Join(dir, "s"))
	defer c.Close()
	following := make(chan error, 1)
	after, first := uint64(0), make(chan api.Event, 16)
	b.publish(indicator(1, "evil.example"))
	go func() { following <- c.Events(t.Context(), &after, func(e api.Event) error { first <- e; return nil }) }()
	<-first
	cancel()
	for _, c := range []chan error{done, following} {
		select {
		case <-c:
		case <-time.After(4 * time.Second):
			t.Fatal("still there after 4 s")
		}
	}
	ok(t, s.Close())
	ok(t, s.Close())
}
