package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

// A secret works where it belongs and once it is over nowhere; guessing is slowed down and told nothing (ADM-06, ADM-07, ADM-10, ADM-11).
func TestAttackToken(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		get := "GET /api/v1/peers%s HTTP/1.1\nHost: HOST%s"
		g.attacks([]attack{
			{name: "in the address", head: fmt.Sprintf(get, "?token="+g.secret, ""), code: reason.UsageInvalid},
			{name: "in the address, by another name", head: fmt.Sprintf(get, "?access_token="+g.secret, ""), code: reason.UsageInvalid},
			{name: "in Referer", head: fmt.Sprintf(get, "", "\nReferer: http://HOST/?token="+g.secret), code: reason.LoginRequired, socketCode: reason.OriginForeign},
			{name: "stolen cookie", head: fmt.Sprintf(get, "", "\nUser-Agent: thief\nCookie: "+g.cookie+"\n"+g.proof(g.cookie)), code: reason.LoginRequired},
			{name: "cookie that a page at another port was sent", head: fmt.Sprintf(get, "", "\nUser-Agent: "+victim+"\nCookie: "+g.cookie), code: reason.LoginRequired},
			{name: "cookie with a proof of the thief", head: fmt.Sprintf(get, "", "\nUser-Agent: "+victim+"\nCookie: "+g.cookie+"\n"+g.proof("x=y")), code: reason.LoginRequired},
			{name: "cookie with two proofs", head: fmt.Sprintf(get, "", "\nUser-Agent: "+victim+"\nCookie: "+g.cookie+"\n"+g.proof("x=y")+"\n"+g.proof(g.cookie)), code: reason.LoginRequired},
			{name: "proof without cookie", head: fmt.Sprintf(get, "", "\nUser-Agent: "+victim+"\n"+g.proof(g.cookie)+"\nAuthorization: Bearer"), code: reason.LoginRequired},
			{name: "in the address, hidden from the parser", head: fmt.Sprintf(get, "?a;token="+g.secret, ""), code: reason.UsageInvalid},
			{name: "in the address, in capitals", head: fmt.Sprintf(get, "?Tok%65n="+g.secret, ""), code: reason.UsageInvalid},
			{name: "twice", head: fmt.Sprintf(get, "", "\nBEARER\nBEARER"), code: reason.LoginRequired},
			{name: "as a password", head: fmt.Sprintf(get, "", "\nAuthorization: Basic eDp5"), code: reason.LoginRequired},
		})
		t.Run("code twice", func(t *testing.T) {
			p, err := g.b.deps.Access.Bearer(g.secret, "elsewhere")
			ok(t, err)
			code, _, err := g.b.deps.Access.Code(access.With(t.Context(), p), access.Viewer)
			ok(t, err)
			login := "POST /api/v1/login HTTP/1.1\nHost: HOST\nContent-Type: application/json\nUser-Agent: " + victim
			first := g.send(login, `{"code":"`+code+`"}`)
			cookie := first.Header.Get("Set-Cookie")
			if first.StatusCode != http.StatusOK || !strings.HasPrefix(cookie, cookieName(g.host)+"=") || !strings.Contains(cookie, "; HttpOnly; SameSite=Strict") || strings.Contains(cookie, "Secure") {
				t.Fatalf("login: %d %s %q", first.StatusCode, first.body, cookie)
			}
			g.unmoved(func() { g.refused(g.send(login, `{"code":"`+code+`"}`), reason.LoginRequired) })
			var said api.LoggedIn
			ok(t, json.Unmarshal(first.body, &said))
			session, _, _ := strings.Cut(cookie, ";")
			both := fmt.Sprintf(get, "", "\nUser-Agent: "+victim+"\nCookie: "+cookieName(g.host)+"=of-another-port; "+session+"\n"+headerProof+": "+said.Proof)
			if r := g.send(both, ""); r.StatusCode != http.StatusOK {
				t.Errorf("cookie and proof: %d %s", r.StatusCode, r.body)
			}
		})
		// What is wrong about a secret changes no byte of the answer but the request's id.
		t.Run("timing and guesses", func(t *testing.T) {
			answers := map[string]bool{}
			last := reply{}
			for _, guess := range []string{"x", g.secret[:len(g.secret)-1], g.secret + "x", strings.Repeat("a", 2000), "y", "z", "w"} {
				r := g.send(fmt.Sprintf(get, "", "\nAuthorization: Bearer "+guess), "")
				g.silent(r)
				if r.StatusCode == http.StatusUnauthorized {
					answers[string(r.body)] = true
				}
				last = r
			}
			if len(answers) != 1 {
				t.Errorf("%d different answers: %v", len(answers), answers)
			}
			g.refused(last, reason.RequestRate)
			if wait, err := strconv.Atoi(last.Header.Get("Retry-After")); err != nil || wait < 30 || wait > 60 || !last.Close { // a minute, of which the test takes little
				t.Errorf("header %v", last.Header)
			}
		})
	})
}

