package admin

import (
	"net/http"
	"strings"
	"testing"

	"tocsin/node/access"
	"tocsin/protocol/reason"
)

// A page whose name was made to point at this machine asks with its own name, whatever the address (ADM-04).
func TestAttackRebinding(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		var list []attack
		for name, host := range map[string]string{
			"foreign name": "evil.example", "trailing dot": strings.Replace("localhost.:PORT", "PORT", portOf(g.to), 1), "missing port": "127.0.0.1",
			"address of the LAN": "192.0.2.7:8470", "zone": "[fe80::1%25eth0]:8470",
		} {
			list = append(list, attack{name: name, head: "GET /api/v1/status HTTP/1.1\nHost: " + host + "\nCOOKIE\nBEARER", code: reason.HostUnknown})
		}
		list = append(list, attack{name: "absolute form", head: "GET http://HOST/api/v1/status HTTP/1.1\nHost: evil.example\nCOOKIE", code: reason.HostUnknown})
		g.attacks(list)
		if r := g.send("GET /livez HTTP/1.0\nHost: HOST", ""); r.StatusCode != http.StatusBadRequest { // ADM-03
			t.Errorf("HTTP/1.0: %d %s", r.StatusCode, r.body)
		}
		for _, path := range []string{"/", "/livez", "/api/v1/login", "/nothing", "//", "/debug/pprof/heap"} { // before anything else
			g.refused(g.send("POST "+path+" HTTP/1.1\nHost: evil.example\nBEARER", "x"), reason.HostUnknown)
		}
	})
}

// What a page can have a browser send without asking changes nothing, with or without the headers that tell (ADM-05, ADM-06, ADM-15).
func TestAttackCrossSiteWrite(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		post := "POST /api/v1/peers HTTP/1.1\nHost: HOST\nCOOKIE\nBEARER\n"
		g.attacks([]attack{
			{name: "form", head: post + "Content-Type: application/x-www-form-urlencoded", body: "addr=" + peerA, code: reason.MediaType},
			{name: "JSON as text", head: post + "Content-Type: text/plain", body: addPeer, code: reason.MediaType},
			{name: "multipart", head: post + "Content-Type: multipart/form-data; boundary=x", body: "--x--\r\n", code: reason.MediaType},
			{name: "fetch without CORS", head: post + "Content-Type: text/plain\nOrigin: http://evil.example\nSec-Fetch-Mode: no-cors\nSec-Fetch-Site: cross-site", body: addPeer, code: reason.OriginForeign},
			{name: "image", head: "GET /api/v1/peers HTTP/1.1\nHost: HOST\nCOOKIE\nSec-Fetch-Dest: image\nSec-Fetch-Mode: no-cors\nSec-Fetch-Site: cross-site", code: reason.OriginForeign},
			{name: "method override", head: "POST /api/v1/topics/drill HTTP/1.1\nHost: HOST\nBEARER\nX-HTTP-Method-Override: DELETE\nX-Method-Override: DELETE", code: reason.MethodUnknown},
			{name: "no type", head: strings.TrimSuffix(post, "\n"), body: addPeer, code: reason.MediaType},
			{name: "packed", head: post + "Content-Type: application/json\nContent-Encoding: gzip", body: addPeer, code: reason.MediaType},
			{name: "two types", head: post + "Content-Type: application/json\nContent-Type: text/plain", body: addPeer, code: reason.MediaType},
			{name: "type in capitals of a form", head: post + "Content-Type: TEXT/Plain;charset=json", body: addPeer, code: reason.MediaType},
		})
	})
}

// The headers of a browser are held against this port to the byte, for reads as for writes (ADM-05).
func TestAttackOrigin(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		var list []attack
		for name, origin := range map[string]string{
			"null": "null", "foreign": "http://evil.example", "upper case": "HTTP://" + strings.ToUpper(g.host), "extension": "chrome-extension://abcdefghijklmnop",
			"sibling port": "http://127.0.0.1:1", "name that begins alike": "http://" + g.host + ".evil.example", "empty": "",
		} {
			list = append(list,
				attack{name: name, head: "POST /api/v1/peers HTTP/1.1\nHost: HOST\nCOOKIE\nContent-Type: application/json\nOrigin: " + origin, body: addPeer, code: reason.OriginForeign},
				attack{name: name + ", read", head: "GET /api/v1/peers HTTP/1.1\nHost: HOST\nCOOKIE\nOrigin: " + origin, code: reason.OriginForeign})
		}
		list = append(list, attack{name: "missing", head: "POST /api/v1/peers HTTP/1.1\nHost: HOST\nCOOKIE\nContent-Type: application/json", body: addPeer, code: reason.OriginForeign})
		for _, site := range []string{"cross-site", "same-site", "SAME-ORIGIN", "", "same-origin\nSec-Fetch-Site: cross-site"} {
			list = append(list, attack{name: "site " + site, head: "GET /api/v1/peers HTTP/1.1\nHost: HOST\nCOOKIE\nSec-Fetch-Site: " + site, code: reason.OriginForeign})
		}
		list = append(list, attack{name: "write by hand", head: "POST /api/v1/peers HTTP/1.1\nHost: HOST\nCOOKIE\nContent-Type: application/json\nSec-Fetch-Site: none", body: addPeer, code: reason.OriginForeign})
		g.attacks(list)
		// What is not an attack works: else the refusals above would prove nothing.
		own := "GET /api/v1/peers HTTP/1.1\nHost: HOST\nCOOKIE\nSec-Fetch-Site: same-origin"
		if g.tcp {
			own += "\nOrigin: http://HOST\nReferer: http://HOST/"
		}
		if r := g.send(own, ""); r.StatusCode != http.StatusOK {
			t.Errorf("our own page: %d %s", r.StatusCode, r.body)
		}
	})
}

