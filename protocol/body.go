package protocol

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"tocsin/protocol/reason"
)

// Leaf is one object in a record with its salt.
type Leaf struct {
	Salt   [SaltBytes]byte
	Object []byte
}

// leafPrefix is the length field and the salt before each object.
const leafPrefix = 4 + SaltBytes

// packedBody is a body ready to be sent and what the header says of it.
type packedBody struct {
	bytes     []byte
	count     int
	root      Digest
	rawLength int
}

// packObjects makes the body of a record of objects (SPEC 4.3).
func packObjects(objects [][]byte, rand io.Reader) (packedBody, error) {
	if len(objects) == 0 || len(objects) > MaxLeaves {
		return packedBody{}, reason.New(reason.WireClaims,
			fmt.Sprintf("%d objects in one record, want 1 to %d", len(objects), MaxLeaves))
	}
	size := 0
	for i, object := range objects {
		if len(object) == 0 || len(object) > MaxObjectBytes {
			return packedBody{}, reason.New(reason.BodySize,
				fmt.Sprintf("object %d of %d bytes, want 1 to %d", i, len(object), MaxObjectBytes))
		}
		size += leafPrefix + len(object)
	}
	if size > MaxRawBytes {
		return packedBody{}, reason.New(reason.BodySize,
			fmt.Sprintf("a body of %d bytes before compression, the limit is %d", size, MaxRawBytes))
	}
	raw := make([]byte, 0, size)
	hashes := make([]Digest, len(objects))
	for i, object := range objects {
		var salt [SaltBytes]byte
		if _, err := io.ReadFull(rand, salt[:]); err != nil {
			return packedBody{}, fmt.Errorf("draw the salt of object %d: %w", i, err)
		}
		raw = binary.BigEndian.AppendUint32(raw, uint32(len(object)))
		raw = append(raw, salt[:]...)
		raw = append(raw, object...)
		hashes[i] = leafHash(salt[:], object)
	}
	return packedBody{bytes: packFrame(raw), count: len(objects), root: treeHash(hashes), rawLength: len(raw)}, nil
}

// packStatements makes the body of an identity record: the statements one after
// the other, uncompressed (SPEC REC-17).
func packStatements(statements []*Statement) packedBody {
	var b packedBody
	hashes := make([]Digest, len(statements))
	for i, s := range statements {
		b.bytes = append(b.bytes, s.Raw()...)
		hashes[i] = leafHash(nil, s.Raw())
	}
	b.count, b.root, b.rawLength = len(statements), treeHash(hashes), len(b.bytes)
	return b
}

// packOpaque makes the body of a record of any other kind.
func packOpaque(body []byte) packedBody {
	return packedBody{bytes: body, root: treeHash(nil), rawLength: len(body)}
}

// packFrame makes one zstd frame that is at least 1/MaxRawRatio of raw (REC-11).
func packFrame(raw []byte) []byte {
	frame := encodeFrame(raw)
	if len(raw) <= MaxRawRatio*len(frame) {
		return frame
	}
	// Too good to be allowed. Store as many bytes as the ratio asks for and
	// compress only the rest: its blocks refer to nothing before themselves.
	stored := (len(raw) + MaxRawRatio - 1) / MaxRawRatio
	return spliceFrame(raw[:stored], encodeFrame(raw[stored:]), len(raw))
}

// encodeFrame compresses raw into one frame that holds its length and needs no
// window but itself.
func encodeFrame(raw []byte) []byte {
	enc := must(zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false),
		zstd.WithZeroFrames(true),
		zstd.WithSingleSegment(true),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(encoderWindow(len(raw))),
	))
	return enc.EncodeAll(raw, make([]byte, 0, len(raw)/4+64))
}

// encoderWindow is the smallest window that the encoder takes and that sees all
// of n bytes.
func encoderWindow(n int) int {
	w := zstd.MinWindowSize
	for w < n && w < MaxWindowBytes {
		w *= 2
	}
	return w
}

// The parts of a zstd frame (RFC 8878 3.1.1) that are written or walked here.
const (
	zstdMagic         = 0xfd2fb528
	zstdSingleSegment = 0xa0 // descriptor: one segment, content size of 4 bytes, no checksum, no dictionary
	zstdMaxBlock      = 128 << 10
	zstdBlockHeader   = 3
	zstdChecksum      = 4
)

// spliceFrame makes a frame of stored bytes, in raw blocks, and the blocks of
// another frame without checksum.
func spliceFrame(stored, frame []byte, size int) []byte {
	var head zstd.Header
	if err := head.Decode(frame); err != nil {
		panic(err) // encodeFrame wrote it
	}
	out := binary.LittleEndian.AppendUint32(nil, zstdMagic)
	out = append(out, zstdSingleSegment)
	out = binary.LittleEndian.AppendUint32(out, uint32(size))
	for len(stored) > 0 {
		n := min(len(stored), zstdMaxBlock)
		out = append(out, byte(n<<3), byte(n>>5), byte(n>>13))
		out = append(out, stored[:n]...)
		stored = stored[n:]
	}
	return append(out, frame[head.HeaderSize:]...)
}

// checkFrame walks over the blocks of body without decompressing any: one
// frame, no dictionary, a small window, nothing behind it.
func checkFrame(body []byte, size int) error {
	// REC-10
	var head zstd.Header
	if err := head.Decode(body); err != nil {
		return reason.Wrap(reason.BodyFraming, "read the head of the zstd frame", err)
	}
	switch {
	case head.Skippable:
		return reason.New(reason.BodyFraming, "the body is a skippable zstd frame")
	case head.DictionaryID != 0:
		return reason.New(reason.BodyFraming, "the zstd frame wants a dictionary")
	case head.WindowSize > MaxWindowBytes:
		return reason.New(reason.BodyFraming, fmt.Sprintf("a zstd window of %d bytes, the limit is %d", head.WindowSize, MaxWindowBytes))
	case head.HasFCS && head.FrameContentSize != uint64(size):
		return reason.New(reason.BodySize, fmt.Sprintf("a body of %d bytes, the header says %d", head.FrameContentSize, size))
	}
	rest := body[head.HeaderSize:]
	for last := false; !last; {
		if len(rest) < zstdBlockHeader {
			return reason.New(reason.BodyFraming, "the zstd frame ends within a block")
		}
		h := int(rest[0]) | int(rest[1])<<8 | int(rest[2])<<16
		last = h&1 != 0
		n := h >> 3
		if h>>1&3 == 1 { // one byte, repeated n times
			n = 1
		}
		if rest = rest[zstdBlockHeader:]; n > len(rest) {
			return reason.New(reason.BodyFraming, "the zstd frame ends within a block")
		}
		rest = rest[n:]
	}
	if head.HasCheckSum {
		rest = rest[min(len(rest), zstdChecksum):] // DecodeAll finds one that is cut short
	}
	if len(rest) != 0 {
		return reason.New(reason.BodyFraming, fmt.Sprintf("%d bytes behind the zstd frame", len(rest)))
	}
	return nil
}
