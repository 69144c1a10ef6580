package backup

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

func TestPrune(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Sealing = Sealing{Plain: true}
	var chains [][]string
	for range 3 {
		o.Full = true
		chain := []string{w.create(o).ID}
		o.Full = false
		chain = append(chain, w.create(o).ID)
		chains = append(chains, chain)
	}
	gone, err := Prune(w.folder, 2)
	check(t, err)
	slices.Sort(gone)
	slices.Sort(chains[0])
	all, err := List(w.folder)
	check(t, err)
	if len(gone) != 2 || len(all) != 4 {
		t.Errorf("gone %v of %v, left %d", gone, chains, len(all))
	}
	if gone, err := Prune(w.folder, 0); err != nil || len(gone) > 0 {
		t.Errorf("0 keeps all, and removed %v, %v", gone, err)
	}
}

// TestInterrupted: a backup that was cut off is none, and the next one clears up.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	w.publish(3)
	o := w.options()
	half := filepath.Join(w.folder, tempName("20260101T000000.000Z-00000000"))
	check(t, os.MkdirAll(half, 0o700))
	check(t, os.WriteFile(filepath.Join(half, aboutFile), []byte("{}"), 0o600))
	if all, err := List(w.folder); err != nil || len(all) > 0 {
		t.Errorf("listed %v, %v", all, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Create(ctx, w.src, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	left, err := os.ReadDir(w.folder)
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	w.create(o)
}

// TestRestoreInterrupted: a restore that was cut off before it was whole begins anew, one cut off
// while its folders were moved goes on.
func TestRestoreInterrupted(t *testing.T) {
	w := newWorld(t)
	w.publish(3)
	m := w.create(w.options())
	facts := w.src.Store.Facts(time.Now())
	data := t.TempDir()
	o := RestoreOptions{Folder: w.folder, Access: w.access(), Data: data, Config: data}
	check(t, os.MkdirAll(filepath.Join(data, aside, storeFolder, "rest"), 0o700))
	stop := errors.New("stop")
	o.Prepare = func(string, *Manifest) error { return stop }
	if _, err := Restore(t.Context(), o); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	o.Prepare = nil
	c, err := openChain(w.folder, "", w.access())
	check(t, err)
	check(t, o.fill(t.Context(), filepath.Join(data, aside), c))
	check(t, os.Rename(filepath.Join(data, aside, storeFolder), filepath.Join(data, storeFolder)))
	if _, err := Restore(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	w.same(data, facts)
	if read(t, filepath.Join(data, "state/own.cbor")) != "own" {
		t.Error("state is missing")
	}
	_, err = Restore(t.Context(), o)
	wantCode(t, err, reason.NodeExists)
	o.Data, o.Network = t.TempDir(), "another"
	_, err = Restore(t.Context(), o)
	wantCode(t, err, reason.Conflict)
	o.Network, o.At = network, "20260101T000000.000Z-00000000"
	_, err = Restore(t.Context(), o)
	wantCode(t, err, reason.NotFound)
	_ = m
}

// TestKeptConfig: a configuration that is there stays, and is named when it differs.
func TestKeptConfig(t *testing.T) {
	w := newWorld(t)
	w.create(w.options())
	config := t.TempDir()
	check(t, os.WriteFile(filepath.Join(config, "tocsin.toml"), []byte("mine"), 0o600))
	r, err := Restore(t.Context(), RestoreOptions{Folder: w.folder, Access: w.access(), Data: t.TempDir(), Config: config})
	check(t, err)
	if len(r.Kept) != 1 || read(t, filepath.Join(config, "tocsin.toml")) != "mine" {
		t.Errorf("kept %v", r.Kept)
	}
}

// tampered copies the folder of backups and changes something in it.
func (w *world) tampered(change func(folder string)) string {
	w.t.Helper()
	to := filepath.Join(w.t.TempDir(), "tampered")
	check(w.t, os.CopyFS(to, os.DirFS(w.folder)))
	change(to)
	return to
}

// TestTampered: whatever is done to the files of a backup, it is not taken for good, and never restored.
func TestTampered(t *testing.T) {
	for _, plain := range []bool{false, true} {
		w := newWorld(t)
		w.publish(10)
		o := w.options()
		o.Sealing.Plain, o.chunk = plain, 1<<10
		access := w.access()
		access.Plain = plain
		full := w.create(o)
		w.publish(3)
		inc := w.create(o)
		chunks, err := filepath.Glob(filepath.Join(w.folder, inc.ID, "chunk-*"))
		check(t, err)
		if len(chunks) < 2 {
			t.Fatalf("%d chunks", len(chunks))
		}
		flip := func(id, name string, at float64) func(string) {
			return func(folder string) {
				path := filepath.Join(folder, id, name)
				raw, err := os.ReadFile(path)
				check(t, err)
				raw[int(at*float64(len(raw)-1))] ^= 0x10
				check(t, os.WriteFile(path, raw, 0o600))
			}
		}
		cases := map[string]func(string){
			"a bit of the base's chunk":     flip(full.ID, "chunk-000001", 0.5),
			"the last byte of a chunk":      flip(inc.ID, "chunk-000001", 1),
			"a bit of the manifest":         flip(inc.ID, manifestFile, 0.5),
			"the end of the manifest":       flip(inc.ID, manifestFile, 1),
			"a bit of the base's manifest":  flip(full.ID, manifestFile, 0.9),
			"a bit of what anybody may see": flip(inc.ID, aboutFile, 0.3),
			"a chunk is missing":            func(f string) { check(t, os.Remove(filepath.Join(f, inc.ID, "chunk-000002"))) },
			"a chunk is cut off":            func(f string) { check(t, os.Truncate(filepath.Join(f, full.ID, "chunk-000001"), 100)) },
			"a chunk is longer": func(f string) {
				path := filepath.Join(f, inc.ID, "chunk-000001")
				check(t, os.WriteFile(path, append([]byte(read(t, path)), 0), 0o600))
			},
			"chunks are exchanged": func(f string) {
				a, b := filepath.Join(f, inc.ID, "chunk-000001"), filepath.Join(f, inc.ID, "chunk-000002")
				check(t, errors.Join(os.Rename(a, a+"x"), os.Rename(b, a), os.Rename(a+"x", b)))
			},
			"the signature is gone":  func(f string) { check(t, os.Remove(filepath.Join(f, inc.ID, signatureFile))) },
			"a bit of the signature": flip(inc.ID, signatureFile, 0.1),
			"the signature of another": func(f string) {
				check(t, os.WriteFile(filepath.Join(f, inc.ID, signatureFile), []byte(read(t, filepath.Join(f, full.ID, signatureFile))), 0o600))
			},
			"the base is gone":     func(f string) { check(t, os.RemoveAll(filepath.Join(f, full.ID))) },
			"the manifest is gone": func(f string) { check(t, os.Remove(filepath.Join(f, inc.ID, manifestFile))) },
			"another base is in its place": func(f string) {
				dir := filepath.Join(f, full.ID)
				check(t, os.RemoveAll(dir))
				check(t, os.CopyFS(dir, os.DirFS(filepath.Join(f, inc.ID))))
			},
		}
		if !plain {
			cases["the key is gone"] = func(f string) { check(t, os.Remove(filepath.Join(f, inc.ID, keyFile))) }
		}
		if _, err := Verify(t.Context(), w.tampered(func(string) {}), inc.ID, access); err != nil {
			t.Fatal(err)
		}
		for name, change := range cases {
			folder := w.tampered(change)
			if _, err := Verify(t.Context(), folder, inc.ID, access); err == nil {
				t.Errorf("plain %v, %s: found good", plain, name)
			} else if !strings.Contains(err.Error(), "backup") {
				t.Errorf("plain %v, %s: %v", plain, name, err)
			}
			if plain || len(name)%3 != 0 {
				continue // a restore reads by the same code; some are enough
			}
			data := t.TempDir()
			if _, err := Restore(t.Context(), RestoreOptions{Folder: folder, At: inc.ID, Access: w.access(), Data: data, Config: data}); err == nil {
				t.Errorf("plain %v, %s: restored", plain, name)
			}
			if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
				t.Errorf("plain %v, %s: left %v, %v", plain, name, left, err)
			}
		}
	}
}

// TestEscapingNames: no name in a backup leads out of the folder that is restored.
func TestEscapingNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"", "state", "../x", "state/../../x", "/etc/passwd", "keys/record.key", "store/x", "state/../keys/x", "ready", "state//"} {
		if w, err := newRestoredFile(dir, name, 0o600); err == nil {
			t.Errorf("%q has a place", name)
			w.Close()
		}
	}
	w, err := newRestoredFile(dir, "state/a/b", 0o600)
	check(t, err)
	check(t, w.Close())
}

func TestDecodeKeys(t *testing.T) {
	for _, names := range [][]string{{"../x.key"}, {"a/b.key"}, {"x"}, {".key"}, {"a.key", "a.key"}, {""}} {
		b := keysBackup{Format: keysFormat, Keys: []keyCopy{}}
		for _, n := range names {
			b.Keys = append(b.Keys, keyCopy{n, []byte("x")})
		}
		raw, err := json.Marshal(b)
		check(t, err)
		if _, err := decodeKeys(raw); err == nil {
			t.Errorf("%q decode", names)
		}
	}
}

func TestWholeLines(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "a": 0, "a\n": 2, "a\nb": 2, "\n": 1, strings.Repeat("x", 200<<10): 0, "y\n" + strings.Repeat("x", 200<<10): 2} {
		if got, err := wholeLines(strings.NewReader(text), int64(len(text))); err != nil || got != want {
			t.Errorf("%.10q: %d, %v", text, got, err)
		}
	}
}
