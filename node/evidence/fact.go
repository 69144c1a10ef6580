package evidence

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/protocol"
)

// The layout of a fact (EVD-01, EVD-02).
const (
	factSource  = 54 // bytes for From
	factPrefix  = factSource - 32
	factBytes   = 32 + 8 + 1 + 1 + factSource
	toldBytes   = factBytes + 32
	formText    = 0
	formDigest  = 1
	digestStart = "sha256:"
	cutMark     = "…"
)

var errFact = errors.New("this is no first-seen fact")

// encodeFact writes a fact; told ones with By. A source that has no room is cut, with a mark.
func encodeFact(f Fact, told bool) []byte {
	b := make([]byte, factBytes, toldBytes)
	copy(b, f.Record[:])
	binary.BigEndian.PutUint64(b[32:], uint64(max(f.Seen.UnixMilli(), 0)))
	source := b[42:factBytes]
	if prefix, digest, ok := splitSource(f.From); ok {
		b[40], b[41] = formDigest, byte(len(prefix))
		copy(source, prefix)
		copy(source[len(prefix):], digest)
	} else {
		text := strings.ToValidUTF8(f.From, "?")
		if len(text) > factSource {
			text = strings.ToValidUTF8(text[:factSource-len(cutMark)], "") + cutMark
		}
		b[40], b[41] = formText, byte(len(text))
		copy(source, text)
	}
	if told {
		b = append(b, f.By[:]...)
	}
	return b
}

// splitSource takes a source apart that ends in a digest, as the text of an organisation does.
func splitSource(from string) (prefix string, digest []byte, ok bool) {
	i := strings.LastIndex(from, digestStart)
	if i < 0 || i > factPrefix || len(from) != i+len(digestStart)+64 || !utf8.ValidString(from) {
		return "", nil, false
	}
	text := from[i+len(digestStart):]
	digest, err := hex.DecodeString(text)
	return from[:i], digest, err == nil && strings.ToLower(text) == text
}

// decodeFact reads what encodeFact wrote, and nothing else.
func decodeFact(b []byte) (Fact, error) {
	if len(b) != factBytes && len(b) != toldBytes {
		return Fact{}, errFact
	}
	f := Fact{Record: protocol.RecordID(b[:32])}
	ms, n, source := binary.BigEndian.Uint64(b[32:]), int(b[41]), b[42:factBytes]
	if ms >= 1<<48 {
		return Fact{}, errFact
	}
	f.Seen = time.UnixMilli(int64(ms)).UTC()
	switch {
	case b[40] == formText && n <= factSource:
		f.From = string(source[:n])
	case b[40] == formDigest && n <= factPrefix:
		f.From = string(source[:n]) + digestStart + hex.EncodeToString(source[n:n+32])
	default:
		return Fact{}, errFact
	}
	if len(b) == toldBytes {
		f.By = protocol.OrgID(b[factBytes:])
	}
	if !utf8.ValidString(f.From) || !bytes.Equal(encodeFact(f, len(b) == toldBytes), b) {
		return Fact{}, errFact
	}
	return f, nil
}
