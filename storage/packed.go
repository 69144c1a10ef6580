package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// packed is the packed index value of one record: everything of Entry but the
// record itself, so that the tables are rebuilt from packed values alone. It is
// little endian: a header, a fixed-width entry per leaf, a fixed-width entry per
// value, then texts. What start-up needs is fixed-width; texts are read on hits.
//
//	header  0 length u32 · 4 format, shape, state, TLP u8 · 8 kind u16 · 10 leaves u16
//	        12 values u32 · 16 raw length u32 · 20 body length u32 · 24 created, expires ms i64
//	        40 received time · 52 generation u32 · 56 sequence u64 · 64 org · 96 key · 128 SHA-256 of what is kept of the record
//	leaf    0 object hash u64 · 8 modified, valid from, valid until, first time
//	        56 first value u32 · 60 values u32 · 64 text u32 · 68 state, flags u8 · 70 confidence i8 · 71 zero
//	value   0 observable hash u64 · 8 flags
//	texts   topic upstream from reason, then per leaf: object type reason, then per value: type value
//
// A time is seconds i64 and nanoseconds u32; a text is its length as uvarint and its bytes.
// Format 1 is the same without voice and decided in the flags of a leaf.
type packed []byte

const (
	packedFormat = 2
	mutePacked   = 1 // the format before voices
	headerBytes  = 160
	leafBytes    = 72
	valueBytes   = 9
	timeBytes    = 12

	leafClaim   = 1 << 0
	leafRevoked = 1 << 1
	leafPlain   = 1 << 2 // Type is what stands before "--" in Object and is left out
	leafVoice   = 3      // where the three bits of the voice begin
	leafDecided = 1 << 6
	muteFlags   = leafClaim | leafRevoked | leafPlain

	valueAlone   = 1 << 0
	valueNetwork = 1 << 1
)

// recordInfo is what a packed value says of the record as a whole.
type recordInfo struct {
	org              protocol.OrgID
	key              protocol.KeyID
	topic            protocol.Topic
	sequence         uint64
	kind             protocol.Kind
	tlp              stix.TLP
	created, expires time.Time
	upstream         string
	source           source
	fate             fate
	stored           stored
}

// source says when and from whom a record came.
type source struct {
	received time.Time
	from     string
}

// fate is a state and why. since is given for a record under hold alone, and
// no part of a packed value.
type fate struct {
	state State
	why   reason.Code
	since time.Time
}

// stored describes the bytes that are kept of the record; bodyLength is the body's as sent.
type stored struct {
	rawLength, bodyLength int
	sum                   [32]byte
	shape                 shape
}

func infoOf(e Entry) recordInfo {
	h := e.Record.Header()
	raw := e.Record.Raw()
	return recordInfo{
		org: e.Record.Org(), key: e.Record.Key(), topic: h.Topic, sequence: h.Sequence, kind: h.Kind, tlp: h.TLP,
		created: h.Created, expires: h.Expires, upstream: h.Upstream,
		source: source{e.Received, e.From},
		fate:   fate{state: e.State, why: e.Reason},
		stored: stored{len(raw), h.BodyLength, sha256.Sum256(raw), shapeOf(e.Record)},
	}
}

// packedLeaf is a leaf as it is kept.
type packedLeaf struct {
	Leaf
	// first is the created of an earlier record of that org with this version that
	// has expired since; zero when there was none.
	first time.Time
	// decided is true when a person set the state: it outlives a hold of the whole record.
	decided bool
}

// hashObject and hashObservable do not depend on the process; the tables mix
// them with a secret. Eight bytes of SHA-256 are enough because texts are compared on every hit.
func hashObject(id string) uint64 {
	var buf [128]byte
	sum := sha256.Sum256(append(buf[:0], id...))
	return binary.LittleEndian.Uint64(sum[:])
}

func hashObservable(o pattern.Observable) uint64 {
	var buf [256]byte
	b := append(append(buf[:0], o.Type...), 0)
	sum := sha256.Sum256(append(b, o.Value...))
	return binary.LittleEndian.Uint64(sum[:])
}

