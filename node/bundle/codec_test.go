package bundle

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

func goodHead() Head {
	return Head{
		Network: network, Bundle: ID{1, 2}, Kind: KindRecords, Chunk: 1, Place: 2, Last: true, Created: time.UnixMilli(1_800_000_000_000).UTC(), MaxTLP: 1, Records: 3,
		body: bodyClaims{coding: codingZstd, length: 10, raw: 200, hash: sha256.Sum256(nil)},
	}
}

// Each claim at its bounds and one beyond. BND-04 BND-05
func TestHead(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Head)
		good   bool
	}{
		"as it is":          {func(*Head) {}, true},
		"an increment":      {func(h *Head) { h.Series, h.Increment = ID{1}, maxIncrement }, true},
		"increment + 1":     {func(h *Head) { h.Series, h.Increment = ID{1}, maxIncrement+1 }, false},
		"a manifest":        {func(h *Head) { h.Kind, h.Chunk, h.Place, h.Last, h.Records = KindManifest, 0, 0, false, 0 }, true},
		"manifest with one": {func(h *Head) { h.Kind, h.Chunk, h.Place, h.Last = KindManifest, 0, 0, false }, false},
		"kind 3":            {func(h *Head) { h.Kind = 3 }, false},
		"last chunk":        {func(h *Head) { h.Chunk, h.Place = maxChunks, maxChunks }, true},
		"chunk + 1":         {func(h *Head) { h.Chunk = maxChunks + 1 }, false},
		"chunk 0":           {func(h *Head) { h.Chunk = 0 }, false},
		"place 0":           {func(h *Head) { h.Place = 0 }, false},
		"TLP red":           {func(h *Head) { h.MaxTLP = 4 }, true},
		"TLP 5":             {func(h *Head) { h.MaxTLP = 5 }, false},
		"coding 2":          {func(h *Head) { h.body.coding = 2 }, false},
		"ratio":             {func(h *Head) { h.body.raw = 201 }, false},
		"plain":             {func(h *Head) { h.body.coding, h.body.raw = codingPlain, 10 }, true},
		"plain that grows":  {func(h *Head) { h.body.coding = codingPlain }, false},
		"largest":           {func(h *Head) { h.body.length, h.body.raw = maxRaw, maxRaw }, true},
		"larger":            {func(h *Head) { h.body.length, h.body.raw = maxRaw, maxRaw+1 }, false},
		"too late":          {func(h *Head) { h.Created = time.UnixMilli(protocol.MaxTime + 1) }, false},
		"too many records":  {func(h *Head) { h.Records = protocol.MaxFileItems + 1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := goodHead()
			tc.change(&h)
			raw, err := h.encode()
			must(t, err)
			got, err := readHead(raw)
			if !tc.good {
				wantCode(t, err, reason.BundleDamaged)
				return
			}
			must(t, err)
			if got != h {
				t.Errorf("got %+v, want %+v", got, h)
			}
		})
	}
}

// What a later version may say is told apart from damage.
func TestLaterHead(t *testing.T) {
	h := goodHead()
	raw, err := h.encode()
	must(t, err)
	var claims map[uint64]any
	must(t, decode(raw, &claims, 0))
	for name, tc := range map[string]struct {
		key   uint64
		value any
		code  reason.Code
	}{
		"optional": {32, "x", ""},
		"critical": {17, uint64(1), reason.ClaimUnknown},
		"version":  {1, uint64(2), reason.VersionUnknown},
		"type":     {5, "x", reason.BundleDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			changed := map[uint64]any{}
			maps.Copy(changed, claims)
			changed[tc.key] = tc.value
			raw, err := encode(changed)
			must(t, err)
			_, err = readHead(raw)
			wantCode(t, err, tc.code)
		})
	}
}

