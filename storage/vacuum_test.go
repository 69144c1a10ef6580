package storage

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// marked makes leaves whose values carry a marker that nothing compresses away in the index.
func marked(first, n int) []Leaf {
	out := indicators(first, n)
	for i := range out {
		out[i].Values = append(out[i].Values, pattern.Value{Observable: pattern.Observable{Type: pattern.Domain, Value: fmt.Sprintf("erase-me-%d.example", first+i)}})
	}
	return out
}

// traces lists the files under a folder, and beside it, that hold one of the needles.
func traces(t *testing.T, dir string, needles ...[]byte) (found []string) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, n := range needles {
			if bytes.Contains(b, n) {
				found = append(found, path)
				break
			}
		}
		return err
	}))
	return found
}

// TestVacuum: what was erased, rejected or has expired is in no file any more, what is live answers as before and without
// a restart, and so it does after one.
func TestVacuum(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	kept := a.entry(draft{leaves: indicators(1000, 3)})
	keep := accept(t, s, kept)
	some, all := a.entry(draft{leaves: marked(0, 6)}), a.entry(draft{leaves: marked(10, 2)})
	held := a.entry(draft{leaves: marked(20, 2), state: Held, reason: reason.TrustUnknown})
	brief := a.entry(draft{leaves: marked(30, 2), expires: testNow.Add(time.Hour)})
	small := a.entry(draft{leaves: marked(40, 1)[:1]})
	var needles [][]byte
	for _, e := range []Entry{some, all, held, brief, small} {
		accept(t, s, e)
		raw := e.Record.Raw()
		needles = append(needles, bytes.Clone(raw[len(raw)-40:]))
	}
	for _, n := range []int{0, 10, 20, 30, 40} {
		needles = append(needles, fmt.Appendf(nil, "erase-me-%d.", n))
	}
	due, err := s.VacuumDue(time.Hour)
	must(t, err)
	if due || len(traces(t, dir, needles...)) == 0 {
		t.Fatalf("due %v before anything has gone, or the markers are not found at all", due)
	}
	must(t, s.Erase(t.Context(), some.Record.ID(), []int{0}, reason.ObjectErased))
	must(t, s.Erase(t.Context(), all.Record.ID(), nil, reason.ObjectErased))
	must(t, s.Erase(t.Context(), small.Record.ID(), nil, reason.ObjectErased))
	must(t, s.Reject(t.Context(), held.Record.ID(), reason.OperatorRejected))
	if n, err := s.Expire(t.Context(), testNow.Add(2*time.Hour)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if due, err := s.VacuumDue(time.Hour); !due || err != nil {
		t.Errorf("due %v, %v", due, err)
	}
	counts, seq := s.Counts(), s.Sequence()
	v, err := s.Vacuum(t.Context())
	must(t, err)
	if v.After == 0 || v.After >= v.Before {
		t.Errorf("vacuumed %+v", v)
	}
	if due, err := s.VacuumDue(0); due || err != nil {
		t.Errorf("due again: %v, %v", due, err)
	}
	for range 2 {
		if s.Damage() != nil || s.Counts() != counts || s.Sequence() != seq {
			t.Errorf("damage %v, counts %+v, want %+v", s.Damage(), s.Counts(), counts)
		}
		if raw := wantForm(t, s, keep, Full, false); !bytes.Equal(raw, kept.Record.Raw()) || len(lookup(t, s, domain(1))) != 1 || len(lookup(t, s, domain(0))) != 0 {
			t.Error("what is live does not answer as before")
		}
		wantCode(t, s.Accept(t.Context(), all), reason.DupHeld)
		accept(t, s, a.entry(draft{leaves: indicators(2000+int(seq), 1)})) // it can be written to
		counts, seq = s.Counts(), s.Sequence()
		report, err := checkClosed(t, s, dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Errorf("problems %q", report.Problems)
		}
		if found := traces(t, dir, needles...); len(found) > 0 {
			t.Errorf("erased bytes are in %v", found)
		}
		s = openDisk(t, dir)
	}
	_, err = s.Vacuum(t.Context())
	must(t, err)
}

// TestVacuumStopped: whatever a vacuum leaves behind when it is killed at any step, the next start finds one whole store.
func TestVacuumStopped(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "store")
	s := openDisk(t, source)
	id := accept(t, s, newAuthor(t, "A").entry(draft{leaves: indicators(0, 3)}))
	must(t, s.Close())
	for name, there := range map[string][]string{
		"while it copies":           {"", suffixPart},
		"when the copy is whole":    {"", suffixNew},
		"between the two renames":   {suffixNew, suffixOld},
		"before the old one goes":   {"", suffixOld},
		"while the old one goes":    {"", suffixOld + "/half"},
		"after it gave up swapping": {suffixOld},
		"twice":                     {"", suffixPart, suffixOld},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "store")
			for _, suffix := range there {
				at, half := strings.CutSuffix(dir+suffix, "/half")
				must(t, os.CopyFS(at, os.DirFS(source)))
				if half || suffix == suffixPart { // not all of it
					must(t, os.Remove(filepath.Join(at, "MANIFEST")))
				}
			}
			s := openDisk(t, dir)
			if s.Damage() != nil || s.Counts().Objects != 3 {
				t.Errorf("damage %v, counts %+v", s.Damage(), s.Counts())
			}
			wantForm(t, s, id, Full, false)
			names, err := filepath.Glob(dir + ".*")
			must(t, err)
			if len(names) > 0 {
				t.Errorf("left behind: %v", names)
			}
			report, err := checkClosed(t, s, dir)
			must(t, err)
			if len(report.Problems) > 0 {
				t.Errorf("problems %q", report.Problems)
			}
		})
	}
}

