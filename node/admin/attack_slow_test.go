package admin

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hangsUp sees that the server ends a connection by itself.
func (g *siege) hangsUp(request string) {
	g.t.Helper()
	c := g.dial()
	_, err := io.WriteString(c, g.fill(request))
	ok(g.t, err)
	ok(g.t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	if raw, err := io.ReadAll(c); err != nil {
		g.t.Errorf("%q: the connection is still there after %q: %v", request, raw, err)
	}
}

// Who announces a body and sends none holds no connection, whether it was refused, asked for what everybody may see, or was let in (ADM-02).
func TestAttackBodyThatNeverComes(t *testing.T) {
	quick := func(s *Server) { s.times.header, s.times.body = 200*time.Millisecond, 200*time.Millisecond }
	besiege(t, quick, func(t *testing.T, g *siege) {
		for name, request := range map[string]string{
			"public":                 "GET /livez HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: 1000\n\n",
			"public, in parts":       "GET /ui/style.css HTTP/1.1\nHost: HOST\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n",
			"bad type":               "GET /livez HTTP/1.1\nHost: HOST\nContent-Length: 1000\n\n",
			"foreign host":           "POST /api/v1/peers HTTP/1.1\nHost: evil.example\nContent-Length: 1000\n\n",
			"foreign host, in parts": "POST /api/v1/peers HTTP/1.1\nHost: evil.example\nTransfer-Encoding: chunked\n\n5\r\nab",
			"bad secret":             "POST /api/v1/peers HTTP/1.1\nHost: HOST\nAuthorization: Bearer x\nContent-Type: application/json\nContent-Length: 1000\n\n",
			"odd expectation":        "POST /api/v1/peers HTTP/1.1\nHost: HOST\nExpect: much\nContent-Length: 1000\n\n", // which the server answers by itself
			"login":                  "POST /api/v1/login HTTP/1.1\nHost: HOST\nContent-Type: application/json\nContent-Length: 1000\nConnection: close\n\n",
		} {
			t.Run(name, func(t *testing.T) {
				one := *g
				one.t = t
				one.unmoved(func() { one.hangsUp(request) })
			})
		}
	})
}

// Who asks and asks and reads nothing is let go (ADM-02).
func TestAttackReaderThatNeverReads(t *testing.T) {
	quick := func(s *Server) { s.times.write = 200 * time.Millisecond }
	besiege(t, quick, func(t *testing.T, g *siege) {
		for name, request := range map[string]string{
			"public": "GET /ui/style.css HTTP/1.1\nHost: HOST\n\n", "let in": "GET /api/v1/openapi.yaml HTTP/1.1\nHost: HOST\nBEARER\n\n",
		} {
			t.Run(name, func(t *testing.T) {
				c := g.dial()
				many := strings.Repeat(g.fill(request), 100)
				ok(t, c.SetDeadline(time.Now().Add(30*time.Second)))
				for {
					if _, err := io.WriteString(c, many); os.IsTimeout(err) {
						t.Fatal("the server neither reads nor hangs up")
					} else if err != nil {
						return
					}
				}
			})
		}
	})
}

// Only waiting for the client counts: an operation may be silent for longer, and what is long has a time for each part (ADM-02).
func TestAwaitedWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := &deadlines{ResponseRecorder: httptest.NewRecorder(), took: time.Second, began: began}
		a := &awaitedWriter{ResponseWriter: w, control: http.NewResponseController(w), patience: 5 * time.Second}
		time.Sleep(time.Hour)
		for _, n := range []int{0, 1, partBytes, partBytes + 1, 3 * partBytes} {
			if done, err := a.Write(make([]byte, n)); done != n || err != nil {
				t.Errorf("%d bytes: %d, %v", n, done, err)
			}
		}
		time.Sleep(time.Hour)
		ok(t, http.NewResponseController(a).Flush())
		if got, want := fmt.Sprint(w.set), "[1h0m5s 1h0m6s 1h0m7s 1h0m8s 1h0m9s 1h0m10s 1h0m11s 1h0m12s 2h0m13s]"; got != want {
			t.Errorf("deadlines %s, want %s", got, want)
		}
		if got := w.Body.Len(); got != 5*partBytes+2 {
			t.Errorf("%d bytes went out", got)
		}
	})
}

// deadlines is a slow connection that notes the deadlines for writing.
type deadlines struct {
	*httptest.ResponseRecorder
	began time.Time
	took  time.Duration
	set   []time.Duration
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.set = append(d.set, at.Sub(d.began))
	return nil
}

func (d *deadlines) Write(p []byte) (int, error) {
	time.Sleep(d.took)
	return d.ResponseRecorder.Write(p)
}

// Ten refusals a second are logged, and the next says how many were not.
func TestRefusalsInTheLog(t *testing.T) {
	f, now, said := new(refusals), time.Unix(1000, 0), 0
	for range maxRefusals + 25 {
		if yes, left := f.told(now); yes {
			said += 1 + left
		}
	}
	if said != maxRefusals {
		t.Errorf("%d are logged, want %d", said, maxRefusals)
	}
	for i, want := range []int{25, 0} {
		if yes, left := f.told(now.Add(time.Second)); !yes || left != want {
			t.Errorf("%d after a second: %v, %d, want %d", i, yes, left, want)
		}
	}
}