// Nobody takes more than their share of the server by what they send, and one request is one (ADM-02, ADM-11).
func TestAttackParser(t *testing.T) {
	quick := func(s *Server) {
		s.times = times{200 * time.Millisecond, 200 * time.Millisecond, writeTimeout, askAgain}
	}
	besiege(t, quick, func(t *testing.T, g *siege) {
		post := "POST /api/v1/peers HTTP/1.1\nHost: HOST\nBEARER\nContent-Type: application/json"
		t.Run("body of 1 GiB", func(t *testing.T) {
			g.unmoved(func() {
				r := g.send(post+"\nContent-Length: 1073741824", `{"addr":"`+strings.Repeat("x", 2<<20))
				g.refused(r, reason.InputSize)
			})
		})
		t.Run("many headers", func(t *testing.T) {
			g.unmoved(func() {
				c := g.dial()
				_, _ = io.WriteString(c, g.fill("GET /api/v1/peers HTTP/1.1\nHost: HOST\nBEARER"+strings.Repeat("\nA: b", 100_000)+"\n\n"))
				// The server hangs up without reading on, so its answer may be lost.
				if raw, err := io.ReadAll(c); strings.Contains(string(raw), " 200 ") || err == nil && !strings.HasPrefix(string(raw), "HTTP/1.1 431 ") {
					t.Errorf("%v %.300q", err, raw)
				}
			})
		})
		g.attacks([]attack{{name: "deep JSON", head: post, body: strings.Repeat("[", 100_000), code: reason.UsageInvalid}})
		t.Run("slow header", func(t *testing.T) {
			c := g.dial()
			_, err := io.WriteString(c, "GET /api/v1/peers HTTP/1.1\r\nHost:")
			ok(t, err)
			if raw, err := io.ReadAll(c); err != nil || strings.Contains(string(raw), " 200 ") {
				t.Errorf("%v %q", err, raw)
			}
		})
		t.Run("slow body", func(t *testing.T) {
			g.unmoved(func() {
				began := time.Now()
				g.refused(g.send(post+"\nContent-Length: 90", `{"addr":`), reason.TimedOut)
				if time.Since(began) > 5*time.Second {
					t.Errorf("after %v", time.Since(began))
				}
			})
			// A body that nobody waits for holds the connection no longer.
			r := g.send("POST /api/v1/nothing HTTP/1.1\nHost: HOST\nBEARER\nContent-Type: application/json\nContent-Length: 90\nConnection: close", "{")
			g.refused(r, reason.NotFound)
		})
		t.Run("smuggling", func(t *testing.T) {
			second := g.fill("DELETE /api/v1/topics/drill HTTP/1.1\nHost: HOST\nBEARER\n\n")
			g.unmoved(func() {
				r := g.send(post+"\nTransfer-Encoding: chunked\nContent-Length: 6", "0\r\n\r\n"+second)
				g.refused(r, reason.UsageInvalid)
				if r.rest != "" {
					t.Errorf("another answer: %q", r.rest)
				}
				r = g.send(post+"\nContent-Length: 2\nContent-Length: 3", "{}"+second)
				if r.StatusCode != http.StatusBadRequest || r.rest != "" {
					t.Errorf("two lengths: %d %q", r.StatusCode, r.rest)
				}
			})
		})
	})
}

