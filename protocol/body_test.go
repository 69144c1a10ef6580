package protocol

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"tocsin/protocol/reason"
)

// bomb is a body that is dear to open for its size.
type bomb struct {
	name string
	body []byte
	size int // the raw length that its header would state
}

func bombs() []bomb {
	room := MaxRecordBytes - 512 // less a small header
	zeros := zstdBlock(false, blockRLE, zstdMaxBlock, 0)
	last := zstdBlock(true, blockRaw, 0)
	text := make([]byte, 0, MaxRawBytes)
	for i := 0; len(text) < cap(text)-200; i++ {
		text = append(text, testObject(i*2654435761)...)
	}
	noise := make([]byte, room)
	(&seeded{seed: "noise"}).Read(noise)
	empty := zstdBlock(false, blockRaw, 0)
	list := []bomb{
		{"one byte repeated to 8 MiB", rawFrame(MaxRawBytes, bytes.Repeat(zeros, MaxRawBytes/zstdMaxBlock), last), MaxRawBytes},
		{"one byte repeated without end", slices.Concat([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x38}, bytes.Repeat(zeros, room/len(zeros)-2), last), MaxRawBytes},
		{"a block for each byte", rawFrame(room/5, bytes.Repeat(zstdBlock(false, blockRLE, 1, 0), room/5), last), room / 5},
		{"empty blocks", rawFrame(0, bytes.Repeat(empty, room/3-4), last), 0},
		{"noise behind a frame's head", append(rawFrame(len(noise)), noise...), len(noise)},
		{"noise in a compressed block", rawFrame(MaxRawBytes, zstdBlock(true, blockBytes, 1<<17, noise[:1<<17]...)), MaxRawBytes},
		{"8 MiB of text", packFrame(text), len(text)},
		{"stored text", rawFrame(room-64, storedBlocks(text[:room-64])), room - 64},
	}
	return append(list, bomb{"a table for every 200 bytes", tableFrame(text[:2<<20], 200), 2 << 20})
}

func storedBlocks(b []byte) []byte {
	var out []byte
	for chunk := range slices.Chunk(b, zstdMaxBlock) {
		out = append(out, zstdBlock(false, blockRaw, len(chunk), chunk...)...)
	}
	return append(out, zstdBlock(true, blockRaw, 0)...)
}

// tableFrame compresses in small blocks, each with tables of its own.
func tableFrame(raw []byte, size int) []byte {
	sink := &sliceWriter{}
	enc := must(zstd.NewWriter(sink, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<10)))
	for chunk := range slices.Chunk(raw, size) {
		_, _ = enc.Write(chunk)
		_ = enc.Flush()
	}
	_ = enc.Close()
	return sink.bytes
}

// REC-15: hand-made bombs stay within time and memory.
func TestBombs(t *testing.T) {
	for _, b := range bombs() {
		t.Run(b.name, func(t *testing.T) {
			if len(b.body) > MaxRecordBytes {
				t.Fatalf("a body of %d bytes fits no record", len(b.body))
			}
			r := &Record{raw: b.body, header: Header{Kind: KindObjects, Count: 1,
				RawLength: min(b.size, MaxRawBytes, MaxRawRatio*len(b.body))}}
			withinBounds(t, func() {
				if _, err := r.Open(); err == nil {
					t.Error("a bomb opened")
				}
			})
		})
	}
}

// REC-15: the largest honest body opens within the same bounds.
func TestLargestBody(t *testing.T) {
	objects := make([][]byte, MaxLeaves)
	for i := range objects {
		objects[i] = bytes.Repeat(testObject(i), 1+MaxRawBytes/MaxLeaves/len(testObject(i)))[:MaxRawBytes/MaxLeaves-leafPrefix]
	}
	r := newTestOrg(t, "signer", nil).sign(t, testDraft(objects...))
	withinBounds(t, func() {
		leaves, err := r.Open()
		if err != nil || !equalObjects(leaves, objects) {
			t.Errorf("%d leaves: %v", len(leaves), err)
		}
	})
}

// REC-11: what compresses too well is sent larger, and reads back the same.
func TestPackFrameKeepsTheRatio(t *testing.T) {
	noise := make([]byte, 300_000)
	(&seeded{seed: "noise"}).Read(noise)
	for name, raw := range map[string][]byte{
		"1 MiB of zeros":        make([]byte, 1<<20),
		"8 MiB of zeros":        make([]byte, MaxRawBytes),
		"1 MiB of spaces":       bytes.Repeat([]byte(" "), 1<<20),
		"an object repeated":    bytes.Repeat(testObject(1), 20_000),
		"noise, then zeros":     append(slices.Clone(noise), make([]byte, 7<<20)...),
		"zeros, then noise":     append(make([]byte, 7<<20), noise...),
		"noise":                 noise,
		"2 bytes":               []byte("{}"),
		"1 byte":                []byte("1"),
		"64 bytes":              bytes.Repeat([]byte("a"), 64),
		"65 times a short text": bytes.Repeat([]byte("abc"), 65),
	} {
		frame := packFrame(raw)
		if len(raw) > MaxRawRatio*len(frame) {
			t.Errorf("%s: %d bytes in a frame of %d", name, len(raw), len(frame))
		}
		again, err := decompress(frame, len(raw))
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%s: came back as %d bytes (%v), sent as %d", name, len(again), err, len(raw))
		}
		if _, err := decompress(frame, len(raw)+1); err == nil {
			t.Errorf("%s: one byte more than there is", name)
		}
		if _, err := decompress(frame, len(raw)-1); err == nil {
			t.Errorf("%s: one byte less than there is", name)
		}
	}
}

