package protocol

import (
	"bytes"
	"testing"

	"tocsin/protocol/reason"
)

// TestOpenStored: what Sign made opens again without chains, and no bit of the
// body can change unnoticed.
func TestOpenStored(t *testing.T) {
	o := newTestOrg(t, "Stored", nil)
	objects := [][]byte{[]byte(`{"a":1}`), []byte(`{"b":2}`), bytes.Repeat([]byte("x"), 4000)}
	r, err := Sign(testNetwork, Draft{
		Topic: TopicDrill, Kind: KindObjects, Sequence: 1, Created: testNow, Expires: testNow.Add(MaxStorage),
		Objects: objects, Rand: &seeded{seed: "salts"},
	}, o.cert, o.record)
	if err != nil {
		t.Fatal(err)
	}
	h, leaves, err := OpenStored(r.Raw())
	if err != nil {
		t.Fatal(err)
	}
	if h != r.Header() {
		t.Errorf("header %+v, want %+v", h, r.Header())
	}
	if len(leaves) != len(objects) {
		t.Fatalf("%d leaves, want %d", len(leaves), len(objects))
	}
	for i, l := range leaves {
		if !bytes.Equal(l.Object, objects[i]) {
			t.Errorf("leaf %d is %q, want %q", i, l.Object, objects[i])
		}
	}
	if id, err := StoredID(testNetwork, r.Raw()); err != nil || id != r.ID() {
		t.Errorf("stored id %s, %v; want %s", id, err, r.ID())
	}
	if id, err := StoredID("other", r.Raw()); err != nil || id == r.ID() {
		t.Errorf("the id does not depend on the network: %s, %v", id, err)
	}
	for at := len(r.Raw()) - h.BodyLength; at < len(r.Raw()); at++ {
		bad := bytes.Clone(r.Raw())
		bad[at] ^= 1
		if _, _, err := OpenStored(bad); reason.Of(err) != reason.BodyHash {
			t.Fatalf("byte %d of the body flipped: %v, want %s", at, err, reason.BodyHash)
		}
	}
	for n := range len(r.Raw()) {
		if _, _, err := OpenStored(r.Raw()[:n]); err == nil {
			t.Fatalf("the first %d bytes open", n)
		}
	}
}

// TestStoredHeader: the header as signed, also above a body that nobody can open.
func TestStoredHeader(t *testing.T) {
	o := newTestOrg(t, "Stored", nil)
	r, err := Sign(testNetwork, Draft{
		Topic: TopicDrill, Kind: KindObjects, Sequence: 1, Created: testNow, Expires: testNow.Add(MaxStorage),
		Objects: [][]byte{[]byte(`{"a":1}`)}, Rand: &seeded{seed: "salts"},
	}, o.cert, o.record)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := bytes.Clone(r.Raw())
	spoiled[len(spoiled)-1] ^= 1
	for _, raw := range [][]byte{r.Raw(), spoiled} {
		if h, err := StoredHeader(raw); err != nil || h != r.Header() {
			t.Errorf("header %+v, %v, want %+v", h, err, r.Header())
		}
	}
	for n := range len(r.Raw()) {
		h, err := StoredHeader(r.Raw()[:n])
		if alone := n == len(r.Raw())-r.Header().BodyLength; alone != (err == nil) || alone && h != r.Header() {
			t.Fatalf("the header of the first %d bytes: %+v, %v", n, h, err)
		}
	}
}
