package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

const network = "test"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code reason.Code) {
	t.Helper()
	if reason.Of(err) != code {
		t.Fatalf("error %v, want code %q", err, code)
	}
}

// world is a node as backups see one: a data folder with a store, and a folder for backups.
type world struct {
	t      *testing.T
	author *protocoltest.Author
	src    Source
	folder string
	id     *age.X25519Identity
	n      int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	a, err := protocoltest.Found(network, "a", time.Now(), rand.Reader)
	check(t, err)
	w := &world{t: t, author: a, folder: filepath.Join(t.TempDir(), "backups")}
	w.id, err = age.GenerateX25519Identity()
	check(t, err)
	data := t.TempDir()
	for _, name := range []string{stateFolder, keysFolder} {
		check(t, os.Mkdir(filepath.Join(data, name), 0o700))
	}
	w.src = Source{Network: network, Org: "org", Peer: "peer", Program: "v0", Data: data, Trees: []Tree{
		{stateFolder, filepath.Join(data, stateFolder)}, {"config/tocsin.toml", filepath.Join(data, "tocsin.toml")},
		{"config/absent", filepath.Join(data, "absent")},
	}}
	w.write("state/own.cbor", "own")
	w.write("state/deep/trust.toml", "trust")
	w.write("state/audit.log", "one\ntwo\nhalf")
	w.write("state/.half", "half written")
	w.write("state/some.key", "secret")
	w.write("keys/record.key", "the secret of the record key")
	w.write("tocsin.toml", "network = \"test\"\n")
	w.open()
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.src.Data, name)
	check(w.t, os.MkdirAll(filepath.Dir(path), 0o700))
	check(w.t, os.WriteFile(path, []byte(text), 0o600))
}

func (w *world) open() {
	w.t.Helper()
	s, err := storage.Open(filepath.Join(w.src.Data, storeFolder), storage.Options{Network: network})
	check(w.t, err)
	w.src.Store = s
	w.t.Cleanup(func() { s.Close() })
}

// publish stores n more records.
func (w *world) publish(n int) (ids []protocol.RecordID) {
	w.t.Helper()
	topic, err := protocol.ParseTopic("fraud")
	check(w.t, err)
	for range n {
		w.n++
		object := fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", w.n)
		r, err := w.author.Record(protocol.Draft{Topic: topic, Kind: protocol.KindObjects, TLP: stix.Green,
			Objects: [][]byte{fmt.Appendf(nil, `{"type":"indicator","id":%q,"x":"%s"}`, object, marker(w.n))}})
		check(w.t, err)
		value := pattern.Value{Observable: pattern.Observable{Type: pattern.Domain, Value: fmt.Sprintf("d%d.example", w.n)}, Alone: true}
		check(w.t, w.src.Store.Accept(w.t.Context(), storage.Entry{Record: r, State: storage.Accepted, Received: time.Now(), From: "local",
			Leaves: []storage.Leaf{{Object: object, Type: "indicator", Modified: time.Now(), State: storage.Accepted, Claim: true, Values: []pattern.Value{value}}}}))
		ids = append(ids, r.ID())
	}
	return ids
}

// marker are bytes that stand in the n-th object and do not compress.
func marker(n int) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return []byte(base64.RawStdEncoding.EncodeToString(sum[:]))
}

func (w *world) options() CreateOptions {
	return CreateOptions{Folder: w.folder, Sealing: Sealing{Recipients: []string{w.id.Recipient().String()}}}
}

func (w *world) create(o CreateOptions) Made {
	w.t.Helper()
	m, err := Create(w.t.Context(), w.src, o)
	check(w.t, err)
	return m
}

func (w *world) access() Access { return Access{Identities: w.id.String()} }

// restore brings a backup back into a new folder.
func (w *world) restore(at string) (data string, r Restored) {
	w.t.Helper()
	data = w.t.TempDir()
	r, err := Restore(w.t.Context(), RestoreOptions{Folder: w.folder, At: at, Access: w.access(), Data: data, Config: data})
	check(w.t, err)
	return data, r
}

