package admin

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/policy"
	"tocsin/protocol/reason"
)

// A condition is held against the state, or refused; no change leaves it out of account (ADM-30).
func TestEveryConditionCounts(t *testing.T) {
	d := allParts(t)
	h, described, conditional := NewHandler(d), routes(d).OpenAPI(), 0
	for path, item := range described.Paths {
		for method, op := range map[string]*huma.Operation{
			http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete, http.MethodPatch: item.Patch,
		} {
			if op == nil {
				continue
			}
			if takes(op, headerMatch) {
				conditional++
				continue
			}
			r := httptest.NewRequestWithContext(t.Context(), method, strings.NewReplacer("{", "", "}", "").Replace(path), unread{t})
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("If-Match", `"any"`)
			w := httptest.NewRecorder()
			asOwner(h).ServeHTTP(w, r)
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"code":"`+string(reason.UsageInvalid)+`"`) {
				t.Errorf("%s: %d %.200s", op.OperationID, w.Code, w.Body)
			}
		}
	}
	if conditional < 5 {
		t.Errorf("%d operations take a condition", conditional)
	}
}

// The operator's file is read again for the list that was seen, or not at all (ADM-30).
func TestReloadForAState(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "operator.toml")
	var err error
	b.deps.Policy, err = policy.OpenAudited(file, filepath.Join(t.TempDir(), "trust.toml"), b.deps.Audit)
	ok(t, err)
	h := NewHandler(b.deps)
	send := func(method, path, tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, api.Prefix+path, nil)
		r.Header.Set("If-Match", tag)
		return as(t, h, access.Operator, access.ViaToken, r)
	}
	before := send("GET", "/trust", "").Header().Get("ETag")
	ok(t, os.WriteFile(file, []byte("[[org]]\nid = \""+b.other.Org.String()+"\"\npetname = \"other\"\nlevel = \"observed\"\nexpires = "+time.Now().AddDate(0, 1, 0).Format(time.DateOnly)+"\nreason = \"met\"\n"), 0o600))
	head, _ := b.deps.Audit.Head()
	if w := send("POST", "/trust-file/reload", `"stale"`); w.Code != http.StatusPreconditionFailed {
		t.Errorf("for another list: %d %s", w.Code, w.Body)
	}
	if now, _ := b.deps.Audit.Head(); now != head || send("GET", "/trust", "").Header().Get("ETag") != before {
		t.Error("a refused reload changed something")
	}
	if w := send("POST", "/trust-file/reload", before); w.Code != http.StatusOK || w.Header().Get("ETag") == before {
		t.Errorf("for this list: %d %s", w.Code, w.Body)
	}
	if entries, err := b.deps.Audit.Last(1, audit.Filter{Action: "trust"}); err != nil || len(entries) != 1 || entries[0].Action != "trust.reload" {
		t.Errorf("audit log: %v, %v", entries, err)
	}
}
