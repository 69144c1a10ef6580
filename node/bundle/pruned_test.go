package bundle

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// TestPrunedOnlyAsReadersTake: what the usual level leaves too large is packed better; what stays too large, or gets too small for
// what it holds, gives no frame. BND-06
func TestPrunedOnlyAsReadersTake(t *testing.T) {
	noise := make([]byte, protocol.MaxRecordBytes+1)
	_, err := rand.Read(noise)
	must(t, err)
	half := noise[:protocol.MaxRecordBytes-100_000]
	var s squeezer
	for name, tc := range map[string]struct {
		raw  []byte
		fits bool
	}{
		"small":              {[]byte("a pruned record"), true},
		"repeats far apart":  {slices.Concat(half, make([]byte, 5<<20), half), true},
		"does not compress":  {noise, false},
		"compresses too far": {make([]byte, 1<<20), false},
	} {
		frame, err := s.packPruned(tc.raw)
		must(t, err)
		if (frame != nil) != tc.fits {
			t.Errorf("%s: a frame of %d bytes", name, len(frame))
		}
		if frame == nil {
			continue
		}
		if got, err := unpackPruned(frame); err != nil || !bytes.Equal(got, tc.raw) {
			t.Errorf("%s: it comes back as %d bytes, %v", name, len(got), err)
		}
	}
}

// TestPrunedTooLargeLeavesAsHeader: a pruned record that no frame takes leaves as its header, and those beside it can be read. BND-06
func TestPrunedTooLargeLeavesAsHeader(t *testing.T) {
	a, b := newHouse(t), newHouse(t)
	wide := a.publish(a.author, "fraud", 1, func(d *protocol.Draft) {
		d.Objects = [][]byte{[]byte(`{"id":"a"}`), append(append([]byte(`{"id":"b","x":"`), bytes.Repeat([]byte("y"), 100_000)...), `"}`...)}
	})[0]
	must(t, a.store.Erase(t.Context(), wide.ID(), []int{0}, reason.OperatorRejected))
	others := a.publish(a.author, "fraud", 2)
	raw, e := a.export()
	if out := b.read(raw); len(out.Faults) > 0 || e.Manifest.Records != 3 {
		t.Errorf("%d records left, read %+v", e.Manifest.Records, out)
	}
	if form, _, err := b.store.Fetch(wide.ID()); err != nil || form != storage.HeaderOnly {
		t.Errorf("form %d, %v", form, err)
	}
	for _, r := range others {
		if !b.store.Has(r.ID()) {
			t.Errorf("%s was lost", r.ID())
		}
	}
}