// pack encodes; unpack is its inverse.
func pack(info recordInfo, leaves []packedLeaf, generation uint32) packed {
	values := 0
	for i := range leaves {
		values += len(leaves[i].Values)
	}
	fixed := headerBytes + len(leaves)*leafBytes + values*valueBytes
	p := make(packed, fixed, fixed+128+len(leaves)*96)
	packHeader(p, info, len(leaves), values, generation)
	p = appendText(p, info.topic.String())
	p = appendText(p, info.upstream)
	p = appendText(p, info.source.from)
	p = appendText(p, string(info.fate.why))
	value := 0
	for i := range leaves {
		p.packLeaf(i, &leaves[i], value)
		p = appendLeafText(p, &leaves[i])
		for _, v := range leaves[i].Values {
			at := p[headerBytes+len(leaves)*leafBytes+value*valueBytes:]
			binary.LittleEndian.PutUint64(at, hashObservable(v.Observable))
			at[8] = valueFlags(v)
			value++
		}
	}
	binary.LittleEndian.PutUint32(p, uint32(len(p)))
	return p
}

func packHeader(p packed, info recordInfo, leaves, values int, generation uint32) {
	le := binary.LittleEndian
	p[4], p[5], p[6], p[7] = packedFormat, byte(info.stored.shape), byte(info.fate.state), byte(info.tlp)
	le.PutUint16(p[8:], uint16(info.kind))
	le.PutUint16(p[10:], uint16(leaves))
	le.PutUint32(p[12:], uint32(values))
	le.PutUint32(p[16:], uint32(info.stored.rawLength))
	le.PutUint32(p[20:], uint32(info.stored.bodyLength))
	le.PutUint64(p[24:], uint64(info.created.UnixMilli()))
	le.PutUint64(p[32:], uint64(info.expires.UnixMilli()))
	putTime(p[40:], info.source.received)
	le.PutUint32(p[52:], generation)
	le.PutUint64(p[56:], info.sequence)
	copy(p[64:], info.org[:])
	copy(p[96:], info.key[:])
	copy(p[128:], info.stored.sum[:])
}

func (p packed) packLeaf(i int, l *packedLeaf, value int) {
	at := p.leaf(i)
	le := binary.LittleEndian
	le.PutUint64(at, hashObject(l.Object))
	putTime(at[8:], l.Modified)
	putTime(at[20:], l.ValidFrom)
	putTime(at[32:], l.ValidUntil)
	putTime(at[44:], l.first)
	le.PutUint32(at[56:], uint32(value))
	le.PutUint32(at[60:], uint32(len(l.Values)))
	le.PutUint32(at[64:], uint32(len(p)))
	at[68], at[69], at[70] = byte(l.State), leafFlags(l), byte(int8(l.Confidence))
}

func leafFlags(l *packedLeaf) (f byte) {
	if l.Claim {
		f |= leafClaim
	}
	if l.Revoked {
		f |= leafRevoked
	}
	if l.Type == typeOf(l.Object) {
		f |= leafPlain
	}
	if l.decided {
		f |= leafDecided
	}
	return f | byte(l.Voice)<<leafVoice
}

func valueFlags(v pattern.Value) (f byte) {
	if v.Alone {
		f |= valueAlone
	}
	if v.Observable.Type == pattern.CIDR {
		f |= valueNetwork
	}
	return f
}

func typeOf(object string) string {
	typ, _, _ := strings.Cut(object, "--")
	return typ
}

func appendLeafText(p packed, l *packedLeaf) packed {
	p = appendText(p, l.Object)
	if l.Type != typeOf(l.Object) {
		p = appendText(p, l.Type)
	}
	p = appendText(p, string(l.Reason))
	for _, v := range l.Values {
		p = appendText(p, string(v.Observable.Type))
		p = appendText(p, v.Observable.Value)
	}
	return p
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func putTime(b []byte, t time.Time) {
	binary.LittleEndian.PutUint64(b, uint64(t.Unix()))
	binary.LittleEndian.PutUint32(b[8:], uint32(t.Nanosecond()))
}

func getTime(b []byte) time.Time {
	sec, nsec := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint32(b[8:]))
	return time.Unix(sec, nsec).UTC()
}

