package bundle

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"tocsin/protocol"
)

// Manifest says what belongs to a bundle (BND-07).
type Manifest struct {
	// Topics are names, in ascending order.
	Topics  []string
	Chunks  []ChunkInfo
	Records int
	// Heads are the highest places that the bundle holds, of at most 5,000 key logs.
	Heads []LogHead
}

// ChunkInfo is one chunk of a manifest: Bytes and Hash are before any encryption.
type ChunkInfo struct {
	Chunk, Segments int
	Bytes           int64
	Hash            protocol.Digest
	Records         int
}

// LogHead is the highest place of a key log.
type LogHead struct {
	Org      protocol.OrgID
	Key      protocol.KeyID
	Topic    string
	Sequence uint64
}

func compareHeads(a, b LogHead) int {
	return cmp.Or(bytes.Compare(a.Org[:], b.Org[:]), bytes.Compare(a.Key[:], b.Key[:]), cmp.Compare(a.Topic, b.Topic))
}

type wireManifest struct {
	Topics  []string        `cbor:"1,keyasint"`
	Chunks  []wireChunk     `cbor:"2,keyasint"`
	Records uint64          `cbor:"3,keyasint"`
	Heads   []wireChunkHead `cbor:"4,keyasint"`
}

type wireChunk struct {
	_                      struct{} `cbor:",toarray"`
	Chunk, Segments, Bytes uint64
	Hash                   []byte
	Records                uint64
}

type wireChunkHead struct {
	_        struct{} `cbor:",toarray"`
	Org, Key []byte
	Topic    string
	Sequence uint64
}

// encode writes the manifest; heads beyond the limit are left out.
func (m *Manifest) encode() ([]byte, error) {
	w := wireManifest{Topics: m.Topics, Records: uint64(m.Records)}
	for _, c := range m.Chunks {
		w.Chunks = append(w.Chunks, wireChunk{
			Chunk: uint64(c.Chunk), Segments: uint64(c.Segments), Bytes: uint64(c.Bytes), Hash: c.Hash[:], Records: uint64(c.Records),
		})
	}
	heads := slices.SortedFunc(slices.Values(m.Heads), compareHeads)
	for _, h := range heads[:min(len(heads), maxHeads)] {
		w.Heads = append(w.Heads, wireChunkHead{Org: bytes.Clone(h.Org[:]), Key: bytes.Clone(h.Key[:]), Topic: h.Topic, Sequence: h.Sequence})
	}
	return encode(w)
}

// readManifest reads what encode writes.
func readManifest(raw []byte) (*Manifest, error) {
	// BND-07
	var w wireManifest
	if err := decode(raw, &w, maxChunks); err != nil {
		return nil, fmt.Errorf("read a manifest: %w", err)
	}
	m := &Manifest{Topics: w.Topics, Records: int(w.Records)}
	for _, name := range w.Topics {
		if _, err := protocol.ParseTopic(name); err != nil {
			return nil, damagedf("a manifest of topic %.40q", name)
		}
	}
	if !slices.IsSorted(w.Topics) || w.Records > maxIncrement || len(w.Heads) > maxHeads {
		return nil, damagedf("a manifest is out of its bounds")
	}
	for i, c := range w.Chunks {
		if c.Chunk != uint64(i+1) || c.Segments == 0 || c.Segments > maxChunks || c.Bytes > maxIncrement || len(c.Hash) != len(protocol.Digest{}) || c.Records > w.Records {
			return nil, damagedf("chunk %d of a manifest is out of its bounds", i+1)
		}
		m.Chunks = append(m.Chunks, ChunkInfo{
			Chunk: int(c.Chunk), Segments: int(c.Segments), Bytes: int64(c.Bytes), Hash: protocol.Digest(c.Hash), Records: int(c.Records),
		})
	}
	for _, h := range w.Heads {
		if len(h.Org) != len(protocol.OrgID{}) || len(h.Key) != len(protocol.KeyID{}) || len(h.Topic) > protocol.MaxTopicName {
			return nil, damagedf("a head in a manifest is out of its bounds")
		}
		m.Heads = append(m.Heads, LogHead{Org: protocol.OrgID(h.Org), Key: protocol.KeyID(h.Key), Topic: h.Topic, Sequence: h.Sequence})
	}
	return m, nil
}
