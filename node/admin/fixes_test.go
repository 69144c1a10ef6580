package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/once"
	"tocsin/protocol/reason"
)

// problemAt is the problem that a request is answered with, and the whole answer.
func problemAt(t *testing.T, h http.Handler, who access.Principal, method, path string) (api.Problem, *http.Response) {
	t.Helper()
	r := httptest.NewRequestWithContext(access.With(t.Context(), who), method, path, http.NoBody)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code < 400 {
		t.Fatalf("%s %s: %d %s: %v", method, path, w.Code, w.Body, err)
	}
	return p, w.Result()
}

// A fix that is sent over HTTP helps whoever sends requests; what a command prints has the catalogue's, which speaks of commands. RSN-06
func TestFixForPrograms(t *testing.T) {
	b := newBench(t)
	h, owner := NewHandler(b.deps), access.Principal{Role: access.Owner}
	for path, c := range map[string]struct{ operation, fix string }{
		"/api/v1/search?limit=0":        {"search", "operationId search "},
		"/api/v1/search?org=nobody":     {"", "'tocsin trust list'"}, // a fix of the case itself stays
		"/api/v1/records/nonsense":      {"record", "operationId record "},
		"/api/v1/objects/indicator--8e": {"object", "operationId object "},
		"/status":                       {"", "Paths begin with /api/v1"},
		"/api/v1/objects/":              {"", "no slash at the end"},
		"/api/v1/nonsense":              {"", "/api/v1/openapi.yaml"},
	} {
		p, _ := problemAt(t, h, owner, http.MethodGet, path)
		if p.Operation != c.operation || !strings.Contains(p.Fix, c.fix) || strings.Contains(p.Fix, "COMMAND") {
			t.Errorf("%s: %+v", path, p)
		}
	}
	_, err := b.client.Search(t.Context(), api.SearchParams{Limit: 5000})
	usage, _ := reason.Lookup(reason.UsageInvalid)
	if p := api.ProblemOf(err); p == nil || p.Code != string(reason.UsageInvalid) || p.Fix != usage.Fix || p.Operation != "" {
		t.Errorf("for people: %+v", p)
	}
	if p, _ := problemAt(t, h, owner, http.MethodGet, "/api/v1/objects/indicator--8e"); !strings.Contains(p.Detail, "too short") {
		t.Errorf("%+v", p)
	}
}

// Whoever lacks a role is told a way that there is: no token can become an owner, and no account more than a viewer at read.sock (ADM-21, ADM-22).
func TestFixForTheRole(t *testing.T) {
	h := NewHandler(newBench(t).deps)
	token := audit.Actor{Via: access.ViaToken, User: "ops"}
	for name, c := range map[string]struct {
		who       access.Principal
		path, fix string
	}{
		"owner wanted":    {access.Principal{Role: access.Operator, Actor: token}, "/api/v1/erasures", "as the account that the node runs as or as root"},
		"operator wanted": {access.Principal{Role: access.Viewer, Actor: token}, "/api/v1/peers", "have an operator make a token"},
		"for reading":     {lowered(readSocketRequest(t), access.Principal{Role: access.Owner}), "/api/v1/peers", "Use the admin socket"},
		"viewer there":    {lowered(readSocketRequest(t), access.Principal{Role: access.Viewer}), "/api/v1/peers", "have an operator make a token"},
	} {
		if p, _ := problemAt(t, h, c.who, http.MethodPost, c.path); p.Code != string(reason.RoleDenied) || !strings.Contains(p.Fix, c.fix) {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// readSocketRequest is one that came in by the socket for reading.
func readSocketRequest(t *testing.T) *http.Request {
	r := newRequest(t, "")
	return r.WithContext(withPeer(r.Context(), peerConn{addr: peerAddr{most: access.Viewer}}))
}

// What time undoes says when to ask again: a share that is used up (ADM-29), a key whose first request runs (ADM-31), another's work.
func TestRetryAfter(t *testing.T) {
	running := reason.Wrap(reason.Conflict, `idempotency key "k"`, once.ErrRunning)
	for name, c := range map[string]struct {
		err       error
		wait, fix string
	}{
		"share":   {reason.New(reason.RequestRate, "follow events: 8 at a time already"), "10", "as long as Retry-After says"},
		"running": {running, "2", "with the same key"},
		"busy":    {busy("verify the audit log: a check is under way"), "2", "Send the same again"},
		"lost":    {reason.New(reason.Conflict, "its answer is lost"), "", "Look at what is there"},
	} {
		a := newSurface(newBench(t).deps)
		handle(a, huma.Operation{OperationID: "status", Method: http.MethodGet, Path: "/status", Responses: map[string]*huma.Response{}},
			func(context.Context, *nothing) (*body[string], error) { return nil, c.err })
		p, w := problemAt(t, a.patterns, access.Principal{Role: access.Owner}, http.MethodGet, "/api/v1/status")
		outside := httptest.NewRecorder()
		writeProblem(outside, problemOf("publish", c.err))
		if w.Header.Get("Retry-After") != c.wait || outside.Header().Get("Retry-After") != c.wait || !strings.Contains(p.Fix, c.fix) {
			t.Errorf("%s: %v, %v, %+v", name, w.Header, outside.Header(), p)
		}
	}
}

// A number that the change sequence has not come to is refused: whoever waited there would miss what comes until then. ADM-43
func TestChangesBehindTheEnd(t *testing.T) {
	b := newBench(t)
	last := b.deps.Store.Sequence()
	page, err := b.client.Changes(t.Context(), last, 10, api.EventFilter{})
	ok(t, err)
	if page.Next != fmt.Sprint(last) {
		t.Errorf("at the end: %+v", page)
	}
	_, err = b.client.Changes(t.Context(), last+1, 10, api.EventFilter{})
	if p := api.ProblemOf(err); p == nil || p.Code != string(reason.UsageInvalid) || !strings.Contains(p.Fix, fmt.Sprintf("after %d ", last)) {
		t.Errorf("behind it: %+v", p)
	}
	for at, want := range map[uint64]string{last + 1: "", last + 2: string(reason.UsageInvalid)} {
		_, err := (&searchResource{names{}, b.deps.Store, searchFor}).arrivals(t.Context(), &arrivalsIn{PageIn: PageIn{Cursor: arrivalCursor("objects", at, 0), Limit: 1}})
		if p := api.ProblemOf(err); (p == nil) != (want == "") || p != nil && p.Code != want {
			t.Errorf("objects from %d: %v", at, err)
		}
	}
}
