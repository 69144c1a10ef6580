package catchup

//bubble: every test that uses inBubble runs in virtual time.

import (
	"bytes"
	"crypto/rand"
	"slices"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// noise is what does not compress.
func noise(t *testing.T, n int) []byte {
	t.Helper()
	raw := make([]byte, n)
	_, err := rand.Read(raw)
	check(t, err)
	return raw
}

// TestPackLarge: what the fastest level leaves too large is packed better, what stays too large is known to be, and neither
// is done twice (SYN-08).
func TestPackLarge(t *testing.T) {
	p := newPacker()
	half := noise(t, maxBytes-100_000)
	raw := slices.Concat(half, make([]byte, 5<<20), half) // it repeats too far apart for the fastest level
	if n := len(pack(raw)); n <= maxBytes {
		t.Fatalf("packed fastest it has %d bytes already", n)
	}
	packed := p.pack(raw, maxBytes)
	if packed == nil {
		t.Fatal("too large")
	}
	got, err := unpack(packed)
	check(t, err)
	if !bytes.Equal(got, raw) {
		t.Error("it comes back as something else")
	}
	if again := p.pack(raw, maxBytes); &again[0] != &packed[0] {
		t.Error("it was packed twice")
	}
	large := noise(t, maxBytes)
	for range 2 {
		if p.pack(large, maxBytes) != nil || len(p.order) != 2 {
			t.Errorf("noise: %d are remembered", len(p.order))
		}
	}
}

// TestPackedAreBounded: what is remembered is bounded, in number and in bytes.
func TestPackedAreBounded(t *testing.T) {
	p := newPacker()
	for i := range uint64(maxPacked + 5) {
		p.add(i, nil)
	}
	if _, ok := p.find(4); ok || len(p.known) != maxPacked {
		t.Errorf("%d are remembered, the fifth %v", len(p.known), ok)
	}
	for i := range uint64(5) {
		p.add(1<<32+i, make([]byte, maxPackedBytes/4))
	}
	if p.bytes != maxPackedBytes || len(p.known) != 4 {
		t.Errorf("%d bytes in %d", p.bytes, len(p.known))
	}
}

// TestPrunedTooLargeGivesHeader: a pruned record that fits no answer is answered with its header, not as absent: it is
// shown, and who shows without giving is taken for one that withholds (SYN-08).
func TestPrunedTooLargeGivesHeader(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node()
		author := found(t)
		r := signed(t, author, 1, notes(3, 200))[0]
		n.hold(t, author, r)
		check(t, n.d.Store.Erase(m.ctx, r.ID(), []int{1}, reason.OperatorRejected))
		_, raw, err := n.d.Store.Fetch(r.ID())
		check(t, err)
		v := &server{k: n.Keeper}
		item, err := v.item(m.ctx, r.ID())
		if check(t, err); item.Form != formPruned {
			t.Errorf("form %d", item.Form)
		}
		n.packer = newPacker()
		n.packer.pack(raw, 1) // as if it did not fit
		item, err = v.item(m.ctx, r.ID())
		if check(t, err); item.Form != formHeader {
			t.Fatalf("form %d, want a header", item.Form)
		}
		if h, err := protocol.VerifyHeader(item.Bytes, n.known()); err != nil || h.ID() != r.ID() {
			t.Errorf("the header: %v", err)
		}
	})
}