// checkPacked makes sure that every accessor stays inside b. Texts are bounded as they are read.
func checkPacked(b []byte) (packed, error) {
	p := packed(b)
	if len(p) < headerBytes {
		return nil, fmt.Errorf("index value of %d bytes is shorter than its header", len(p))
	}
	if p[4] != packedFormat && p[4] != mutePacked {
		return nil, fmt.Errorf("index value has format %d, want %d or %d", p[4], mutePacked, packedFormat)
	}
	if p.shape()&^shapeKnown != 0 {
		return nil, fmt.Errorf("index value has the unknown shape %x", p[5])
	}
	if p.length() != len(p) {
		return nil, fmt.Errorf("index value of %d bytes says it has %d", len(p), p.length())
	}
	if p.leaves() > protocol.MaxLeaves || p.fixed() > len(p) {
		return nil, fmt.Errorf("index value of %d bytes cannot hold %d leaves and %d values", len(p), p.leaves(), p.values())
	}
	value := 0
	for i := range p.leaves() {
		first, n := p.leafValues(i)
		if first != value || n > p.values()-value {
			return nil, fmt.Errorf("leaf %d of the index value has values out of order", i)
		}
		value += n
	}
	if value != p.values() {
		return nil, fmt.Errorf("index value lists %d values, its leaves have %d", p.values(), value)
	}
	return p, nil
}

func (p packed) length() int        { return int(binary.LittleEndian.Uint32(p)) }
func (p packed) generation() uint32 { return binary.LittleEndian.Uint32(p[52:]) }
func (p packed) state() State       { return State(p[6]) }
func (p packed) shape() shape       { return shape(p[5]) }
func (p packed) kind() protocol.Kind {
	return protocol.Kind(binary.LittleEndian.Uint16(p[8:]))
}
func (p packed) leaves() int      { return int(binary.LittleEndian.Uint16(p[10:])) }
func (p packed) values() int      { return int(binary.LittleEndian.Uint32(p[12:])) }
func (p packed) rawLength() int   { return int(binary.LittleEndian.Uint32(p[16:])) }
func (p packed) bodyLength() int  { return int(binary.LittleEndian.Uint32(p[20:])) }
func (p packed) createdMS() int64 { return int64(binary.LittleEndian.Uint64(p[24:])) }
func (p packed) expiresMS() int64 { return int64(binary.LittleEndian.Uint64(p[32:])) }
func (p packed) sequence() uint64 { return binary.LittleEndian.Uint64(p[56:]) }

func (p packed) org() protocol.OrgID { return protocol.OrgID(p[64:96]) }
func (p packed) key() protocol.KeyID { return protocol.KeyID(p[96:128]) }
func (p packed) sum() [32]byte       { return [32]byte(p[128:160]) }

// rawGeneration is the generation of the continuation of the bytes that are kept.
func (p packed) rawGeneration() uint32 { return uint32(p.shape() & shapeOdd / shapeOdd) }

func (p packed) fixed() int { return headerBytes + p.leaves()*leafBytes + p.values()*valueBytes }

func (p packed) leaf(i int) []byte {
	return p[headerBytes+i*leafBytes : headerBytes+(i+1)*leafBytes]
}

// textOf is where the texts of leaf i begin; those of the next leaf follow.
func (p packed) textOf(i int) int { return int(binary.LittleEndian.Uint32(p.leaf(i)[64:])) }

func (p packed) leafHash(i int) uint64 { return binary.LittleEndian.Uint64(p.leaf(i)) }
func (p packed) leafState(i int) State { return State(p.leaf(i)[68]) }

// leafFlags returns the flags of leaf i that its format knows.
func (p packed) leafFlags(i int) byte {
	if p[4] == mutePacked {
		return p.leaf(i)[69] & muteFlags
	}
	return p.leaf(i)[69]
}

func (p packed) leafValues(i int) (first, n int) {
	at := p.leaf(i)
	return int(binary.LittleEndian.Uint32(at[56:])), int(binary.LittleEndian.Uint32(at[60:]))
}

// value returns the hash and the flags of the n-th value of the record.
func (p packed) value(n int) (hash uint64, flags byte) {
	at := p[headerBytes+p.leaves()*leafBytes+n*valueBytes:]
	return binary.LittleEndian.Uint64(at), at[8]
}

// textReader reads texts and remembers that one did not fit.
// What it returns shares memory with all it was given, which is one allocation
// instead of many.
type textReader struct {
	rest string
	bad  bool
}

func (r *textReader) text() string {
	var head [binary.MaxVarintLen64]byte
	n, w := binary.Uvarint(head[:copy(head[:], r.rest)])
	if w <= 0 || n > uint64(len(r.rest)-w) {
		r.rest, r.bad = "", true
		return ""
	}
	s := r.rest[w : w+int(n)]
	r.rest = r.rest[w+int(n):]
	return s
}

