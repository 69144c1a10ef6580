package recon

import (
	"fmt"
	"math"

	"tocsin/protocol/reason"
)

// version is the byte every message begins with: version 1. The versions of the protocol are 0x60 to 0x6f.
const (
	version      = 0x61
	firstVersion = 0x60
	lastVersion  = 0x6f
)

// mode says what a range carries.
type mode uint64

// The modes of SYN-25.
const (
	modeSkip mode = iota
	modeFingerprint
	modeIDs
)

// maxVarint is the length of the largest varint: 64 bits, seven to a byte.
const maxVarint = 10

// appendVarint writes base 128, the most significant digit first.
func appendVarint(b []byte, v uint64) []byte {
	var digits [maxVarint]byte
	at := maxVarint - 1
	digits[at] = byte(v & 0x7f)
	for v >>= 7; v > 0; v >>= 7 {
		at--
		digits[at] = byte(v&0x7f) | 0x80
	}
	return append(b, digits[at:]...)
}

// writer writes the ranges of one message.
type writer struct {
	buf []byte
	// last is the timestamp that the next one is written as a difference to.
	last uint64
}

func newWriter() *writer { return &writer{buf: []byte{version}} }

func (w *writer) varint(v uint64) { w.buf = appendVarint(w.buf, v) }

// bound writes the upper bound of a range, which the payload follows.
func (w *writer) bound(b *Bound, m mode) {
	// SYN-23: the difference to the timestamp before, plus one; zero is infinity.
	if b.Timestamp == Infinity {
		w.varint(0)
	} else {
		w.varint(b.Timestamp - w.last + 1)
	}
	w.last = b.Timestamp
	w.varint(uint64(b.Len))
	w.buf = append(w.buf, b.ID[:b.Len]...)
	w.varint(uint64(m))
}

func (w *writer) fingerprint(b *Bound, f Fingerprint) {
	w.bound(b, modeFingerprint)
	w.buf = append(w.buf, f[:]...)
}

// span is one range of a message. Its lower bound is the upper one of the span before.
type span struct {
	upper Bound
	mode  mode
	// fingerprint is that of modeFingerprint, ids the list of modeIDs as it stands in the message.
	fingerprint Fingerprint
	ids         []byte
}

// id is one of the list.
func (s *span) id(i int) ID { return ID(s.ids[32*i:]) }

// count is how many ids there are.
func (s *span) count() int { return len(s.ids) / 32 }

// reader reads the ranges of one message. It is strict where the reference is not: what no writer
// writes is refused.
type reader struct {
	raw []byte
	at  int
	// prev is the upper bound of the range before.
	prev Bound
}

// next reads a range. Nothing is allocated: a list of ids is a part of the message.
func (r *reader) next() (s span, err error) {
	if s.upper, err = r.bound(); err != nil {
		return span{}, err
	}
	m, err := r.varint()
	if err != nil {
		return span{}, err
	}
	switch s.mode = mode(m); s.mode {
	case modeSkip:
	case modeFingerprint:
		b, err := r.bytes(uint64(len(s.fingerprint)))
		if err != nil {
			return span{}, err
		}
		s.fingerprint = Fingerprint(b)
	case modeIDs:
		n, err := r.varint()
		if err != nil {
			return span{}, err
		}
		// The count is held against what there is before it is multiplied.
		if n > uint64(len(r.raw)-r.at)/32 {
			return span{}, r.refuse(fmt.Sprintf("a list of %d ids is longer than the message", n))
		}
		s.ids, _ = r.bytes(32 * n)
	default:
		return span{}, r.refuse(fmt.Sprintf("mode %d is unknown", m))
	}
	return s, nil
}

// bound reads an upper bound. Bounds never fall; they may be equal, since a range may be empty.
func (r *reader) bound() (b Bound, err error) {
	diff, err := r.varint()
	if err != nil {
		return b, err
	}
	switch {
	case diff == 0:
		b.Timestamp = Infinity
	case diff-1 >= Infinity-r.prev.Timestamp:
		return b, r.refuse("the timestamp of a bound is beyond 64 bits")
	default:
		b.Timestamp = r.prev.Timestamp + diff - 1
	}
	n, err := r.varint()
	if err != nil {
		return b, err
	}
	if n > 32 || n > 0 && b.Timestamp == Infinity {
		return b, r.refuse(fmt.Sprintf("a bound at %d has a prefix of %d bytes", b.Timestamp, n))
	}
	prefix, err := r.bytes(n)
	if err != nil {
		return b, err
	}
	b.Len = copy(b.ID[:], prefix)
	if b.compare(&r.prev.Item) < 0 {
		return b, r.refuse("a bound is below the one before")
	}
	r.prev = b
	return b, nil
}

func (r *reader) varint() (uint64, error) {
	var v uint64
	for i, digit := range r.raw[r.at:] {
		switch {
		case i == 0 && digit == 0x80:
			return 0, r.refuse("a number has a leading zero")
		case v > math.MaxUint64>>7:
			return 0, r.refuse("a number is beyond 64 bits")
		}
		v = v<<7 | uint64(digit&0x7f)
		if digit < 0x80 {
			r.at += i + 1
			return v, nil
		}
	}
	return 0, r.refuse("the message ends within a number")
}

func (r *reader) bytes(n uint64) ([]byte, error) {
	if n > uint64(len(r.raw)-r.at) {
		return nil, r.refuse("the message ends within a range")
	}
	b := r.raw[r.at : r.at+int(n)]
	r.at += int(n)
	return b, nil
}

// done reports whether all ranges were read.
func (r *reader) done() bool { return r.at == len(r.raw) }

func (r *reader) refuse(why string) error {
	return reason.New(reason.SyncMessage, fmt.Sprintf("read reconciliation message at byte %d: %s", r.at, why))
}

// open reads the version byte. other is true when it is another one of the protocol's.
func open(message []byte) (r *reader, other bool, err error) {
	r = &reader{raw: message}
	first, err := r.bytes(1)
	if err != nil {
		return nil, false, err
	}
	// SYN-21: the version comes first.
	if first[0] < firstVersion || first[0] > lastVersion {
		return nil, false, r.refuse(fmt.Sprintf("version byte %#02x is none", first[0]))
	}
	return r, first[0] != version, nil
}
