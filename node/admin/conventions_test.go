package admin

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/once"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// A change that is meant for another state than the one there is changes nothing (ADM-30).
func TestStates(t *testing.T) {
	b := newBench(t)
	h := NewHandler(b.deps)
	org := b.other.Org.String()
	send := func(via, method, path, tag, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, api.Prefix+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if tag != "" {
			r.Header.Set("If-Match", tag)
		}
		return as(t, h, access.Operator, via, r)
	}
	entry := `{"org":"` + org + `","petname":"Other","level":"%s","expires":"` + time.Now().AddDate(0, 1, 0).Format(time.DateOnly) + `","reason":"met"}`
	list := send("token", "GET", "/trust", "", "").Header().Get("ETag")
	if w := send("token", "POST", "/trust", `"stale"`, fmt.Sprintf(entry, "observed")); w.Code != 412 {
		t.Errorf("add for another list: %d %s", w.Code, w.Body)
	}
	if w := send("token", "POST", "/trust", list, fmt.Sprintf(entry, "observed")); w.Code != 200 {
		t.Fatalf("add: %d %s", w.Code, w.Body)
	}
	if now := send("token", "GET", "/trust-file", "", "").Header().Get("ETag"); now == list || now == "" {
		t.Errorf("the list's tag is still %s", now)
	}
	tag := send("token", "GET", "/trust/"+org, "", "").Header().Get("ETag")
	set := send("token", "PUT", "/trust/"+org, tag, fmt.Sprintf(entry, "partner"))
	if set.Code != 200 || set.Header().Get("ETag") == tag {
		t.Fatalf("set: %d %s, tag %s", set.Code, set.Body, tag)
	}
	head, _ := b.deps.Audit.Head()
	for _, stale := range []string{tag, "W/" + set.Header().Get("ETag"), `"x"`} {
		for method, body := range map[string]string{"PUT": fmt.Sprintf(entry, "blocked"), "DELETE": ""} {
			if w := send("token", method, "/trust/"+org, stale, body); w.Code != 412 || !strings.Contains(w.Body.String(), string(reason.StateChanged)) {
				t.Errorf("%s for %s: %d %s", method, stale, w.Code, w.Body)
			}
		}
	}
	if now, _ := b.deps.Audit.Head(); now != head {
		t.Error("a refused change is in the audit log")
	}
	offer := `{"name":"o.toml","toml":""}`
	if w := send("token", "POST", "/trust-file", "", offer); w.Code != 428 {
		t.Errorf("import without a state: %d %s", w.Code, w.Body)
	}
	if w := send("socket", "POST", "/trust-file", "", offer); w.Code == 428 || w.Code == 412 {
		t.Errorf("import at the socket: %d %s", w.Code, w.Body)
	}
	if w := send("token", "POST", "/trust-file", `"x", "y"`, offer); w.Code != 412 {
		t.Errorf("import for another state: %d %s", w.Code, w.Body)
	}
	if w := send("token", "DELETE", "/trust/"+org, `"x", `+set.Header().Get("ETag"), ""); w.Code != 200 {
		t.Errorf("remove: %d %s", w.Code, w.Body)
	}
}

// A publication with a key is done once, and answered the same to who repeats it, after a restart as well (ADM-31).
func TestRepeated(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	book, err := once.Open(dir)
	ok(t, err)
	b.deps.Once = book
	h := NewHandler(b.deps)
	send := func(key, accept, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", api.Prefix+"/objects?topic=fraud", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/octet-stream")
		r.Header.Set(headerKey, key)
		r.Header.Set("Accept", accept)
		return as(t, h, access.Analyst, "token", r)
	}
	for n, accept := range []string{"application/json", api.MediaNDJSON} {
		key := fmt.Sprintf("k%d", n)
		body := feedIn(indicator(n+1, fmt.Sprintf("bad%d.example", n)))
		first := send(key, accept, body)
		if first.Code != 200 || len(b.mesh.announced) != n+1 {
			t.Fatalf("first: %d %s, %d announced", first.Code, first.Body, len(b.mesh.announced))
		}
		head, _ := b.deps.Audit.Head()
		for range 2 {
			w := send(key, accept, body)
			if w.Code != 200 || w.Header().Get(headerReplayed) != "true" || !strings.HasSuffix(first.Body.String(), w.Body.String()) || w.Body.Len() == 0 {
				t.Errorf("repeated: %d %s, first %s", w.Code, w.Body, first.Body)
			}
			if book, err = once.Open(dir); err != nil {
				t.Fatal(err)
			}
			b.deps.Once = book
			h = NewHandler(b.deps)
		}
		if w := send(key, accept, body+" "); w.Code != 409 || !strings.Contains(w.Body.String(), string(reason.KeyReused)) {
			t.Errorf("another body: %d %s", w.Code, w.Body)
		}
		if now, _ := b.deps.Audit.Head(); now != head || len(b.mesh.announced) != n+1 {
			t.Error("a repeated request was done again")
		}
	}
	for range 2 { // refused before anything was done: not remembered
		if w := send("bad", "", "{"); w.Code < 400 || w.Header().Get(headerReplayed) != "" {
			t.Errorf("no STIX: %d %s", w.Code, w.Body)
		}
	}
	for _, key := range []string{"two words", strings.Repeat("x", once.MaxKey+1)} {
		if w := send(key, "", "{}"); w.Code != 400 {
			t.Errorf("key %.20q: %d %s", key, w.Code, w.Body)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(arrivalCursor("objects", 7, 3))
	f.Add(refCursor("quarantine", storage.Ref{Index: 2}))
	f.Fuzz(func(t *testing.T, text string) {
		if seq, index, going, err := readArrivalCursor("objects", text); err == nil && going {
			if again, at, _, err := readArrivalCursor("objects", arrivalCursor("objects", seq, index)); err != nil || again != seq || at != index {
				t.Fatalf("%q: %v", text, err)
			}
		}
		if ref, err := readRefCursor("quarantine", text); err == nil && text != "" {
			if again, err := readRefCursor("quarantine", refCursor("quarantine", ref)); err != nil || again != ref {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}
