package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/dgraph-io/badger/v4/fb"
)

// badger's files as they stand on disk, read without badger: it panics at some kinds of damage, takes other kinds for the end
// of a file and cuts off what follows, and deletes tables that a damaged manifest no longer names. This is the format of v4,
// without encryption and compression.

// The names and suffixes of badger's files.
const (
	tableSuffix    = ".sst"
	memSuffix      = ".mem"
	valueLogSuffix = ".vlog"
	manifestName   = "MANIFEST"
	registryName   = "KEYREGISTRY"

	logHeader     = 20 // key id u64, initial vector
	manifestMagic = "Bdgr\x00\x00\x00\x08"
	maxRawKey     = 1 << 16

	metaDeleted = 1 << 0
	metaPointer = 1 << 1
	metaTxn     = 1 << 6
	metaFinTxn  = 1 << 7
)

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

var errRawChecksum = errors.New("it does not have its checksum")

// rawEntry is one version of a key. key and value alias what was read.
type rawEntry struct {
	key     []byte
	version uint64
	meta    byte
	value   []byte
	// at is where value begins in its file.
	at int
	// doubtful is an entry of a block that is damaged somewhere: only what has a hash of its own may be believed.
	doubtful bool
}

// pointer is where in the value log a value stands.
type pointer struct{ fid, length, offset uint32 }

func (e rawEntry) pointer() (pointer, bool) {
	if e.meta&metaPointer == 0 || len(e.value) != 12 {
		return pointer{}, false
	}
	le := binary.LittleEndian
	return pointer{le.Uint32(e.value), le.Uint32(e.value[4:]), le.Uint32(e.value[8:])}, true
}

// splitVersion takes the version off a key: badger appends it, inverted.
func splitVersion(key []byte) ([]byte, uint64, bool) {
	if len(key) < 8 {
		return nil, 0, false
	}
	return key[:len(key)-8], ^binary.BigEndian.Uint64(key[len(key)-8:]), true
}

// checksumOf reads a checksum message: only field 2 is ever set, the sum.
func checksumOf(b []byte) (uint32, bool) {
	if len(b) == 0 {
		return 0, true
	}
	sum, n := binary.Uvarint(b[1:])
	return uint32(sum), b[0] == 0x10 && n > 0 && 1+n == len(b) && sum <= 1<<32-1
}

// footed splits what ends with a checksum and its length.
func footed(b []byte) (content []byte, err error) {
	if len(b) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	n := int64(binary.BigEndian.Uint32(b[len(b)-4:]))
	if n > int64(len(b)-4) {
		return nil, errRawChecksum
	}
	content = b[:int64(len(b)-4)-n]
	sum, ok := checksumOf(b[len(content) : len(b)-4])
	if !ok {
		return nil, errRawChecksum
	}
	if castagnoli(content) != sum {
		return nil, errRawChecksum
	}
	return content, nil
}

// rawBlocks lists where the blocks of a table begin and end, from its index.
func rawBlocks(raw []byte) (blocks [][2]int, err error) {
	defer func() { // the index has its checksum, and is still not ours
		if fault := recover(); fault != nil {
			blocks, err = nil, fmt.Errorf("its index is unreadable: %v", fault)
		}
	}()
	if len(raw) < 8 {
		return nil, io.ErrUnexpectedEOF
	}
	sumLength := int64(binary.BigEndian.Uint32(raw[len(raw)-4:]))
	at := int64(len(raw)) - 4 - sumLength - 4
	if at < 0 {
		return nil, errRawChecksum
	}
	sum, ok := checksumOf(raw[at+4 : int64(len(raw))-4])
	length := int64(binary.BigEndian.Uint32(raw[at:]))
	if !ok || length > at {
		return nil, errRawChecksum
	}
	index := raw[at-length : at]
	if castagnoli(index) != sum {
		return nil, errRawChecksum
	}
	table := fb.GetRootAsTableIndex(index, 0)
	var b fb.BlockOffset
	for i := range table.OffsetsLength() {
		if !table.Offsets(&b, i) {
			return nil, errRawChecksum
		}
		begin, end := int64(b.Offset()), int64(b.Offset())+int64(b.Len())
		if end > at-length {
			return nil, errRawChecksum
		}
		blocks = append(blocks, [2]int{int(begin), int(end)})
	}
	return blocks, nil
}

