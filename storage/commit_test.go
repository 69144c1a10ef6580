package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// TestChanges: the sequence has no gaps, in pages of any size.
func TestChanges(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	var ids []protocol.RecordID
	for i := range 7 {
		ids = append(ids, accept(t, s, a.entry(draft{leaves: indicators(i, 1)})))
	}
	for _, limit := range []int{1, 3, 7, 100} {
		var got []protocol.RecordID
		for after := uint64(0); after < s.Sequence(); {
			page, err := s.Changes(after, limit)
			must(t, err)
			for i, c := range page {
				if c.Seq != after+uint64(i)+1 || c.Kind != "accepted" || c.At.IsZero() || c.Org != a.Org || c.Topic.String() != "malicious-code" {
					t.Fatalf("change %+v", c)
				}
				got = append(got, c.Record)
			}
			after += uint64(len(page))
		}
		if !slices.Equal(got, ids) {
			t.Errorf("in pages of %d: %v", limit, got)
		}
	}
	for _, c := range []struct {
		after uint64
		limit int
	}{{7, 10}, {8, 10}, {1<<64 - 1, 10}, {0, 0}, {0, -1}} {
		if got, err := s.Changes(c.after, c.limit); len(got) != 0 || err != nil {
			t.Errorf("changes after %d, at most %d: %v, %v", c.after, c.limit, got, err)
		}
	}
	must(t, s.db.Update(func(txn *badger.Txn) error { return txn.Delete(changeKey(4)) }))
	got, err := s.Changes(1, 10)
	wantCode(t, err, reason.StoreDamaged)
	if len(got) != 2 || !strings.Contains(err.Error(), "change 4 is missing") {
		t.Errorf("%d changes before the hole, %v", len(got), err)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open("", Options{Memory: true})
		must(t, err)
		e := newAuthor(t, "A").entry(draft{leaves: indicators(0, 1)})
		woken := make(chan error, 3)
		for range 3 {
			go func() { woken <- s.Wait(t.Context(), 0) }()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waited for nothing: %v", err)
		}
		synctest.Wait()
		if len(woken) != 0 {
			t.Error("woken by nothing")
		}
		must(t, s.Accept(t.Context(), e))
		for range 3 {
			must(t, <-woken)
		}
		must(t, s.Wait(t.Context(), 0))
		must(t, s.Close())
	})
}

// TestManyCallers: callers at once share commits, each gets its own answer, and
// of those who bring the same thing exactly one wins.
func TestManyCallers(t *testing.T) {
	s := openDisk(t, t.TempDir())
	const callers, each = 16, 12
	authors := make([]*author, callers)
	entries := make([][]Entry, callers)
	for i := range authors {
		authors[i] = newAuthor(t, fmt.Sprint(i))
		for j := range each {
			entries[i] = append(entries[i], authors[i].entry(draft{leaves: indicators(i*1000+j*10, 10)}))
		}
	}
	forks := make([]Entry, callers)
	for i := range forks {
		forks[i] = authors[i].entry(draft{leaves: indicators(i, 1), sequence: 1})
	}
	results := make(chan error, callers*each*3)
	var wg sync.WaitGroup
	for i := range entries {
		for range 2 { // everybody twice
			wg.Go(func() {
				for _, e := range entries[i] {
					results <- s.Accept(t.Context(), e)
				}
			})
		}
		wg.Go(func() { results <- s.Accept(t.Context(), forks[i]) })
	}
	wg.Wait()
	close(results)
	codes := map[reason.Code]int{}
	for err := range results {
		if err != nil && reason.Of(err) == "" {
			t.Fatal(err)
		}
		codes[reason.Of(err)]++
	}
	// A fork may come first; then the record at its place loses, twice.
	lost := codes[reason.LogFork] - callers
	if codes[""] != callers*each || lost < 0 || codes[reason.DupHeld] != callers*each-lost {
		t.Errorf("outcomes %v", codes)
	}
	if s.Counts().Records != callers*each || s.Sequence() != callers*each {
		t.Errorf("counts %+v, sequence %d", s.Counts(), s.Sequence())
	}
	if _, err := s.Changes(0, 10_000); err != nil {
		t.Error(err)
	}
}

// TestGather: alone at once, under load never longer than maxWait.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Store{work: work{queue: make(chan *op)}}
		w := &writer{s: s, maxCount: 8000}
		send := func(every time.Duration, n int) {
			for range n {
				s.work.queue <- &op{}
				time.Sleep(every)
			}
		}
		began := time.Now()
		if got := w.gather(&op{}); len(got) != 1 || time.Since(began) != 0 {
			t.Errorf("alone: %d ops after %s", len(got), time.Since(began))
		}
		go send(0, 5)
		synctest.Wait()
		if got := w.gather(&op{}); len(got) != 6 || time.Since(began) != quietWait {
			t.Errorf("5 waiting: %d ops after %s", len(got), time.Since(began))
		}
		w.busy, began = true, time.Now()
		if got := w.gather(&op{}); len(got) != 1 || time.Since(began) != quietWait {
			t.Errorf("load has ended: %d ops after %s", len(got), time.Since(began))
		}
		began = time.Now()
		go send(quietWait/2, 1000)
		if got := w.gather(&op{}); len(got) < 90 || time.Since(began) != maxWait {
			t.Errorf("endless load: %d ops after %s", len(got), time.Since(began))
		}
		began = time.Now()
		w.maxCount = 80
		if got := w.gather(&op{}); len(got) != 10 || time.Since(began) >= maxWait {
			t.Errorf("a full batch: %d ops after %s", len(got), time.Since(began))
		}
		w.maxCount = 1 << 30
		for range 20 {
			w.gather(&op{})
		}
	})
}

