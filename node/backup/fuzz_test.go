package backup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzDecodeManifest: what decodes is exactly what encodes.
func FuzzDecodeManifest(f *testing.F) {
	good, err := json.Marshal(&Manifest{Format: formatName, ID: "20260101T000000.000Z-00000000", Network: "n", Org: "o",
		Heads: []Head{}, Chunks: []Chunk{{Name: chunkName(0), Size: 1, Raw: 2}}})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := DecodeManifest(good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{}`))
	f.Add(bytes.Replace(good, []byte(`"files":0`), []byte(`"files":-1`), 1))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := DecodeManifest(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil || !bytes.Equal(raw, again) {
			t.Errorf("%q decodes and encodes to %q, %v", raw, again, err)
		}
	})
}

// FuzzEntry: an entry that decodes decodes again from its own encoding.
func FuzzEntry(f *testing.F) {
	for _, e := range []entry{
		{kind: entryFile, name: "state/x", mode: 0o600, size: 3, carried: true},
		{kind: entryBlock, block: []byte("abc")},
		{kind: entryPair, key: []byte("key"), version: 300, fresh: true, value: []byte("value")},
		{kind: entryPair, key: []byte("key"), version: 1},
	} {
		f.Add(e.append(nil))
	}
	f.Add([]byte{entryPair, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e, again entry
		if e.read(bufio.NewReader(bytes.NewReader(raw))) != nil {
			return
		}
		once := e.append(nil)
		if err := again.read(bufio.NewReader(bytes.NewReader(once))); err != nil {
			t.Fatalf("%x: %v", once, err)
		}
		if twice := again.append(nil); !bytes.Equal(once, twice) {
			t.Errorf("%x, then %x", once, twice)
		}
	})
}

// FuzzAbout: what anybody may have changed is read strictly.
func FuzzAbout(f *testing.F) {
	f.Add([]byte(`{"format":"tocsin-backup-1","id":"20260101T000000.000Z-00000000","created":"2026-01-01T00:00:00Z","sealed":"age","org":"o","peer":"p","bytes":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := decodeAbout(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(a)
		if err != nil || !bytes.Equal(raw, again) {
			t.Errorf("%q decodes and encodes to %q, %v", raw, again, err)
		}
	})
}
