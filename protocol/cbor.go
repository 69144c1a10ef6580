package protocol

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Limits of the CBOR reader. They bound what a hostile item makes us build
// before any rule looks at it; no item of SPEC 3 to 5 comes near them (ENC-03).
const (
	maxCBORDepth = 8
	maxCBORArray = 1024
	maxCBORPairs = 64
)

// cborEncoding is core deterministic CBOR (RFC 8949 4.2.1). A nil slice is an
// empty one, so that a null that was sent never survives a re-encoding.
var cborEncoding = must(cbor.EncOptions{
	Sort:          cbor.SortCoreDeterministic,
	ShortestFloat: cbor.ShortestFloat16,
	NaNConvert:    cbor.NaNConvert7e00,
	InfConvert:    cbor.InfConvertFloat16,
	IndefLength:   cbor.IndefLengthForbidden,
	TagsMd:        cbor.TagsForbidden,
	NilContainers: cbor.NilContainerAsEmpty,
}.EncMode())

// cborDecoding refuses what deterministic CBOR has no place for; the tag of a
// COSE message is cut off by hand before.
var cborDecoding = must(cborDecodingOptions(cbor.TagsForbidden).DecMode())

// cborFraming only finds where an item of a CBOR sequence ends.
var cborFraming = must(cborDecodingOptions(cbor.TagsAllowed).DecMode())

func cborDecodingOptions(tags cbor.TagsMode) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            tags,
		UTF8:              cbor.UTF8RejectInvalid,
		MaxNestedLevels:   maxCBORDepth,
		MaxArrayElements:  maxCBORArray,
		MaxMapPairs:       maxCBORPairs,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // a fixed option table is wrong: no input reaches this
	}
	return v
}

var errNotCanonical = errors.New("not core deterministic CBOR")

// encode writes v as core deterministic CBOR.
func encode(v any) ([]byte, error) { return cborEncoding.Marshal(v) }

// mustEncode is encode for values made of this package's own fixed types,
// whose encoding cannot go wrong.
func mustEncode(v any) []byte { return must(encode(v)) }

// decodeStrict reads raw, which must be exactly what encode would write for the
// value read (ENC-01). v must not hold raw messages: their bytes are copied
// through and so not checked.
func decodeStrict(raw []byte, v any) error {
	if err := cborDecoding.Unmarshal(raw, v); err != nil {
		return err
	}
	again, err := encode(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, raw) {
		return errNotCanonical
	}
	return nil
}

// claims is a decoded map of integer keys: the payload of statements and
// record headers. Its values are uint64, int64, bool, string, []byte, []any
// and map[any]any of these, and nothing else.
type claims map[uint64]any

// decodeClaims reads a claims map strictly, keys that are not known included.
func decodeClaims(raw []byte) (claims, error) {
	var c claims
	if err := decodeStrict(raw, &c); err != nil {
		return nil, err
	}
	for key, v := range c {
		if err := checkValue(v); err != nil {
			return nil, fmt.Errorf("claim %d: %w", key, err)
		}
	}
	return c, nil
}

// checkValue refuses floats, null, undefined and integers beyond 64 bits (ENC-02).
func checkValue(v any) error {
	switch v := v.(type) {
	case uint64, int64, bool, string, []byte:
		return nil
	case []any:
		for _, e := range v {
			if err := checkValue(e); err != nil {
				return err
			}
		}
		return nil
	case map[any]any:
		for k, e := range v {
			if err := errors.Join(checkValue(k), checkValue(e)); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("a value of type %T has no place here", v)
}

// nextItem splits the first item off a CBOR sequence (RFC 8742). The item is
// well formed and no more; rest is empty after the last one.
func nextItem(raw []byte) (item, rest []byte, err error) {
	var first cbor.RawMessage
	rest, err = cborFraming.UnmarshalFirst(raw, &first)
	if err != nil {
		return nil, nil, err
	}
	return raw[:len(raw)-len(rest)], rest, nil
}