// Frames that would take more than their head says never get it. BND-05
func TestBombs(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	must(t, err)
	zeros := enc.EncodeAll(make([]byte, 1<<20), nil)
	var stream bytes.Buffer
	w, err := zstd.NewWriter(&stream)
	must(t, err)
	_, err = w.Write(make([]byte, 1<<20))
	must(t, errors.Join(err, w.Close()))
	var s squeezer
	for name, tc := range map[string]struct {
		body []byte
		raw  int
	}{
		"more than said":       {zeros, 100},
		"less than said":       {zeros, 1<<20 + 1},
		"no size":              {stream.Bytes(), 1 << 20},
		"two frames":           {append(enc.EncodeAll([]byte("a"), nil), zeros...), 1},
		"no frame":             {[]byte("plain text"), 10},
		"skippable":            {[]byte("\x50\x2a\x4d\x18\x01\x00\x00\x00x"), 1},
		"empty":                {nil, 0},
		"a frame that is torn": {zeros[:len(zeros)-3], 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := s.open(tc.body, bodyClaims{coding: codingZstd, length: len(tc.body), raw: tc.raw})
			if len(out) > tc.raw {
				t.Errorf("%d bytes of %d", len(out), tc.raw)
			}
			wantCode(t, err, reason.BundleDamaged)
		})
	}
	// An exporter writes plain what readers would refuse.
	body, claims, err := s.squeeze(make([]byte, 1<<20))
	must(t, err)
	if claims.coding != codingPlain || len(body) != 1<<20 {
		t.Errorf("coding %d of %d bytes", claims.coding, len(body))
	}
	body, claims, err = s.squeeze([]byte(strings.Repeat("tocsin and more of it ", 9)))
	must(t, err)
	if raw, err := s.open(body, claims); err != nil || claims.coding != codingZstd || len(raw) != 198 {
		t.Errorf("coding %d: %d bytes, %v", claims.coding, len(raw), err)
	}
}

