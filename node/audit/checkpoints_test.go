package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/tlog"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
)

// office signs for one organisation.
type office struct {
	*protocoltest.Author
	dir string
}

func newOffice(t testing.TB) *office {
	t.Helper()
	a, err := protocoltest.Found("main", "Office", time.Now(), rand.Reader)
	ok(t, err)
	return &office{a, t.TempDir()}
}

func (o *office) log() string { return filepath.Join(o.dir, "audit.log") }

func (o *office) checkpoints(t testing.TB, l *Log) *Checkpoints {
	t.Helper()
	c, err := OpenCheckpoints(filepath.Join(o.dir, "checkpoints"), l, CheckpointDeps{
		Network: "main", Org: o.Org, Signer: func() protocol.Signer { return o.Key }, Chains: func() *protocol.Chains { return o.Chains },
	})
	ok(t, err)
	return c
}

// many writes entries with one sync.
func many(t testing.TB, l *Log, n int) {
	t.Helper()
	for i := range n {
		e := Entry{Actor: Node(), Event: Event{Action: "trust.set", Target: fmt.Sprint(i)}}
		_, err := l.queue(&e, nil)
		ok(t, err)
	}
	ok(t, l.write(l.batch))
}

// EVD-06: the tree is over the entries' hashes, is the same after a restart, and proves each of them.
func TestTreeOfLog(t *testing.T) {
	o := newOffice(t)
	l := open(t, o.log())
	if tree := l.Tree(); tree.Size() != 0 {
		t.Errorf("an empty log has a tree of %d", tree.Size())
	}
	many(t, l, 2*tlog.ChunkLeaves+100)
	add(t, l, "trust.set", "last")
	before := l.Tree()
	ok(t, l.Close())
	l = open(t, o.log())
	tree := l.Tree()
	if tree.Root() != before.Root() || tree.Size() != 2*tlog.ChunkLeaves+101 || tree.First != 1 || tree.ID != before.ID {
		t.Fatalf("another tree after a restart: %d", tree.Size())
	}
	for _, seq := range []uint64{1, 2, 1024, 1025, 2048, 2049, 2149} {
		line, err := l.Line(seq)
		ok(t, err)
		e, err := ParseLine(line)
		ok(t, err)
		path, err := tree.Inclusion(seq-1, tree.Size(), tree.Leaves)
		if err != nil || e.Seq != seq || !tlog.Included(tlog.LeafHash(e.Hash[:]), seq-1, tree.Size(), path, tree.Root()) {
			t.Errorf("entry %d: %v", seq, err)
		}
		line[len(line)/2] ^= 1
		if _, err := ParseLine(line); reason.Of(err) != reason.AuditDamaged {
			t.Errorf("entry %d, changed: %v", seq, err)
		}
	}
	if _, err := l.Line(tree.Size() + 1); reason.Of(err) != reason.NotFound {
		t.Errorf("an entry behind the end: %v", err)
	}
	old, err := tree.RootAt(700, tree.Leaves)
	ok(t, err)
	path, err := tree.Consistency(700, tree.Size(), tree.Leaves)
	if err != nil || !tlog.Continues(700, tree.Size(), path, old, tree.Root()) {
		t.Errorf("consistency: %v", err)
	}
}

// EVD-06: behind damage a new tree begins, under another name.
func TestTreeBehindDamage(t *testing.T) {
	o := newOffice(t)
	l := open(t, o.log())
	many(t, l, 5)
	first := l.Tree().ID
	c := o.checkpoints(t, l)
	held, err := c.Make()
	ok(t, err)
	ok(t, l.Close())
	raw := read(t, o.log())
	ok(t, os.WriteFile(o.log(), []byte(strings.Replace(string(raw), `"target":"3"`, `"target":"4"`, 1)), 0o600))
	for range 2 {
		l, err = Open(o.log())
		if reason.Of(err) != reason.AuditDamaged {
			t.Fatal(err)
		}
		add(t, l, "node.start", "")
		tree := l.Tree()
		if tree.First != 6 || tree.ID == first {
			t.Errorf("the tree begins with entry %d, %s", tree.First, tree.ID)
		}
		c = o.checkpoints(t, l)
		fresh, err := c.Make()
		if err != nil || fresh.Origin == held.Origin || fresh.Size != tree.Size() {
			t.Errorf("the checkpoint is %+v, %v", fresh.Checkpoint, err)
		}
		ok(t, l.Close())
	}
	v, err := VerifyAgainst(o.log(), nil, []tlog.Checkpoint{held.Checkpoint, c.List()[1].Checkpoint})
	ok(t, err)
	if len(v.Problems) != 3 { // the change, the segment, and what the first checkpoint covers
		t.Errorf("%q", v.Problems)
	}
}

