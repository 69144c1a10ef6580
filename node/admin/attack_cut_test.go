package admin

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// long are answers of four parts that are cut, or break off, behind their first.
func long(over func(context.Context)) map[string]http.Handler {
	const part = partBytes
	text := strings.Repeat("x", part)
	framework := http.NewServeMux()
	a := humago.New(framework, apiConfig())
	huma.Get(a, "/raw", func(ctx context.Context, _ *nothing) (*body[[]byte], error) {
		over(ctx)
		return &body[[]byte]{[]byte(text + text + text + text)}, nil
	})
	huma.Get(a, "/json", func(ctx context.Context, _ *nothing) (*body[[]string], error) {
		over(ctx)
		return &body[[]string]{[]string{text, text, text, text}}, nil
	})
	return map[string]http.Handler{
		"/raw": framework, "/json": framework,
		"/written-on": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, text)
			over(r.Context())
			for range 3 {
				_, _ = io.WriteString(w, text)
			}
		}),
		"/broken-off": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, text)
			panic("no such thing")
		}),
		"/broken-off-at-once": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			panic("no such thing")
		}),
		"/with-last-words": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, text)
			over(r.Context())
			if _, err := io.WriteString(w, text); reason.Of(err) == reason.LoginExpired {
				lastWords(w)
				_, _ = io.WriteString(w, "the end")
			}
		}),
		"/with-a-trailer": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, text)
			over(r.Context())
			_, err := io.WriteString(w, text)
			trailer(w, api.TrailerProblem, problemOf("long", err))
		}),
	}
}

// An answer that is cut when its login is over, or breaks off, does not look like a whole one, unless its form has a place that says
// so; and nothing is written behind what went out (ADM-16).
func TestAttackCutAnswer(t *testing.T) {
	serves := func(s *Server) {
		s.times.again = 0
		answers := long(func(ctx context.Context) {
			_, err := s.access.Revoke(access.With(ctx, access.Principal{Role: access.Owner}), access.Of(ctx).Token, "test")
			ok(t, err)
		})
		s.handler = s.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path].ServeHTTP(w, r) }))
	}
	besiege(t, serves, func(t *testing.T, g *siege) {
		for name := range long(nil) {
			t.Run(name[1:], func(t *testing.T) {
				secret, _ := g.as("stolen-"+name[1:], access.Operator)
				c := g.dial()
				ok(t, c.SetDeadline(time.Now().Add(10*time.Second)))
				_, err := io.WriteString(c, g.fill("GET "+name+" HTTP/1.1\nHost: HOST\nAuthorization: Bearer "+secret+"\n\n"))
				ok(t, err)
				in := bufio.NewReader(c)
				r, err := http.ReadResponse(in, nil)
				if err != nil { // it had not even begun
					return
				}
				raw, err := io.ReadAll(r.Body)
				whole := strings.HasPrefix(name, "/with-")
				if whole != (err == nil) || r.StatusCode != http.StatusOK || len(raw) > partBytes+len("the end") {
					t.Errorf("status %d, %d bytes, %v; it ends %.80q", r.StatusCode, len(raw), err, raw[max(0, len(raw)-80):])
				}
				if name == "/with-last-words" && !strings.HasSuffix(string(raw), "the end") {
					t.Errorf("it ends %.80q", raw[max(0, len(raw)-80):])
				}
				if said := r.Trailer.Get(api.TrailerProblem); name == "/with-a-trailer" && !strings.Contains(said, string(reason.LoginExpired)) {
					t.Errorf("trailer %q", said)
				}
				if strings.Contains(string(raw), "urn:tocsin") || strings.Contains(string(raw), "marshaling") {
					t.Errorf("another answer is behind it: %.200q", raw[max(0, len(raw)-200):])
				}
			})
		}
	})
}

// What is no request is answered in a line, and its connection is closed (ADM-08).
func TestAttackUnreadable(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		for request, want := range map[string]string{
			"GET /livez\n\n": "400",
			"GET /livez HTTP/1.1\nHost: HOST\nA B: c\n\n":                                           "400",
			"GET /livez HTTP/1.1\nHost: HOST\nHost: b\n\n":                                          "400",
			"POST /api/v1/peers HTTP/1.1\nHost: HOST\nBEARER\nExpect: much\nContent-Length: 1\n\nx": "417",
			"GET /livez HTTP/1.1\nHost: HOST\nX: " + strings.Repeat("x", 64<<10) + "\n\n":           "431",
			"POST /api/v1/peers HTTP/1.1\nHost: HOST\nBEARER\nTransfer-Encoding: gzip, chunked\n\n": "501",
			"GET /livez HTTP/3.0\nHost: HOST\n\n":                                                   "505",
		} {
			c := g.dial()
			ok(t, c.SetDeadline(time.Now().Add(10*time.Second)))
			go func() { _, _ = io.WriteString(c, g.fill(request)) }() // it may be answered before it is all there
			raw, err := io.ReadAll(c)
			if !strings.HasPrefix(string(raw), "HTTP/1.1 "+want+" ") || len(raw) > 300 {
				t.Errorf("%.60q: %.300q, %v", request, raw, err)
			}
		}
	})
}
