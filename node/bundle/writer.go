package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// Signer is the exporter: its chain, and the certificate and key that sign heads.
type Signer struct {
	Chain       []*protocol.Statement
	Certificate *protocol.Certificate
	Key         protocol.Signer
}

// Writer writes a bundle as one stream, chunk after chunk, the manifest last. It holds one segment in memory. It is used by one goroutine.
type Writer struct {
	out    io.Writer
	signer Signer
	chain  []byte // of the exporter, as bytes
	head   Head   // what all heads have in common
	limit  int64  // bytes of a chunk
	target int    // bytes of the record file of a segment

	segment  draftSegment
	chunk    draftChunk
	manifest Manifest
	heads    map[LogHead]uint64 // highest place by log
	squeeze  squeezer
}

// draftSegment is what waits to be written.
type draftSegment struct {
	file    []byte
	notes   []Note
	started bool // something is in it
}

// draftChunk is the chunk that is being written.
type draftChunk struct {
	number, places int
	bytes          int64
	records        int
	sum            hash.Hash
	orgs           map[protocol.OrgID]bool // whose chains stand in it
}

// NewWriter begins a bundle. head gives its network, id, created, maximum TLP and, for an increment, series and number. chunkBytes is
// how large chunks get; 0 is DefaultChunk.
func NewWriter(out io.Writer, head Head, signer Signer, chunkBytes int64) (*Writer, error) {
	if chunkBytes == 0 {
		chunkBytes = DefaultChunk
	}
	if chunkBytes < MinChunk || chunkBytes > MaxChunk {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("chunks of %d bytes: want %d to %d", chunkBytes, MinChunk, int64(MaxChunk)))
	}
	return newWriter(out, head, signer, chunkBytes, targetRaw)
}

// newWriter is NewWriter for chunks and segments of any size.
func newWriter(out io.Writer, head Head, signer Signer, limit int64, target int) (*Writer, error) {
	w := &Writer{out: out, signer: signer, head: head, limit: limit, target: target, heads: map[LogHead]uint64{}}
	w.head.Created = head.Created.Truncate(time.Millisecond)
	for _, s := range signer.Chain {
		w.chain = append(w.chain, s.Raw()...)
	}
	if len(w.chain) > maxChain {
		return nil, reason.New(reason.ChainLimit, fmt.Sprintf("the exporter's chain has %d bytes, a segment takes %d", len(w.chain), maxChain))
	}
	w.open()
	return w, nil
}

// open begins the next chunk.
func (w *Writer) open() {
	w.chunk = draftChunk{number: w.chunk.number + 1, sum: sha256.New(), orgs: map[protocol.OrgID]bool{}}
}

// Entry is one record to write.
type Entry struct {
	Raw  []byte
	Note Note
	// Log and Sequence are its place.
	Log      LogHead
	Sequence uint64
	TLP      stix.TLP
}

// Add writes a record. chain gives the statements of its organisation, which go before its first record in each chunk.
func (w *Writer) Add(e Entry, chain func(protocol.OrgID) []*protocol.Statement) error {
	// BND-08
	if e.TLP > w.head.MaxTLP {
		return reason.New(reason.OutTLP, fmt.Sprintf("a record that is %s in a bundle of at most %s", e.TLP, w.head.MaxTLP))
	}
	if e.Note.Form == storage.Pruned {
		frame, err := w.squeeze.packPruned(e.Raw)
		if err == nil && frame == nil {
			e.Note.Form = storage.HeaderOnly
			frame, err = protocol.HeaderOf(e.Raw)
		}
		if err != nil {
			return err
		}
		e.Raw = frame
	}
	if len(w.segment.file) > 0 && len(w.segment.file)+len(e.Raw) > w.target {
		if err := w.flush(false); err != nil {
			return err
		}
	}
	if !w.chunk.orgs[e.Log.Org] {
		w.chunk.orgs[e.Log.Org] = true
		for _, s := range chain(e.Log.Org) {
			if err := w.append(protocol.FileItem{Statement: s}); err != nil {
				return err
			}
		}
	}
	if err := w.append(protocol.FileItem{Record: e.Raw}); err != nil {
		return err
	}
	e.Note.From = e.Note.From[:min(len(e.Note.From), maxFrom)]
	w.segment.notes = append(w.segment.notes, e.Note)
	w.heads[e.Log] = max(w.heads[e.Log], e.Sequence)
	return nil
}