// BND-06
func TestContent(t *testing.T) {
	a := newAuthor(t, "Author")
	file, err := protocol.AppendFile(nil, protocol.FileItem{Statement: a.Statements[0]}, protocol.FileItem{Record: []byte("one")}, protocol.FileItem{Record: []byte("two")})
	must(t, err)
	notes := []Note{{Form: storage.Full, Seen: time.UnixMilli(5).UTC(), From: "local"}, {Form: storage.HeaderOnly}}
	raw, err := appendContent(file, notes)
	must(t, err)
	c, err := readContent(network, raw, 2)
	must(t, err)
	if len(c.Statements) != 1 || len(c.Records) != 2 || string(c.Records[1]) != "two" || !slices.Equal(c.Notes, notes) {
		t.Errorf("content %+v", c)
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "no notes": raw[:4+len(file)], "cut": raw[:20], "a length beyond the end": append([]byte{0, 1, 0, 0}, raw[4:]...),
		"more behind": append(bytes.Clone(raw), 0),
	} {
		if _, err := readContent(network, bad, 2); reason.Of(err) != reason.BundleDamaged {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{1, 3} {
		_, err = readContent(network, raw, n)
		wantCode(t, err, reason.BundleDamaged)
	}
	for name, note := range map[string]Note{"form 0": {}, "form 4": {Form: 4}, "from": {Form: 1, From: strings.Repeat("x", maxFrom+1)}, "seen": {Form: 1, Seen: time.UnixMilli(protocol.MaxTime + 1)}} {
		raw, err := appendContent(file, []Note{note, note})
		must(t, err)
		if _, err := readContent(network, raw, 2); reason.Of(err) != reason.BundleDamaged {
			t.Errorf("%s: %v", name, err)
		}
	}
	proof, err := appendContent([]byte{0xa0}, nil)
	must(t, err)
	_, err = readContent(network, proof, 0)
	wantCode(t, err, reason.BundleDamaged)
}

// BND-07
func TestManifest(t *testing.T) {
	good := func() *Manifest {
		return &Manifest{
			Topics: []string{"control", "fraud"}, Records: 7, Chunks: []ChunkInfo{{Chunk: 1, Segments: 2, Bytes: 9, Hash: protocol.Digest{1}, Records: 3}, {Chunk: 2, Segments: 1, Records: 4}},
			Heads: []LogHead{{Topic: "fraud", Sequence: 9}},
		}
	}
	raw, err := good().encode()
	must(t, err)
	m, err := readManifest(raw)
	must(t, err)
	if again, err := m.encode(); err != nil || !bytes.Equal(again, raw) {
		t.Errorf("read %+v", m)
	}
	for name, change := range map[string]func(*Manifest){
		"chunks not from 1": func(m *Manifest) { m.Chunks = m.Chunks[1:] },
		"a chunk twice":     func(m *Manifest) { m.Chunks[1].Chunk = 1 },
		"no segments":       func(m *Manifest) { m.Chunks[0].Segments = 0 },
		"topics":            func(m *Manifest) { m.Topics[0] = "z" },
		"no topic":          func(m *Manifest) { m.Topics[0] = "A B" },
		"records":           func(m *Manifest) { m.Records = 2 },
	} {
		m := good()
		change(m)
		raw, err := m.encode()
		must(t, err)
		if _, err := readManifest(raw); reason.Of(err) != reason.BundleDamaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRanges(t *testing.T) {
	var r Ranges
	for _, n := range []uint64{5, 1, 9, 2, 4, 3, 8, 5, 20} {
		before := r.String()
		next := r.With(n)
		if r.String() != before {
			t.Fatal("With changed its receiver")
		}
		r = next
	}
	if r.String() != "1-5,8-9,20" || r.Len() != 8 || r.Last() != 20 || r.Lacks(22).String() != "6-7,10-19,21-22" || r.Lacks(6).String() != "6" || !r.Has(4) || r.Has(6) {
		t.Errorf("%s, lacks %s", r, r.Lacks(22))
	}
	series, gaps, err := ParseGaps(" 1f2e3d4c:17,\n33-35 ")
	if err != nil || series != "1f2e3d4c" || gaps.String() != "17,33-35" {
		t.Errorf("%s %s %v", series, gaps, err)
	}
	for _, bad := range []string{"", "1f2e3d4c", "1f2e3d4c:", "1f2e3d4:1", "1F2E3D4C:1", "1f2e3d4c:0", "1f2e3d4c:2,1", "1f2e3d4c:3-2", "1f2e3d4c:1-x", "1f2e3d4c:1,,2", "1f2e3d4c:9007199254740993"} {
		_, _, err := ParseGaps(bad)
		wantCode(t, err, reason.UsageInvalid)
	}
}

// Encrypted chunks open with the right key, and only so; what was tampered with ends where it was. BND-13
func TestUnlock(t *testing.T) {
	mine, err := age.GenerateX25519Identity()
	must(t, err)
	other, err := age.GenerateX25519Identity()
	must(t, err)
	plain := bytes.Repeat([]byte("chunk "), 30_000)
	var b bytes.Buffer
	w, err := age.Encrypt(&b, mine.Recipient())
	must(t, err)
	_, err = w.Write(plain)
	must(t, errors.Join(err, w.Close()))
	for name, tc := range map[string]struct {
		raw  []byte
		keys []age.Identity
		code reason.Code
	}{
		"mine":        {b.Bytes(), []age.Identity{other, mine}, ""},
		"another's":   {b.Bytes(), []age.Identity{other}, reason.BundleLocked},
		"no key":      {b.Bytes(), nil, reason.BundleLocked},
		"a bit of it": {flipped(b.Bytes(), b.Len()-9), []age.Identity{mine}, reason.BundleDamaged},
		"cut short":   {b.Bytes()[:b.Len()-9], []age.Identity{mine}, reason.BundleDamaged},
		"its head":    {b.Bytes()[:60], []age.Identity{mine}, reason.BundleDamaged},
		"plain":       {plain, nil, ""},
		"empty":       {nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, err := Unlock(bytes.NewReader(tc.raw), tc.keys...)
			var got []byte
			if err == nil {
				got, err = io.ReadAll(r)
			}
			wantCode(t, err, tc.code)
			if !bytes.HasPrefix(plain, got) || tc.code == "" && len(tc.raw) > 0 && len(got) != len(plain) {
				t.Errorf("%d bytes", len(got))
			}
		})
	}
}

func flipped(raw []byte, at int) []byte {
	out := bytes.Clone(raw)
	out[at] ^= 1
	return out
}

// A list that cannot be read is kept aside; what is forgotten is the oldest.
func TestList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bundles.json")
	must(t, os.WriteFile(path, []byte("{"), 0o600))
	l, err := Open(path)
	must(t, err)
	if raw, err := os.ReadFile(path + ".unreadable"); err != nil || string(raw) != "{" {
		t.Errorf("kept %q, %v", raw, err)
	}
	l.path = "" // the bound is what is tested, not the disk
	for i := range maxListed + 1 {
		must(t, l.Came(&Segment{Head: Head{Bundle: ID{byte(i), byte(i >> 8), 1}, Kind: KindRecords, Chunk: 1, Place: 1}}))
	}
	if n := len(l.All()); n != maxListed {
		t.Errorf("%d are remembered", n)
	}
	_, err = l.Find("0123")
	wantCode(t, err, reason.NotFound)
	// Another exporter cannot take a bundle's id.
	err = l.Came(&Segment{Head: Head{Bundle: ID{5, 0, 1}, Kind: KindRecords, Chunk: 1, Place: 1}, Exporter: protocol.OrgID{9}})
	wantCode(t, err, reason.BundleDamaged)
}

// Files alone are checked by the chain that they carry.
func TestInspect(t *testing.T) {
	a := filled(t)
	raw, e := a.export()
	if n := NetworkOf(bytes.NewReader(raw)); n != network {
		t.Errorf("network %q", n)
	}
	var i Inspection
	must(t, i.Inspect(bytes.NewReader(raw), network))
	must(t, i.Inspect(bytes.NewReader(raw), network))
	if len(i.Bundles) != 1 || len(i.Faults) != 0 || i.Records[e.Bundle] != 20 || i.Bundles[0].Exporter != a.author.Org {
		t.Errorf("%+v, %v, %v", i.Bundles, i.Faults, i.Records)
	}
	var bad Inspection
	must(t, bad.Inspect(bytes.NewReader(flipped(raw, len(raw)/2)), network))
	if len(bad.Faults) != 1 {
		t.Errorf("faults %v", bad.Faults)
	}
}

// FuzzHead: what reads as a head without claims of later versions re-encodes identically.
func FuzzHead(f *testing.F) {
	h := goodHead()
	raw, err := h.encode()
	must(f, err)
	f.Add(raw)
	h.Series, h.Increment = ID{3}, 4
	raw, err = h.encode()
	must(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := readHead(raw)
		if err != nil {
			return
		}
		var all map[uint64]any
		must(t, decode(raw, &all, 0))
		for key := range all {
			if key >= firstOptional {
				return
			}
		}
		if again, err := h.encode(); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%x re-encodes as %x, %v", raw, again, err)
		}
	})
}

