package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Many write at once while others read: every entry is there once, in one chain, and nobody
// reads what is not durable.
func TestConcurrent(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "audit.log"))
	const writers, each = 16, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			last := uint64(0)
			for i := range each {
				e, err := l.Append(t.Context(), Event{Action: "a.b", Target: fmt.Sprintf("%d/%d", w, i)})
				if err != nil || e.Seq <= last {
					t.Errorf("writer %d: entry %d after %d: %v", w, e.Seq, last, err)
				}
				if seq, _ := l.Head(); seq < e.Seq {
					t.Errorf("acknowledged %d, the head is %d", e.Seq, seq)
				}
				last = e.Seq
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for after := uint64(0); after < writers*each; {
				if err := l.Wait(t.Context(), after); err != nil {
					t.Error(err)
					return
				}
				got, _, err := l.Read(after, 100, Filter{})
				if err != nil || len(got) == 0 || got[0].Seq != after+1 {
					t.Errorf("after %d: %d entries, %v", after, len(got), err)
					return
				}
				after = got[len(got)-1].Seq
				if _, err := l.Last(3, Filter{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	sound(t, l.path, writers*each)
	all, _, err := l.Read(0, writers*each+1, Filter{})
	ok(t, err)
	seen := map[string]bool{}
	for _, e := range all {
		seen[e.Target] = true
	}
	if len(all) != writers*each || len(seen) != writers*each {
		t.Errorf("%d entries, %d of them different", len(all), len(seen))
	}
}

// Those who wait while one writes share the next sync.
func TestWaitersShareASync(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "audit.log"))
	const waiters = 20
	l.commit.Lock() // somebody writes
	var wg sync.WaitGroup
	for range waiters {
		wg.Go(func() { add(t, l, "a.b", "") })
	}
	var b *batch
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		l.mu.Lock()
		b = l.batch
		n := 0
		if b != nil {
			n = len(b.starts)
		}
		l.mu.Unlock()
		if n == waiters {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d wait in one batch", n, waiters)
		}
	}
	l.commit.Unlock()
	wg.Wait()
	if l.size != int64(len(b.lines)) || b.end != l.head {
		t.Errorf("the batch has %d bytes, the log %d", len(b.lines), l.size)
	}
	sound(t, l.path, waiters)
}

// A batch that fails takes with it what was chained to it; what comes later is chained to what is there.
func TestFailureTakesThoseBehind(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "audit.log"))
	first := add(t, l, "a.b", "")
	good := l.file
	bad, err := os.Open(l.path)
	ok(t, err)
	entry := Entry{Event: Event{Action: "a.b"}}
	b, err := l.queue(&entry, nil)
	ok(t, err)
	l.file = bad
	if err := l.write(b); err == nil {
		t.Fatal("wrote to a file that is read only")
	}
	ok(t, bad.Close())
	l.file, l.broken = good, nil
	if next := add(t, l, "a.b", ""); next.Prev != first.Hash || next.Seq != 2 {
		t.Errorf("entry %d behind %s", next.Seq, next.Prev)
	}
	// One that waits while the failure happens.
	failing, err := l.queue(&Entry{Event: Event{Action: "a.b"}}, nil)
	ok(t, err)
	l.batch = nil // taken
	behind, err := l.queue(&Entry{Event: Event{Action: "a.b"}}, nil)
	ok(t, err)
	failing.done, failing.err = true, os.ErrInvalid
	l.settle(failing, true)
	if err := l.write(behind); err != os.ErrInvalid {
		t.Errorf("chained to what was never written: %v", err)
	}
	add(t, l, "a.b", "")
	sound(t, l.path, 3)
}

func BenchmarkAppend(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), "audit.log"))
	for b.Loop() {
		add(b, l, "trust.set", "sha256:0123")
	}
}

// BenchmarkOpen reports how fast a long log is checked at start, and by Verify.
func BenchmarkOpen(b *testing.B) {
	path := filled(b, 20)
	l := open(b, path)
	for range 200_000 {
		if _, err := l.queue(&Entry{Actor: Node(), Event: Event{Action: "trust.set", Target: "sha256:0123", Reason: "a reason of the usual length"}}, nil); err != nil {
			b.Fatal(err)
		}
	}
	ok(b, l.write(l.batch))
	ok(b, l.Close())
	for name, f := range map[string]func(){
		"open":   func() { ok(b, open(b, path).Close()) },
		"verify": func() { sound(b, path, 200_020) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(l.size)
			for b.Loop() {
				f()
			}
		})
	}
}