func (w *Writer) append(item protocol.FileItem) (err error) {
	w.segment.started = true
	w.segment.file, err = protocol.AppendFile(w.segment.file, item)
	return err
}

// Close writes what waits and the manifest, which it returns.
func (w *Writer) Close() (*Manifest, error) {
	if w.segment.started || w.chunk.places > 0 {
		if err := w.flush(true); err != nil {
			return nil, err
		}
	}
	topics := map[string]bool{}
	for log, sequence := range w.heads {
		log.Sequence = sequence
		w.manifest.Heads = append(w.manifest.Heads, log)
		topics[log.Topic] = true
	}
	for name := range topics {
		w.manifest.Topics = append(w.manifest.Topics, name)
	}
	slices.Sort(w.manifest.Topics)
	raw, err := w.manifest.encode()
	if err != nil {
		return nil, err
	}
	h := w.head
	h.Kind, h.Chunk, h.Place, h.Records = KindManifest, 0, 0, 0
	segment, err := w.seal(h, raw, w.chain)
	if err != nil {
		return nil, err
	}
	_, err = w.out.Write(segment)
	return &w.manifest, err
}

// flush writes the segment that waits; last ends the chunk, and so does a chunk that has no room for another one.
func (w *Writer) flush(last bool) error {
	raw, err := appendContent(w.segment.file, w.segment.notes)
	if err != nil {
		return err
	}
	var chain []byte
	if w.chunk.places == 0 {
		chain = w.chain // BND-02
	}
	h := w.head
	h.Kind, h.Chunk, h.Place, h.Records = KindRecords, w.chunk.number, w.chunk.places+1, len(w.segment.notes)
	h.Last = last || w.chunk.bytes+int64(2*maxSegmentOf*w.target) > w.limit
	segment, err := w.seal(h, raw, chain)
	if err != nil {
		return err
	}
	if _, err := w.out.Write(segment); err != nil {
		return err
	}
	w.chunk.places++
	w.chunk.bytes += int64(len(segment))
	w.chunk.records += h.Records
	w.chunk.sum.Write(segment)
	w.segment = draftSegment{file: w.segment.file[:0], notes: w.segment.notes[:0]}
	if !h.Last {
		return nil
	}
	w.manifest.Chunks = append(w.manifest.Chunks, ChunkInfo{
		Chunk: w.chunk.number, Segments: w.chunk.places, Bytes: w.chunk.bytes, Hash: protocol.Digest(w.chunk.sum.Sum(nil)), Records: w.chunk.records,
	})
	w.manifest.Records += w.chunk.records
	w.open()
	if w.chunk.number > maxChunks {
		return reason.New(reason.InputSize, fmt.Sprintf("a bundle of more than %d chunks: make them larger, or export less", maxChunks))
	}
	return nil
}

// seal makes a segment: coded, hashed and signed.
func (w *Writer) seal(h Head, raw, chain []byte) ([]byte, error) {
	body, claims, err := w.squeeze.squeeze(raw)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxRaw {
		return nil, reason.New(reason.InputSize, fmt.Sprintf("a segment of %d bytes, the limit is %d", len(raw), maxRaw))
	}
	h.body = claims
	payload, err := h.encode()
	if err != nil {
		return nil, err
	}
	head, err := protocol.SignDocument(h.Network, protocol.DocumentBundle, payload, w.signer.Certificate, w.signer.Key)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(len(magic) + 8 + len(chain) + len(head) + len(body))
	b.WriteString(magic)
	for _, part := range [][]byte{chain, head} {
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		b.Write(part)
	}
	b.Write(body)
	return b.Bytes(), nil
}
