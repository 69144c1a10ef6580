package backup

import (
	"os"
	"path/filepath"
	"testing"

	"tocsin/protocol/reason"
)

// plant puts a backup that another node made into the folder of w, as whoever can write to that folder may.
func (w *world) plant(change func(m *world, o *CreateOptions)) Made {
	w.t.Helper()
	m := newWorld(w.t)
	m.publish(1)
	m.write("state/deep/trust.toml", "MALLORY IS ANCHOR")
	m.folder = w.t.TempDir()
	o := w.options()
	o.Folder = m.folder
	change(m, &o)
	later, err := newer(w.folder)
	check(w.t, err)
	evil := m.create(o)
	for evil.ID <= later { // names are times
		check(w.t, os.RemoveAll(filepath.Join(m.folder, evil.ID)))
		evil = m.create(o)
	}
	check(w.t, os.CopyFS(filepath.Join(w.folder, evil.ID), os.DirFS(filepath.Join(m.folder, evil.ID))))
	return evil
}

func newer(folder string) (string, error) {
	all, err := List(folder)
	if err != nil {
		return "", err
	}
	return newest(all)
}

// TestPlantedBackups: whoever can write to the folder of backups, and has no key of the node, gets nothing restored by adding
// a backup with a later name. Recipients are no secret, and neither is what about.json says.
func TestPlantedBackups(t *testing.T) {
	w := newWorld(t)
	w.publish(5)
	good := w.create(w.options())
	claim := func(m *world) { m.src.Org, m.src.Peer = w.src.Org, w.src.Peer }
	for name, tc := range map[string]struct {
		change func(m *world, o *CreateOptions)
		org    string // what the operator names
		code   reason.Code
	}{
		"not sealed":                     {func(m *world, o *CreateOptions) { o.Sealing = Sealing{Plain: true} }, "", reason.BackupKey},
		"not sealed, in our name":        {func(m *world, o *CreateOptions) { claim(m); o.Sealing = Sealing{Plain: true} }, w.src.Org, reason.BackupKey},
		"sealed, in our name":            {func(m *world, _ *CreateOptions) { claim(m) }, "", reason.BackupDamaged},
		"sealed, in our name, no signer": {func(m *world, _ *CreateOptions) { claim(m); m.src.Signer = nil }, "", reason.BackupDamaged},
		"sealed, of another":             {func(*world, *CreateOptions) {}, w.src.Org, reason.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			evil := w.plant(tc.change)
			data := t.TempDir()
			access := w.access()
			access.Org = tc.org
			_, err := Restore(t.Context(), RestoreOptions{Folder: w.folder, Access: access, Data: data, Config: data})
			wantCode(t, err, tc.code)
			if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
				t.Errorf("left %v, %v", left, err)
			}
			// The node itself knows whose backups these are.
			access = Access{Identities: w.id.String(), Data: w.src.Data}
			if _, err := Verify(t.Context(), w.folder, "", access); err == nil {
				t.Error("verify finds it good")
			}
			if _, err := Drill(t.Context(), w.folder, "", access, t.TempDir(), nil); err == nil {
				t.Error("the drill finds it good")
			}
			check(t, os.RemoveAll(filepath.Join(w.folder, evil.ID)))
		})
	}
	if c, err := Drill(t.Context(), w.folder, "", Access{Data: w.src.Data}, t.TempDir(), nil); err != nil || c.ID != good.ID {
		t.Errorf("the good one: %+v, %v", c, err)
	}
}

// TestTakenAllTheSame: what is not sealed, or not signed, is taken when the operator says so, and by the node when it is what it wrote last.
func TestTakenAllTheSame(t *testing.T) {
	w := newWorld(t)
	w.publish(1)
	w.src.Signer = func() (Signer, error) { return Signer{}, reason.New(reason.CertExpired, "it has ended") }
	o := w.options()
	o.Sealing = Sealing{Plain: true}
	first := w.create(o)
	if first.Unsigned == "" {
		t.Error("nothing says that it is not signed")
	}
	own := Access{Data: w.src.Data, Org: w.src.Org}
	if _, err := Verify(t.Context(), w.folder, "", own); err != nil {
		t.Error(err)
	}
	for _, tc := range []struct {
		access Access
		code   reason.Code
	}{
		{Access{}, reason.BackupKey},
		{Access{Plain: true}, reason.BackupDamaged},
		{Access{Unsigned: true}, reason.BackupKey},
		{Access{Plain: true, Unsigned: true, Org: "another"}, reason.Conflict},
		{Access{Plain: true, Unsigned: true}, ""},
	} {
		_, err := Verify(t.Context(), w.folder, "", tc.access)
		wantCode(t, err, tc.code)
	}
	// One of the same name that is another one is not what the node wrote.
	known := readMemory(w.src.Data)
	known.Last.Digest = "another"
	check(t, known.write(w.src.Data))
	own.Plain, own.Unsigned = true, true
	_, err := Verify(t.Context(), w.folder, "", own)
	wantCode(t, err, reason.BackupDamaged)
}
