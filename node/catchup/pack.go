package catchup

import (
	"github.com/klauspost/compress/zstd"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// pack compresses a pruned record, which is kept as it is hashed: in the clear (SYN-08).
func pack(raw []byte) []byte {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return raw // the options are constants
	}
	defer enc.Close()
	return enc.EncodeAll(raw, nil)
}

// unpack is the way back. It never makes more than a pruned record may have.
func unpack(packed []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(protocol.MaxPrunedBytes))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, reason.Wrap(reason.WireFraming, "decompress a pruned record", err)
	}
	return raw, nil
}
