package admin

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
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