// EVD-09, EVD-10: a log that was cut, changed or replaced does not hold its checkpoints, and says so at the next start.
func TestCheckpointsCatch(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]string) []string
		why    string
	}{
		"nothing":  {func(l []string) []string { return l }, ""},
		"cut":      {func(l []string) []string { return l[:4] }, "its end was cut off"},
		"replaced": {func(l []string) []string { return nil }, "another one"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			l := open(t, o.log())
			many(t, l, 9)
			kept := o.checkpoints(t, l)
			held, err := kept.Make()
			ok(t, err)
			if again, err := kept.Make(); err != nil || again.Checkpoint != held.Checkpoint || len(kept.List()) != 1 {
				t.Errorf("the same log is signed twice: %v", err)
			}
			ok(t, l.Close())
			lines := slices.Collect(strings.Lines(string(read(t, o.log()))))
			ok(t, os.WriteFile(o.log(), []byte(strings.Join(c.change(lines), "")), 0o600))
			l = open(t, o.log())
			if name == "replaced" {
				add(t, l, "node.start", "")
			}
			o.checkpoints(t, l)
			entries, err := l.Last(5, Filter{Action: ActionCut})
			ok(t, err)
			if (len(entries) == 1) != (c.why != "") || c.why != "" && !strings.Contains(entries[0].Reason, c.why) {
				t.Errorf("said: %+v", entries)
			}
			v, err := VerifyAgainst(o.log(), nil, []tlog.Checkpoint{held.Checkpoint})
			ok(t, err)
			if (len(v.Problems) == 1) != (c.why != "") {
				t.Errorf("problems %q", v.Problems)
			}
		})
	}
}

// EVD-09: after 1,000 entries, or five minutes after one; not without any.
func TestCheckpointsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		l := open(t, o.log())
		c := o.checkpoints(t, l)
		ctx, cancel := context.WithCancel(t.Context())
		made, done := 0, make(chan error, 1)
		go func() { done <- c.Run(ctx, func() { made++ }) }()
		step := func(want int, d time.Duration, entries int) {
			t.Helper()
			if entries > 0 {
				many(t, l, entries)
			}
			time.Sleep(d)
			synctest.Wait()
			if len(c.List()) != want || made != want {
				t.Fatalf("%d checkpoints, told of %d, want %d", len(c.List()), made, want)
			}
		}
		step(0, time.Hour, 0)
		step(0, CheckpointEvery-time.Second, 2)
		step(1, 2*time.Second, 0)
		step(1, time.Hour, 0)
		step(1, time.Second, CheckpointEntries-1)
		step(2, time.Second, 1)
		step(2, time.Hour, 0)
		step(2, time.Second, 1)
		step(3, CheckpointEvery, 0)
		cancel()
		ok(t, <-done)
		if newest, _ := c.Newest(); newest.Size != CheckpointEntries+3 {
			t.Errorf("the newest covers %d", newest.Size)
		}
		ok(t, l.Close())
	})
}