// FuzzManifest: what reads as a manifest with its heads in order re-encodes identically.
func FuzzManifest(f *testing.F) {
	m := Manifest{Topics: []string{"fraud"}, Records: 2, Chunks: []ChunkInfo{{Chunk: 1, Segments: 1, Records: 2}}, Heads: []LogHead{{Topic: "fraud", Sequence: 2}}}
	raw, err := m.encode()
	must(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := readManifest(raw)
		if err != nil || !slices.IsSortedFunc(m.Heads, compareHeads) {
			return
		}
		if again, err := m.encode(); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%x re-encodes as %x, %v", raw, again, err)
		}
	})
}

// FuzzWishes: whatever is read, nothing panics, and what is read back from the same store is the same.
func FuzzWishes(f *testing.F) {
	raw, err := encode(wireWishes{Version: 1, Network: network, Logs: []wireWish{{Name: make([]byte, 8), Topic: "fraud", Head: 9, Missing: [][2]uint64{{1, 2}, {5, 5}}}}})
	must(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var w wireWishes
		if err := decode(raw, &w, maxWishLogs); err != nil {
			return
		}
		if again, err := encode(w); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%x re-encodes as %x, %v", raw, again, err)
		}
	})
}

// FuzzReader: a stream of anything ends, takes little memory, and never yields what nobody signed.
func FuzzReader(f *testing.F) {
	f.Add([]byte(magic+"\x00\x00\x00\x00\x00\x00\x00\x01\xd2"), 3)
	f.Add([]byte("nothing"), 0)
	none := protocol.NewChains(network)
	f.Fuzz(func(t *testing.T, raw []byte, cut int) {
		r := NewReader(io.MultiReader(bytes.NewReader(raw[:min(max(cut, 0), len(raw))]), bytes.NewReader(raw[min(max(cut, 0), len(raw)):])), network, func() *protocol.Chains { return none })
		for range maxFaults + 2 {
			s, err := r.Next()
			if s != nil {
				t.Fatalf("a segment nobody signed: %+v", s)
			}
			if _, ok := errors.AsType[*Fault](err); !ok {
				return
			}
		}
		t.Fatal("it goes on for ever")
	})
}