// same opens the store of a folder and holds it against some facts.
func (w *world) same(data string, want storage.Facts) {
	w.t.Helper()
	s, err := storage.Open(filepath.Join(data, storeFolder), storage.Options{Network: network})
	check(w.t, err)
	defer s.Close()
	got := s.Facts(want.At)
	if got.Counts != want.Counts || got.Changes != want.Changes || !slices.Equal(got.Logs, want.Logs) || !slices.Equal(got.Topics, want.Topics) {
		w.t.Errorf("restored %+v\nof %+v", got, want)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	check(t, err)
	return string(raw)
}

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
	_, err := CreateKeys(w.src.Data, "org", file, Sealing{Plain: true})
	wantCode(t, err, reason.UsageInvalid)
	_, err = CreateKeys(w.src.Data, "org", file, Sealing{})
	wantCode(t, err, reason.UsageInvalid)
	names, err := CreateKeys(w.src.Data, "org", file, w.options().Sealing)
	check(t, err)
	if !slices.Equal(names, []string{"record.key"}) || strings.Contains(read(t, file), "secret") {
		t.Errorf("keys %v", names)
	}
	_, err = CreateKeys(w.src.Data, "org", file, w.options().Sealing)
	wantCode(t, err, reason.Conflict)
	ro := RestoreOptions{Folder: w.folder, Keys: file, KeysAccess: w.access(), Data: t.TempDir()}
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

// TestWrongKey: without the right key nothing is read.
func TestWrongKey(t *testing.T) {
	w := newWorld(t)
	w.publish(1)
	w.create(w.options())
	for _, a := range []Access{{}, {Identities: newIdentity(t).String()}, {Identities: "nonsense"}, {Passphrase: "x"}, {Data: t.TempDir()}} {
		_, err := Verify(t.Context(), w.folder, "", a)
		wantCode(t, err, reason.BackupKey)
	}
}

// TestPassphrase: each backup by a passphrase is a full one.
func TestPassphrase(t *testing.T) {
	w := newWorld(t)
	w.publish(1)
	o := w.options()
	o.Sealing = Sealing{Passphrase: "correct horse", work: 5}
	w.create(o)
	if again := w.create(o); again.Base != "" {
		t.Errorf("made %+v", again)
	}
	if _, err := Verify(t.Context(), w.folder, "", Access{Passphrase: "correct horse"}); err != nil {
		t.Error(err)
	}
	_, err := Verify(t.Context(), w.folder, "", Access{Passphrase: "wrong"})
	wantCode(t, err, reason.BackupKey)
}

// TestWhenFull: what an increment could not stand on makes a full backup.
func TestWhenFull(t *testing.T) {
	w := newWorld(t)
	w.publish(2)
	base := w.create(w.options())
	for _, c := range []struct {
		name   string
		change func(*CreateOptions)
		full   bool
	}{
		{"nothing changed", func(*CreateOptions) {}, false},
		{"asked for", func(o *CreateOptions) { o.Full = true }, true},
		{"another reader", func(o *CreateOptions) { o.Sealing.Recipients = []string{newIdentity(t).Recipient().String()} }, true},
		{"in the open", func(o *CreateOptions) { o.Sealing = Sealing{Plain: true} }, true},
		{"another folder", func(o *CreateOptions) { o.Folder = t.TempDir() }, true},
		{"the last one is gone", func(o *CreateOptions) {
			all, err := List(o.Folder)
			check(t, err)
			check(t, os.RemoveAll(filepath.Join(o.Folder, all[len(all)-1].ID)))
		}, true},
		{"what is remembered is damaged", func(*CreateOptions) { w.write(stateFile, "{") }, true},
	} {
		o := w.options()
		w.create(o) // so that there is a fit base
		c.change(&o)
		if m := w.create(o); (m.Base == "") != c.full {
			t.Errorf("%s: made %+v, first was %s", c.name, m, base.ID)
		}
	}
	other := w.src
	other.Peer = "another"
	_, err := Create(t.Context(), other, w.options())
	wantCode(t, err, reason.Conflict)
}

// TestOtherStore: a store that was put in the place of the one that was backed up is not taken for it.
func TestOtherStore(t *testing.T) {
	w := newWorld(t)
	w.publish(3)
	w.create(w.options())
	data, _ := w.restore("")
	check(t, w.src.Store.Close())
	store := filepath.Join(w.src.Data, storeFolder)
	check(t, os.RemoveAll(store))
	check(t, os.Rename(filepath.Join(data, storeFolder), store))
	w.open()
	w.publish(1)
	if m := w.create(w.options()); m.Base != "" {
		t.Errorf("made %+v", m)
	}
	data, _ = w.restore("")
	w.same(data, w.src.Store.Facts(time.Now()))
}

// TestLongChain: a chain ends before it has too many links.
func TestLongChain(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Sealing = Sealing{Plain: true}
	fulls := 0
	for range maxChain + 2 {
		if w.create(o).Base == "" {
			fulls++
		}
	}
	if fulls != 2 {
		t.Errorf("%d full backups", fulls)
	}
	all, err := List(w.folder)
	check(t, err)
	slices.SortFunc(all, func(a, b Found) int { return strings.Compare(a.ID, b.ID) })
	for _, f := range all {
		if _, err := chainOf(all, f.ID); err != nil {
			t.Error(err)
		}
	}
}

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
		for name, change := range cases {
			folder := w.tampered(change)
			if _, err := Verify(t.Context(), folder, inc.ID, w.access()); err == nil {
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
