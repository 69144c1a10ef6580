package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// refusedWith sends a request as the owner and gives what its problem says, "" for none.
func refusedWith(t *testing.T, h http.Handler, status int, method, path string, header http.Header) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{}"))
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	w := as(t, h, access.Owner, "socket", r)
	var p api.Problem
	if w.Code != status || json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Code != string(reason.UsageInvalid) {
		t.Errorf("%s %s: %d %.200s", method, path, w.Code, w.Body)
	}
	return p.Detail
}

// ADM-35: no operation looks past a parameter that it does not have, or past a second value of one.
func TestStrayParameters(t *testing.T) {
	s := everything(t)
	asked := 0
	for path, item := range s.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "DELETE": item.Delete} {
			if op == nil {
				continue
			}
			at := strings.NewReplacer("{", "", "}", "").Replace(path)
			asked++
			if said := refusedWith(t, s.patterns, 422, method, at+"?no-such=1", http.Header{}); !strings.Contains(said, "no-such: not known") {
				t.Errorf("%s: %q", op.OperationID, said)
			}
			for _, p := range op.Parameters {
				if p.In != "query" || p.Explode != nil && *p.Explode {
					continue
				}
				if said := refusedWith(t, s.patterns, 422, method, at+"?"+p.Name+"=1&"+p.Name+"=2", http.Header{}); !strings.Contains(said, p.Name+": it stands there more than once") {
					t.Errorf("%s: %q", op.OperationID, said)
				}
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d operations were asked", asked)
	}
	h := NewHandler(walkable(t))
	for query, want := range map[string]string{
		"/changes?min-score=99":            "min-score: not known; did you mean min_score?",
		"/objects?limt=5":                  "limt: not known; did you mean limit?",
		"/objects?Limit=5":                 "Limit: not known; did you mean limit?",
		"/objects?zzz=5":                   "zzz: not known; it takes ",
		"/objects?limit=":                  "limit: it is empty; leave it out, or give it a value",
		"/audit?newest":                    "newest: it is empty; leave it out, or give it a value",
		"/status?verbose":                  "verbose: not known; it takes no parameters",
		"/events?kinds=object&kinds=audit": "kinds: it stands there more than once; separate its values by commas",
		"/objects?" + url.QueryEscape(strings.Repeat("x", 9000)) + "=1": strings.Repeat("x", maxEcho) + ": not known",
	} {
		if said := refusedWith(t, h, 422, "GET", api.Prefix+query, http.Header{}); !strings.HasPrefix(said, want) || len(said) > 1000 {
			t.Errorf("%.60s: %.200q, want %q", query, said, want)
		}
	}
	for _, query := range []string{"/objects?limit=1&type=indicator", "/doctor?check=no-such&check=other", "/changes?tlp=TLP:GREEN", "/changes?tlp=Amber%2Bstrict"} {
		if w := as(t, h, access.Owner, "socket", httptest.NewRequestWithContext(t.Context(), "GET", api.Prefix+query, nil)); w.Code == 422 || strings.Contains(w.Body.String(), string(reason.UsageInvalid)) && !strings.Contains(query, "doctor") {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	refusedWith(t, h, 400, "GET", api.Prefix+"/changes?tlp=purple", http.Header{})
}

// An If-Match that no answer can have given is a mistake, not another state (ADM-35).
func TestStrayCondition(t *testing.T) {
	b := newBench(t)
	h := NewHandler(b.deps)
	path := api.Prefix + "/trust/" + b.other.Org.String()
	for _, tag := range []string{"garbage", `"x", y`, `W/x`, `"`} {
		if said := refusedWith(t, h, 400, "DELETE", path, http.Header{"If-Match": {tag}}); !strings.Contains(said, "stands in quotes") {
			t.Errorf("%s: %q", tag, said)
		}
	}
	if p := strayCondition([]string{`"x", W/"y",`, "*", ""}); p != nil {
		t.Errorf("well formed: %s", p.Detail)
	}
}
