package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol/reason"
)

// copyOf fills a new store from a snapshot and opens it.
func copyOf(t *testing.T, sn *Snapshot) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	l, err := NewLoader(dir)
	must(t, err)
	must(t, sn.Each(t.Context(), 0, func(p Pair) error { return l.Set(p.Key, p.Value) }))
	must(t, l.Close())
	return openDisk(t, dir)
}

// TestSnapshotIsOneMoment: what a snapshot says of the store is what it reads, whatever is written meanwhile, and a
// store filled from it is the same.
func TestSnapshotIsOneMoment(t *testing.T) {
	s := openDisk(t, t.TempDir())
	a := newAuthor(t, "a")
	for i := range 20 {
		accept(t, s, a.entry(draft{leaves: indicators(i*3, 3)}))
	}
	accept(t, s, a.entry(draft{leaves: indicators(100, 1), state: Held, reason: reason.TrustUnknown}))
	sn, err := s.Snapshot(t.Context())
	must(t, err)
	defer sn.Close()
	accept(t, s, a.entry(draft{leaves: indicators(200, 1)}))
	copied := copyOf(t, sn)
	got := copied.Facts(sn.At)
	if got.Counts != sn.Counts || got.Counts.Records != 20 || got.Counts.HeldRecords != 1 {
		t.Errorf("copied %+v of %+v", got.Counts, sn.Counts)
	}
	if got.Changes != sn.Changes || len(got.Logs) != 1 || got.Logs[0] != sn.Logs[0] {
		t.Errorf("copied %d changes and logs %v of %d and %v", got.Changes, got.Logs, sn.Changes, sn.Logs)
	}
	if len(got.Topics) != len(sn.Topics) {
		t.Fatalf("topics %v of %v", got.Topics, sn.Topics)
	}
	for i := range got.Topics {
		if got.Topics[i] != sn.Topics[i] {
			t.Errorf("topic %v of %v", got.Topics[i], sn.Topics[i])
		}
	}
}

// TestSnapshotSince: above a version, only what is newer has values, and all that lives is named.
func TestSnapshotSince(t *testing.T) {
	s := openDisk(t, t.TempDir())
	a := newAuthor(t, "a")
	first := accept(t, s, a.entry(draft{leaves: indicators(0, 2)}))
	sn, err := s.Snapshot(t.Context())
	must(t, err)
	base, lineage := sn.Version, sn.Lineage
	sn.Close()
	second := accept(t, s, a.entry(draft{leaves: indicators(10, 2)}))
	sn, err = s.Snapshot(t.Context())
	must(t, err)
	defer sn.Close()
	if sn.Lineage != lineage || sn.Version <= base {
		t.Errorf("lineage %s version %d after %s %d", sn.Lineage, sn.Version, lineage, base)
	}
	fresh := map[string]bool{}
	var before []byte
	must(t, sn.Each(t.Context(), base, func(p Pair) error {
		if bytes.Compare(before, p.Key) >= 0 {
			t.Errorf("key %x after %x", p.Key, before)
		}
		before = bytes.Clone(p.Key)
		fresh[string(p.Key)] = p.Fresh
		if p.Fresh != (p.Version > base) || !p.Fresh && p.Value != nil {
			t.Errorf("key %x of version %d: fresh %v with %d bytes", p.Key, p.Version, p.Fresh, len(p.Value))
		}
		return nil
	}))
	for id, want := range map[string]bool{
		string(recordKey(spaceAccepted, kindRaw, first)): false, string(recordKey(spaceAccepted, kindRaw, second)): true,
		string(metaKey(metaTotals)): true, string(metaKey(metaVersion)): false,
	} {
		if got, ok := fresh[id]; !ok || got != want {
			t.Errorf("key %x: there %v, fresh %v", id, ok, got)
		}
	}
	if _, ok := fresh[string(metaKey(metaLineage))]; ok {
		t.Error("the lineage is in it")
	}
}

// TestLineageOfCopies: a database that was filled from another numbers anew, and says so, even when the name came along.
func TestLineageOfCopies(t *testing.T) {
	s := openDisk(t, t.TempDir())
	accept(t, s, newAuthor(t, "a").entry(draft{leaves: indicators(0, 2)}))
	sn, err := s.Snapshot(t.Context())
	must(t, err)
	copied := copyOf(t, sn)
	name := sn.Lineage
	sn.Close()
	other, err := copied.Lineage(t.Context())
	must(t, err)
	if other == name {
		t.Error("a filled store has the lineage of its source")
	}
	value, _, err := s.meta(metaLineage)
	must(t, err)
	for range 5 { // so that it does not get its version by chance
		must(t, copied.db.Update(func(txn *badger.Txn) error { return txn.Set(metaKey(metaLineage), value) }))
	}
	other, err = copied.Lineage(t.Context())
	must(t, err)
	if other == name {
		t.Error("a copied name makes a lineage")
	}
}

