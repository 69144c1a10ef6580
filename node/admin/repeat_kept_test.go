package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/once"
	"tocsin/node/outbox"
	"tocsin/protocol/reason"
)

// keyedBench is a bench whose answers are kept in a folder, and how to send to it.
type keyedBench struct {
	*bench
	handler http.Handler
	dir     string
	accept  string
	// publish replaces the way out; nil restores it.
	publish func(ctx context.Context, real func(context.Context, outbox.Request) (outbox.Result, error), req outbox.Request) (outbox.Result, error)
}

func newKeyedBench(t *testing.T) *keyedBench {
	t.Helper()
	b := &keyedBench{bench: newBench(t), dir: t.TempDir()}
	real := b.deps.Publish
	b.deps.Publish = func(ctx context.Context, req outbox.Request) (outbox.Result, error) {
		if b.publish != nil {
			return b.publish(ctx, real, req)
		}
		return real(ctx, req)
	}
	b.restart()
	return b
}

// restart forgets what is only in memory.
func (b *keyedBench) restart() {
	b.t.Helper()
	book, err := once.Open(b.dir)
	ok(b.t, err)
	b.deps.Once = book
	b.handler = NewHandler(b.deps)
}

func (b *keyedBench) send(path, key string, body io.Reader) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest("POST", api.Prefix+path, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(headerKey, key)
	r.Header.Set("Accept", b.accept)
	return as(b.t, b.handler, access.Analyst, "token", r)
}

// first expects an answer that was not given before, again one that was.
func (b *keyedBench) first(what string, w *httptest.ResponseRecorder, status int, text string) {
	b.t.Helper()
	b.answered(what, w, status, text, "")
}

func (b *keyedBench) again(what string, w *httptest.ResponseRecorder, status int, text string) {
	b.t.Helper()
	b.answered(what, w, status, text, "true")
}

func (b *keyedBench) answered(what string, w *httptest.ResponseRecorder, status int, text, replayed string) {
	b.t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), text) || w.Header().Get(headerReplayed) != replayed {
		b.t.Errorf("%s: %d (replayed %q) %s, want %d %s", what, w.Code, w.Header().Get(headerReplayed), w.Body, status, text)
	}
}

// announced is how many records went out.
func (b *keyedBench) announced(what string, want int) {
	b.t.Helper()
	if n := len(b.mesh.announced); n != want {
		b.t.Errorf("%s: %d records went out, want %d", what, n, want)
	}
}

// cut is a body that breaks off or stands still.
type cut struct {
	io.Reader
	err error
}

func (c cut) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = c.err
	}
	return n, err
}

// An upload that breaks off or stands still is nobody's fault here, did nothing, and leaves its key free (ADM-31).
func TestLostUploadLeavesTheKey(t *testing.T) {
	b := newKeyedBench(t)
	body := feedIn(indicator(1, "a.example"))
	for _, lost := range []struct {
		err  error
		code int
		text reason.Code
	}{
		{io.ErrUnexpectedEOF, 499, reason.Interrupted}, {os.ErrDeadlineExceeded, 408, reason.TimedOut},
		{errors.New("connection reset by peer"), 499, reason.Interrupted}, {reason.New(reason.LoginExpired, "revoked"), 401, reason.LoginExpired},
	} {
		b.first(lost.err.Error(), b.send("/objects?topic=fraud", "k", cut{strings.NewReader(body[:100]), lost.err}), lost.code, string(lost.text))
	}
	b.announced("lost uploads", 0)
	b.first("the whole of it", b.send("/objects?topic=fraud", "k", strings.NewReader(body)), 200, `"objects":1`)
	b.first("a repetition that is lost, too", b.send("/objects?topic=fraud", "k", cut{strings.NewReader(body[:100]), io.ErrUnexpectedEOF}), 499, string(reason.Interrupted))
	b.again("repeated", b.send("/objects?topic=fraud", "k", strings.NewReader(body)), 200, `"objects":1`)
	b.announced("in the end", 1)
}

// What is refused before anything is signed leaves its key free, also when it is the node's fault (ADM-31).
func TestNothingDoneLeavesTheKey(t *testing.T) {
	b := newKeyedBench(t)
	body := feedIn(indicator(1, "a.example"))
	b.publish = func(context.Context, func(context.Context, outbox.Request) (outbox.Result, error), outbox.Request) (outbox.Result, error) {
		return outbox.Result{}, fmt.Errorf("publish: %w", reason.New(reason.StoreFull, "no room"))
	}
	b.first("no room", b.send("/objects?topic=fraud", "k", strings.NewReader(body)), 500, string(reason.StoreFull))
	b.publish = nil
	b.first("room again", b.send("/objects?topic=fraud", "k", strings.NewReader(body)), 200, `"objects":1`)

	b.first("a typo", b.send("/sightings", "s", strings.NewReader(`{"target":"a.example","count":"x","confidence":50}`)), 422, "count")
	b.first("unknown", b.send("/sightings", "s", strings.NewReader(`{"target":"b.example","count":1,"confidence":50}`)), 404, string(reason.NotFound))
	b.first("mended", b.send("/sightings", "s", strings.NewReader(`{"target":"a.example","count":1,"confidence":50}`)), 200, `"records"`)
	b.again("repeated", b.send("/sightings", "s", strings.NewReader(`{"target":"a.example","count":1,"confidence":50}`)), 200, `"records"`)
	b.announced("in the end", 2)
}