// A stream opens for whoever may read, and for nobody else; it ends with the session (ADM-03, ADM-05, ADM-07).
func TestAttackStream(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		events := "GET /api/v1/events HTTP/1.1\nHost: HOST\nCOOKIE\nAccept: text/event-stream\n"
		upgrade := events + "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n"
		g.attacks([]attack{
			{name: "SSE of a page elsewhere", head: events + "Origin: http://evil.example\nSec-Fetch-Site: cross-site", code: reason.OriginForeign},
			{name: "WebSocket", head: upgrade + "Origin: http://evil.example", code: reason.OriginForeign},
			{name: "in a frame", head: "GET / HTTP/1.1\nHost: HOST\nCOOKIE\nSec-Fetch-Dest: iframe\nSec-Fetch-Mode: navigate\nSec-Fetch-Site: cross-site", code: reason.OriginForeign},
			{name: "by a redirect", head: events + "Sec-Fetch-Site: cross-site\nReferer: http://evil.example/", code: reason.OriginForeign},
			{name: "as a redirect", head: "GET //evil.example/%2e%2e HTTP/1.1\nHost: HOST\nBEARER", code: reason.NotFound},
		})
		// No upgrade exists, for nobody.
		if r := g.send(strings.Replace(upgrade, "/events", "/peers", 1)+"X: y", ""); r.StatusCode != http.StatusOK || r.Header.Get("Upgrade") != "" {
			t.Errorf("upgrade: %d %v", r.StatusCode, r.Header)
		}
		g.b.deps.Access.Logout(t.Context(), strings.SplitN(g.cookie, "=", 2)[1])
		g.attacks([]attack{{name: "after logout", head: strings.TrimSuffix(events, "\n"), code: reason.LoginExpired}})

		g.cookie = g.session(g.secret)
		_, err := g.b.deps.Access.Revoke(access.With(t.Context(), access.Principal{Role: access.Owner}), g.token.ID, "test")
		ok(t, err)
		r := g.send(strings.TrimSuffix(events, "\n"), "")
		if r.StatusCode != http.StatusUnauthorized {
			t.Errorf("session of a revoked token: %d", r.StatusCode)
		}
		g.silent(r)
	})
}

// What is no plain path is no path, and nothing outside of the table is served (ADM-03, ADM-06).
func TestAttackPath(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		get := func(path string) string { return "GET " + path + " HTTP/1.1\nHost: HOST\nBEARER" }
		var list []attack
		for _, p := range []string{
			"/ui/../../etc/passwd", "/api/v1/../../state/access.json", "/ui/%2e%2e/gate.go", "/api%2fv1%2fstatus", "/ui%2flogin.js", "/ui/..%2f..%2fgate.go", "/API/V1/status", "/Api/v1/peers", "//api//v1//status", "/api/v1/status/", "/api/v1/status//",
			"/ui", "/ui/", "/login.js", "/index.html", "/ui/index.html", "/.git/config", "/api/v1/peers;x=y", "/api/v1/status%00",
		} {
			list = append(list, attack{name: p, head: get(p), code: reason.NotFound})
		}
		for _, method := range []string{"BREW", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"} {
			list = append(list, attack{name: method, head: method + " /api/v1/status HTTP/1.1\nHost: HOST\nBEARER", code: reason.MethodUnknown})
		}
		for _, a := range list {
			g.t.Run(a.name, func(t *testing.T) {
				one := *g
				one.t = t
				one.unmoved(func() {
					r := one.send(a.head, "")
					switch {
					case strings.HasPrefix(a.head, "HEAD"): // its answer has no body
						one.silent(r)
						if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != http.MethodGet {
							t.Errorf("%d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
						}
					case strings.HasPrefix(a.head, "CONNECT"), strings.Contains(a.name, "%00"): // the parser may have its own mind
						one.silent(r)
						if r.StatusCode < 400 {
							t.Errorf("%d", r.StatusCode)
						}
					default:
						one.refused(r, a.code)
					}
				})
			})
		}
	})
}
