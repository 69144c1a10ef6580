package catchup

import (
	"hash/maphash"
	"sync"

	"github.com/klauspost/compress/zstd"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// The bounds of packed records that are remembered, and of those that are known to be too large.
const (
	maxPacked      = 1024
	maxPackedBytes = 8 << 20
	// packWindow is as large as what is packed: what repeats far apart in it made the record as sent small.
	packWindow = 8 << 20
)

// packer packs pruned records for answers, one at a time, and remembers what came of it: packing costs much
// more than asking for it. Its methods may be called concurrently.
type packer struct {
	seed maphash.Seed
	turn sync.Mutex // held while something is packed

	mu    sync.Mutex // guards all below
	known map[uint64][]byte
	order []uint64
	bytes int
}

func newPacker() *packer { return &packer{seed: maphash.MakeSeed(), known: make(map[uint64][]byte)} }

// pack returns what is at most limit bytes, or nil when it does not get that small.
func (p *packer) pack(raw []byte, limit int) []byte {
	sum := maphash.Bytes(p.seed, raw)
	if packed, ok := p.find(sum); ok {
		return packed
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	if packed, ok := p.find(sum); ok {
		return packed
	}
	packed := pack(raw)
	if len(packed) > limit {
		packed = pack(raw, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(packWindow))
	}
	if len(packed) > limit {
		packed = nil
	}
	p.add(sum, packed)
	return packed
}

func (p *packer) find(sum uint64) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	packed, ok := p.known[sum]
	return packed, ok
}

// add remembers; the oldest goes first.
func (p *packer) add(sum uint64, packed []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[sum] = packed
	p.order = append(p.order, sum)
	p.bytes += len(packed)
	for len(p.order) > maxPacked || p.bytes > maxPackedBytes {
		p.bytes -= len(p.known[p.order[0]])
		delete(p.known, p.order[0])
		p.order = p.order[1:]
	}
}

// pack compresses a pruned record, which is kept as it is hashed: in the clear (SYN-08).
func pack(raw []byte, more ...zstd.EOption) []byte {
	options := []zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true)}
	enc, err := zstd.NewWriter(nil, append(options, more...)...)
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
