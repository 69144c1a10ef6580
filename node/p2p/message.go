package p2p

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// EncodeMessage writes a message of a stream service as core deterministic CBOR.
func EncodeMessage(v any) ([]byte, error) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(v)
}

// DecodeMessage reads into v what EncodeMessage wrote, and nothing else. No list has more than
// maxElements; what is refused is malformed.
func DecodeMessage(raw []byte, v any, maxElements int, malformed error) error {
	mode, err := cbor.DecOptions{
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxArrayElements: maxElements,
		MaxMapPairs:      16, // none is allowed; the library takes no less
		MaxNestedLevels:  4,
	}.DecMode()
	if err != nil {
		return err
	}
	if err := mode.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %w", malformed, err)
	}
	again, err := EncodeMessage(v)
	if err != nil || !bytes.Equal(again, raw) {
		return fmt.Errorf("%w: not canonical", malformed)
	}
	return nil
}