func TestSnapshotEnds(t *testing.T) {
	s := openDisk(t, t.TempDir())
	accept(t, s, newAuthor(t, "a").entry(draft{leaves: indicators(0, 1)}))
	sn, err := s.Snapshot(t.Context())
	must(t, err)
	stop := errors.New("stop")
	if err := sn.Each(t.Context(), 0, func(Pair) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("the store closed under a snapshot: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	sn.Close()
	must(t, <-closed)
	if _, err := s.Snapshot(t.Context()); err == nil {
		t.Error("a snapshot of a closed store")
	}
}

// TestSnapshotBehindVacuum: a snapshot that waits for the writer, as behind a vacuum's copy, keeps nobody from the lock; and one that
// nobody waits for any more does not keep it either.
func TestSnapshotBehindVacuum(t *testing.T) {
	s := openDisk(t, t.TempDir())
	accept(t, s, newAuthor(t, "a").entry(draft{leaves: indicators(0, 1)}))
	must(t, s.ensureLineage(t.Context()))
	busy, free := make(chan struct{}), make(chan struct{})
	o := &op{done: make(chan error, 1), alone: func(*writer) error {
		close(busy)
		<-free
		for end := time.Now().Add(time.Minute); !s.life.TryLock(); runtime.Gosched() { // a reader has it for microseconds, who waits for good
			if time.Now().After(end) {
				return errors.New("somebody who only waits has the lock")
			}
		}
		s.life.Unlock()
		return nil
	}}
	must(t, s.queue(t.Context(), o))
	<-busy
	ctx, cancel := context.WithCancel(t.Context())
	taken, left := make(chan *Snapshot), make(chan error)
	go func() {
		sn, err := s.Snapshot(t.Context())
		if err != nil {
			t.Error(err)
		}
		taken <- sn
	}()
	go func() {
		_, err := s.Snapshot(ctx)
		left <- err
	}()
	cancel()
	if err := <-left; err == nil {
		t.Error("a snapshot that nobody waited for")
	}
	close(free)
	must(t, <-o.done)
	(<-taken).Close()
	must(t, s.Close())
}

// TestLoaderAsks: a copy that goes on for long notices that room has gone.
func TestLoaderAsks(t *testing.T) {
	l, err := NewLoader(t.TempDir())
	must(t, err)
	asked := 0
	l.room = func() error {
		asked++
		return reason.New(reason.StoreFull, "others were faster")
	}
	value := make([]byte, 512<<10)
	for n := 0; n < 2*loaderDirty/len(value) && err == nil; n++ {
		err = l.Set(fmt.Appendf(nil, "key %d", n), value)
	}
	if wantCode(t, err, reason.StoreFull); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	must(t, l.Abort())
}

func TestLoaderRefuses(t *testing.T) {
	dir := t.TempDir()
	l, err := NewLoader(dir)
	must(t, err)
	must(t, l.Set([]byte("k"), nil))
	must(t, l.Abort())
	_, err = NewLoader(dir)
	wantCode(t, err, reason.NodeExists)
}

// TestRawCheck: a record whose bytes are another's is named; large ones are put together.
func TestRawCheck(t *testing.T) {
	s := openDisk(t, t.TempDir())
	a := newAuthor(t, "a")
	accept(t, s, a.entry(draft{leaves: indicators(0, 2)}))
	large := make([][]byte, 2)
	for i := range large {
		large[i] = noise(t, i, 400<<10)
	}
	e := a.entry(draft{objects: large, leaves: []Leaf{indicator(stixID(900), testNow), indicator(stixID(901), testNow)}})
	if len(e.Record.Raw()) <= partBytes {
		t.Fatalf("%d bytes are not large", len(e.Record.Raw()))
	}
	accept(t, s, e)
	sn, err := s.Snapshot(t.Context())
	must(t, err)
	defer sn.Close()
	run := func(change func(key, value []byte) []byte) (*RawCheck, error) {
		c := &RawCheck{Network: testNetwork}
		err := sn.Each(t.Context(), 0, func(p Pair) error { return c.Pair(p.Key, change(p.Key, bytes.Clone(p.Value))) })
		return c, errors.Join(err, c.End())
	}
	same := func(_, value []byte) []byte { return value }
	if c, err := run(same); err != nil || c.Records != 2 {
		t.Errorf("%d records, %v", c.Records, err)
	}
	_, err = run(func(key, value []byte) []byte {
		if len(key) == recordKeyBytes && key[1] == kindRaw {
			value[60] ^= 1
		}
		return value
	})
	wantCode(t, err, reason.StoreDamaged)
}

// noise is an object that does not compress.
func noise(t *testing.T, n, size int) []byte {
	t.Helper()
	text := make([]byte, 0, size)
	for i := 0; len(text) < size; i++ {
		text = append(text, stixID(n<<20 + i)[11:]...)
	}
	return append(append([]byte(`{"type":"indicator","id":"`+stixID(900+n)+`","x":"`), text...), `"}`...)
}
