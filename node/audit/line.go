package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"strconv"

	"tocsin/protocol"
)

// A line is the entry as JSON with "seq" first, then "prev" and "hash" last, and no space
// between tokens. The hash is SHA-256 over the line's own bytes, the member "hash" and the
// end of line left out, so that anybody can check it with sed and sha256sum, and
// no reading of JSON stands between the bytes and the proof.
const (
	lineStart = `{"seq":`
	prevStart = `,"prev":"`
	hashStart = `,"hash":"`
	lineEnd   = `"}`
	// digestText is the length of a digest in text, hashPart of the member "hash" with the end of the line.
	digestText = len("sha256:") + 2*sha256.Size
	hashPart   = len(hashStart) + digestText + len(lineEnd)
	prevPart   = len(prevStart) + digestText + len(`"`)
	// maxLine bounds a line: six bytes for each of an event's at worst, and the rest.
	maxLine = 6*(MaxTarget+MaxReason+MaxDetail) + 8<<10
)

// encodeLine writes an entry as a line, with its end, and fills in its hash.
func encodeLine(e *Entry) ([]byte, error) {
	e.Hash = protocol.Digest{}
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	if err := j.Encode(e); err != nil {
		return nil, err
	}
	line := b.Bytes()
	said := line[:len(line)-1-hashPart]
	e.Hash = hashOf(sha256.New(), said)
	out := append(said, hashStart...)
	out = append(out, e.Hash.String()...)
	return append(out, lineEnd+"\n"...), nil
}

// hashOf is the hash of a line whose hash and end were cut off. It uses h, so that a
// long log costs no garbage.
func hashOf(h hash.Hash, said []byte) (d protocol.Digest) {
	h.Reset()
	h.Write(said)
	h.Write([]byte{'}'})
	h.Sum(d[:0])
	return d
}

// frame is what chains a line to the others, read without reading the rest.
type frame struct {
	seq        uint64
	prev, hash protocol.Digest // as the line states them
	sound      bool            // the hash is that of the line
}

// readFrame reads a line's frame; false when it is no entry at all.
func readFrame(h hash.Hash, line []byte) (f frame, ok bool) {
	digits, found := bytes.CutPrefix(line, []byte(lineStart))
	if !found || len(line) < len(lineStart)+prevPart+hashPart {
		return f, false
	}
	end := bytes.IndexByte(digits, ',')
	if end < 1 || end > len("18446744073709551615") || digits[0] == '0' {
		return f, false
	}
	var err error
	if f.seq, err = strconv.ParseUint(string(digits[:end]), 10, 64); err != nil {
		return f, false
	}
	said, tail := line[:len(line)-hashPart], line[len(line)-hashPart:]
	if f.hash, ok = readDigest(tail, hashStart, lineEnd); !ok {
		return f, false
	}
	if f.prev, ok = readDigest(said[len(said)-prevPart:], prevStart, `"`); !ok {
		return f, false
	}
	f.sound = hashOf(h, said) == f.hash
	return f, true
}

// readDigest reads a digest between what must stand before and behind it.
func readDigest(text []byte, before, behind string) (d protocol.Digest, ok bool) {
	text, ok1 := bytes.CutPrefix(text, []byte(before+"sha256:"))
	text, ok2 := bytes.CutSuffix(text, []byte(behind))
	if !ok1 || !ok2 || len(text) != 2*len(d) {
		return d, false
	}
	for _, c := range text {
		if c >= 'A' && c <= 'F' { // one spelling
			return d, false
		}
	}
	_, err := hex.Decode(d[:], text)
	return d, err == nil
}

// decodeLine reads the whole entry of a line whose frame is sound.
func decodeLine(line []byte) (e Entry, err error) {
	err = json.Unmarshal(line, &e)
	return e, err
}

// lineReader reads lines of bounded length and says where each stands.
type lineReader struct {
	in     *bufio.Reader
	offset int64 // of the next line
}

func newLineReader(r io.Reader, offset int64) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(r, maxLine), offset: offset}
}

// rawLine is one line of a file, whatever is in it.
type rawLine struct {
	offset int64
	raw    []byte // as it stands; nil when longer than an entry can be; good until the next call
	ended  bool   // it has an end: only the last of a file may lack one
	null   bool   // it holds a zero byte, which no entry does
}

// text is the line without its end.
func (l *rawLine) text() []byte { return bytes.TrimSuffix(l.raw, []byte("\n")) }

// next gives the next line; io.EOF when there is none. long is called with the bytes of one
// that is too long to be given.
func (r *lineReader) next(long func([]byte)) (rawLine, error) {
	line := rawLine{offset: r.offset}
	for {
		part, err := r.in.ReadSlice('\n')
		whole := r.offset == line.offset && !errors.Is(err, bufio.ErrBufferFull)
		if !whole {
			long(part)
		}
		line.null = line.null || bytes.IndexByte(part, 0) >= 0
		r.offset += int64(len(part))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && r.offset == line.offset:
			return line, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return line, err
		}
		line.ended = err == nil
		if whole {
			line.raw = part
		}
		return line, nil
	}
}
