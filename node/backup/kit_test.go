package backup

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	w.src = Source{Network: network, Org: a.Org.String(), Peer: "peer", Program: "v0", Data: data, Trees: []Tree{
		{stateFolder, filepath.Join(data, stateFolder)}, {"config/tocsin.toml", filepath.Join(data, "tocsin.toml")},
		{"config/absent", filepath.Join(data, "absent")},
	}}
	w.src.Signer = func() (Signer, error) { return Signer{a.Statements, a.Certificate, a.Key}, nil }
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
