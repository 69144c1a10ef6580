package admin

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
)

// asks sends a request with a good token and reports whether an answer comes in time; the connection stays.
func (g *siege) asks(c net.Conn, patience time.Duration) bool {
	g.t.Helper()
	ok(g.t, c.SetDeadline(time.Now().Add(patience)))
	if _, err := io.WriteString(c, g.fill("GET /api/v1/tokens HTTP/1.1\nHost: HOST\nBEARER\n\n")); err != nil {
		return false
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return false
	}
	_, err = io.ReadAll(r.Body)
	return err == nil && r.StatusCode == http.StatusOK
}

// Strangers that take every place of a listener, in whatever way, keep nobody out who can log in, and cost nobody a connection
// who is: what they wait for ends sooner than their time does (ADM-02, ADM-11).
func TestAttackEveryPlace(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		stays := g.dial()
		if !g.asks(stays, 10*time.Second) {
			t.Fatal("nobody gets in")
		}
		for name, said := range map[string]string{
			"silent":            "",
			"half a header":     "GET /livez HTTP/1.1\nHost: HO",
			"alive":             "GET /livez HTTP/1.1\nHost: HOST\n\n",
			"the page":          "GET / HTTP/1.1\nHost: HOST\n\n",
			"many at once":      strings.Repeat("GET /ui/login.js HTTP/1.1\nHost: HOST\n\n", 20),
			"half a login":      "POST /api/v1/login HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: 100\n\n{",
			"a logout":          "POST /api/v1/logout HTTP/1.1\nHost: HOST\n\n",
			"a body for no one": "POST /api/v1/peers HTTP/1.1\nHost: HOST\nAuthorization: Bearer x\nContent-Type: application/json\nContent-Length: 100\n\n{",
			"foreign":           "GET / HTTP/1.1\nHost: evil.example\nContent-Length: 100\n\n{",
		} {
			t.Run(name, func(t *testing.T) {
				one := *g
				one.t = t
				for range maxConnections + 6 {
					_, _ = io.WriteString(one.dial(), one.fill(said)) // it may be let go by then
				}
				began := time.Now()
				c := one.dial()
				if !one.asks(c, 3*time.Second) {
					t.Error("a good token is not answered within 3 s")
				}
				t.Logf("answered after %s", time.Since(began))
				ok(t, c.Close())
				if !one.asks(stays, 3*time.Second) {
					t.Error("who was there before has lost the connection")
				}
			})
		}
	})
}

// Nor does a crowd that connects anew as fast as it can (ADM-02).
func TestAttackCrowd(t *testing.T) {
	g := newSiege(t, true, nil)
	stop, crowd := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(crowd)
		var held []net.Conn
		for {
			select {
			case <-stop:
				for _, c := range held {
					_ = c.Close()
				}
				return
			default:
			}
			if c, err := net.Dial("tcp", g.to); err == nil {
				held = append(held, c)
			}
			if len(held) > 4*maxConnections {
				_ = held[0].Close()
				held = held[1:]
			}
		}
	}()
	defer func() { close(stop); <-crowd }()
	for range 5 {
		began, tries := time.Now(), 1
		for c := g.dial(); !g.asks(c, time.Second); c = g.dial() {
			if tries++; time.Since(began) > 10*time.Second {
				t.Fatalf("a good token did not get in %d times", tries)
			}
		}
		t.Logf("in after %s, at the %d. time", time.Since(began), tries)
	}
}

// At a port with TLS strangers may stay in the middle of a handshake as well (ADM-02).
func TestAttackEveryPlaceTLS(t *testing.T) {
	b := newBench(t)
	p := newPair(t, t.TempDir(), 1)
	_, addr := openAt(t, b, Port{Listen: []string{"127.0.0.1:0"}, Cert: p.cert, Key: p.key}, nil)
	hello := []byte{22, 3, 1, 2, 0, 1, 0} // the beginning of a first message
	for _, said := range [][]byte{nil, hello} {
		for range maxConnections + 6 {
			c, err := net.Dial("tcp", addr)
			ok(t, err)
			t.Cleanup(func() { _ = c.Close() })
			_, _ = c.Write(said)
		}
		c, err := tls.DialWithDialer(&net.Dialer{Timeout: 3 * time.Second}, "tcp", addr, &tls.Config{RootCAs: p.pool})
		ok(t, err)
		_, err = io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: "+addr+"\r\n\r\n")
		ok(t, err)
		if raw, _ := io.ReadAll(c); !strings.Contains(string(raw), " 200 ") { // it ends: the connection is closed behind it
			t.Errorf("behind strangers that said %x: %q", said, raw)
		}
	}
}

// idle waits until the server has noted that so many connections wait for their next request, which it does behind the answer.
func (g *siege) idle(want int) {
	g.t.Helper()
	count := func() (n int) {
		for _, d := range g.s.doors {
			house, _ := d.Listener.(*guests)
			house.mu.Lock()
			for _, one := range house.in {
				if !one.idle.IsZero() {
					n++
				}
			}
			house.mu.Unlock()
		}
		return n
	}
	for end := time.Now().Add(10 * time.Second); count() != want; runtime.Gosched() {
		if time.Now().After(end) {
			g.t.Fatalf("%d connections wait, want %d", count(), want)
		}
	}
}

