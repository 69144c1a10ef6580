package storage

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// randomEntry makes something to pack that uses every field.
func randomEntry(t testing.TB, r *rand.Rand) (recordInfo, []packedLeaf) {
	text := func(limit int) string { return strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(limit)) }
	date := func() time.Time {
		return []time.Time{{}, time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), time.Date(1, 1, 2, 0, 0, 0, 1, time.UTC)}[r.IntN(4)]
	}
	id := func() (b [32]byte) {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	info := recordInfo{
		org: id(), key: id(), topic: topicOf(t, "fraud"), sequence: r.Uint64(), kind: protocol.Kind(r.Uint32()), tlp: stix.TLP(r.IntN(5)),
		created: time.UnixMilli(r.Int64N(1 << 42)).UTC(), expires: time.UnixMilli(r.Int64N(1 << 42)).UTC(), upstream: text(101),
		source: source{date(), text(60)}, fate: fate{state: State(r.IntN(5)), why: reason.Code(text(20))},
		stored: stored{int(r.Uint32()), int(r.Uint32()), id(), shape(r.IntN(int(shapeKnown) + 1))},
	}
	leaves := make([]packedLeaf, r.IntN(8))
	for i := range leaves {
		l := &leaves[i]
		l.Type = text(30)
		l.Object = []string{l.Type + "--" + text(40), "", text(300)}[r.IntN(3)]
		l.Modified, l.ValidFrom, l.ValidUntil, l.first = date(), date(), date(), date()
		l.State, l.Reason = State(r.IntN(5)), reason.Code(text(20))
		l.Claim, l.Revoked, l.Confidence = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(102)-1
		l.Voice, l.decided = Voice(r.IntN(int(Absent)+1)), r.IntN(2) == 0
		for range r.IntN(4) {
			o := pattern.Observable{Type: []pattern.Type{pattern.URL, pattern.CIDR, "", pattern.Type(text(20))}[r.IntN(4)], Value: text(400)}
			l.Values = append(l.Values, pattern.Value{Observable: o, Alone: r.IntN(2) == 0})
		}
	}
	return info, leaves
}

// TestPackRoundTrip: what is packed is read back, by us and by Check's reader.
func TestPackRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		info, leaves := randomEntry(t, r)
		gen := r.Uint32()
		b := pack(info, leaves, gen)
		p, err := checkPacked(b)
		must(t, err)
		gotInfo, gotLeaves, err := p.unpack()
		must(t, err)
		if gotInfo != info || p.generation() != gen {
			t.Fatalf("info %+v, want %+v", gotInfo, info)
		}
		if len(leaves) > 0 && !reflect.DeepEqual(gotLeaves, leaves) {
			t.Fatalf("leaves\n%+v, want\n%+v", gotLeaves, leaves)
		}
		for i, l := range leaves {
			if p.object(i) != l.Object || p.leafState(i) != l.State || p.leafHash(i) != hashObject(l.Object) {
				t.Fatalf("accessors of leaf %d do not agree with it", i)
			}
		}
		x, problems := fsckParse(b)
		if len(problems) > 0 || len(x.objects) != len(leaves) || x.topic != "fraud" || x.head.Sequence != info.sequence {
			t.Fatalf("Check reads %+v, problems %q", x, problems)
		}
		for i, l := range leaves {
			if x.objects[i] != l.Object || !x.leaves[i].Modified.time().Equal(l.Modified) {
				t.Fatalf("Check reads leaf %d as %q", i, x.objects[i])
			}
		}
	}
}

// TestPackedDamage: no cut and no flipped bit gets past unpack unless it changes
// what is packed, and none makes an accessor leave the value.
func TestPackedDamage(t *testing.T) {
	info, leaves := randomEntry(t, rand.New(rand.NewPCG(7, 7)))
	leaves = append(leaves, packedLeaf{Leaf: indicator(stixID(1), testNow, domain(1), domain(2))})
	good := pack(info, leaves, 3)
	for n := range len(good) {
		if _, err := checkPacked(good[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes pass", n, len(good))
		}
	}
	for bit := range len(good) * 8 {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		exercise(b)
	}
}

// exercise calls everything that reads packed bytes, and reports whether they unpack.
func exercise(b []byte) bool {
	fsckParse(b)
	p, err := checkPacked(b)
	if err != nil {
		return false
	}
	p.topic()
	p.info()
	p.networks()
	countsOf(p, spaceAccepted)
	for i := range p.leaves() {
		p.leafAt(i)
		p.object(i)
	}
	info, leaves, err := p.unpack()
	if err != nil {
		return false
	}
	again := pack(info, leaves, p.generation())
	if p[4] == mutePacked { // an older store's: it says the same in the form of today
		info2, leaves2, err := again.unpack()
		return err == nil && reflect.DeepEqual(info, info2) && reflect.DeepEqual(leaves, leaves2)
	}
	return bytes.Equal(again, b)
}

// FuzzPacked: any bytes are read without a panic, and what unpacks packs to the same bytes.
func FuzzPacked(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		info, leaves := randomEntry(f, r)
		f.Add([]byte(pack(info, leaves, 0)))
		older := []byte(pack(info, leaves, 0))
		older[4] = mutePacked
		f.Add(older)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		p, err := checkPacked(b)
		if err == nil {
			if _, _, err := p.unpack(); err == nil && !exercise(b) {
				t.Error("it unpacks but does not pack to the same bytes")
			}
		}
		exercise(b)
		if !bytes.Equal(b, before) {
			t.Error("reading changed the bytes")
		}
	})
}

// FuzzChange: any bytes are read without a panic, and what is a change packs to the same bytes.
func FuzzChange(f *testing.F) {
	f.Add(packChange(Change{At: testNow, Kind: "held", Topic: topicOf(f, "fraud"), Objects: 3, Reason: reason.TrustUnknown}))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := unpackChange(1, b)
		if err != nil {
			return
		}
		again, err := unpackChange(1, packChange(c))
		if err != nil || again != c {
			t.Errorf("%+v became %+v, %v", c, again, err)
		}
	})
}

// TestLog holds the encoding of a key log against its parts.
func TestLogRoundTrip(t *testing.T) {
	l := keyLog{expired: 77, top: 80}
	l.Log = Log{
		Org: protocol.OrgID{1}, Key: protocol.KeyID{2}, Topic: topicOf(t, "fraud"), Head: 1 << 62,
		HeadID: protocol.RecordID{3}, HeadCreated: testNow, Count: 77,
	}
	key, value := logRecordKey(l.logKey()), packLog(l)
	got, err := unpackLog(key, value)
	if err != nil || got != l {
		t.Errorf("%+v, %v; want %+v", got, err, l)
	}
	got, err = unpackLog(key, value[:toplessLogBytes])
	if l.top = l.Head; err != nil || got != l {
		t.Errorf("without the last place %+v, %v; want %+v", got, err, l)
	}
	for n := range len(value) {
		if _, err := unpackLog(key, value[:n]); err == nil && n != toplessLogBytes {
			t.Errorf("%d bytes pass", n)
		}
	}
	if _, err := unpackLog(key[:65], value); err == nil {
		t.Error("a log without topic passes")
	}
}