// A publication that stops in the middle is answered the same to who repeats it, with what went out; what did not goes out under
// another key, and nothing twice (ADM-31).
func TestInterruptedIsKept(t *testing.T) {
	for accept, status := range map[string]int{"application/json": 499, api.MediaNDJSON: 200} {
		b := newKeyedBench(t)
		b.accept = accept
		clear := strings.Replace(indicator(1, "a.example"), `"name":`, `"object_marking_refs":["marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"],"name":`, 1)
		body := feedIn(clear, indicator(2, "b.example")) // of two markings: in two records
		b.publish = func(ctx context.Context, real func(context.Context, outbox.Request) (outbox.Result, error), req outbox.Request) (outbox.Result, error) {
			c, cancel := context.WithCancel(ctx)
			defer cancel()
			told := req.Progress
			req.Progress = func(done, total int) {
				told(done, total)
				if done > 0 {
					cancel() // the client left
				}
			}
			return real(c, req)
		}
		b.first("first", b.send("/objects?topic=fraud", "k", strings.NewReader(body)), status, "1 objects in 1 records went out before: sha256:")
		b.publish = nil
		for range 2 {
			b.again("repeated", b.send("/objects?topic=fraud", "k", strings.NewReader(body)), status, b.mesh.announced[0].String())
			b.restart()
		}
		b.announced("repeated", 1)
		b.first("another body", b.send("/objects?topic=fraud", "k", strings.NewReader(body+" ")), 409, string(reason.KeyReused))
		w := b.send("/objects?topic=fraud", "k2", strings.NewReader(body))
		b.first("the rest", w, 200, `"objects":1`)
		if !strings.Contains(w.Body.String(), string(reason.STIXPublished)) {
			t.Errorf("the rest: %s", w.Body)
		}
		b.announced("the rest", 2)
	}
}

// A sighting that goes out of one object and fails of the next names the first, and is not done again (ADM-31).
func TestHalfASightingIsKept(t *testing.T) {
	b := newKeyedBench(t)
	b.bench.publish(indicator(1, "a.example"), indicator(2, "a.example"))
	sent := 0
	b.publish = func(ctx context.Context, real func(context.Context, outbox.Request) (outbox.Result, error), req outbox.Request) (outbox.Result, error) {
		if sent++; sent > 1 {
			return outbox.Result{}, reason.New(reason.StoreFull, "no room")
		}
		return real(ctx, req)
	}
	body := `{"target":"a.example","count":1,"confidence":50}`
	b.first("first", b.send("/sightings", "s", strings.NewReader(body)), 500, "a sighting went out before of: indicator--")
	b.publish = nil
	b.again("repeated", b.send("/sightings", "s", strings.NewReader(body)), 500, "a sighting went out before of: indicator--")
	b.announced("repeated", 2)
}

// When the node stops after something may have gone out, the key is refused with the documented problem; before that it is
// free (ADM-31).
func TestStopUnderAKey(t *testing.T) {
	b := newKeyedBench(t)
	body := feedIn(indicator(1, "a.example"))
	for _, gone := range []bool{false, true} {
		key := fmt.Sprint("gone-", gone)
		b.publish = func(ctx context.Context, real func(context.Context, outbox.Request) (outbox.Result, error), req outbox.Request) (outbox.Result, error) {
			var res outbox.Result
			var err error
			if gone {
				res, err = real(ctx, req)
			}
			b.restart() // as after a kill here: what the first process does later is not on the disk
			b.publish = nil
			b.stopped(key, body, gone)
			return res, err
		}
		b.send("/objects?topic=fraud", key, strings.NewReader(body))
		body = feedIn(indicator(2, "b.example"))
	}
}

// stopped repeats a request whose first one ended with the process.
func (b *keyedBench) stopped(key, body string, gone bool) {
	b.t.Helper()
	w := b.send("/objects?topic=fraud", key, strings.NewReader(body))
	if gone {
		b.first("stopped behind the first signature", w, 409, "something may have gone out")
		return
	}
	b.first("stopped before anything", w, 200, `"objects":1`)
}

// A file that comes too slowly is its sender's doing, and is said to be (ADM-02).
func TestSlowPublication(t *testing.T) {
	quick := func(s *Server) { s.times.body = 200 * time.Millisecond }
	besiege(t, quick, func(t *testing.T, g *siege) {
		c := g.dial()
		_, err := io.WriteString(c, g.fill("POST /api/v1/objects?topic=fraud HTTP/1.1\nHost: HOST\nBEARER\nContent-Type: application/octet-stream\nContent-Length: 1000\n\n{"))
		ok(t, err)
		if r := g.read(c, "POST"); r.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(r.body), string(reason.TimedOut)) {
			t.Errorf("%d %s", r.StatusCode, r.body)
		}
	})
}
