package storage

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

// TestKeptBeforeUpgrade: the store as it was is kept for a week, opens nowhere by mistake, and a vacuum takes it.
func TestKeptBeforeUpgrade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openDisk(t, dir)
	e := newAuthor(t, "A").entry(draft{leaves: indicators(0, 3)})
	id := accept(t, s, e)
	must(t, s.Close())
	age(t, dir, 3)
	must(t, openDisk(t, dir).Close())
	kept := beforeDir(dir, 3)
	old, err := Open(kept, Options{Network: testNetwork}) // it is a whole store, which would be brought forward in its turn
	must(t, err)
	if raw, _, err := old.Record(id); err != nil || string(raw) != string(e.Record.Raw()) {
		t.Errorf("the kept store: %v", err)
	}
	must(t, old.Close())
	must(t, openDisk(t, dir).Close())
	if _, err := os.Stat(kept); err != nil {
		t.Fatalf("it is gone before its time: %v", err)
	}
	past := time.Now().Add(-beforeAge - time.Minute)
	must(t, os.Chtimes(kept, past, past))
	s = openDisk(t, dir)
	if _, err := os.Stat(kept); !os.IsNotExist(err) {
		t.Errorf("it is there after a week: %v", err)
	}
	must(t, os.Mkdir(kept, 0o700))
	if _, err := s.Vacuum(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); !os.IsNotExist(err) {
		t.Errorf("it is there after a vacuum: %v", err)
	}
	must(t, s.Close())
	age(t, dir, schemaVersion+1)
	_, err = Open(dir, Options{Network: testNetwork})
	wantCode(t, err, reason.StoreVersion)
}
