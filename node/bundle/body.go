package bundle

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// Note is what the exporter says of a record beside its bytes.
type Note struct {
	// Form is how much of the record is there.
	Form storage.Form
	// Seen is when the exporter's node first saw it, zero when it does not know; From is from whom.
	Seen time.Time
	From string
}

// wireNote is a note of BND-06.
type wireNote struct {
	_    struct{} `cbor:",toarray"`
	Form uint8
	Seen uint64
	From string
}

// Content is what a segment of records holds.
type Content struct {
	Statements []*protocol.Statement
	Records    [][]byte
	// Notes has one element for each record.
	Notes []Note
}

// squeezer compresses and decompresses bodies. It belongs to one goroutine; the zero value is ready.
type squeezer struct {
	enc *zstd.Encoder
	dec *zstd.Decoder // without streams neither has goroutines, and there is nothing to close
}

// encoder makes one where there is none. It states the size of what it writes, however small that is.
func (s *squeezer) encoder() (err error) {
	if s.enc == nil {
		s.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(true))
	}
	return err
}

// squeeze chooses the shorter coding of a raw body, within the ratio that readers allow.
func (s *squeezer) squeeze(raw []byte) (body []byte, claims bodyClaims, err error) {
	if err := s.encoder(); err != nil {
		return nil, claims, err
	}
	body, claims.coding = s.enc.EncodeAll(raw, nil), codingZstd
	if len(body) >= len(raw) || len(raw) > maxRatio*len(body) {
		body, claims.coding = raw, codingPlain
	}
	claims.length, claims.raw, claims.hash = len(body), len(raw), sha256.Sum256(body)
	return body, claims, nil
}

// open gives the raw body. The claims were verified before, and the body hashed.
func (s *squeezer) open(body []byte, claims bodyClaims) ([]byte, error) {
	// BND-05
	if claims.coding == codingPlain {
		return body, nil
	}
	var head zstd.Header
	if err := head.Decode(body); err != nil {
		return nil, reason.Wrap(reason.BundleDamaged, "read the head of a zstd frame", err)
	}
	switch {
	case head.Skippable || head.DictionaryID != 0:
		return nil, damagedf("a zstd frame that is skippable or wants a dictionary")
	case head.WindowSize > maxWindow:
		return nil, damagedf("a zstd window of %d bytes, the limit is %d", head.WindowSize, maxWindow)
	case !head.HasFCS || head.FrameContentSize != uint64(claims.raw):
		return nil, damagedf("a zstd frame that does not state the %d bytes of its head", claims.raw)
	}
	if s.dec == nil {
		var err error
		s.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return nil, err
		}
	}
	raw, err := s.dec.DecodeAll(body, make([]byte, 0, claims.raw))
	if err != nil {
		return nil, reason.Wrap(reason.BundleDamaged, "decompress a segment", err)
	}
	if len(raw) != claims.raw {
		return nil, damagedf("a segment of %d bytes, its head says %d", len(raw), claims.raw)
	}
	return raw, nil
}

// appendContent writes the raw body of a segment of records.
func appendContent(file []byte, notes []Note) ([]byte, error) {
	list := make([]wireNote, len(notes))
	for i, n := range notes {
		list[i] = wireNote{Form: uint8(n.Form), From: n.From}
		if !n.Seen.IsZero() {
			list[i].Seen = uint64(max(n.Seen.UnixMilli(), 0))
		}
	}
	tail, err := encode(list)
	if err != nil {
		return nil, err
	}
	raw := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(file)+len(tail)), uint32(len(file)))
	return append(append(raw, file...), tail...), nil
}

// readContent takes a raw body of records apart. What statements and records say is not checked yet. The records share raw.
func readContent(network string, raw []byte, records int) (*Content, error) {
	// BND-06
	if len(raw) < 4 || uint64(binary.BigEndian.Uint32(raw)) > uint64(len(raw)-4) {
		return nil, damagedf("a segment's record file is cut short")
	}
	cut := 4 + int(binary.BigEndian.Uint32(raw))
	items, err := protocol.ReadFile(network, raw[4:cut])
	if err != nil {
		return nil, reason.Wrap(reason.BundleDamaged, "read the record file of a segment", err)
	}
	c := new(Content)
	for _, item := range items {
		switch {
		case item.Statement != nil:
			c.Statements = append(c.Statements, item.Statement)
		case item.Record != nil:
			c.Records = append(c.Records, item.Record)
		default:
			return nil, damagedf("a proof in the record file of a segment")
		}
	}
	var list []wireNote
	if err := decode(raw[cut:], &list, protocol.MaxFileItems); err != nil {
		return nil, fmt.Errorf("read the notes of a segment: %w", err)
	}
	if len(list) != len(c.Records) || len(c.Records) != records {
		return nil, damagedf("a segment of %d records with %d notes, its head says %d", len(c.Records), len(list), records)
	}
	for _, n := range list {
		note := Note{Form: storage.Form(n.Form), From: n.From}
		if n.Form < uint8(storage.Full) || n.Form > uint8(storage.HeaderOnly) || n.Seen > protocol.MaxTime || len(n.From) > maxFrom {
			return nil, damagedf("a note in a segment is out of its bounds")
		}
		if n.Seen > 0 {
			note.Seen = time.UnixMilli(int64(n.Seen)).UTC()
		}
		c.Notes = append(c.Notes, note)
	}
	return c, nil
}

// packPruned compresses a pruned record, whose leaves stand in the clear (REC-30). It gives nil where no frame comes of it that readers
// take: one record that is too large makes a whole segment unreadable.
func (s *squeezer) packPruned(raw []byte) ([]byte, error) {
	if err := s.encoder(); err != nil {
		return nil, err
	}
	frame := s.enc.EncodeAll(raw, nil)
	if len(frame) > protocol.MaxRecordBytes {
		best, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithSingleSegment(true),
			zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(maxPruned))
		if err != nil {
			return nil, err
		}
		frame = best.EncodeAll(raw, frame[:0])
	}
	// BND-06
	if len(frame) > protocol.MaxRecordBytes || len(raw) > protocol.MaxRawRatio*len(frame) {
		return nil, nil
	}
	return frame, nil
}

// unpackedSize is what unpackPruned takes for a frame, 0 for one that it refuses.
func unpackedSize(frame []byte) int64 {
	var head zstd.Header
	if err := head.Decode(frame); err != nil || head.FrameContentSize > protocol.MaxPrunedBytes {
		return 0
	}
	return int64(head.FrameContentSize)
}

// unpackPruned is the way back: one frame that states its size, which is within what a pruned record may have and fits the frame as a record's body
// fits its raw length.
func unpackPruned(frame []byte) ([]byte, error) {
	var head zstd.Header
	if err := head.Decode(frame); err != nil {
		return nil, reason.Wrap(reason.WireFraming, "read the head of a zstd frame", err)
	}
	size := head.FrameContentSize
	if head.Skippable || head.DictionaryID != 0 || !head.HasFCS || head.WindowSize > maxPruned {
		return nil, reason.New(reason.WireFraming, "a pruned record in a zstd frame of another form")
	}
	if size > protocol.MaxPrunedBytes || size > uint64(protocol.MaxRawRatio*len(frame)) {
		return nil, reason.New(reason.WireSize, fmt.Sprintf("a pruned record of %d bytes in a frame of %d", size, len(frame)))
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxPruned), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	raw, err := dec.DecodeAll(frame, make([]byte, 0, size))
	if err != nil {
		return nil, reason.Wrap(reason.WireFraming, "decompress a pruned record", err)
	}
	return raw, nil
}
