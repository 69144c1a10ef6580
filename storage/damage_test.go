package storage

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// damagedStore makes a store with tables, value logs and, when it is not closed, a memtable's log, and says what it holds.
func damagedStore(t *testing.T, dir string, records int) map[protocol.RecordID][]byte {
	t.Helper()
	a := newAuthor(t, "A")
	want := map[protocol.RecordID][]byte{}
	for range 2 { // the first part goes to a table at the close
		s := openDisk(t, dir)
		for range records / 2 {
			n := len(want)
			e := a.entry(draft{leaves: indicators(n*20, 1+n%40)})
			if n%7 == 3 {
				e.State, e.Reason = Held, reason.TrustUnknown
			}
			want[accept(t, s, e)] = e.Record.Raw()
		}
		must(t, s.Close())
	}
	return want
}

// unclean copies a folder while its store is open: what a kill leaves behind.
func unclean(t *testing.T, dir string) (string, map[protocol.RecordID][]byte) {
	t.Helper()
	want := damagedStore(t, dir, 40)
	s := openDisk(t, dir)
	a := newAuthor(t, "B")
	for i := range 30 {
		e := a.entry(draft{leaves: indicators(10_000+i*50, 1+i)})
		want[accept(t, s, e)] = e.Record.Raw()
	}
	copied := filepath.Join(t.TempDir(), "store")
	copyFolder(t, dir, copied)
	return copied, want
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	must(t, os.MkdirAll(to, 0o700))
	names, err := listStore(from)
	must(t, err)
	for _, n := range names {
		raw, err := os.ReadFile(filepath.Join(from, n))
		must(t, err)
		out, err := os.Create(filepath.Join(to, n))
		must(t, err)
		_, err = out.Write(bytes.TrimRight(raw, "\x00"))
		must(t, err)
		must(t, out.Truncate(int64(len(raw)))) // sparse, as it was
		must(t, out.Close())
	}
}

// served holds what a store gives against what was put in: nothing wrong, and what is missing is said.
func served(t *testing.T, s *Store, want map[protocol.RecordID][]byte, what string) (missing int) {
	t.Helper()
	for id, raw := range want {
		got, _, err := s.Record(id)
		switch {
		case err == nil && !bytes.Equal(got, raw):
			t.Fatalf("%s: wrong bytes of record %s", what, id)
		case err != nil:
			missing++
		}
	}
	return missing
}

// TestFlippedBits flips a bit somewhere in each kind of file: the store opens whole, or says that it is damaged; then a repair
// takes over all that still verifies, and what is gone is said.
func TestFlippedBits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	crashed, want := unclean(t, dir)
	clean := filepath.Join(t.TempDir(), "clean")
	copyFolder(t, crashed, clean)
	s := openDisk(t, clean)
	must(t, s.Close())
	r := rand.New(rand.NewPCG(1, 2))
	opened, refused, lost := 0, 0, 0
	for n, source := range []string{crashed, clean} {
		names, err := listStore(source)
		must(t, err)
		for _, name := range names {
			if name == "LOCK" {
				continue
			}
			for round := range 1 {
				dir := filepath.Join(t.TempDir(), "store")
				copyFolder(t, source, dir)
				at := flip(t, filepath.Join(dir, name), r)
				what := fmt.Sprintf("source %d, %s byte %d round %d", n, name, at, round)
				s, err := Open(dir, Options{Network: testNetwork})
				if err != nil {
					refused++
					lost += repaired(t, dir, want, what, err)
					continue
				}
				opened++
				missing := served(t, s, want, what)
				must(t, s.Close())
				report, err := Check(dir)
				must(t, err)
				if missing > 0 && s.Damage() == nil && len(report.Problems) == 0 {
					t.Fatalf("%s: %d records are missing, and nobody says so", what, missing)
				}
			}
		}
	}
	t.Logf("%d opened, %d refused, %d records lost in repairs", opened, refused, lost)
	if opened == 0 || refused == 0 {
		t.Error("the flips hit nothing, or everything")
	}
}