// TestLarge stores records whose raw bytes and whose packed values need many
// parts and more than one transaction, and handles them like any other.
func TestLarge(t *testing.T) {
	for _, memory := range []bool{true, false} {
		t.Run(fmt.Sprintf("memory=%v", memory), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			open := func() *Store {
				s, err := Open(dir, Options{Memory: memory, Network: testNetwork})
				must(t, err)
				return s
			}
			s := open()
			a := newAuthor(t, "A")
			noise := make([]byte, 760<<10) // does not compress below this
			rand.Read(noise)
			var ids []protocol.RecordID
			for i, state := range []State{Accepted, Held, Held} {
				leaves := indicators(i*10, 3)
				leaves[0].State = state
				for n := range 30_000 { // 2 MB of values
					o := pattern.Observable{Type: pattern.URL, Value: fmt.Sprintf("http://%d.%d.example/%s", i, n, strings.Repeat("x", 30))}
					leaves[1].Values = append(leaves[1].Values, pattern.Value{Observable: o})
				}
				objects := [][]byte{
					fmt.Appendf(nil, `{"id":%q,"noise":"%s"}`, leaves[0].Object, base64.StdEncoding.EncodeToString(noise[:len(noise)/2])),
					fmt.Appendf(nil, `{"id":%q,"noise":"%s"}`, leaves[1].Object, base64.StdEncoding.EncodeToString(noise[len(noise)/2:])),
				}
				e := a.entry(draft{leaves: leaves, objects: objects, state: []State{Accepted, Held, Accepted}[i]})
				ids = append(ids, accept(t, s, e))
				raw, _, err := s.Record(ids[i])
				must(t, err)
				if !bytes.Equal(raw, e.Record.Raw()) || len(raw) < 3*partBytes {
					t.Fatalf("record %d of %d bytes is not what was accepted", i, len(raw))
				}
			}
			must(t, s.Decide(t.Context(), Ref{ids[2], 0}, Accepted, reason.OperatorRejected))
			must(t, s.Reject(t.Context(), ids[1], reason.OperatorRejected))
			check := func() {
				t.Helper()
				for _, i := range []int{0, 2} {
					o := pattern.Observable{Type: pattern.URL, Value: fmt.Sprintf("http://%d.29999.example/%s", i, strings.Repeat("x", 30))}
					if hits := lookup(t, s, o); len(hits) != 1 || hits[0].Ref != (Ref{ids[i], 1}) {
						t.Errorf("record %d: %d hits", i, len(hits))
					}
				}
				if s.Counts() != (Counts{Records: 2, Objects: 6}) {
					t.Errorf("counts %+v", s.Counts())
				}
			}
			check()
			if memory {
				must(t, s.Close())
				return
			}
			must(t, s.Close())
			report, err := Check(dir)
			must(t, err)
			if len(report.Problems) > 0 {
				t.Errorf("problems %q", report.Problems)
			}
			s = open()
			check()
			n, err := s.Expire(t.Context(), testNow.AddDate(1, 0, 0))
			if n != 3 || err != nil {
				t.Errorf("%d expired, %v", n, err)
			}
			left := 0
			must(t, s.view(func(txn *badger.Txn) error {
				it := txn.NewIterator(badger.IteratorOptions{})
				defer it.Close()
				for it.Rewind(); it.Valid(); it.Next() {
					if strings.ContainsRune("aqx", rune(it.Item().Key()[0])) {
						left++
					}
				}
				return nil
			}))
			if left != 0 {
				t.Errorf("%d keys left behind", left)
			}
			report, err = checkClosed(t, s, dir)
			must(t, err)
			if len(report.Problems) > 0 || report.Records != 0 {
				t.Errorf("report %+v", report)
			}
		})
	}
}

// TestSyncError: what badger only logs stops the store before it acknowledges.
func TestSyncError(t *testing.T) {
	s := openDisk(t, t.TempDir())
	a := newAuthor(t, "A")
	accept(t, s, a.entry(draft{leaves: indicators(0, 1)}))
	s.synced.Errorf("another error: %v", "x")
	accept(t, s, a.entry(draft{leaves: indicators(1, 1)}))
	s.synced.Errorf(syncError+": %v\n", errors.New("I/O error"))
	e := a.entry(draft{leaves: indicators(2, 1)})
	for range 2 {
		if err := s.Accept(t.Context(), e); err == nil || !strings.Contains(err.Error(), "could not be synced") {
			t.Errorf("accept after a failed sync: %v", err)
		}
	}
	if s.Has(e.Record.ID()) || s.Counts().Records != 2 || s.Sequence() != 2 {
		t.Error("what may not be on disk is visible")
	}
}
