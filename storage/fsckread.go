package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"tocsin/protocol"
)

// What Check reads the database with. It is written down a second time on
// purpose: a mistake in the writer's code must not hide itself.

type fsckTime struct {
	Sec  int64
	Nsec uint32
}

func (t fsckTime) time() time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }

type fsckWhat struct {
	Format, Shape, State, TLP uint8
	Kind, Leaves              uint16
	Values                    uint32
}

type fsckHeader struct {
	Length           uint32
	What             fsckWhat
	Raw, Body        uint32
	Created, Expires int64
	Received         fsckTime
	Generation       uint32
	Sequence         uint64
	Org, Key, Sum    [32]byte
}

type fsckLeaf struct {
	Object                       uint64
	Modified, From, Until, First fsckTime
	FirstValue, Values, Text     uint32
	State, Flags                 uint8
	Confidence                   int8
	Zero                         uint8
}

type fsckValue struct {
	Hash  uint64
	Flags uint8
}

// fsckIndex is an index value, read in full.
type fsckIndex struct {
	head                   fsckHeader
	topic, upstream, cause string
	leaves                 []fsckLeaf
	objects                []string
}

// fsckParse reads an index value from front to back and checks that nothing in
// it contradicts the rest.
func fsckParse(b []byte) (x fsckIndex, problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	r := bytes.NewReader(b)
	if err := binary.Read(r, binary.LittleEndian, &x.head); err != nil {
		complain("its index value is cut off")
		return x, problems
	}
	if int(x.head.Length) != len(b) {
		complain("its index value has %d bytes and says %d", len(b), x.head.Length)
		return x, problems
	}
	format := x.head.What.Format
	if format != 1 && format != 2 {
		complain("its index value has the unknown format %d", x.head.What.Format)
		return x, problems
	}
	if x.head.What.Shape > 7 {
		complain("its index value has the unknown shape %d", x.head.What.Shape)
	}
	if int64(x.head.What.Leaves)*72+int64(x.head.What.Values)*9 > int64(r.Len()) {
		complain("its index value has no room for %d objects and %d values", x.head.What.Leaves, x.head.What.Values)
		return x, problems
	}
	x.leaves = make([]fsckLeaf, x.head.What.Leaves)
	values := make([]fsckValue, x.head.What.Values)
	for _, part := range []any{x.leaves, values} {
		if err := binary.Read(r, binary.LittleEndian, part); err != nil {
			complain("its index value is cut off")
			return x, problems
		}
	}
	x.topic, x.upstream, _, x.cause = fsckText(r), fsckText(r), fsckText(r), fsckText(r)
	next := uint32(0)
	for i, l := range x.leaves {
		if int(l.Text) != len(b)-r.Len() || l.FirstValue != next || uint64(next)+uint64(l.Values) > uint64(len(values)) {
			complain("object %d of its index value is out of place", i)
			return x, problems
		}
		next += l.Values
		if voice := l.Flags >> 3 & 7; voice > 4 || l.Flags > 127 || format == 1 && l.Flags > 7 {
			complain("object %d of its index value has the unknown flags %x", i, l.Flags)
		}
		object := fsckText(r)
		x.objects = append(x.objects, object)
		if l.Flags&4 == 0 {
			fsckText(r) // type
		}
		fsckText(r) // reason
		if fsckHash(object) != l.Object {
			complain("object %d (%s) is not what its hash says", i, object)
		}
		for n := l.FirstValue; n < next; n++ {
			typ, value := fsckText(r), fsckText(r)
			if fsckHash(typ+"\x00"+value) != values[n].Hash {
				complain("value %s %q of object %d is not what its hash says", typ, value, i)
			}
		}
	}
	if r.Len() != 0 || int(next) != len(values) {
		complain("its index value has %d bytes and %d values too many", r.Len(), len(values)-int(next))
	}
	return x, problems
}

// fsckText reads one text; an unreadable one is "", and shows in what follows.
func fsckText(r *bytes.Reader) string {
	n, err := binary.ReadUvarint(r)
	if err != nil || n > uint64(r.Len()) {
		return ""
	}
	b := make([]byte, n)
	io.ReadFull(r, b)
	return string(b)
}

func fsckHash(s string) uint64 {
	sum := sha256.Sum256([]byte(s))
	return binary.LittleEndian.Uint64(sum[:8])
}

// fsckChange is a change as it stands on disk.
type fsckChange struct {
	At      fsckTime
	Kind    uint8
	Record  [32]byte
	Org     [32]byte
	Objects uint32
}

// fsckTotals are the totals that every commit leaves behind.
type fsckTotals struct {
	Records, Objects, Held, HeldRecords, Sequence, HeldBytes uint64
}

// readHolds notes the holds of accepted records: the key has the record, the value
// the time in ms and the reason.
func (c *checker) readHolds() {
	c.each([]byte("h"), func(key, value []byte) {
		r := bytes.NewReader(value[min(len(value), 8):])
		fsckText(r)
		if len(key) != 33 || len(value) < 9 || r.Len() != 0 {
			c.complain("key %x: it is no hold", key)
			return
		}
		c.holds[protocol.RecordID(key[1:])] = true
	})
}

// checkHolds complains of holds without an accepted record.
func (c *checker) checkHolds() {
	for _, id := range fsckSorted(c.holds) {
		if _, ok, err := c.get(append([]byte("ap"), id[:]...)); !ok && err == nil {
			c.about(id, "there is a hold on it, but it is not among the %s", fsckPlaces['a'])
		}
	}
}

func fsckSorted[V any](m map[protocol.RecordID]V) []protocol.RecordID {
	return slices.SortedFunc(maps.Keys(m), func(a, b protocol.RecordID) int { return bytes.Compare(a[:], b[:]) })
}