// TestRepairInterrupted: a repair that is killed between any two of its steps loses nothing, and is never followed by an empty store.
func TestRepairInterrupted(t *testing.T) {
	source := filepath.Join(t.TempDir(), "store")
	want := damagedStore(t, source, 20)
	for name, cut := range map[string]func(t *testing.T, dir, aside string){
		"before the first rename": func(t *testing.T, dir, aside string) {
			must(t, os.Rename(dir, dir+suffixRepair))
			must(t, os.Rename(aside, dir))
		},
		"before the second rename": func(t *testing.T, dir, aside string) {
			must(t, os.Rename(dir, dir+suffixNew))
			must(t, os.Rename(aside, dir))
		},
		"before the third rename": func(t *testing.T, dir, _ string) { must(t, os.Rename(dir, dir+suffixNew)) },
	} {
		for again, next := range map[string]func(dir string) error{
			"start":  func(string) error { return nil },
			"check":  func(dir string) error { _, err := Check(dir); return err },
			"repair": func(dir string) error { _, err := Rebuild(dir); return err },
		} {
			what := name + ", then " + again
			dir := filepath.Join(t.TempDir(), "store")
			copyFolder(t, source, dir)
			done, err := Rebuild(dir)
			must(t, err)
			must(t, os.Rename(done.Aside, done.Aside+"x")) // a second repair may be in the same second
			cut(t, dir, done.Aside+"x")
			if err := next(dir); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			s := openDisk(t, dir)
			if missing := served(t, s, want, what); missing > 0 || s.Damage() != nil {
				t.Errorf("%s: %d of %d records are missing, damage %v", what, missing, len(want), s.Damage())
			}
			must(t, s.Close())
		}
	}
}

// TestStoreMissing: where a repair left its folders and there is no store, nobody makes an empty one, nor removes what is there.
func TestStoreMissing(t *testing.T) {
	for _, left := range []string{suffixRepair, suffixDamaged + "20261122T000000"} {
		dir := filepath.Join(t.TempDir(), "store")
		must(t, os.MkdirAll(dir+left, 0o700))
		_, err := Open(dir, Options{Network: testNetwork})
		wantCode(t, err, reason.StoreDamaged)
		_, err = Rebuild(dir)
		wantCode(t, err, reason.StoreDamaged)
		_, err = Check(dir)
		wantCode(t, err, reason.StoreDamaged)
		if _, err := os.Stat(dir + left); err != nil {
			t.Errorf("%s: %v", left, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("with %s a store was made", left)
		}
	}
	dir := filepath.Join(t.TempDir(), "store")
	if _, err := Rebuild(dir); err == nil {
		t.Error("nothing was repaired, and nobody says so")
	}
	must(t, os.MkdirAll(LooseDir(dir), 0o700)) // says nothing of a store
	must(t, openDisk(t, dir).Close())
}

// TestAside: what repairs leave is named, and wiped when asked.
func TestAside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	damagedStore(t, dir, 6)
	done, err := Rebuild(dir)
	must(t, err)
	must(t, os.MkdirAll(LooseDir(dir), 0o700))
	must(t, os.MkdirAll(dir+".other", 0o700))
	s := openDisk(t, dir)
	if got := s.Aside(); len(got) != 2 || got[0] != done.Aside || got[1] != LooseDir(dir) {
		t.Errorf("aside: %v", got)
	}
	must(t, s.WipeAside())
	if got := s.Aside(); len(got) != 0 {
		t.Errorf("still aside: %v", got)
	}
	if _, err := os.Stat(dir + ".other"); err != nil {
		t.Error(err)
	}
	must(t, s.Close())
}

func repaired(t *testing.T, dir string, want map[protocol.RecordID][]byte, what string, err error) (lost int) {
	t.Helper()
	if reason.Of(err) != reason.StoreDamaged || !strings.Contains(err.Error(), RepairCommand) {
		t.Fatalf("%s: %v", what, err)
	}
	done, err := Rebuild(dir)
	if err != nil {
		t.Fatalf("%s: repair: %v", what, err)
	}
	s, err := Open(dir, Options{Network: testNetwork})
	if err != nil {
		t.Fatalf("%s: the repaired store does not open: %v", what, err)
	}
	missing := served(t, s, want, what)
	// A block of a table has a few records whole; of most, what was sent is still to be read.
	if missing != len(want)-done.Kept || missing > 5 || missing > done.Loose+1 || s.Damage() != nil {
		t.Errorf("%s: %d of %d kept, %d missing, %d loose, lost %v, damage %v", what, done.Kept, len(want), missing, done.Loose, done.Lost, s.Damage())
	}
	report, err := checkClosed(t, s, dir)
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("%s: the repaired store is not sound: %v %v", what, report.Problems, err)
	}
	return missing - done.Loose
}

// flip turns one bit of what is written of a file around.
func flip(t *testing.T, path string, r *rand.Rand) int {
	t.Helper()
	raw, err := os.ReadFile(path)
	must(t, err)
	used := len(bytes.TrimRight(raw, "\x00"))
	if used == 0 {
		return 0
	}
	at := r.IntN(used)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte{raw[at] ^ 1<<r.IntN(8)}, int64(at))
	must(t, err)
	must(t, f.Close())
	return at
}
