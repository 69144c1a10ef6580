package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/bundle"
	"tocsin/node/custody"
	"tocsin/protocol/reason"
)

// The attacks are ten families of six. Each is made at both ways in, with all that a victim's browser or account would lend it, and
// must get the problem that the specification names, change nothing and see nothing.

// victim is the browser whose session the attacks come with.
const victim = "Mozilla/5.0 (victim)"

// siege is a node's port, at one of its doors.
type siege struct {
	t    *testing.T
	b    *bench
	s    *Server
	dir  string
	tcp  bool
	to   string // where to dial
	host string
	// secret is an operator's token, cookie the session made with it.
	secret, cookie string
	token          access.Token
}

// besiege runs one test at a loopback address and at the socket, each of a node of its own. change may alter the server before it runs.
func besiege(t *testing.T, change func(*Server), test func(*testing.T, *siege)) {
	for _, tcp := range []bool{true, false} {
		t.Run(map[bool]string{true: "tcp", false: "socket"}[tcp], func(t *testing.T) { test(t, newSiege(t, tcp, change)) })
	}
}

func newSiege(t *testing.T, tcp bool, change func(*Server)) *siege {
	t.Helper()
	g := &siege{t: t, b: newBench(t), tcp: tcp}
	dir, err := os.MkdirTemp("", "adm")
	ok(t, err)
	g.dir = dir
	d := g.b.deps
	d.Access, err = access.Open(filepath.Join(dir, "access.json"), d.Audit)
	ok(t, err)
	g.b.deps.Access = d.Access
	d.Keys = new(custody.Office) // nothing gets as far as to ask it
	d.Bundles = &Bundles{Sink: bundle.Sink{Chains: d.Identity.Chains}}
	d.Port = Port{Listen: []string{"127.0.0.1:0"}}
	socket := filepath.Join(dir, "admin.sock")
	g.s, err = New(socket, d)
	ok(t, err)
	if want := (times{headerTimeout, bodyTimeout, writeTimeout, askAgain}); g.s.times != want {
		t.Fatalf("ADM-02: a client has %v", g.s.times)
	}
	if change != nil {
		change(g.s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		ok(t, <-done)
		ok(t, g.s.Close())
		ok(t, os.RemoveAll(dir))
	})
	g.to, g.host = socket, "tocsin"
	if tcp {
		i := slices.IndexFunc(g.s.doors, func(d *door) bool { return !d.socket })
		g.to = g.s.doors[i].name
		g.host = g.to
	}
	g.secret, g.token = g.as("for-tests", access.Operator)
	g.cookie = g.session(g.secret)
	return g
}

// as makes a token.
func (g *siege) as(name string, r access.Role) (string, access.Token) {
	g.t.Helper()
	ctx := access.With(g.t.Context(), access.Principal{Role: access.Owner})
	token, secret, err := g.b.deps.Access.Create(ctx, name, r, time.Now().Add(time.Hour), "test")
	ok(g.t, err)
	return secret, token
}

// session logs the victim's browser in with a token, and gives the cookie.
func (g *siege) session(secret string) string {
	g.t.Helper()
	book := g.b.deps.Access
	p, err := book.Bearer(secret, "elsewhere")
	ok(g.t, err)
	code, _, err := book.Code(access.With(g.t.Context(), p), access.Operator)
	ok(g.t, err)
	session, _, _, err := book.Login(g.t.Context(), code, victim, "elsewhere")
	ok(g.t, err)
	return cookieName(g.host) + "=" + session
}

// proof is the header that goes with a cookie.
func (g *siege) proof(cookie string) string {
	_, session, _ := strings.Cut(cookie, "=")
	return headerProof + ": " + g.s.prover.proof(session)
}

// fill puts what a test knows into a request: HOST, COOKIE (the victim's session with its agent), BEARER.
func (g *siege) fill(lines string) string {
	return strings.NewReplacer("HOST", g.host, "COOKIE", "Cookie: "+g.cookie+"\r\n"+g.proof(g.cookie)+"\r\nUser-Agent: "+victim, "BEARER", "Authorization: Bearer "+g.secret, "\n", "\r\n").Replace(lines)
}

func (g *siege) dial() net.Conn {
	g.t.Helper()
	kind := "unix"
	if g.tcp {
		kind = "tcp"
	}
	c, err := net.Dial(kind, g.to)
	ok(g.t, err)
	ok(g.t, c.SetDeadline(time.Now().Add(20*time.Second)))
	g.t.Cleanup(func() { _ = c.Close() })
	return c
}

// reply is one answer.
type reply struct {
	*http.Response
	body []byte
	rest string // what came behind it on the connection
}

