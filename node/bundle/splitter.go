package bundle

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Splitter takes the stream of one's own node apart, so that chunks can go into files of their own. It verifies nothing.
type Splitter struct {
	in *bufio.Reader
}

// NewSplitter reads a stream as Writer writes it.
func NewSplitter(in io.Reader) *Splitter { return &Splitter{in: bufio.NewReaderSize(in, 256<<10)} }

// Next gives the next segment as it stands, and its head; io.EOF at the end.
func (s *Splitter) Next() (Head, []byte, error) {
	raw := make([]byte, len(magic), 64<<10)
	n, err := io.ReadFull(s.in, raw)
	if errors.Is(err, io.EOF) && n == 0 {
		return Head{}, nil, io.EOF
	}
	if err != nil || string(raw) != magic {
		return Head{}, nil, damagedf("the stream has no segment where one must begin")
	}
	var head []byte
	for _, limit := range []int{maxChain, maxHead} {
		if raw, err = s.take(raw, 4); err != nil {
			return Head{}, nil, err
		}
		size := binary.BigEndian.Uint32(raw[len(raw)-4:])
		if size > uint32(limit) {
			return Head{}, nil, damagedf("a part of %d bytes, the limit is %d", size, limit)
		}
		if raw, err = s.take(raw, int(size)); err != nil {
			return Head{}, nil, err
		}
		head = raw[len(raw)-int(size):]
	}
	_, h, err := readSigned(head)
	if err != nil {
		return Head{}, nil, err
	}
	raw, err = s.take(raw, h.body.length)
	return h, raw, err
}

// take reads n bytes behind raw.
func (s *Splitter) take(raw []byte, n int) ([]byte, error) {
	at := len(raw)
	raw = append(raw, make([]byte, n)...)
	if _, err := io.ReadFull(s.in, raw[at:]); err != nil {
		return nil, fmt.Errorf("the stream broke off within a segment: %w", err)
	}
	return raw, nil
}
