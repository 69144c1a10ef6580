package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A backup's contents are entries: first the files beside the store, each a head and, when it
// is carried and not kept from the base, its bytes in blocks; then the keys of the store in order,
// each with its version and, when it is newer than the base, its value. Both lists are complete:
// what is in neither has gone, and does not come back from an older backup.
const (
	entryFile  = 'f' // name, mode, size, digest, carried
	entryBlock = 'b' // bytes of the file before
	entryPair  = 'k' // key, version, fresh, value
)

// The bounds of what an entry holds.
const (
	maxFiles      = 1 << 20
	maxNameBytes  = 1 << 10
	blockBytes    = 256 << 10
	maxKeyBytes   = 4 << 10
	maxValueBytes = 1 << 20
)

// entry is one of them, decoded. What it points to is valid until the next one.
type entry struct {
	kind byte
	// of a file
	name    string
	mode    uint32
	size    uint64
	digest  [sha256.Size]byte
	carried bool
	// block is of a file, key and the rest of a pair.
	block   []byte
	key     []byte
	version uint64
	fresh   bool
	value   []byte
}

func appendText(b, text []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendBool(b []byte, yes bool) []byte {
	if yes {
		return append(b, 1)
	}
	return append(b, 0)
}

func (e *entry) append(b []byte) []byte {
	b = append(b, e.kind)
	switch e.kind {
	case entryFile:
		b = appendText(b, []byte(e.name))
		b = binary.AppendUvarint(b, uint64(e.mode))
		b = binary.AppendUvarint(b, e.size)
		b = append(b, e.digest[:]...)
		b = appendBool(b, e.carried)
	case entryBlock:
		b = appendText(b, e.block)
	case entryPair:
		b = appendText(b, e.key)
		b = binary.AppendUvarint(b, e.version)
		b = appendBool(b, e.fresh)
		if e.fresh {
			b = appendText(b, e.value)
		}
	}
	return b
}

// read decodes the next entry; it reuses the buffers of e.
func (e *entry) read(r *bufio.Reader) (err error) {
	if e.kind, err = r.ReadByte(); err != nil {
		return err
	}
	switch e.kind {
	case entryFile:
		err = e.readFile(r)
	case entryBlock:
		e.block, err = readText(r, e.block, blockBytes)
	case entryPair:
		err = e.readPair(r)
	default:
		err = fmt.Errorf("an entry of the unknown kind %q", e.kind)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (e *entry) readFile(r *bufio.Reader) error {
	name, err := readText(r, nil, maxNameBytes)
	if err != nil {
		return err
	}
	e.name = string(name)
	mode, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	if mode > 0o777 {
		return fmt.Errorf("file %q: mode %o", e.name, mode)
	}
	e.mode = uint32(mode)
	if e.size, err = binary.ReadUvarint(r); err != nil {
		return err
	}
	if _, err := io.ReadFull(r, e.digest[:]); err != nil {
		return err
	}
	e.carried, err = readBool(r)
	return err
}

func (e *entry) readPair(r *bufio.Reader) (err error) {
	if e.key, err = readText(r, e.key, maxKeyBytes); err != nil {
		return err
	}
	if e.version, err = binary.ReadUvarint(r); err != nil {
		return err
	}
	e.value = e.value[:0]
	if e.fresh, err = readBool(r); err == nil && e.fresh {
		e.value, err = readText(r, e.value, maxValueBytes)
	}
	return err
}

func readBool(r *bufio.Reader) (bool, error) {
	b, err := r.ReadByte()
	if err == nil && b > 1 {
		err = fmt.Errorf("%d is neither yes nor no", b)
	}
	return b == 1, err
}

func readText(r *bufio.Reader, into []byte, limit uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("a text of %d bytes, at most %d", n, limit)
	}
	if uint64(cap(into)) < n {
		into = make([]byte, n)
	}
	into = into[:n]
	_, err = io.ReadFull(r, into)
	return into, err
}
