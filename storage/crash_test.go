package storage

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestEmptyFiles: a crash may leave a file that was made and has no bytes yet, the newest value log or a memtable's log.
// badger refuses to open such a store for good.
func TestEmptyFiles(t *testing.T) {
	for _, suffix := range []string{valueLogSuffix, memSuffix} {
		t.Run(suffix, func(t *testing.T) {
			dir := t.TempDir()
			s := openDisk(t, dir)
			e := newAuthor(t, "author").entry(draft{leaves: indicators(0, 10)})
			must(t, s.Accept(t.Context(), e))
			must(t, s.Close())
			newest := "00099" + suffix
			if suffix == valueLogSuffix {
				logs, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
				must(t, err)
				last, err := number(filepath.Base(slices.Max(logs)))
				must(t, err)
				newest = valueLogName(uint32(last) + 1)
			}
			must(t, os.WriteFile(filepath.Join(dir, newest), nil, 0o600))
			s = openDisk(t, dir)
			if s.Damage() != nil {
				t.Error(s.Damage())
			}
			_, _, err := s.Record(e.Record.ID())
			must(t, err)
		})
	}
}
