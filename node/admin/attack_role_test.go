package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// What speaks for the organisation for ever, says who may do what, or cannot be undone, is out of reach of every token and every session,
// however it is asked for (ADM-21, ADM-22).
func TestAttackKeysAndRoles(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		analyst, _ := g.as("analyst", access.Analyst)
		sessions := map[string]string{"analyst": g.session(analyst), "operator": g.cookie}
		tokens := map[string]string{"analyst": analyst, "operator": g.secret}
		request := func(method, path, login string) string {
			return fmt.Sprintf("%s /api/v1%s HTTP/1.1\nHost: HOST\nContent-Type: application/json\n%s", method, path, login)
		}
		soon := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
		create := func(role string) string { return fmt.Sprintf(`{"name":"x","role":%q,"expires":%q}`, role, soon) }
		for _, c := range []struct {
			who, method, path, body string
			code                    reason.Code
		}{
			{"analyst", "GET", "/keys", "", reason.RoleDenied},
			{"analyst", "GET", "/keys/chain", "", reason.RoleDenied},
			{"analyst", "POST", "/keys/rotate", `{"reason":"x"}`, reason.RoleDenied},
			{"analyst", "GET", "/keys/export", "", reason.NotFound}, // no resource gives keys away, to nobody
			{"analyst", "GET", "/keys/record.key", "", reason.NotFound},
			{"analyst", "POST", "/tokens", create("analyst"), reason.RoleDenied},
			{"operator", "POST", "/tokens", create("owner"), reason.RoleDenied},
			{"operator", "POST", "/tokens", create("key-admin"), reason.UsageInvalid},
			{"operator", "POST", "/keys/rotate", `{"reason":"x"}`, reason.RoleDenied},
			{"operator", "POST", "/keys/revoke", `{"key":"x","reason":"x"}`, reason.RoleDenied},
			{"operator", "POST", "/keys/proposals", `{"kind":"root"}`, reason.RoleDenied},
			{"operator", "POST", "/keys/finish", `{}`, reason.RoleDenied},
			{"operator", "POST", "/keys/statements", `{}`, reason.RoleDenied},
			{"operator", "POST", "/vacuum", `{}`, reason.RoleDenied},
			{"operator", "POST", "/erasures", `{"record":"x","reason":"y"}`, reason.RoleDenied},
		} {
			list := []attack{{name: "token: " + c.who + " " + c.method + " " + c.path, head: request(c.method, c.path, "Authorization: Bearer "+tokens[c.who]), body: c.body, code: c.code}}
			if g.tcp { // the socket has no pages
				page := "Origin: http://HOST\nUser-Agent: " + victim + "\nCookie: " + sessions[c.who] + "\n" + g.proof(sessions[c.who])
				list = append(list, attack{name: "session: " + c.who + " " + c.method + " " + c.path, head: request(c.method, c.path, page), body: c.body, code: c.code})
			}
			g.attacks(list)
		}
	})
}

// A code gives no more than whoever asks for it has, whatever they ask for, and a browser gets none (ADM-25).
func TestAttackCode(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		analyst, _ := g.as("analyst", access.Analyst)
		post := "POST /api/v1/%s HTTP/1.1\nHost: HOST\nContent-Type: application/json\n%s"
		for asked, got := range map[string]string{"owner": "analyst", "operator": "analyst", "analyst": "analyst", "viewer": "viewer", "": "analyst"} {
			r := g.send(fmt.Sprintf(post, "login-codes", "Authorization: Bearer "+analyst), fmt.Sprintf(`{"role":%q}`, asked))
			var code api.LoginCode
			ok(t, json.Unmarshal(r.body, &code))
			r = g.send(fmt.Sprintf(post, "login", "User-Agent: "+victim), fmt.Sprintf(`{"code":%q}`, code.Code))
			var in api.LoggedIn
			ok(t, json.Unmarshal(r.body, &in))
			if r.StatusCode != http.StatusOK || in.Role != got {
				t.Errorf("asked for %q: %d %s", asked, r.StatusCode, r.body)
			}
		}
		if g.tcp {
			g.attacks([]attack{{name: "a browser", head: fmt.Sprintf(post, "login-codes", "COOKIE\nOrigin: http://HOST"), body: "{}", code: reason.RoleDenied}})
		}
	})
}

// Nothing is erased without a reason, nor many records at once, also by the owner (ADM-21).
func TestAttackPurge(t *testing.T) {
	g := newSiege(t, false, nil)
	var records []string
	for n := range 2 {
		records = append(records, g.b.publish(indicator(n+1, fmt.Sprintf("purge%d.example", n))).Records...)
	}
	post := "POST /api/v1/erasures HTTP/1.1\nHost: HOST\nContent-Type: application/json"
	for name, body := range map[string]string{
		"no reason":             fmt.Sprintf(`{"record":%q}`, records[0]),
		"empty reason":          fmt.Sprintf(`{"record":%q,"reason":""}`, records[0]),
		"blank reason":          fmt.Sprintf(`{"record":%q,"reason":" \t\n"}`, records[0]),
		"no reason, one object": fmt.Sprintf(`{"record":%q,"object":"0","reason":""}`, records[0]),
		"long reason":           fmt.Sprintf(`{"record":%q,"reason":%q}`, records[0], strings.Repeat("x", 100_000)),
		"several":               fmt.Sprintf(`{"record":[%q,%q],"reason":"x"}`, records[0], records[1]),
		"several, in one text":  fmt.Sprintf(`{"record":"%s,%s","reason":"x"}`, records[0], records[1]),
		"all":                   `{"record":"*","reason":"x"}`,
		"any":                   `{"record":"","reason":"x"}`,
		"all of a kind":         `{"record":"sha256:","reason":"x"}`,
	} {
		g.unmoved(func() {
			if r := g.send(post, body); r.StatusCode < 400 || r.StatusCode >= 500 {
				t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
			}
		})
	}
	g.attacks([]attack{{name: "no resource for many", head: "DELETE /api/v1/objects HTTP/1.1\nHost: HOST", code: reason.MethodUnknown}})
}