// What others wrote leaves the port as data and never as a page (ADM-14, ADM-15).
func TestAttackRendering(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		for i, name := range []string{
			"<script>alert(1)</script>", "<svg onload=alert(1)>", "\u202Egnp.exe\u2066", "\x1b[2J\x1b]0;owned\x07", `=HYPERLINK("http://evil.example")`, strings.Repeat("w", 100_000),
		} {
			quoted, err := json.Marshal(name)
			ok(t, err)
			g.b.publish(strings.Replace(indicator(100+i, fmt.Sprintf("r%d.example", i)), fmt.Sprintf(`"Name %d"`, 100+i), string(quoted), 1))
			id := "indicator--" + uuid(100+i)
			for path, want := range map[string]string{
				"/objects/" + id: "application/json", "/objects/" + id + "/raw": mediaSTIX, "/search?limit=10": "application/json",
			} {
				r := g.send("GET /api/v1"+path+" HTTP/1.1\nHost: HOST\nBEARER\nAccept: text/html, image/svg+xml, text/csv", "")
				g.wrapped(r)
				if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != want {
					t.Errorf("%.20q %s: %d %s", name, path, r.StatusCode, r.Header.Get("Content-Type"))
				}
				if strings.ContainsAny(string(r.body), "\x1b\x07") {
					t.Errorf("%.20q %s: control characters go out as they are", name, path)
				}
				if strings.HasPrefix(path, "/search") && len(r.body) > 50_000 {
					t.Errorf("%.20q: a list of %d bytes", name, len(r.body))
				}
			}
		}
	})
}

// The shell page has no inline code, loads nothing from elsewhere, puts nothing in as markup, and holds no data (ADM-14).
func TestShell(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		var all strings.Builder
		for path, media := range map[string]string{"/": "text/html", "/ui/login.js": "text/javascript", "/ui/style.css": "text/css", "/ui/icon.svg": "image/svg+xml"} {
			r := g.send("GET "+path+" HTTP/1.1\nHost: HOST", "")
			if r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), media) {
				t.Errorf("%s: %d %s", path, r.StatusCode, r.Header.Get("Content-Type"))
			}
			g.silent(r)
			all.WriteString(strings.ReplaceAll(string(r.body), "http://www.w3.org/2000/svg", ""))
		}
		for _, bad := range []string{"<script>", "style=", "onclick", "onload", "javascript:", "://", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "localStorage"} {
			if strings.Contains(all.String(), bad) {
				t.Errorf("the shell has %q", bad)
			}
		}
	})
}

// Health says yes or no to whoever calls the port by its name, and nothing more (ADM-04, ADM-09). Everything else asks who it is.
func TestHealthAndLogin(t *testing.T) {
	g := newSiege(t, true, nil)
	for _, path := range []string{"/livez", "/readyz"} {
		if r := g.send("GET "+path+"?verbose HTTP/1.1\nHost: HOST", ""); r.StatusCode != http.StatusOK || string(r.body) != "yes\n" {
			t.Errorf("%s: %d %q", path, r.StatusCode, r.body)
		}
		g.refused(g.send("POST "+path+" HTTP/1.1\nHost: HOST", ""), reason.LoginRequired)
	}
	for _, path := range []string{"/api/v1/status", "/metrics", "/api/v1/openapi.yaml", "/api/v1/reasons", "/debug/pprof/heap", "/nothing", "/api/v1/events"} {
		g.refused(g.send("GET "+path+" HTTP/1.1\nHost: HOST", ""), reason.LoginRequired)
	}
	g.s.running = func() bool { return false }
	if r := g.send("GET /readyz HTTP/1.1\nHost: HOST", ""); r.StatusCode != http.StatusServiceUnavailable || string(r.body) != "no\n" {
		t.Errorf("starting: %d %q", r.StatusCode, r.body)
	}
}

