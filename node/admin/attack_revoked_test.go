package admin

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/access"
	"tocsin/protocol/reason"
)

// A token that is revoked while the body of its request comes does nothing any more, and leaves no better one behind (ADM-21, ADM-24).
func TestAttackRevokedWhileTheBodyComes(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		owner := access.With(t.Context(), access.Principal{Role: access.Owner})
		later := time.Now().Add(366*24*time.Hour - time.Minute).UTC().Format(time.RFC3339)
		for name, c := range map[string]struct{ path, media, body string }{
			"token":   {"/tokens", "application/json", `{"name":"better","role":"operator","expires":"` + later + `"}`},
			"code":    {"/login-codes", "application/json", `{"role":"operator"}`},
			"peer":    {"/peers", "application/json", addPeer},
			"publish": {"/objects?topic=fraud", "application/octet-stream", feedIn(indicator(1, "late.example"))},
		} {
			t.Run(name, func(t *testing.T) {
				secret, token := g.as("stolen-"+name, access.Operator)
				conn := g.dial()
				in := bufio.NewReader(conn)
				_, err := io.WriteString(conn, g.fill(fmt.Sprintf(
					"POST /api/v1%s HTTP/1.1\nHost: HOST\nAuthorization: Bearer %s\nContent-Type: %s\nContent-Length: %d\nExpect: 100-continue\n\n", c.path, secret, c.media, len(c.body))))
				ok(t, err)
				// The server asks for the body: the token was good.
				line, err := in.ReadString('\n')
				ok(t, err)
				if !strings.Contains(line, " 100 ") {
					t.Fatalf("answer %q", line)
				}
				_, err = in.ReadString('\n')
				ok(t, err)
				_, err = io.WriteString(conn, c.body[:1])
				ok(t, err)
				_, err = g.b.deps.Access.Revoke(owner, token.ID, "test")
				ok(t, err)
				g.unmoved(func() {
					_, err := io.WriteString(conn, c.body[1:])
					ok(t, err)
					r, err := http.ReadResponse(in, nil)
					ok(t, err)
					body, err := io.ReadAll(r.Body)
					ok(t, err)
					g.refused(reply{r, body, ""}, reason.LoginExpired)
				})
			})
		}
	})
}

// A bundle that comes for long is taken no further when the token it came with is revoked (ADM-21).
func TestAttackRevokedWhileABundleComes(t *testing.T) {
	besiege(t, func(s *Server) { s.times.again = 0 }, func(t *testing.T, g *siege) {
		secret, token := g.as("stolen", access.Operator)
		conn := g.dial()
		_, err := io.WriteString(conn, g.fill(fmt.Sprintf(
			"POST /api/v1/bundles/import HTTP/1.1\nHost: HOST\nAuthorization: Bearer %s\nContent-Type: application/octet-stream\nContent-Length: 4000\nExpect: 100-continue\n\n", secret)))
		ok(t, err)
		in := bufio.NewReader(conn)
		line, err := in.ReadString('\n')
		ok(t, err)
		if !strings.Contains(line, " 100 ") { // the server reads: the token was good
			t.Fatalf("answer %q", line)
		}
		_, err = in.ReadString('\n')
		ok(t, err)
		_, err = io.WriteString(conn, "0")
		ok(t, err)
		_, err = g.b.deps.Access.Revoke(access.With(t.Context(), access.Principal{Role: access.Owner}), token.ID, "test")
		ok(t, err)
		_, err = io.WriteString(conn, "0")
		ok(t, err)
		half, _ := conn.(interface{ CloseWrite() error }) // what is left is not waited for
		ok(t, half.CloseWrite())
		r, err := http.ReadResponse(in, nil)
		ok(t, err)
		body, err := io.ReadAll(r.Body)
		ok(t, err)
		g.refused(reply{r, body, ""}, reason.LoginExpired)
	})
}

// Nor does a long answer go on (ADM-21).
func TestAnswersEndWithTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var over error
		w := httptest.NewRecorder()
		a := &awaitedWriter{ResponseWriter: w, control: http.NewResponseController(w), login: login{still: func() error { asked++; return over }, every: askAgain}}
		for range 12 {
			_, err := a.Write([]byte("x"))
			ok(t, err)
			time.Sleep(askAgain / 2)
		}
		if asked != 5 {
			t.Errorf("asked %d times, want 5", asked)
		}
		over = reason.New(reason.LoginExpired, "over")
		time.Sleep(askAgain)
		if n, err := a.Write([]byte("x")); n != 0 || reason.Of(err) != reason.LoginExpired || w.Body.Len() != 12 {
			t.Errorf("%d, %v, %d bytes went out", n, err, w.Body.Len())
		}
	})
}