// TestVacuumRefused: without room, beside a backup, or over damage the store stays as it was and goes on.
func TestVacuumRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	full := false
	s, err := Open(dir, Options{Network: testNetwork, Guard: func() (bool, error) {
		if full {
			return true, reason.New(reason.StoreFull, "test")
		}
		return false, nil
	}})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	a := newAuthor(t, "A")
	id := accept(t, s, a.entry(draft{leaves: indicators(0, 3)}))
	full = true
	_, err = s.Vacuum(t.Context())
	wantCode(t, err, reason.StoreFull)
	full = false
	s.life.RLock() // a reader that does not end
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	if _, err = s.Vacuum(ctx); err == nil {
		t.Error("vacuumed under a reader")
	}
	cancel()
	s.life.RUnlock()
	lost := protocol.RecordID{9}
	must(t, s.db.Update(txnSet(recordKey(spaceAccepted, kindPacked, lost), []byte("what the tables do not know"))))
	_, err = s.Vacuum(t.Context())
	wantCode(t, err, reason.StoreDamaged)
	wantForm(t, s, id, Full, false)
	accept(t, s, a.entry(draft{leaves: indicators(10, 3)}))
	if names, err := filepath.Glob(dir + ".*"); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
	m := openMemory(t)
	if v, err := m.Vacuum(t.Context()); err != nil || v != (Vacuumed{}) {
		t.Errorf("in memory: %+v, %v", v, err)
	}
	if due, err := m.VacuumDue(0); due || err != nil {
		t.Errorf("in memory due: %v, %v", due, err)
	}
}

// TestVacuumDropsOrphans: parts that an interrupted write left behind, which hold what was erased since, do not come along.
func TestVacuumDropsOrphans(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	s := openDisk(t, dir)
	id := accept(t, s, newAuthor(t, "A").entry(draft{leaves: indicators(0, 3)}))
	noise := bytes.Repeat([]byte("orphaned-bytes "), 40)
	for _, key := range [][]byte{
		partKey(spaceAccepted, kindRaw, id, 1, 1), partKey(spaceAccepted, kindPacked, id, 7, 1), partKey(spaceHeld, kindRaw, id, 0, 1),
		recordKey(spaceAccepted, kindRaw, protocol.RecordID{7}), partKey(spaceAccepted, kindPacked, protocol.RecordID{7}, 0, 1),
	} {
		must(t, s.db.Update(txnSet(key, noise)))
	}
	_, err := s.Vacuum(t.Context())
	must(t, err)
	must(t, s.Close())
	if found := traces(t, dir, noise[:30]); len(found) > 0 {
		t.Errorf("orphans are in %v", found)
	}
}

// TestWipe: files are overwritten before they are unlinked, holes stay holes, and a file with another name keeps its bytes.
func TestWipe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	must(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o700))
	sparse, plain, linked := filepath.Join(dir, "sparse"), filepath.Join(dir, "sub", "plain"), filepath.Join(dir, "linked")
	must(t, os.WriteFile(plain, bytes.Repeat([]byte("x"), 3*wipeChunk/2), 0o600))
	must(t, os.WriteFile(linked, []byte("kept"), 0o600))
	other := filepath.Join(filepath.Dir(dir), "other")
	must(t, os.Link(linked, other))
	f, err := os.Create(sparse)
	must(t, err)
	_, err = f.WriteAt([]byte("secret"), 64<<20)
	must(t, err)
	must(t, overwrite(f))
	after := make([]byte, 6)
	_, err = f.ReadAt(after, 64<<20)
	must(t, err)
	info, err := f.Stat()
	must(t, err)
	if !bytes.Equal(after, make([]byte, 6)) || usedBytes(info) > 8<<20 {
		t.Errorf("%q, %d bytes on the disk", after, usedBytes(info))
	}
	must(t, f.Close())
	held, err := os.Open(plain) // sees what the disk has after the name is gone
	must(t, err)
	defer held.Close()
	must(t, wipeTree(dir))
	b := make([]byte, 3*wipeChunk/2)
	_, err = held.ReadAt(b, 0)
	must(t, err)
	if bytes.ContainsRune(b, 'x') {
		t.Error("the bytes are still there")
	}
	if b, err := os.ReadFile(other); err != nil || string(b) != "kept" {
		t.Errorf("a file of another name became %q, %v", b, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder is still there")
	}
	must(t, wipeTree(dir))
}

func txnSet(key, value []byte) func(*badger.Txn) error {
	return func(txn *badger.Txn) error { return txn.Set(key, value) }
}
