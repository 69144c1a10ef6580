package backup

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"tocsin/protocol/reason"
)

// TestBackupAndRestore: a full backup and increments; each moment comes back as it was.
func TestBackupAndRestore(t *testing.T) {
	w := newWorld(t)
	w.publish(20)
	o := w.options()
	o.chunk = 4 << 10 // several chunks
	full := w.create(o)
	atFull := w.src.Store.Facts(time.Now())
	if full.Base != "" || full.Records != 20 {
		t.Errorf("made %+v", full)
	}
	w.publish(5)
	w.write("state/deep/trust.toml", "trust 2")
	check(t, os.Remove(filepath.Join(w.src.Data, "state", "own.cbor")))
	w.write("state/identity.cbor", "identity")
	first := w.create(o)
	w.publish(5)
	second := w.create(o)
	atSecond := w.src.Store.Facts(time.Now())
	if first.Base != full.ID || second.Base != first.ID || second.Bytes >= full.Bytes {
		t.Errorf("%+v, then %+v, then %+v", full, first, second)
	}
	data, r := w.restore("")
	if r.ID != second.ID || r.Records != 30 || r.Keys || len(r.Later) != 0 {
		t.Errorf("restored %+v", r)
	}
	w.same(data, atSecond)
	for name, want := range map[string]string{
		"state/deep/trust.toml": "trust 2", "state/identity.cbor": "identity", "state/audit.log": "one\ntwo\n", "tocsin.toml": "network = \"test\"\n",
	} {
		if got := read(t, filepath.Join(data, name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"state/own.cbor", "state/.half", "state/some.key", stateFile, "keys", "recovery", aside} {
		if _, err := os.Lstat(filepath.Join(data, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s came back: %v", name, err)
		}
	}
	data, r = w.restore(full.ID)
	w.same(data, atFull)
	if !slices.Equal(r.Later, []string{first.ID, second.ID}) || read(t, filepath.Join(data, "state/own.cbor")) != "own" {
		t.Errorf("restored %+v", r)
	}
	for _, m := range []Made{full, first, second} {
		c, err := Verify(t.Context(), w.folder, m.ID, w.access())
		if err != nil || c.Records != m.Records {
			t.Errorf("verify %s: %+v, %v", m.ID, c, err)
		}
	}
}

// TestErasedStaysErased: what was erased, or has expired, before an increment does not come back with it, not
// even as bytes; a backup from before brings it back.
func TestErasedStaysErased(t *testing.T) {
	w := newWorld(t)
	ids := w.publish(10)
	full := w.create(w.options())
	check(t, w.src.Store.Erase(t.Context(), ids[3], nil, reason.OperatorRejected))
	raw := marker(w.n - 6)
	made := w.create(w.options())
	if made.Base == "" {
		t.Fatal("no increment")
	}
	data, _ := w.restore("")
	if holds(t, filepath.Join(data, storeFolder), raw) || !holds(t, filepath.Join(data, storeFolder), marker(w.n)) {
		t.Error("the erased object came back, or the look for bytes finds nothing")
	}
	data, _ = w.restore(full.ID)
	if !holds(t, filepath.Join(data, storeFolder), raw) {
		t.Error("the earlier backup does not have it: the test proves nothing")
	}
	if _, err := w.src.Store.Expire(t.Context(), time.Now().AddDate(2, 0, 0)); err != nil {
		t.Fatal(err)
	}
	w.create(w.options())
	data, r := w.restore("")
	if r.Records != 0 || holds(t, filepath.Join(data, storeFolder), marker(w.n)) {
		t.Errorf("restored %+v", r)
	}
	w.same(data, w.src.Store.Facts(time.Now()))
}

// holds looks for bytes in the files of a folder.
func holds(t *testing.T, dir string, what []byte) (found bool) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all, err := os.ReadFile(path)
			check(t, err)
			found = found || bytes.Contains(all, what)
		}
		return err
	}))
	return found
}

// TestDrill: a drill finds a good backup good, leaves nothing behind, and notes it.
func TestDrill(t *testing.T) {
	w := newWorld(t)
	w.publish(3)
	m := w.create(w.options())
	scratch := t.TempDir()
	// The node rehearses with its own key, without a person.
	c, err := Drill(t.Context(), w.folder, "", Access{Data: w.src.Data}, scratch, nil)
	if err != nil || !c.Restored || c.ID != m.ID || c.Records != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	all, err := List(w.folder)
	check(t, err)
	if len(all) != 1 || all[0].Drilled.IsZero() || all[0].Verified.IsZero() || !all[0].Full() || all[0].Bytes != m.Bytes {
		t.Errorf("listed %+v", all)
	}
	_, err = Drill(t.Context(), w.folder, "", w.access(), scratch, func(string) int64 { return 1 << 10 })
	wantCode(t, err, reason.StoreFull)
}

// TestKeysApart: keys are in no backup, and in their own file only sealed.
func TestKeysApart(t *testing.T) {
	w := newWorld(t)
	w.publish(1)
	o := w.options()
	o.Sealing = Sealing{Plain: true}
	w.create(o)
	check(t, filepath.WalkDir(w.folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(read(t, path), "secret of the record key") {
			t.Errorf("%s holds a key", path)
		}
		return err
	}))
	file := filepath.Join(t.TempDir(), "keys.age")
	_, err := CreateKeys(w.src.Data, w.src.Org, file, Sealing{Plain: true})
	wantCode(t, err, reason.UsageInvalid)
	_, err = CreateKeys(w.src.Data, w.src.Org, file, Sealing{})
	wantCode(t, err, reason.UsageInvalid)
	names, err := CreateKeys(w.src.Data, w.src.Org, file, w.options().Sealing)
	check(t, err)
	if !slices.Equal(names, []string{"record.key"}) || strings.Contains(read(t, file), "secret") {
		t.Errorf("keys %v", names)
	}
	_, err = CreateKeys(w.src.Data, w.src.Org, file, w.options().Sealing)
	wantCode(t, err, reason.Conflict)
	ro := RestoreOptions{Folder: w.folder, Access: Access{Plain: true}, Keys: file, KeysAccess: w.access(), Data: t.TempDir()}
	ro.Config = ro.Data
	if _, err := Restore(t.Context(), ro); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(ro.Data, "keys/record.key")
	info, err := os.Stat(path)
	check(t, err)
	if read(t, path) != "the secret of the record key" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, mode %v", read(t, path), info.Mode())
	}
	for name, change := range map[string]func(*RestoreOptions){
		"no identity":    func(o *RestoreOptions) { o.KeysAccess = Access{} },
		"wrong identity": func(o *RestoreOptions) { o.KeysAccess = Access{Identities: newIdentity(t).String()} },
	} {
		o := ro
		o.Data = t.TempDir()
		change(&o)
		_, err := Restore(t.Context(), o)
		if reason.Of(err) != reason.BackupKey {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(o.Data); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	check(t, err)
	return id
}