// searchBlocks finds the blocks of a table whose index is damaged: they follow each other, and each ends with its
// checksum and that one's length, which has a few bytes.
func searchBlocks(raw []byte) (blocks [][2]int) {
	begin := 0
	for end := 12; end <= len(raw); end++ {
		if n := binary.BigEndian.Uint32(raw[end-4:]); n < 2 || n > 6 || end-begin < 12 {
			continue
		}
		if _, err := footed(raw[begin:end]); err == nil {
			blocks = append(blocks, [2]int{begin, end})
			begin = end
		}
	}
	return blocks
}

// readBlock gives the entries of one block, at its place in the file. Those of a damaged one are doubtful.
func readBlock(raw []byte, at [2]int, fn func(rawEntry)) error {
	block := raw[at[0]:at[1]]
	content, err := footed(block)
	if err == nil {
		return splitBlock(content, at[0], fn)
	}
	for n := 2; n <= 6 && n+4 <= len(block); n++ { // as long as checksums are
		again := splitBlock(block[:len(block)-4-n], at[0], func(e rawEntry) {
			e.doubtful = true
			fn(e)
		})
		if again == nil {
			break
		}
	}
	return err
}

func splitBlock(content []byte, at int, fn func(rawEntry)) error {
	if len(content) < 4 {
		return io.ErrUnexpectedEOF
	}
	n := int64(binary.BigEndian.Uint32(content[len(content)-4:]))
	index := int64(len(content)) - 4 - 4*n
	if index < 4 || n == 0 {
		return errors.New("its entries are out of place")
	}
	offsets := make([]int, n, n+1)
	for i := range offsets { // as the machine has them, which wrote them
		offsets[i] = int(binary.LittleEndian.Uint32(content[index+4*int64(i):]))
	}
	return readEntries(content[:index], append(offsets, int(index)), at, fn)
}

// readEntries gives the entries between offsets: each has the part of its key that differs from the block's first key.
func readEntries(data []byte, offsets []int, at int, fn func(rawEntry)) error {
	var base []byte
	for i, begin := range offsets[:len(offsets)-1] {
		end := offsets[i+1]
		if begin < 0 || end > len(data) || end-begin < 4 {
			return errors.New("its entries are out of place")
		}
		e := data[begin:end]
		overlap, diff := int(binary.LittleEndian.Uint16(e)), int(binary.LittleEndian.Uint16(e[2:]))
		if i == 0 {
			base = e[4:min(4+diff, len(e))]
		}
		if 4+diff+3 > len(e) || overlap > len(base) {
			return errors.New("its keys are out of place")
		}
		key, version, ok := splitVersion(append(append(make([]byte, 0, overlap+diff), base[:overlap]...), e[4:4+diff]...))
		value := e[4+diff:]
		_, expiry := binary.Uvarint(value[2:])
		if !ok || expiry <= 0 {
			return errors.New("its values are out of place")
		}
		fn(rawEntry{key: key, version: version, meta: value[0], value: value[2+expiry:], at: at + begin + 4 + diff + 2 + expiry})
	}
	return nil
}

// readTable gives all entries of a table. Damage stops nothing: each kind is told to bad.
func readTable(raw []byte, fn func(rawEntry), bad func(error)) {
	blocks, err := rawBlocks(raw)
	if err != nil {
		bad(fmt.Errorf("index: %w", err))
		blocks = searchBlocks(raw)
	}
	for i, at := range blocks {
		if err := readBlock(raw, at, fn); err != nil {
			bad(fmt.Errorf("block %d: %w", i, err))
		}
	}
}

