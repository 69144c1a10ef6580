package admin

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// What the framework refuses is said in our words: names, values and bounds, and
// nothing of where in a request or in which schema they stand.
func TestValidationSpeaksPlainly(t *testing.T) {
	h := asOwner(NewHandler(walkable(t)))
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/search?state=odd", "", `state "odd": want one of accepted, held, not-evaluated, withdrawn, refused`},
		{"GET", "/search?limit=5000", "", `limit 5000: want at most 1000`},
		{"GET", "/search?limit=0", "", `limit 0: want at least 1`},
		{"GET", "/search?limit=many", "", `limit "many": want a whole number`},
		{"GET", "/search?limit=2&state=odd&q=" + strings.Repeat("x", 5000), "", `q: want a length of at most 4096`},
		{"GET", "/quarantine?limit=1001", "", `limit 1001: want at most 1000`},
		{"GET", "/events?after=x", "", `after "x": want a number`},
		{"POST", "/objects?topic=fraud&confidence=101", "{}", `confidence 101: want at most 100`},
		{"POST", "/objects", "{}", `topic: missing`},
		{"GET", "/explain", "", `subject: missing`},
		{"POST", "/peers", `{}`, `the request: it lacks addr`},
		{"POST", "/peers", `{"addr":3}`, `addr 3: want a text`},
		{"POST", "/peers", `{"addr":"x","more":1}`, `more: not known`},
		{"POST", "/check", `{"values":[]}`, `values of 0 items: want at least 1`},
		{"POST", "/check", `{"values":["x"` + strings.Repeat(`,"x"`, 10_000) + `]}`, `values of 10,001 items: want at most 10000`},
		{"POST", "/check", `{"values":null}`, `values: want a list`},
		{"POST", "/tokens", `{"name":"siem","role":"viewer","expires":"30d"}`, `expires "30d": want a time such as 2026-12-31T12:00:00Z`},
		{"GET", "/search?since=2026-11-22", "", `since "2026-11-22": want a time such as 2026-12-31T12:00:00Z`},
		{"POST", "/check", `{"values":`, ``},
		{"POST", "/opinions", `{"object":"","opinion":"agree","reason":"r","confidence":1}`, `object: want a length of at least 1`},
		{"POST", "/quarantine/decisions", `{"subject":"x","accept":"yes"}`, `accept "yes": want true or false`},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, api.Prefix+c.path, bytes.NewReader([]byte(c.body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		raw, err := io.ReadAll(w.Result().Body)
		ok(t, err)
		var p api.Problem
		ok(t, json.Unmarshal(raw, &p))
		if p.Code != string(reason.UsageInvalid) || w.Code >= http.StatusInternalServerError || !strings.Contains(p.Detail, c.want) {
			t.Errorf("%s %s %s: %s, want %q", c.method, c.path, c.body, raw, c.want)
		}
		for _, internal := range []string{"query.", "body.", "path.", ": expected ", "validation failed", "schema", "property"} {
			if strings.Contains(p.Detail, internal) {
				t.Errorf("%s %s: %q speaks of the framework", c.method, c.path, p.Detail)
			}
		}
	}
}
