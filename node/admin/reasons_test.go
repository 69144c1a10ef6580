package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/doctor"
	"tocsin/node/invite"
	"tocsin/node/review"
	"tocsin/node/standing"
	"tocsin/protocol/reason"
)

// RSN-04: the catalogue is there in every language, page by page.
func TestReasons(t *testing.T) {
	b := newBench(t)
	for _, l := range reason.Langs() {
		list, err := b.client.Reasons(t.Context(), string(l))
		ok(t, err)
		if len(list.Items) != len(reason.All()) {
			t.Errorf("%s: %d codes, want %d", l, len(list.Items), len(reason.All()))
		}
		for _, r := range list.Items {
			if want, _ := reason.In(l, reason.Code(r.Code)); r.Text != want.Text || r.Fix != want.Fix || r.Lang != string(l) || r.Blame != string(want.Blame) {
				t.Errorf("%s: %+v, want %+v", l, r, want)
			}
		}
	}
	r, err := b.client.Reason(t.Context(), "login.required", "fr-CA")
	ok(t, err)
	if r.Status != http.StatusUnauthorized || r.Lang != "fr" {
		t.Errorf("one reason: %+v", r)
	}
	_, err = b.client.Reason(t.Context(), "no.such", "en")
	refused(t, err, reason.NotFound)
	_, err = b.client.Reasons(t.Context(), "de")
	refused(t, err, reason.UsageInvalid)
}

// RSN-06: whatever is wrong with a request, each operation answers with a problem of the catalogue.
func TestEveryErrorIsAProblem(t *testing.T) {
	s := everything(t)
	h := NewHandler(walkable(t))
	refusals := 0
	for path, item := range s.OpenAPI().Paths {
		for method, there := range map[string]bool{"GET": item.Get != nil, "POST": item.Post != nil, "PUT": item.Put != nil, "DELETE": item.Delete != nil, "PATCH": true} {
			if !there {
				continue
			}
			for _, broken := range []struct{ query, media, body string }{
				{"?limit=many&cursor=%00&after=x&newest=x&state=odd&lang=xx&check=no", "application/json", `{`},
				{"?cursor=bm9uZQ", "application/json", `{"no_such_field":1}`},
				{"?limit=0", "application/json", `[]`},
				{"", "text/html", "<p>"},
				{"", "application/json", strings.Repeat(`{"a":`, 2000)},
			} {
				at := strings.NewReplacer("{", "no-such-", "}", "").Replace(path) + broken.query
				refusals += oneProblem(t, h, method, at, broken.media, broken.body)
			}
		}
	}
	if refusals < 300 {
		t.Errorf("only %d requests were refused", refusals)
	}
}

// walkable is a node whose every resource can be asked.
func walkable(t *testing.T) Deps {
	t.Helper()
	d := newBench(t).deps
	var err error
	dir := t.TempDir()
	d.Review, err = review.Open(filepath.Join(dir, "review.json"))
	ok(t, err)
	d.Standing, err = standing.Open(filepath.Join(dir, "standing.json"), d.Identity.Chains)
	ok(t, err)
	d.Invites, err = invite.New(filepath.Join(dir, "invites.json"), invite.Deps{Network: network, Own: d.Self.Org, Chains: d.Identity.Chains})
	ok(t, err)
	d.Access, err = access.Open(filepath.Join(dir, "access.json"), d.Audit)
	ok(t, err)
	d.Checks = func() []doctor.Check { return nil }
	return d
}

// leaver records an answer and leaves when the first part of a stream is there.
type leaver struct {
	*httptest.ResponseRecorder
	leave context.CancelFunc
}

// Flush is called by streams only.
func (l *leaver) Flush() { l.leave() }

// oneProblem sends a request of the owner's and holds a refusal against the catalogue; it counts one when there was one.
func oneProblem(t *testing.T, h http.Handler, method, path, media, body string) int {
	t.Helper()
	ctx, leave := context.WithCancel(access.With(t.Context(), access.Principal{Role: access.Owner}))
	defer leave()
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", media)
	w := &leaver{httptest.NewRecorder(), leave}
	func() {
		defer func() {
			if fault := recover(); fault != nil {
				t.Errorf("%s %s: panics: %v", method, path, fault)
			}
		}()
		h.ServeHTTP(w, r)
	}()
	if w.Code < 400 {
		return 0
	}
	what := fmt.Sprintf("%s %s %s %.20s: %d %s", method, path, media, body, w.Code, w.Body)
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: no problem+json (%s, %v)", what, w.Header().Get("Content-Type"), err)
		return 1
	}
	e, known := reason.Lookup(reason.Code(p.Code))
	if !known || p.Code == string(reason.Internal) || p.Title != e.Text || p.Blame != string(e.Blame) || p.Fix == "" || p.Detail == "" || p.Status != w.Code {
		t.Errorf("%s: not as the catalogue has it", what)
	}
	return 1
}