// texts reads those of the record as a whole, which stand before the first leaf's.
func (p packed) texts() textReader {
	end := len(p)
	if p.leaves() > 0 {
		end = min(max(p.textOf(0), p.fixed()), end)
	}
	return textReader{rest: string(p[p.fixed():end])}
}

// topic reads the first text alone; start-up needs no other.
func (p packed) topic() (protocol.Topic, error) {
	r := p.texts()
	return protocol.ParseTopic(r.text())
}

// info decodes the header and the record's texts.
func (p packed) info() (recordInfo, error) {
	r := p.texts()
	topic, err := protocol.ParseTopic(r.text())
	if err != nil {
		return recordInfo{}, fmt.Errorf("topic of the index value: %w", err)
	}
	info := recordInfo{
		org: p.org(), key: p.key(), topic: topic, sequence: p.sequence(),
		kind: p.kind(), tlp: stix.TLP(p[7]),
		created: time.UnixMilli(p.createdMS()).UTC(), expires: time.UnixMilli(p.expiresMS()).UTC(),
		upstream: r.text(),
		source:   source{received: getTime(p[40:]), from: r.text()},
		fate:     fate{state: p.state(), why: reason.Code(r.text())},
		stored:   stored{p.rawLength(), p.bodyLength(), p.sum(), p.shape()},
	}
	if r.bad {
		return recordInfo{}, fmt.Errorf("texts of the index value are cut off")
	}
	return info, nil
}

// leafAt decodes leaf i.
func (p packed) leafAt(i int) (packedLeaf, error) {
	at := p.leaf(i)
	offset, end := p.textOf(i), len(p)
	if i+1 < p.leaves() {
		end = p.textOf(i + 1)
	}
	if offset < p.fixed() || offset > end || end > len(p) {
		return packedLeaf{}, fmt.Errorf("texts of leaf %d are not inside the index value", i)
	}
	r := textReader{rest: string(p[offset:end])}
	flags := p.leafFlags(i)
	l := packedLeaf{first: getTime(at[44:]), decided: flags&leafDecided != 0, Leaf: Leaf{
		Object: r.text(), Modified: getTime(at[8:]), State: State(at[68]),
		Claim: flags&leafClaim != 0, Voice: Voice(flags >> leafVoice & 7), Revoked: flags&leafRevoked != 0,
		Confidence: int(int8(at[70])), ValidFrom: getTime(at[20:]), ValidUntil: getTime(at[32:]),
	}}
	if l.Voice > Absent {
		return packedLeaf{}, fmt.Errorf("leaf %d has the unknown voice %d", i, l.Voice)
	}
	if flags&leafPlain != 0 {
		l.Type = typeOf(l.Object)
	} else {
		l.Type = r.text()
	}
	l.Reason = reason.Code(r.text())
	first, n := p.leafValues(i)
	if n > len(r.rest)/2 { // a value has at least two length bytes
		return packedLeaf{}, fmt.Errorf("texts of leaf %d are cut off", i)
	}
	if n > 0 {
		l.Values = make([]pattern.Value, n)
	}
	for j := range l.Values {
		_, flags := p.value(first + j)
		o := pattern.Observable{Type: pattern.Type(r.text()), Value: r.text()}
		l.Values[j] = pattern.Value{Observable: o, Alone: flags&valueAlone != 0}
	}
	if r.bad {
		return packedLeaf{}, fmt.Errorf("texts of leaf %d are cut off", i)
	}
	return l, nil
}

// object reads the STIX id of leaf i alone; "" when it is unreadable.
func (p packed) object(i int) string {
	offset := p.textOf(i)
	if offset < p.fixed() || offset > len(p) {
		return ""
	}
	n, w := binary.Uvarint(p[offset:])
	if w <= 0 || n > uint64(len(p)-offset-w) {
		return ""
	}
	return string(p[offset+w : offset+w+int(n)])
}

// unpack decodes everything and makes sure that pack would write the same bytes.
func (p packed) unpack() (recordInfo, []packedLeaf, error) {
	info, err := p.info()
	if err != nil {
		return recordInfo{}, nil, err
	}
	leaves := make([]packedLeaf, p.leaves())
	for i := range leaves {
		if leaves[i], err = p.leafAt(i); err != nil {
			return recordInfo{}, nil, err
		}
	}
	again := pack(info, leaves, p.generation())
	again[4] = p[4] // an older format differs in nothing else
	if !bytes.Equal(again, p) {
		return recordInfo{}, nil, fmt.Errorf("index value is not what its content packs to")
	}
	return info, leaves, nil
}