// What a power cut tore off the file of checkpoints is cut back; the rest stays.
func TestTornCheckpoints(t *testing.T) {
	o := newOffice(t)
	l := open(t, o.log())
	c := o.checkpoints(t, l)
	for range 3 {
		add(t, l, "trust.set", "")
		_, err := c.Make()
		ok(t, err)
	}
	whole := read(t, c.path)
	ends := []int{0}
	for i, b := range whole {
		if b == '\n' {
			ends = append(ends, i+1)
		}
	}
	for n := 0; n <= len(whole); n += 7 {
		ok(t, os.WriteFile(c.path, append(whole[:n:n], 0, 0), 0o600))
		list := o.checkpoints(t, l).List()
		want := 0
		for _, end := range ends[1:] {
			if n >= end {
				want++
			}
		}
		if len(list) != want {
			t.Fatalf("%d checkpoints of %d bytes, want %d", len(list), n, want)
		}
		if again, err := ReadCheckpoints(c.path); err != nil || len(again) != want || len(read(t, c.path)) != ends[want] {
			t.Fatalf("%d bytes: read again %d, %v", n, len(again), err)
		}
	}
}

// A file that grew long keeps the last days whole and one checkpoint of each day before.
func TestThin(t *testing.T) {
	now := time.Date(2026, 6, 20, 12, 0, 0, 0, time.UTC)
	var list []Held
	for i := range 20 * 24 {
		list = append(list, Held{Checkpoint: tlog.Checkpoint{Origin: "a", Size: uint64(i + 1)}, At: now.Add(time.Duration(i-20*24) * time.Hour)})
	}
	list[5].Witness = "shown by a witness"
	got := thin(list, now)
	if want := (7*24 - 1) + 13 + 1; len(got) != want { // the last seven days, 13 days before, what a witness showed
		t.Errorf("%d are kept, want %d", len(got), want)
	}
	if !slices.ContainsFunc(got, func(h Held) bool { return h.Witness != "" }) || got[len(got)-1].Size != 20*24 {
		t.Error("what a witness showed, or the last, is gone")
	}
}

// A bit that flips in the file gives no checkpoint that was never signed: the log would be said to be cut.
func TestFlippedCheckpoints(t *testing.T) {
	o := newOffice(t)
	l := open(t, o.log())
	c := o.checkpoints(t, l)
	for range 2 {
		add(t, l, "trust.set", "")
		_, err := c.Make()
		ok(t, err)
	}
	signed, whole := c.List(), read(t, c.path)
	for bit := range 8 * len(whole) {
		flipped := slices.Clone(whole)
		flipped[bit/8] ^= 1 << (bit % 8)
		ok(t, os.WriteFile(c.path, flipped, 0o600))
		found, err := readCheckpoints(c.path)
		ok(t, err)
		for _, h := range found.list {
			if !slices.ContainsFunc(signed, func(s Held) bool { return s.Checkpoint == h.Checkpoint }) {
				t.Fatalf("bit %d gave checkpoint %+v", bit, h.Checkpoint)
			}
		}
	}
}

// The node checks its own log while it is written: damage, a file put in its place, and entries missing at the end are found.
func TestVerifyOpenLog(t *testing.T) {
	o := newOffice(t)
	l := open(t, o.log())
	check := func(checkpoints []tlog.Checkpoint, problems int) {
		t.Helper()
		v, err := l.Verify(t.Context(), checkpoints)
		if err != nil || len(v.Problems) != problems {
			t.Errorf("%v: %+v, want %d problems", err, v, problems)
		}
	}
	check(nil, 0)
	many(t, l, 20)
	held, err := o.checkpoints(t, l).Make()
	ok(t, err)
	check([]tlog.Checkpoint{held.Checkpoint}, 0)
	beyond := held.Checkpoint
	beyond.Size++
	check([]tlog.Checkpoint{beyond}, 1)
	many(t, l, 1)
	raw := read(t, o.log())
	appended := append(slices.Clone(raw), "half a line of the next"...)
	rewrite(t, o.log(), appended)
	check(nil, 0) // what is being written is nobody's yet
	cutTo(t, o.log(), 20)
	check(nil, 1)
	raw[len(raw)/2] ^= 1
	rewrite(t, o.log(), raw)
	if v, err := l.Verify(t.Context(), nil); err != nil || len(v.Problems) == 0 {
		t.Errorf("a flipped bit: %+v, %v", v, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
	ok(t, l.Close())
	if _, err := l.Verify(t.Context(), nil); !errors.Is(err, errClosed) {
		t.Errorf("closed: %v", err)
	}
}
