package protocol

import (
	"bytes"
	"testing"

	"tocsin/protocol/reason"
)

// An Opener gives what Record.Open gives whatever it opened before: larger and
// smaller records, and one whose publisher spoiled the body or the root.
func TestOpenerEqualsOpen(t *testing.T) {
	record := func(n int, spoil func(*Record)) *Record {
		body, err := packObjects(testObjects(n), &seeded{seed: "salts"})
		if err != nil {
			t.Fatal(err)
		}
		r := &Record{raw: body.bytes, header: Header{Kind: KindObjects, Count: n, Root: body.root, RawLength: body.rawLength}}
		if spoil != nil {
			spoil(r)
		}
		return r
	}
	records := []*Record{
		record(3, nil), record(MaxLeaves, nil), record(1, nil),
		record(5, func(r *Record) { r.raw = r.raw[:len(r.raw)-1] }),
		record(5, nil),
		record(7, func(r *Record) { r.header.Root[0] ^= 1 }),
		record(7, func(r *Record) { r.header.Count-- }),
		record(7, func(r *Record) { r.header.RawLength-- }),
		record(7, nil),
		record(7, func(r *Record) { r.header.Kind = KindIdentity }),
		record(2, nil),
	}
	var o Opener
	for i, r := range records {
		want, wantErr := r.Open()
		got, err := o.Open(r)
		if reason.Of(err) != reason.Of(wantErr) || len(got) != len(want) {
			t.Fatalf("record %d: %d leaves, %v; want %d, %v", i, len(got), err, len(want), wantErr)
		}
		for j := range want {
			if got[j].Salt != want[j].Salt || !bytes.Equal(got[j].Object, want[j].Object) {
				t.Errorf("record %d: leaf %d differs", i, j)
			}
		}
	}
}

// A record that was made to be large does not stay in memory.
func TestOpenerDropsLargeBuffer(t *testing.T) {
	var o Opener
	for _, size := range []int{maxKeptBytes, maxKeptBytes + 1} {
		o.raw = make([]byte, 0, size)
		body, err := packObjects(testObjects(1), &seeded{seed: "salts"})
		if err != nil {
			t.Fatal(err)
		}
		r := &Record{raw: body.bytes, header: Header{Kind: KindObjects, Count: 1, Root: body.root, RawLength: body.rawLength}}
		if _, err := o.Open(r); err != nil {
			t.Fatal(err)
		}
		if kept := cap(o.raw) == size; kept != (size == maxKeptBytes) {
			t.Errorf("a buffer of %d bytes: kept is %v", size, kept)
		}
	}
}
