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

// A key is answered once, by the same bytes after a restart, until its day is over.
func TestOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "answers")
	now := time.Now()
	b := open(t, dir)
	if a, err := b.Begin(request("k"), now); a != nil || err != nil {
		t.Fatalf("first: %v, %v", a, err)
	}
	_, err := b.Begin(request("k"), now)
	wants(t, "under way", err, reason.Conflict)
	first := &Answer{Status: 200, Type: "application/json", Body: []byte(`{"objects":1}`), Sent: "abc"}
	if err := b.End(request("k"), first, now); err != nil {
		t.Fatal(err)
	}
	for _, book := range []*Book{b, open(t, dir)} {
		a, err := book.Begin(request("k"), now.Add(Life-time.Second))
		if err != nil || a == nil || a.Status != 200 || !bytes.Equal(a.Body, first.Body) || a.Sent != "abc" {
			t.Fatalf("repeated: %+v, %v", a, err)
		}
		other := request("k")
		other.What = "POST /api/v1/opinions"
		_, err = book.Begin(other, now)
		wants(t, "another operation", err, reason.KeyReused)
		stranger := request("k")
		stranger.Who = "token:other"
		if a, err := book.Begin(stranger, now); a != nil || err != nil {
			t.Errorf("somebody else's key of the same name: %v, %v", a, err)
		}
		if err := book.End(stranger, nil, now); err != nil {
			t.Error(err)
		}
	}
	if a, err := b.Begin(request("k"), now.Add(Life)); a != nil || err != nil {
		t.Errorf("a day later: %v, %v", a, err)
	}
}

// What was under way when the node stopped is refused, not done again: nobody knows how far it came.
func TestStopped(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	if _, err := open(t, dir).Begin(request("k"), now); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, dir).Begin(request("k"), now)
	wants(t, "under way at the stop", err, reason.Conflict)

	if err := os.WriteFile(filepath.Join(dir, nameOf(request("bad"))), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, dir).Begin(request("bad"), now)
	wants(t, "a damaged file", err, reason.Conflict)
}

// A request that did nothing leaves its key free.
func TestFailed(t *testing.T) {
	b := open(t, t.TempDir())
	now := time.Now()
	for range 2 {
		if a, err := b.Begin(request("k"), now); a != nil || err != nil {
			t.Fatalf("%v, %v", a, err)
		}
		if err := b.End(request("k"), nil, now); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBounds(t *testing.T) {
	b := open(t, t.TempDir())
	now := time.Now()
	for _, n := range []int{MaxBody, MaxBody + 1} {
		r := request(string(rune('a' + n - MaxBody)))
		if _, err := b.Begin(r, now); err != nil {
			t.Fatal(err)
		}
		if err := b.End(r, &Answer{Status: 200, Body: make([]byte, n)}, now); err != nil {
			t.Fatal(err)
		}
		a, err := b.Begin(r, now)
		if err != nil || a.TooLong != (n > MaxBody) || !a.TooLong && len(a.Body) != n {
			t.Errorf("%d bytes: %v, %v, %d bytes", n, err, a.TooLong, len(a.Body))
		}
	}
	old := now.Add(-Life)
	for len(b.keys) < MaxKeys { // as if they had come: the files are not needed
		b.keys[nameOf(request(string(rune(len(b.keys)))+"x"))] = key{at: now}
	}
	_, err := b.Begin(request("one more"), now)
	wants(t, "one too many", err, reason.RequestRate)
	for name := range b.keys {
		b.keys[name] = key{at: old}
		break
	}
	if _, err := b.Begin(request("one more"), now); err != nil {
		t.Errorf("one is over: %v", err)
	}
	if _, err := b.Begin(request("much later"), now.Add(2*Life)); err != nil || len(b.keys) != 2 { // and the one under way
		t.Errorf("%v, %d keys are left", err, len(b.keys))
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
	if _, err := b.Begin(first, now); err != nil {
		t.Fatal(err)
	}
	if b, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < MaxKeysEach; n++ { // as if they had come: the files are not needed
		name := nameOf(request(fmt.Sprint("more ", n)))
		b.keys[name] = key{now, whoOf(first)}
	}
	_, err = b.Begin(request("one more"), now)
	wants(t, "one too many of one client", err, reason.RequestRate)
	other := request("one more")
	other.Who = "somebody else"
	if _, err := b.Begin(other, now); err != nil {
		t.Errorf("another client: %v", err)
	}
}
