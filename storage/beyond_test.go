package storage

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// TestValueLogCut: a value log that is cut off or gone, the newest or an older one, never passes for a sound store; the start changes
// nothing, and a repair keeps the rest.
func TestValueLogCut(t *testing.T) {
	crashed, want := unclean(t, filepath.Join(t.TempDir(), "store"))
	logs, err := filepath.Glob(filepath.Join(crashed, "*"+valueLogSuffix))
	must(t, err)
	if len(logs) < 3 {
		t.Fatalf("%d value logs", len(logs))
	}
	for _, path := range logs {
		name := filepath.Base(path)
		for what, cut := range map[string]func(path string) error{
			"gone":  os.Remove,
			"empty": func(path string) error { return os.Truncate(path, 0) },
			"cut":   func(path string) error { return os.Truncate(path, 1000) },
		} {
			dir := filepath.Join(t.TempDir(), "store")
			copyFolder(t, crashed, dir)
			must(t, cut(filepath.Join(dir, name)))
			before, err := listStore(dir)
			must(t, err)
			s, err := Open(dir, Options{Network: testNetwork})
			if err == nil {
				t.Errorf("%s %s: it opens, damage %v, %d of %d records are missing", name, what, s.Damage(), served(t, s, want, what), len(want))
				must(t, s.Close())
				continue
			}
			wantCode(t, err, reason.StoreDamaged)
			if after, err := listStore(dir); err != nil || len(after) < len(before)-1 {
				t.Errorf("%s %s: files were removed: %v, were %v", name, what, after, before)
			}
			done, err := Rebuild(dir)
			must(t, err)
			s = openDisk(t, dir)
			if missing := served(t, s, want, what); missing != len(want)-done.Kept || s.Damage() != nil {
				t.Errorf("%s %s: %d of %d missing, %d kept, damage %v", name, what, missing, len(want), done.Kept, s.Damage())
			}
			must(t, s.Close())
		}
	}
}

// TestCollectedLog: a value log that badger has collected is gone while tables still point into it, which is no damage.
func TestCollectedLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	want := damagedStore(t, dir, 20)
	for name, tc := range map[string]struct {
		version uint64 // the pointer into a file that is gone has 5
		meta    byte
		at      pointer
		sound   bool
	}{
		"written anew":       {6, metaPointer, pointer{fid: 2, length: 10, offset: 20}, true},
		"moved":              {5, metaPointer, pointer{fid: 2, length: 10, offset: 20}, true},
		"deleted":            {6, metaDeleted, pointer{}, true},
		"older":              {4, metaPointer, pointer{fid: 2, length: 10, offset: 20}, false},
		"written anew, gone": {6, metaPointer, pointer{fid: 2, length: 10, offset: 95}, false},
	} {
		for _, order := range [][2]int{{0, 1}, {1, 0}} {
			r := &rawStore{logs: map[uint32]int64{2: 100}, lastLog: 2, beyond: &beyond{}}
			entries := [2]rawEntry{
				{key: []byte("k"), version: 5, meta: metaPointer, value: pointerValue(pointer{fid: 1, length: 10, offset: 20})},
				{key: []byte("k"), version: tc.version, meta: tc.meta},
			}
			if tc.meta == metaPointer {
				entries[1].value = pointerValue(tc.at)
			}
			read := func() error {
				r.note(entries[order[0]])
				r.note(entries[order[1]])
				return nil
			}
			must(t, read())
			if err := r.checkBeyond(read); (err == nil) != tc.sound {
				t.Errorf("%s, order %v: %v", name, order, err)
			}
		}
	}
	s := openDisk(t, dir)
	if missing := served(t, s, want, "sound"); missing > 0 || s.Damage() != nil {
		t.Errorf("%d missing, damage %v", missing, s.Damage())
	}
	must(t, s.Close())
}

func pointerValue(p pointer) []byte {
	le := binary.LittleEndian
	return le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, p.fid), p.length), p.offset)
}

// TestUnreadableStaysSaid: what cannot be read is damage at every start, though the totals have long been those of the rest.
func TestUnreadableStaysSaid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	want := damagedStore(t, dir, 20)
	logs, err := filepath.Glob(filepath.Join(dir, "*"+valueLogSuffix))
	must(t, err)
	raw, err := os.ReadFile(logs[0])
	must(t, err)
	readLog(raw, false, func(e rawEntry, _, _ int) {
		if len(e.key) == recordKeyBytes && e.key[1] == kindPacked {
			raw[e.at+5] ^= 1
		}
	})
	must(t, os.WriteFile(logs[0], raw, 0o600))
	a := newAuthor(t, "C")
	for round := range 3 {
		s := openDisk(t, dir)
		if s.Damage() == nil {
			t.Errorf("start %d: %d of %d records are missing, and nobody says so", round, served(t, s, want, "damaged"), len(want))
		}
		accept(t, s, a.entry(draft{leaves: indicators(5000+round*10, 1)}))
		must(t, s.Close())
	}
}

// TestAllGone: an empty folder beside what was noted of its content is no new store.
func TestAllGone(t *testing.T) {
	for _, beside := range []string{markName, checkpointName} {
		dir := filepath.Join(t.TempDir(), "store")
		damagedStore(t, dir, 6)
		names, err := listStore(dir)
		must(t, err)
		for _, name := range names {
			if name != beside {
				must(t, os.Remove(filepath.Join(dir, name)))
			}
		}
		_, err = Open(dir, Options{Network: testNetwork})
		wantCode(t, err, reason.StoreDamaged)
	}
}

// TestReadAgain: when all that could not be read has come again, a look at the whole store finds nothing, and so does the next start.
func TestReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openDisk(t, dir)
	a := newAuthor(t, "A")
	entries := map[protocol.RecordID]Entry{}
	for i := range 12 {
		e := a.entry(draft{leaves: indicators(i*20, 1+i)})
		entries[accept(t, s, e)] = e
	}
	must(t, s.Close())
	s = openDisk(t, dir) // what stands in the newest value log is read at the start
	accept(t, s, a.entry(draft{leaves: indicators(9000, 1)}))
	must(t, s.Close())
	logs, err := filepath.Glob(filepath.Join(dir, "*"+valueLogSuffix))
	must(t, err)
	raw, err := os.ReadFile(logs[0])
	must(t, err)
	readLog(raw, false, func(e rawEntry, _, _ int) { raw[e.at+5] ^= 1 })
	must(t, os.WriteFile(logs[0], raw, 0o600))
	s = openDisk(t, dir)
	rest := func(context.Context) error { return nil }
	f, err := s.Scrub(t.Context(), rest)
	must(t, err)
	if len(f.Flaws) != len(entries) || s.Damage() == nil {
		t.Errorf("%d flaws of %d, damage %v", len(f.Flaws), len(entries), s.Damage())
	}
	for _, flaw := range f.Flaws {
		if err := s.Forget(t.Context(), flaw.Record); err != nil {
			wantCode(t, err, reason.NotFound)
		}
		must(t, s.Accept(t.Context(), entries[flaw.Record]))
	}
	f, err = s.Scrub(t.Context(), rest)
	must(t, err)
	if len(f.Flaws)+len(f.Problems) > 0 || s.Damage() != nil {
		t.Errorf("healed: %+v, damage %v", f, s.Damage())
	}
	report, err := checkClosed(t, s, dir)
	must(t, err)
	if len(report.Problems) > 0 || report.Records != len(entries)+1 {
		t.Errorf("closed: %+v", report)
	}
}