// send makes one request as it stands and reads its answer; head is without the empty line at its end.
func (g *siege) send(head, body string) reply {
	g.t.Helper()
	if body != "" && !strings.Contains(head, "Content-Length") && !strings.Contains(head, "Transfer-Encoding") {
		head += fmt.Sprintf("\nContent-Length: %d", len(body))
	}
	c := g.dial()
	go func() { _, _ = io.WriteString(c, g.fill(head)+"\r\n\r\n"+body) }()
	method, _, _ := strings.Cut(head, " ")
	return g.read(c, method)
}

func (g *siege) read(c net.Conn, method string) reply {
	g.t.Helper()
	in := bufio.NewReader(c)
	r, err := http.ReadResponse(in, &http.Request{Method: method})
	ok(g.t, err)
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	ok(g.t, err)
	rest := ""
	if r.Close {
		raw, _ := io.ReadAll(in)
		rest = string(raw)
	}
	_ = c.Close()
	return reply{r, body, rest}
}

// refused holds an answer against the problem that it must be, and sees that it tells nothing.
func (g *siege) refused(r reply, code reason.Code) {
	g.t.Helper()
	want := api.NewProblem(code, "")
	var p api.Problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		g.t.Errorf("answer %d %.200q is no problem: %v", r.StatusCode, r.body, err)
		return
	}
	if r.StatusCode != p.Status || p.Code != string(code) || (p.Fix == "") != (want.Fix == "") || p.Blame != want.Blame || r.Header.Get("Content-Type") != "application/problem+json" {
		g.t.Errorf("answer %d %s, want %s", r.StatusCode, r.body, code)
	}
	g.silent(r)
}

// silent sees that an answer is wrapped as every one is and holds no byte of data.
func (g *siege) silent(r reply) {
	g.t.Helper()
	g.wrapped(r)
	all := new(bytes.Buffer)
	ok(g.t, r.Header.Write(all))
	all.Write(r.body)
	all.WriteString(r.rest)
	self := g.b.deps.Self
	for _, data := range []string{self.Org.String(), self.PeerID, self.Name, g.secret, strings.SplitN(g.cookie, "=", 2)[1], strings.TrimPrefix(g.proof(g.cookie), headerProof+": "), "secret.example", peerA, "indicator--" + uuid(7), g.dir} {
		if strings.Contains(all.String(), data) {
			g.t.Errorf("the answer holds %q: %s", data, all)
		}
	}
}

// wrapped holds an answer of ours against ADM-08 and ADM-12: it says what a browser may do with it, lets nobody in from elsewhere, and names its request.
func (g *siege) wrapped(r reply) {
	g.t.Helper()
	if r.StatusCode == http.StatusRequestHeaderFieldsTooLarge || r.Header.Get(headerRequest) == "" && r.StatusCode == http.StatusBadRequest {
		return // the parser's answer: it knows no request yet, and nothing else
	}
	csp := r.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'self';") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
		g.t.Errorf("policy %q", csp)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := r.Header.Get(name); got != want {
			g.t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if len(r.Header.Get(headerRequest)) != 16 {
		g.t.Errorf("request id %q", r.Header.Get(headerRequest))
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Location" {
			g.t.Errorf("header %s", name)
		}
	}
}

// state is all that an attack could change.
func (g *siege) state() string {
	d := g.b.deps
	seq, hash := d.Audit.Head()
	var tokens []string
	for _, one := range d.Access.Tokens() {
		tokens = append(tokens, one.Name+" "+one.Role.String())
	}
	return fmt.Sprintf("audit %d %s, store %+v at %d, trust %s, topics %v, peers %v, tokens %v", seq, hash, d.Store.Counts(), d.Store.Sequence(), d.Policy.List().Digest(),
		d.Settings.Topics(nil), d.Settings.Peers(nil), tokens)
}

// unmoved runs an attack and sees that nothing changed.
func (g *siege) unmoved(attack func()) {
	g.t.Helper()
	before := g.state()
	attack()
	if after := g.state(); after != before {
		g.t.Errorf("it had an effect:\n%s\n%s", before, after)
	}
}

// attack is one request that must be refused with a code; socketCode where it is another one at the socket.
type attack struct {
	name, head, body string
	code, socketCode reason.Code
}

func (g *siege) attacks(list []attack) {
	for _, a := range list {
		g.t.Run(a.name, func(t *testing.T) {
			one := *g
			one.t = t
			code := a.code
			if !g.tcp && a.socketCode != "" {
				code = a.socketCode
			}
			one.unmoved(func() { one.refused(one.send(a.head, a.body), code) })
		})
	}
}

// addPeer would add a peer.
const addPeer = `{"addr":"/ip4/192.0.2.9/tcp/1/p2p/` + peerA + `"}`