// Whoever is logged in and lets every request hang keeps nobody else out: at a half of the places their next one is refused (ADM-02).
func TestAttackEveryPlaceByOne(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		one, other := *g, *g
		one.secret, _ = g.as("slow", access.Operator)
		other.secret, _ = g.as("another", access.Operator)
		for i := range maxConnections + 6 {
			c := one.dial()
			_, err := io.WriteString(c, one.fill("POST /api/v1/check HTTP/1.1\nHost: HOST\nBEARER\nContent-Type: application/json\nContent-Length: 20\nExpect: 100-continue\n\n"))
			ok(t, err)
			r, err := http.ReadResponse(bufio.NewReader(c), nil)
			ok(t, err)
			want := http.StatusContinue // the handler waits for the body
			if i >= maxWorkingEach {
				want = http.StatusTooManyRequests
			}
			if r.StatusCode != want || want == http.StatusTooManyRequests && (r.Header.Get("Retry-After") == "" || !r.Close) {
				t.Fatalf("request %d: %s %v, want %d", i+1, r.Status, r.Header, want)
			}
		}
		if !other.asks(other.dial(), 3*time.Second) {
			t.Error("one login keeps another out")
		}
		if one.asks(one.dial(), 3*time.Second) {
			t.Error("it has more than a half")
		}
	})
}

// A listener has 64 connections. Of those who are logged in, whoever only waits makes room; while all work, the next one waits,
// and the other listeners do not care (ADM-02).
func TestConnectionLimit(t *testing.T) {
	besiege(t, nil, func(t *testing.T, g *siege) {
		working := make([]net.Conn, maxConnections)
		other := *g
		other.secret, _ = g.as("another", access.Viewer)
		begin := func(c net.Conn, g *siege) {
			t.Helper()
			_, err := io.WriteString(c, g.fill("POST /api/v1/check HTTP/1.1\nHost: HOST\nBEARER\nContent-Type: application/json\nContent-Length: 20\nExpect: 100-continue\n\n"))
			ok(t, err)
			line, err := bufio.NewReader(c).ReadString('\n')
			ok(t, err)
			if !strings.Contains(line, " 100 ") { // the handler waits for the body
				t.Fatalf("answer %q", line)
			}
		}
		for i := range working {
			working[i] = g.dial()
			if !g.asks(working[i], 10*time.Second) {
				t.Fatalf("connection %d is not answered", i+1)
			}
			g.idle(i + 1)
		}
		next := g.dial()
		if !g.asks(next, 10*time.Second) {
			t.Error("64 connections that do nothing keep another one out")
		}
		if g.asks(working[0], 10*time.Second) {
			t.Error("there are 65 connections")
		}
		working[0] = next
		for i, c := range working {
			begin(c, []*siege{g, &other}[i%2])
		}
		waiting := g.dial()
		if g.asks(waiting, 100*time.Millisecond) {
			t.Error("a 65th connection is answered while 64 work")
		}
		ok(t, working[6].Close()) // of the same login
		ok(t, waiting.SetDeadline(time.Now().Add(10*time.Second)))
		if r, err := http.ReadResponse(bufio.NewReader(waiting), nil); err != nil || r.StatusCode != http.StatusOK {
			t.Errorf("a place is free, and nobody gets it: %v", err)
		}
	})
}

// Of strangers those go first who came from where the most came from, and who has been there longest (ADM-02).
func TestWhoGoesFirst(t *testing.T) {
	const here, crowd, other = "127.0.0.1", "192.0.2.7", "2001:db8::1"
	for name, c := range map[string]struct {
		in   []string // where they come from; known ones begin with +, those that wait with *
		next string
		out  int
	}{
		"the longest there":       {[]string{here, "127.0.0.9", here}, here, 0},
		"of the crowd":            {[]string{other, crowd, crowd, here}, here, 1},
		"of the newcomer's":       {[]string{other, crowd, here}, crowd, 1},
		"one network":             {[]string{here, other, "2001:db8::2"}, crowd, 1},
		"not who is known":        {[]string{"+" + crowd, "*" + crowd, here}, crowd, 2},
		"who waits longest":       {[]string{"+" + crowd, "*" + crowd, "*" + here}, crowd, 1},
		"nobody, while they work": {[]string{"+" + crowd, "+" + here}, crowd, -1},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuests(nil, len(c.in))
			for i, from := range c.in {
				ip := strings.TrimLeft(from, "+*")
				one := &guest{house: g, place: neighbourhood(net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 5000)))}
				one.known = ip != from
				if from[0] == '*' {
					one.idle = time.Unix(int64(1000+i), 0)
				}
				g.in = append(g.in, one)
			}
			out := g.least(neighbourhood(net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.next), 5000))))
			if got := slices.Index(g.in, out); got != c.out {
				t.Errorf("goes %d, want %d", got, c.out)
			}
		})
	}
	for uid, want := range map[int]string{7: "uid 7"} {
		if got := neighbourhood(peerAddr{&net.UnixAddr{}, uid, access.Viewer}); got != want {
			t.Errorf("at a socket: %s", got)
		}
	}
}

// Whom the server still remembers is counted, so that a crowd that is pushed out as fast as it comes costs little (ADM-02).
func TestLeavingGuestsAreBounded(t *testing.T) {
	g := newGuests(nil, 1)
	comes := func() *guest {
		c, other := net.Pipe()
		t.Cleanup(func() { _ = other.Close() })
		return &guest{Conn: c, house: g, place: "here"}
	}
	all := []*guest{comes()}
	for g.admit(all[len(all)-1]) {
		all = append(all, comes())
	}
	if len(all) != maxLeaving+2 {
		t.Errorf("%d were let in", len(all)-1)
	}
	if _, err := all[0].Write([]byte("x")); err == nil {
		t.Error("who was pushed out is still there")
	}
	for range 2 { // twice is once
		ok(t, all[0].Close())
	}
	if !g.admit(all[len(all)-1]) || g.admit(comes()) {
		t.Error("one is forgotten, and not one gets in")
	}
}