// What lies about on the machine helps no other account (ADM-13).
func TestAttackLocalUser(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		for name, want := range map[string]os.FileMode{"admin.sock": 0o660, "read.sock": 0o660, "access.json": 0o600} {
			info, err := os.Lstat(filepath.Join(g.dir, name))
			ok(t, err)
			if got := info.Mode().Perm(); got != want {
				t.Errorf("%s: %o, want %o", name, got, want)
			}
		}
		link := filepath.Join(g.dir, "link")
		ok(t, os.Symlink(filepath.Join(g.dir, "access.json"), link))
		_, err := listen(link) // a socket's place that somebody swapped
		refused(t, err, reason.Conflict)
		// What a core dump, a debugger or the environment of the process could show of secrets: the book has none, only hashes.
		raw, err := os.ReadFile(filepath.Join(g.dir, "access.json"))
		ok(t, err)
		for what, text := range map[string]string{"the file": string(raw), "the book": fmt.Sprintf("%+v", g.b.deps.Access), "the environment": strings.Join(os.Environ(), "\n")} {
			if strings.Contains(text, g.secret) || strings.Contains(text, strings.SplitN(g.cookie, "=", 2)[1]) {
				t.Errorf("%s holds a secret", what)
			}
		}
		g.attacks([]attack{
			{name: "memory", head: "GET /debug/pprof/heap HTTP/1.1\nHost: HOST\nBEARER", code: reason.NotFound, socketCode: reason.RoleDenied},
			{name: "command line", head: "GET /debug/pprof/cmdline HTTP/1.1\nHost: HOST\nCOOKIE", code: reason.NotFound, socketCode: reason.RoleDenied},
			{name: "goroutines", head: "GET /debug/pprof/../pprof/goroutine HTTP/1.1\nHost: HOST\nBEARER", code: reason.NotFound},
		})
	})
}

// Nobody does more than their role, whichever way they come (ADM-07, ADM-12, ADM-13).
func TestAttackPrivilege(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		viewer, _ := g.as("viewer", access.Viewer)
		analyst, _ := g.as("analyst", access.Analyst)
		demoted, token := g.as("demoted", access.Operator)
		with := func(request, secret string) string {
			return request + " HTTP/1.1\nHost: HOST\nAuthorization: Bearer " + secret + "\nContent-Type: application/json"
		}
		g.attacks([]attack{
			{name: "viewer writes", head: with("POST /api/v1/peers", viewer), body: addPeer, code: reason.RoleDenied},
			{name: "viewer leaves a topic", head: with("DELETE /api/v1/topics/drill", viewer), code: reason.RoleDenied},
			{name: "analyst makes a token", head: with("POST /api/v1/tokens", analyst), body: `{"name":"x","role":"viewer","expires":"2026-12-01T00:00:00Z"}`, code: reason.RoleDenied},
			{name: "operator promotes itself", head: with("POST /api/v1/tokens", g.secret), body: `{"name":"x","role":"owner","expires":"` + time.Now().Add(time.Minute).UTC().Format(time.RFC3339) + `"}`, code: reason.RoleDenied},
			{name: "purge", head: with("POST /api/v1/erasures", g.secret), body: `{"record":"x","reason":"y"}`, code: reason.RoleDenied},
		})
		stale := g.session(demoted)
		_, err := g.b.deps.Access.Revoke(access.With(t.Context(), access.Principal{Role: access.Owner}), token.ID, "test")
		ok(t, err)
		r := g.send("GET /api/v1/peers HTTP/1.1\nHost: HOST\nUser-Agent: "+victim+"\nCookie: "+stale+"\n"+g.proof(stale), "")
		if g.silent(r); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("stale session: %d %s", r.StatusCode, r.body)
		}
		if g.tcp {
			return
		}
		// The account at the socket is the owner here: it needs a reason, and has what a token has not.
		g.attacks([]attack{{name: "purge without reason", head: "POST /api/v1/erasures HTTP/1.1\nHost: HOST\nContent-Type: application/json", body: `{"record":"x","reason":" "}`, code: reason.UsageInvalid}})
		if r := g.send("GET /debug/pprof/cmdline HTTP/1.1\nHost: HOST", ""); r.StatusCode != http.StatusOK {
			t.Errorf("the owner's profile: %d %s", r.StatusCode, r.body)
		}
		g.to = filepath.Join(g.dir, "read.sock")
		g.attacks([]attack{{name: "write at the socket for reading", head: "POST /api/v1/peers HTTP/1.1\nHost: HOST\nContent-Type: application/json", body: addPeer, code: reason.RoleDenied}})
		// What is done has the request's id in the audit log.
		g.to = filepath.Join(g.dir, "admin.sock")
		r = g.send("POST /api/v1/peers HTTP/1.1\nHost: HOST\nContent-Type: application/json", addPeer)
		seq, _ := g.b.deps.Audit.Head()
		entries, _, err := g.b.deps.Audit.Read(seq-1, 1, audit.Filter{})
		ok(t, err)
		if id := r.Header.Get(headerRequest); len(entries) != 1 || entries[0].Detail["request"] != id {
			t.Errorf("audit %+v, request %s", entries, id)
		}
	})
}
