package storage

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"tocsin/protocol/reason"
)

// manifestOf makes a manifest of some changes.
func manifestOf(changes ...[]byte) []byte {
	raw := []byte(manifestMagic)
	for _, c := range changes {
		raw = binary.BigEndian.AppendUint32(raw, uint32(len(c)))
		raw = binary.BigEndian.AppendUint32(raw, castagnoli(c))
		raw = append(raw, c...)
	}
	return raw
}

func TestReadManifest(t *testing.T) {
	made := []byte{10, 6, 8, 7, 16, 0, 24, 1} // table 7 was made on level 1
	gone := []byte{10, 4, 8, 7, 16, 1}        // and deleted
	whole := manifestOf(nil, made)
	for name, tc := range map[string]struct {
		raw    []byte
		tables int
		sound  bool
	}{
		"empty": {manifestOf(), 0, true}, "made": {whole, 1, true}, "gone": {manifestOf(made, gone), 0, true},
		"torn header": {append(bytes.Clone(whole), 0, 0, 0), 1, true}, "torn change": {manifestOf(nil, made, gone)[:len(whole)+10], 1, true},
		"no magic": {whole[1:], 0, false}, "malformed": {manifestOf([]byte{10, 200}), 0, false}, "unknown type": {manifestOf([]byte{13, 0}), 0, false},
	} {
		tables, err := readManifest(tc.raw)
		if (err == nil) != tc.sound || len(tables) != tc.tables {
			t.Errorf("%s: %v, %v", name, tables, err)
		}
	}
	for bit := range len(whole) * 8 { // none may pass for an end
		raw := bytes.Clone(whole)
		raw[bit/8] ^= 1 << (bit % 8)
		if tables, err := readManifest(raw); err == nil {
			t.Errorf("bit %d of byte %d: %v", bit%8, bit/8, tables)
		}
	}
}

// FuzzRawFiles: whatever stands in a file, the readers end and stay inside it.
func FuzzRawFiles(f *testing.F) {
	dir := f.TempDir()
	s, err := Open(dir, Options{Network: testNetwork})
	if err != nil {
		f.Fatal(err)
	}
	a := newAuthor(f, "A")
	for i := range 3 {
		accept(f, s, a.entry(draft{leaves: indicators(i, 1+i)}))
	}
	must(f, s.Close())
	names, err := listStore(dir)
	must(f, err)
	for _, n := range names {
		raw, err := os.ReadFile(filepath.Join(dir, n))
		must(f, err)
		if len(raw) < 1<<16 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		inside := func(e rawEntry) {
			if e.at < 0 || e.at+len(e.value) > len(raw) || !bytes.Equal(raw[e.at:e.at+len(e.value)], e.value) {
				t.Fatalf("a value of %d bytes at %d of %d", len(e.value), e.at, len(raw))
			}
		}
		readTable(raw, inside, func(error) {})
		for _, txns := range []bool{false, true} {
			if end := readLog(raw, txns, func(e rawEntry, _, _ int) { inside(e) }); end > max(len(raw), logHeader) {
				t.Fatalf("it ends at %d of %d", end, len(raw))
			}
		}
		_, _ = readManifest(raw)
	})
}

// TestPrecheck is about what is no flipped bit.
func TestPrecheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := precheckFree(dir); err != nil {
		t.Fatalf("no store yet: %v", err)
	}
	damagedStore(t, dir, 10)
	s := openDisk(t, dir)
	wantCode(t, precheckFree(dir), reason.NodeRunning)
	must(t, s.Close())
	must(t, os.WriteFile(filepath.Join(dir, "00099.mem"), nil, 0o600)) // a crash made it and no more
	must(t, os.WriteFile(filepath.Join(dir, registryName), []byte("nonsense"), 0o600))
	must(t, precheckFree(dir))
	must(t, openDisk(t, dir).Close())
	for _, name := range []string{manifestName, "000001.sst"} {
		copied := filepath.Join(t.TempDir(), "store")
		copyFolder(t, dir, copied)
		must(t, os.Remove(filepath.Join(copied, name)))
		wantCode(t, precheckFree(copied), reason.StoreDamaged)
		before, err := listStore(copied)
		must(t, err)
		if _, err := Open(copied, Options{}); reason.Of(err) != reason.StoreDamaged {
			t.Errorf("without %s: %v", name, err)
		}
		if after, err := listStore(copied); err != nil || len(after) != len(before) {
			t.Errorf("without %s something was changed: %v", name, after)
		}
	}
}

// TestMark: the newest whole slot counts, a damaged file says nothing.
func TestMark(t *testing.T) {
	dir := t.TempDir()
	if seq, clean := readMark(dir); seq != 0 || clean {
		t.Error("of nothing", seq, clean)
	}
	m, err := openMark(dir)
	must(t, err)
	for seq := range uint64(5) {
		must(t, m.set(seq, false))
		if got, clean := readMark(dir); got != seq || clean {
			t.Errorf("%d, %v; want %d", got, clean, seq)
		}
	}
	must(t, m.set(4, true))
	must(t, m.close())
	if seq, clean := readMark(dir); seq != 4 || !clean {
		t.Error(seq, clean)
	}
	raw, err := os.ReadFile(filepath.Join(dir, markName))
	must(t, err)
	for i := range raw {
		raw[i] ^= 0xff
	}
	must(t, os.WriteFile(filepath.Join(dir, markName), raw, 0o600))
	if seq, clean := readMark(dir); seq != 0 || clean {
		t.Error("of a damaged file", seq, clean)
	}
}
