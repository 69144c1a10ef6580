package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

//go:generate go test . -run TestDescription -update

// everything registers all resources that a node can have.
func everything(t *testing.T) *surface {
	t.Helper()
	d := allParts(t)
	d.Configured = func() []api.Setting { return nil }
	return routes(d)
}

// ADM-33: the committed descriptions are those of the code.
func TestDescription(t *testing.T) {
	words, err := json.MarshalIndent(wordsOf(t), "", "")
	ok(t, err)
	if *update {
		ok(t, os.WriteFile("words.json", words, 0o644))
		wordsFile = string(words) // which was read when the test was built
	}
	if string(words) != wordsFile {
		t.Fatal("words.json is not what the comments in package api say: go generate ./node/admin")
	}
	s := everything(t)
	for name, describe := range map[string]func() ([]byte, error){"openapi.yaml": s.describe, "openapi-3.0.yaml": s.describe30} {
		made, err := describe()
		ok(t, err)
		if again, _ := describe(); !bytes.Equal(made, again) {
			t.Errorf("%s is another one each time", name)
		}
		if *update {
			ok(t, os.WriteFile(name, made, 0o644))
		}
		committed, err := os.ReadFile(name)
		ok(t, err)
		if !bytes.Equal(made, committed) {
			t.Errorf("%s is not what the code says: go generate ./node/admin", name)
		}
	}
}

var update = flag.Bool("update", false, "write the descriptions anew")

// ADM-33: what answers is described, and what is described answers; each operation says its role and its problems.
func TestDescribed(t *testing.T) {
	s := everything(t)
	described := map[string]bool{}
	for path, item := range s.OpenAPI().Paths {
		for _, op := range []struct {
			method string
			is     bool
		}{{"GET", item.Get != nil}, {"POST", item.Post != nil}, {"PUT", item.Put != nil}, {"DELETE", item.Delete != nil}} {
			if op.is {
				described[op.method+" "+path] = true
			}
		}
	}
	for _, pattern := range s.patterns.all {
		if pattern != "/" && !described[pattern] {
			t.Errorf("%s answers and is not described", pattern)
		}
		delete(described, pattern)
	}
	for left := range described {
		t.Errorf("%s is described and does not answer", left)
	}
	for _, item := range s.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if op == nil {
				continue
			}
			codes, _ := op.Extensions["x-problems"].([]string)
			role, _ := op.Extensions["x-role"].(string)
			if len(codes) == 0 || role == "" || op.Summary == "" || op.Responses["default"] == nil {
				t.Errorf("%s: role %q, problems %v, summary %q", op.OperationID, role, codes, op.Summary)
			}
			for _, code := range codes {
				entry, known := reason.Lookup(reason.Code(code))
				status := strconv.Itoa(api.NewProblem(reason.Code(code), "").Status)
				if r := op.Responses[status]; !known || entry.Fix == "" || r == nil || !strings.Contains(r.Description, code) {
					t.Errorf("%s: %s is not described under %s", op.OperationID, code, status)
				}
			}
		}
	}
}

// as makes a request in somebody's role, past the gate.
func as(t *testing.T, h http.Handler, role access.Role, via string, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	who := access.Principal{Role: role, Actor: audit.Actor{UID: 1000, User: "maria", Via: via}}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(access.With(context.WithoutCancel(r.Context()), who)))
	return w
}

// Every list is cut at its limit, and the Link leads through all of it, once. A cursor is of one list. ADM-32
func TestPages(t *testing.T) {
	b := newBench(t)
	for n := range 3 {
		b.receive(b.other.record(t, "fraud", indicator(10*n, "a.example"), indicator(10*n+1, "b.example")))
	}
	b.mesh.peers = []PeerInfo{{ID: peerB}, {ID: peerA}}
	h := NewHandler(b.deps)
	foreign := writeCursor("somewhere", "x")
	for path, want := range map[string]int{"/objects": 6, "/search?q=": 6, "/quarantine": 6, "/topics": len(protocol.DefaultTopics()), "/peers": 2, "/mesh": 2} {
		var seen []string
		link := api.Prefix + path
		for range 50 {
			u, err := url.Parse(link)
			ok(t, err)
			q := u.Query()
			q.Set("limit", "1")
			u.RawQuery = q.Encode()
			w := as(t, h, access.Viewer, "token", httptest.NewRequest("GET", u.String(), nil))
			var page struct {
				Items []json.RawMessage
				Next  string
			}
			ok(t, json.Unmarshal(w.Body.Bytes(), &page))
			if w.Code != 200 || len(page.Items) > 1 {
				t.Fatalf("%s: %d, %s", link, w.Code, w.Body)
			}
			for _, item := range page.Items {
				seen = append(seen, string(item))
			}
			l := w.Header().Get("Link")
			if (l == "") != (page.Next == "") {
				t.Fatalf("%s: Link %q, next %q", link, l, page.Next)
			}
			if l == "" {
				break
			}
			link = strings.TrimSuffix(strings.TrimPrefix(l, "<"), `>; rel="next"`)
		}
		slices.Sort(seen)
		if len(seen) != want || len(slices.Compact(seen)) != want {
			t.Errorf("%s: %d items, want %d", path, len(seen), want)
		}
		for query, status := range map[string]int{"limit=1000": 200, "limit=1001": 422, "limit=0": 422, "cursor=" + foreign: 400, "cursor=%2a": 400} {
			w := as(t, h, access.Viewer, "token", httptest.NewRequest("GET", api.Prefix+strings.TrimSuffix(path, "?q=")+"?"+query, nil))
			if w.Code != status {
				t.Errorf("%s?%s: %d, want %d: %s", path, query, w.Code, status, w.Body)
			}
		}
	}
}
