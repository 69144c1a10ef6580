package protocol

import (
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// forgery is a record in the making that need not follow any rule: what a
// stranger could send. Its parts are signed and put together as they are.
type forgery struct {
	network   string
	protected map[any]any
	payload   map[any]any
	body      []byte
	key       Signer

	// Given, these stand in place of the encoded maps above.
	protectedRaw, payloadRaw []byte
	unprotected              map[any]any
	head                     []byte
}

// forge starts from the honest record of a draft, lets change spoil it, and
// signs what is there.
func (o *testOrg) forge(t testing.TB, d Draft, change func(*forgery)) []byte {
	t.Helper()
	body, err := d.pack()
	if err != nil {
		t.Fatalf("pack a draft: %v", err)
	}
	h := d.header(body)
	f := &forgery{
		network:     testNetwork,
		protected:   map[any]any{1: int64(o.record.Public().Alg()), 4: o.cert.digest[:]},
		payload:     map[any]any{},
		body:        body.bytes,
		key:         o.record,
		unprotected: map[any]any{},
		head:        slices.Clone(headSign1),
	}
	for key, value := range h.claims() {
		f.payload[int(key)] = value
	}
	if change != nil {
		change(f)
	}
	return f.bytes(t)
}

// setBody exchanges the body and makes the header tell the truth about it.
func (f *forgery) setBody(body []byte) {
	hash := sha256.Sum256(body)
	f.body = body
	f.payload[claimBodyLength] = len(body)
	f.payload[claimBodyHash] = hash[:]
}

// raw is the honest body before compression.
func (f *forgery) raw(t testing.TB) []byte {
	t.Helper()
	raw, err := decompress(f.body, int(f.payload[claimRawLength].(uint64)))
	if err != nil {
		t.Fatalf("open an honest body: %v", err)
	}
	return raw
}

// setRaw packs other leaves: raw before compression.
func (f *forgery) setRaw(raw []byte) {
	f.setBody(packFrame(raw))
	f.payload[claimRawLength] = len(raw)
}

func (f *forgery) bytes(t testing.TB) []byte {
	t.Helper()
	protected, payload := f.protectedRaw, f.payloadRaw
	if protected == nil {
		protected = mustEncode(f.protected)
	}
	if payload == nil {
		payload = mustEncode(f.payload)
	}
	sig, err := f.key.Sign(sigStructure1(protected, externalAAD(f.network, "record"), payload))
	if err != nil {
		t.Fatalf("sign a forgery: %v", err)
	}
	message := mustEncode([]any{protected, f.unprotected, payload, sig})
	return slices.Concat(f.head, message, f.body)
}

// foreignFrame compresses like an encoder that is not ours: a window, a
// checksum, no content size.
func foreignFrame(t testing.TB, raw []byte, options ...zstd.EOption) []byte {
	t.Helper()
	sink := &sliceWriter{}
	enc, err := zstd.NewWriter(sink, append([]zstd.EOption{zstd.WithEncoderConcurrency(1)}, options...)...)
	if err != nil {
		t.Fatalf("make an encoder: %v", err)
	}
	for _, half := range [][]byte{raw[:len(raw)/2], raw[len(raw)/2:]} {
		if _, err := enc.Write(half); err != nil {
			t.Fatalf("compress: %v", err)
		}
		if err := enc.Flush(); err != nil {
			t.Fatalf("compress: %v", err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatalf("compress: %v", err)
	}
	return sink.bytes
}

type sliceWriter struct{ bytes []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.bytes = append(w.bytes, p...)
	return len(p), nil
}

// rawFrame is a frame of one segment with the blocks given, head and all by hand.
func rawFrame(size int, blocks ...[]byte) []byte {
	out := []byte{0x28, 0xb5, 0x2f, 0xfd, zstdSingleSegment, byte(size), byte(size >> 8), byte(size >> 16), byte(size >> 24)}
	return append(out, slices.Concat(blocks...)...)
}

const (
	blockRaw   = 0
	blockRLE   = 1
	blockBytes = 2
)

// zstdBlock is one block: its header says size, whatever content is.
func zstdBlock(last bool, kind, size int, content ...byte) []byte {
	h := kind<<1 | size<<3
	if last {
		h |= 1
	}
	return append([]byte{byte(h), byte(h >> 8), byte(h >> 16)}, content...)
}
