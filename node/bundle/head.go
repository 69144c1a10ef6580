package bundle

import (
	"fmt"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// Kind says what a segment holds.
type Kind uint8

// The kinds of BND-04.
const (
	KindRecords  Kind = 1
	KindManifest Kind = 2
)

// The codings of a body (BND-05).
const (
	codingPlain = 0
	codingZstd  = 1
)

// Head is what an exporter signs of a segment.
type Head struct {
	Network string
	Bundle  ID
	Kind    Kind
	// Chunk and Place say where the segment stands, from 1; both are 0 for a manifest. Last is true for the last of its chunk.
	Chunk, Place int
	Last         bool
	Created      time.Time
	MaxTLP       stix.TLP
	Records      int
	// Series and Increment are set for an increment of a series, else zero.
	Series    ID
	Increment uint64

	body bodyClaims
}

// bodyClaims are what a head says of the bytes behind it.
type bodyClaims struct {
	coding      int
	length, raw int
	hash        protocol.Digest
}

// wireHead is the claims map of BND-04.
type wireHead struct {
	Version uint64 `cbor:"1,keyasint"`
	Network string `cbor:"2,keyasint"`
	Bundle  []byte `cbor:"3,keyasint"`
	Kind    uint64 `cbor:"4,keyasint"`
	Chunk   uint64 `cbor:"5,keyasint"`
	Place   uint64 `cbor:"6,keyasint"`
	Last    uint64 `cbor:"7,keyasint"`
	Created uint64 `cbor:"8,keyasint"`
	MaxTLP  uint64 `cbor:"9,keyasint"`
	Records uint64 `cbor:"10,keyasint"`
	wireBody
	wireIncrement
}

// wireIncrement are the claims of an increment.
type wireIncrement struct {
	Series    []byte `cbor:"15,keyasint,omitempty"`
	Increment uint64 `cbor:"16,keyasint,omitempty"`
}

// wireBody are the claims about the body, in the same map.
type wireBody struct {
	Coding uint64 `cbor:"11,keyasint"`
	Length uint64 `cbor:"12,keyasint"`
	Raw    uint64 `cbor:"13,keyasint"`
	Hash   []byte `cbor:"14,keyasint"`
}

const (
	headVersion = 1
	lastClaim   = 16
	// firstOptional is the first claim that need not be understood.
	firstOptional = 32
)

func (h *Head) encode() ([]byte, error) {
	w := wireHead{
		Version: headVersion, Network: h.Network, Bundle: h.Bundle[:], Kind: uint64(h.Kind), Chunk: uint64(h.Chunk), Place: uint64(h.Place),
		Created: uint64(h.Created.UnixMilli()), MaxTLP: uint64(h.MaxTLP), Records: uint64(h.Records), wireIncrement: wireIncrement{Increment: h.Increment},
		wireBody: wireBody{uint64(h.body.coding), uint64(h.body.length), uint64(h.body.raw), h.body.hash[:]},
	}
	if h.Last {
		w.Last = 1
	}
	if h.Increment > 0 {
		w.Series = h.Series[:]
	}
	return encode(w)
}

// readHead reads the claims of a head, whoever signed them.
func readHead(payload []byte) (Head, error) {
	// BND-04
	var all map[uint64]any
	if err := decode(payload, &all, 0); err != nil {
		return Head{}, fmt.Errorf("read the head of a segment: %w", err)
	}
	if v, ok := all[1].(uint64); !ok || v != headVersion {
		return Head{}, reason.New(reason.VersionUnknown, fmt.Sprintf("a bundle of version %v", all[1]))
	}
	for key := range all {
		if key > lastClaim && key < firstOptional {
			return Head{}, reason.New(reason.ClaimUnknown, fmt.Sprintf("claim %d in the head of a segment", key))
		}
		if key >= firstOptional {
			delete(all, key)
		}
	}
	known, err := encode(all)
	if err != nil {
		return Head{}, err
	}
	var w wireHead
	if err := decode(known, &w, 0); err != nil {
		return Head{}, fmt.Errorf("read the head of a segment: %w", err)
	}
	return w.head()
}

// head holds the claims against their bounds and each other.
func (w *wireHead) head() (Head, error) {
	h := Head{
		Network: w.Network, Kind: Kind(w.Kind), Chunk: int(w.Chunk), Place: int(w.Place), Last: w.Last == 1, Created: time.UnixMilli(int64(w.Created)).UTC(),
		MaxTLP: stix.TLP(w.MaxTLP), Records: int(w.Records), Increment: w.Increment,
		body: bodyClaims{coding: int(w.Coding), length: int(w.Length), raw: int(w.Raw)},
	}
	manifest := w.Kind == uint64(KindManifest)
	for _, rule := range []struct {
		broken bool
		what   string
	}{
		{len(w.Bundle) != len(h.Bundle), "bundle"},
		{w.Kind != uint64(KindRecords) && !manifest, "kind"},
		{w.Chunk > maxChunks || (w.Chunk == 0) != manifest, "chunk"},
		{w.Place > maxChunks || (w.Place == 0) != manifest, "place"},
		{w.Last > 1 || manifest && w.Last != 0, "last"},
		{w.Created > protocol.MaxTime, "created"},
		{w.MaxTLP > uint64(stix.Red), "maximum TLP"},
		{w.Records > protocol.MaxFileItems || manifest && w.Records != 0, "records"},
		{w.Coding > codingZstd, "coding"},
		// BND-05
		{w.Length > maxRaw || w.Raw > maxRaw, "length"},
		{w.Coding == codingPlain && w.Raw != w.Length, "raw length"},
		{w.Coding == codingZstd && w.Raw > maxRatio*w.Length, "raw length"},
		{len(w.Hash) != len(h.body.hash), "body hash"},
		{len(w.Series) != 0 && len(w.Series) != len(h.Series), "series"},
		{(len(w.Series) == 0) != (w.Increment == 0) || w.Increment > maxIncrement, "increment"},
	} {
		if rule.broken {
			return Head{}, damagedf("the %s in the head of a segment is out of its bounds", rule.what)
		}
	}
	h.Bundle, h.body.hash = ID(w.Bundle), protocol.Digest(w.Hash)
	if h.Increment > 0 {
		h.Series = ID(w.Series)
	}
	return h, nil
}

// where names a segment to people.
func (h *Head) where() string {
	if h.Kind == KindManifest {
		return "manifest of bundle " + h.Bundle.Short()
	}
	return fmt.Sprintf("chunk %d segment %d of bundle %s", h.Chunk, h.Place, h.Bundle.Short())
}
