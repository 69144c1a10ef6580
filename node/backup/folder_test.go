package backup

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// TestMissingBase: what stands on a backup that is gone is not shown as if it could be restored, and the one that is gone is named.
func TestMissingBase(t *testing.T) {
	w := newWorld(t)
	_, err := newest(nil)
	wantCode(t, err, reason.NotFound)
	full := w.create(w.options())
	w.publish(1)
	next := w.create(w.options())
	check(t, os.RemoveAll(filepath.Join(w.folder, full.ID)))
	all, err := List(w.folder)
	check(t, err)
	if len(all) != 1 || all[0].ID != next.ID || !strings.Contains(all[0].Lacks, full.ID) {
		t.Errorf("listed %+v", all)
	}
	for _, id := range []string{"", next.ID} {
		_, err := Verify(t.Context(), w.folder, id, w.access())
		wantCode(t, err, reason.BackupDamaged)
		if !strings.Contains(err.Error(), full.ID) {
			t.Errorf("backup %q: %v does not name the one that is missing", id, err)
		}
	}
	again := w.create(w.options())
	if all, err = List(w.folder); err != nil || again.Base != "" || all[1].Lacks != "" {
		t.Errorf("the next one is %+v, listed %+v, %v", again, all, err)
	}
	check(t, os.WriteFile(filepath.Join(w.folder, again.ID, aboutFile), []byte("{"), 0o600))
	if all, err = List(w.folder); err != nil || all[1].Broken == "" || all[1].Lacks != "" {
		t.Errorf("listed %+v, %v", all, err)
	}
}

// TestAboutTellsTheTruth: whoever changes what stands in the open is found out by whoever has the key. It keeps nobody from restoring.
func TestAboutTellsTheTruth(t *testing.T) {
	w := newWorld(t)
	m := w.create(w.options())
	path := filepath.Join(w.folder, m.ID, aboutFile)
	sound, err := decodeAbout([]byte(read(t, path)))
	check(t, err)
	put := func(a About) {
		raw, err := json.Marshal(a)
		check(t, err)
		check(t, os.WriteFile(path, raw, 0o600))
	}
	for name, change := range map[string]func(*About){
		"time":         func(a *About) { a.Created = a.Created.AddDate(-1, 0, 0) },
		"organisation": func(a *About) { a.Org = "another" },
		"peer":         func(a *About) { a.Peer = "another" },
		"size":         func(a *About) { a.Bytes++ },
	} {
		a := sound
		change(&a)
		put(a)
		_, err := Verify(t.Context(), w.folder, "", w.access())
		if reason.Of(err) != reason.BackupDamaged || !strings.Contains(err.Error(), aboutFile) {
			t.Errorf("%s: verify says %v", name, err)
		}
	}
	_, err = Drill(t.Context(), w.folder, "", w.access(), t.TempDir(), nil)
	wantCode(t, err, reason.BackupDamaged)
	w.restore("")
	put(sound)
	for range 2 { // what a check writes beside it is no change
		_, err = Verify(t.Context(), w.folder, "", w.access())
		check(t, err)
	}
}

// TestRoomIsAskedFor: a backup asks before each chunk, and what it could not end is gone.
func TestRoomIsAskedFor(t *testing.T) {
	w := newWorld(t)
	w.publish(20)
	o := w.options()
	o.chunk = 2000
	asked, upTo := 0, 2
	w.src.Room = func(folder string, bytes int64) error {
		if asked++; bytes != o.chunk || filepath.Dir(folder) != w.folder {
			t.Errorf("asked for %d bytes in %s", bytes, folder)
		}
		if asked > upTo {
			return reason.New(reason.StoreFull, "the store needs the rest")
		}
		return nil
	}
	_, err := Create(t.Context(), w.src, o)
	wantCode(t, err, reason.StoreFull)
	if left, err := os.ReadDir(w.folder); err != nil || len(left) > 0 || asked != upTo+1 {
		t.Errorf("left %v, %v, asked %d times", left, err, asked)
	}
	asked, upTo = 0, 1000
	m := w.create(o)
	chunks, err := filepath.Glob(filepath.Join(w.folder, m.ID, "chunk-*"))
	if err != nil || asked != len(chunks) || asked < 3 {
		t.Errorf("asked %d times for %d chunks, %v", asked, len(chunks), err)
	}
}

// TestKeysLater: keys can follow a restore, as often as somebody tries, and never take the place of others.
func TestKeysLater(t *testing.T) {
	w := newWorld(t)
	w.write("keys/host.key", "the secret of the host")
	file := filepath.Join(t.TempDir(), "keys.age")
	_, err := CreateKeys(w.src.Data, w.src.Org, file, Sealing{Recipients: []string{w.id.Recipient().String()}})
	check(t, err)
	w.create(w.options())
	data, _ := w.restore("")
	_, err = RestoreKeys(file, w.access(), "another", data)
	wantCode(t, err, reason.Conflict)
	for range 2 {
		names, err := RestoreKeys(file, w.access(), w.src.Org, data)
		if err != nil || len(names) != 2 {
			t.Fatalf("%v, %v", names, err)
		}
	}
	if got := read(t, filepath.Join(data, "keys/record.key")); got != "the secret of the record key" {
		t.Errorf("key %q", got)
	}
	check(t, os.Remove(filepath.Join(data, "keys/host.key")))
	check(t, os.WriteFile(filepath.Join(data, "keys/record.key"), []byte("another one"), 0o600))
	_, err = RestoreKeys(file, w.access(), w.src.Org, data)
	wantCode(t, err, reason.Conflict)
	if left, err := os.ReadDir(filepath.Join(data, keysFolder)); err != nil || len(left) != 1 {
		t.Errorf("a conflict leaves %v, %v", left, err)
	}
	_, err = RestoreKeys(file, Access{}, w.src.Org, t.TempDir())
	wantCode(t, err, reason.BackupKey)
}