// REC-10: a frame of any encoder that keeps the rules is opened, whatever its form.
func TestForeignFrames(t *testing.T) {
	raw := bytes.Join(testObjects(2000), nil)
	for _, window := range []int{1 << 10, 1 << 17, 8 << 20} {
		for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBestCompression} {
			for _, sum := range []bool{false, true} {
				frame := foreignFrame(t, raw, zstd.WithWindowSize(window), zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(sum))
				again, err := decompress(frame, len(raw))
				if err != nil || !bytes.Equal(again, raw) {
					t.Errorf("window %d, %s, checksum %v: %v", window, level, sum, err)
				}
				for n := range 20 { // cut short anywhere near its end
					if _, err := decompress(frame[:len(frame)-1-n], len(raw)); err == nil {
						t.Errorf("window %d, %s, checksum %v: opened without its last %d bytes", window, level, sum, n+1)
					}
				}
			}
		}
	}
	if _, err := decompress(foreignFrame(t, raw, zstd.WithWindowSize(16<<20)), len(raw)); reason.Of(err) != reason.BodyFraming {
		t.Errorf("a window of 16 MiB: %v", err)
	}
}

// REC-13 REC-14 PRF-04: tree and paths are those of RFC 6962, as another
// implementation computes them.
func TestTreeIsRFC6962(t *testing.T) {
	for _, n := range append(sequence(70), 127, 128, 129, 255, 256, 257, MaxLeaves-1, MaxLeaves) {
		leaves := make([]Digest, n)
		factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
		other := factory.NewEmptyRange(0)
		for i := range leaves {
			salt, object := fmt.Appendf(nil, "%016d", i), testObject(i)
			leaves[i] = leafHash(salt, object)
			if want := rfc6962.DefaultHasher.HashLeaf(slices.Concat(salt, object)); !bytes.Equal(leaves[i][:], want) {
				t.Fatalf("leaf %d: %x, want %x", i, leaves[i], want)
			}
			if err := other.Append(leaves[i][:], nil); err != nil {
				t.Fatal(err)
			}
		}
		root := treeHash(leaves)
		want, err := other.GetRootHash(nil)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			want = rfc6962.DefaultHasher.EmptyRoot()
		}
		if !bytes.Equal(root[:], want) {
			t.Fatalf("%d leaves: root %x, want %x", n, root, want)
		}
		for i := 0; i < n; i += 1 + n/40 {
			var path [][]byte
			for _, d := range auditPath(leaves, i) {
				path = append(path, d[:])
			}
			if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(i), uint64(n), leaves[i][:], path, root[:]); err != nil {
				t.Fatalf("leaf %d of %d: %v", i, n, err)
			}
		}
	}
}

func sequence(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func decompress(body []byte, size int) ([]byte, error) {
	var o Opener
	return o.decompress(body, size)
}

func readLeaves(raw []byte, count int) ([]Leaf, Digest, error) {
	var o Opener
	root, err := o.readLeaves(raw, count)
	return o.leaves, root, err
}

// REC-12: leaves are read back one by one; every cut is noticed.
func TestReadLeaves(t *testing.T) {
	objects := testObjects(4)
	body, err := packObjects(objects, &seeded{seed: "salts"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := decompress(body.bytes, body.rawLength)
	if err != nil {
		t.Fatal(err)
	}
	leaves, root, err := readLeaves(raw, 4)
	if err != nil || root != body.root || !equalObjects(leaves, objects) {
		t.Fatalf("leaves of an honest body: %v", err)
	}
	whole := map[int]bool{0: true}
	for at, i := 0, 0; i < len(objects); i++ {
		at += leafPrefix + len(objects[i])
		whole[at] = true
	}
	for n := range raw {
		_, _, err := readLeaves(raw[:n], 4)
		if reason.Of(err) != reason.BodyFraming {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	for count := range 8 {
		if _, _, err := readLeaves(raw, count); (err == nil) != (count == 4) {
			t.Errorf("count %d: %v", count, err)
		}
	}
	// A leaf cannot grow into its neighbour's bytes.
	if grown := append(leaves[0].Object, 'x'); &grown[0] == &leaves[0].Object[0] {
		t.Error("an object shares its end with the next leaf")
	}
}

// Salts come from the source given, one for each leaf, and no other.
func TestSaltsAreDrawn(t *testing.T) {
	body, err := packObjects(testObjects(3), &seeded{seed: "salts"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := decompress(body.bytes, body.rawLength)
	if err != nil {
		t.Fatal(err)
	}
	leaves, _, err := readLeaves(raw, 3)
	if err != nil {
		t.Fatal(err)
	}
	source := &seeded{seed: "salts"}
	for i, leaf := range leaves {
		var want [SaltBytes]byte
		_, _ = source.Read(want[:])
		if leaf.Salt != want {
			t.Errorf("salt %d: %x, want %x", i, leaf.Salt, want)
		}
	}
	if _, err := packObjects(testObjects(3), bytes.NewReader(make([]byte, 40))); err == nil {
		t.Error("packed without enough randomness")
	}
	if got := treeHash(nil); got != sha256.Sum256(nil) {
		t.Errorf("the tree of nothing: %x", got)
	}
}
