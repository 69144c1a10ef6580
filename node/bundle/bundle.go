// Package bundle carries records in files to where no network goes (SPEC 13): chunked, signed, resumable, in any
// order. It writes and reads the format, chooses what may leave, and hands what comes in to the way in. It
// touches no file but its own list of bundles: whose disk the chunks lie on is the caller's affair.
package bundle

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"tocsin/protocol/reason"
)

// The limits of SPEC 13. What comes from outside is held against them before anything is allocated.
const (
	// maxChain and maxHead bound what stands before the body of a segment (BND-01).
	maxChain = 16_384
	maxHead  = 4_096
	// maxRaw bounds a body, decompressed or not (BND-05): a reader holds one at a time.
	maxRaw = 4 << 20
	// maxRatio is how many times a compressed body may grow: records hold compressed bodies already.
	maxRatio = 20
	// maxWindow is the largest zstd window.
	maxWindow = 8 << 20
	// maxPruned is the same for a pruned record: one segment of zstd, whatever its size.
	maxPruned = 16 << 20
	// maxChunks bounds the chunks of a bundle, maxHeads the heads in a manifest, maxFrom who a record came from.
	maxChunks = 100_000
	maxHeads  = 5_000
	maxFrom   = 200
	// maxIncrement is the last increment of a series.
	maxIncrement = 1<<53 - 1
)

// The sizes of chunks that an exporter makes.
const (
	// MinChunk leaves room for the largest segment, twice.
	MinChunk = 8 << 20
	// DefaultChunk fits every medium.
	DefaultChunk = 100 << 20
	// MaxChunk keeps a chunk a file that tools handle.
	MaxChunk = 4 << 30
	// targetRaw is how full a segment gets: a few thousand heads of records, or one large record.
	targetRaw = 1 << 20
	// maxSegmentOf is how many times its target a segment may have: full but for a byte, one more record and its chain, the notes.
	maxSegmentOf = 3
)

// magic begins a segment, so that a reader finds the next one behind damage.
const magic = "tocsinb1"

// ID names a bundle or a series: 16 random bytes.
type ID [16]byte

// String gives the hexadecimal form.
func (i ID) String() string { return hex.EncodeToString(i[:]) }

// Short is how people name it: the first 8 digits.
func (i ID) Short() string { return hex.EncodeToString(i[:4]) }

// ParseID reads what String gives.
func ParseID(text string) (ID, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(ID{}) {
		return ID{}, reason.New(reason.UsageInvalid, fmt.Sprintf("bundle id %.80q: want 32 hex digits", text))
	}
	return ID(raw), nil
}

// damagedf is the error for bytes that break a rule of SPEC 13.
func damagedf(format string, args ...any) error {
	return reason.New(reason.BundleDamaged, fmt.Sprintf(format, args...))
}

// encode writes core deterministic CBOR.
func encode(v any) ([]byte, error) {
	options := cbor.CoreDetEncOptions()
	options.NilContainers = cbor.NilContainerAsEmpty
	mode, err := options.EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(v)
}

// decode reads into v what encode wrote for it, and nothing else. No array has more than elements.
func decode(raw []byte, v any, elements int) error {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
		MaxArrayElements: max(elements, 16), // the library takes no less
		MaxMapPairs:      64,
		MaxNestedLevels:  6,
	}.DecMode()
	if err != nil {
		return err
	}
	if err := mode.Unmarshal(raw, v); err != nil {
		return reason.Wrap(reason.BundleDamaged, "read CBOR", err)
	}
	again, err := encode(v)
	if err != nil || !bytes.Equal(again, raw) {
		return damagedf("CBOR that is not in core deterministic encoding")
	}
	return nil
}
