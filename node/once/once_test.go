package once

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

func request(key string) Request {
	return Request{Who: "token:feed", Key: key, What: "POST /api/v1/objects?topic=fraud"}
}

func open(t *testing.T, dir string) *Book {
	t.Helper()
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wants(t *testing.T, what string, err error, code reason.Code) {
	t.Helper()
	if reason.Of(err) != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// begin is the first request with a key; marked says that it comes to where something may go out.
func begin(t *testing.T, b *Book, r Request, now time.Time, marked bool) *Doing {
	t.Helper()
	d, a, err := b.Begin(r, now)
	if d == nil || a != nil || err != nil {
		t.Fatalf("%s: %v, %v", r.Key, a, err)
	}
	if marked {
		if err := Mark(With(t.Context(), d)); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func end(t *testing.T, d *Doing, a Answer, now time.Time) {
	t.Helper()
	if err := d.End(a, now); err != nil {
		t.Fatal(err)
	}
}

// A key is answered once, by the same bytes after a restart, until its day is over (ADM-31).
func TestOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "answers")
	now := time.Now()
	b := open(t, dir)
	d := begin(t, b, request("k"), now, true)
	_, _, err := b.Begin(request("k"), now)
	wants(t, "under way", err, reason.Conflict)
	first := Answer{Status: 200, Type: "application/json", Body: []byte(`{"objects":1}`), Sent: "abc"}
	end(t, d, first, now)
	for _, book := range []*Book{b, open(t, dir)} {
		_, a, err := book.Begin(request("k"), now.Add(Life-time.Second))
		if err != nil || a == nil || a.Status != 200 || !bytes.Equal(a.Body, first.Body) || a.Sent != "abc" {
			t.Fatalf("repeated: %+v, %v", a, err)
		}
		other := request("k")
		other.What = "POST /api/v1/opinions"
		_, _, err = book.Begin(other, now)
		wants(t, "another operation", err, reason.KeyReused)
		stranger := request("k")
		stranger.Who = "token:other"
		end(t, begin(t, book, stranger, now, false), Answer{Status: 200}, now)
	}
	begin(t, b, request("k"), now.Add(Life), false) // a day later
}

// What may have gone out when the node stopped is refused, not done again: nobody knows how far it came. What was under way
// without that did nothing: its key is free (ADM-31).
func TestStopped(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	b := open(t, dir)
	begin(t, b, request("k"), now, true)
	begin(t, b, request("early"), now, false)
	_, _, err := open(t, dir).Begin(request("k"), now)
	wants(t, "something may have gone out before the stop", err, reason.Conflict)
	begin(t, open(t, dir), request("early"), now, false)

	if err := os.WriteFile(filepath.Join(dir, nameOf(request("bad"))), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = open(t, dir).Begin(request("bad"), now)
	wants(t, "a damaged file", err, reason.Conflict)
}

// An answer is kept if and only if something may have gone out, whatever it says (ADM-31).
func TestKept(t *testing.T) {
	now := time.Now()
	for _, status := range []int{200, 409, 422, 499, 500} {
		dir := t.TempDir()
		b := open(t, dir)
		for range 2 {
			end(t, begin(t, b, request("nothing done"), now, false), Answer{Status: status}, now)
		}
		refused := begin(t, b, request("refused"), now, true)
		Unmark(With(t.Context(), refused))
		end(t, refused, Answer{Status: status}, now)
		begin(t, open(t, dir), request("refused"), now, false)

		part := begin(t, b, request("part"), now, true)
		ctx := With(t.Context(), part)
		if err := Mark(ctx); err != nil { // of two things one went out
			t.Fatal(err)
		}
		Unmark(ctx)
		end(t, part, Answer{Status: status}, now)
		if _, a, err := open(t, dir).Begin(request("part"), now); err != nil || a == nil || a.Status != status {
			t.Errorf("%d: %+v, %v", status, a, err)
		}
	}
	if err := Mark(t.Context()); err != nil {
		t.Errorf("without a key: %v", err)
	}
}

// What cannot be noted is not done, and its key is free.
func TestMarkFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "answers")
	now := time.Now()
	b := open(t, dir)
	d := begin(t, b, request("k"), now, false)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := Mark(With(t.Context(), d)); err == nil {
		t.Error("noted where nothing can be written")
	}
	end(t, d, Answer{Status: 500}, now)
	begin(t, b, request("k"), now, false)
}

func TestBounds(t *testing.T) {
	b := open(t, t.TempDir())
	now := time.Now()
	for _, n := range []int{MaxBody, MaxBody + 1} {
		r := request(string(rune('a' + n - MaxBody)))
		end(t, begin(t, b, r, now, true), Answer{Status: 200, Body: make([]byte, n)}, now)
		_, a, err := b.Begin(r, now)
		if err != nil || a.TooLong != (n > MaxBody) || !a.TooLong && len(a.Body) != n {
			t.Errorf("%d bytes: %v, %v, %d bytes", n, err, a.TooLong, len(a.Body))
		}
	}
	old := now.Add(-Life)
	for len(b.keys) < MaxKeys { // as if they had come: the files are not needed
		b.keys[nameOf(request(string(rune(len(b.keys)))+"x"))] = key{at: now}
	}
	_, _, err := b.Begin(request("one more"), now)
	wants(t, "one too many", err, reason.RequestRate)
	for name := range b.keys {
		b.keys[name] = key{at: old}
		break
	}
	begin(t, b, request("one more"), now, false) // one is over
	begin(t, b, request("much later"), now.Add(2*Life), false)
	if len(b.keys) != 2 { // and the one under way
		t.Errorf("%d keys are left", len(b.keys))
	}
}

func FuzzDecode(f *testing.F) {
	raw, err := json.Marshal(entry{At: time.Now(), What: "POST /x", Answer: &Answer{Status: 200, Body: []byte("{}")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"at":"2026-01-01T00:00:00Z","answer":{"status":99}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := decode(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		if _, err := decode(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

// One client's keys leave room for those of others, after a restart as well.
func TestShare(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	first := request("first")
	end(t, begin(t, b, first, now, true), Answer{Status: 200}, now)
	if b, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < MaxKeysEach; n++ { // as if they had come: the files are not needed
		name := nameOf(request(fmt.Sprint("more ", n)))
		b.keys[name] = key{now, whoOf(first)}
	}
	_, _, err = b.Begin(request("one more"), now)
	wants(t, "one too many of one client", err, reason.RequestRate)
	other := request("one more")
	other.Who = "somebody else"
	begin(t, b, other, now, false)

	// Those that are over do not count, however lately keys were tidied.
	for name, k := range b.keys {
		if k.who == whoOf(first) && !b.running[name] {
			b.keys[name] = key{now.Add(-Life), k.who}
			break
		}
	}
	begin(t, b, request("one more"), now, false)
}