// logEntry decodes the entry at the beginning of b, and how long it is. It is not ok at zeros, which are the end, and at damage.
func logEntry(b []byte, at int) (e rawEntry, length int, ok bool) {
	if len(b) < 5 {
		return e, 0, false
	}
	pos := 2
	var lengths [3]uint64 // of key and value, and the expiry
	for i := range lengths {
		n, w := binary.Uvarint(b[pos:])
		if w <= 0 {
			return e, 0, false
		}
		lengths[i], pos = n, pos+w
	}
	if lengths[0] == 0 || lengths[0] > maxRawKey || lengths[1] > uint64(len(b)) || uint64(pos)+lengths[0]+lengths[1]+4 > uint64(len(b)) {
		return e, 0, false
	}
	value := pos + int(lengths[0])
	end := value + int(lengths[1])
	if castagnoli(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return e, 0, false
	}
	e = rawEntry{meta: b[0], value: b[value:end], at: at + value}
	e.key, e.version, ok = splitVersion(b[pos:value])
	return e, end + 4, ok
}

// readLog gives the entries of a log, for the value log, or of its complete transactions, for a memtable's. end is where it
// stops: at the first that is not whole.
func readLog(raw []byte, txns bool, fn func(e rawEntry, at, length int)) (end int) {
	type place struct {
		rawEntry
		at, length int
	}
	var open []place
	at := logHeader
	for end = at; at < len(raw); {
		e, length, ok := logEntry(raw[at:], at)
		if !ok {
			break
		}
		switch {
		case txns && e.meta&metaTxn != 0:
			if len(open) > 0 && open[0].version != e.version {
				return end
			}
			open = append(open, place{e, at, length})
			at += length
			continue
		case txns && e.meta&metaFinTxn != 0:
			for _, p := range open {
				fn(p.rawEntry, p.at, p.length)
			}
			open = open[:0]
		case len(open) > 0:
			return end
		default:
			fn(e, at, length)
		}
		at += length
		end = at
	}
	return end
}

// isZero reports whether nothing was ever written to b.
func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// readManifest lists the tables of a manifest. A last change that a crash cut off does not count, as with badger; one that is
// whole but for its length is damage.
func readManifest(raw []byte) (tables map[uint64]bool, err error) {
	if !bytes.HasPrefix(raw, []byte(manifestMagic)) {
		return nil, errors.New("it does not begin as a manifest")
	}
	tables = map[uint64]bool{}
	for rest := raw[len(manifestMagic):]; len(rest) > 0; {
		if len(rest) < 8 {
			return tables, nil
		}
		length, sum := int64(binary.BigEndian.Uint32(rest)), binary.BigEndian.Uint32(rest[4:])
		if length > int64(len(rest)-8) {
			table, running := crc32.MakeTable(crc32.Castagnoli), uint32(0)
			for i := 8; running != sum; i++ { // the sum of no bytes is 0: the first change is empty
				if i == len(rest) {
					return tables, nil
				}
				running = crc32.Update(running, table, rest[i:i+1])
			}
			return nil, errors.New("the length of a change is damaged")
		}
		change := rest[8 : 8+length]
		if castagnoli(change) != sum {
			return nil, errRawChecksum
		}
		if err := applyManifest(tables, change); err != nil {
			return nil, err
		}
		rest = rest[8+length:]
	}
	return tables, nil
}

// applyManifest applies a set of changes: field 1 each, in which 1 is the table and 2 what happened to it, made or deleted.
func applyManifest(tables map[uint64]bool, set []byte) error {
	return eachField(set, func(field uint64, _ uint64, change []byte) error {
		if field != 1 {
			return nil
		}
		var id, op uint64
		err := eachField(change, func(field, number uint64, _ []byte) error {
			switch field {
			case 1:
				id = number
			case 2:
				op = number
			}
			return nil
		})
		if op == 0 {
			tables[id] = true
		} else {
			delete(tables, id)
		}
		return err
	})
}

// eachField calls fn for each field of a protobuf message: numbers and bytes are all that occurs.
func eachField(b []byte, fn func(field, number uint64, raw []byte) error) error {
	malformed := errors.New("a change is malformed")
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return malformed
		}
		number, w := binary.Uvarint(b[n:])
		if w <= 0 {
			return malformed
		}
		b = b[n+w:]
		var raw []byte
		switch tag & 7 {
		case 0:
		case 2:
			if number > uint64(len(b)) {
				return malformed
			}
			raw, b = b[:number], b[number:]
		default:
			return malformed
		}
		if err := fn(tag>>3, number, raw); err != nil {
			return err
		}
	}
	return nil
}
