package p2p

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// EVD-11: what a witness is asked and answers has one form and a limit.
func TestWitnessMessages(t *testing.T) {
	digests := func(n int) (out [][]byte) {
		for range n {
			out = append(out, make([]byte, 32))
		}
		return out
	}
	for name, c := range map[string]struct {
		q    WitnessRequest
		good bool
	}{
		"empty":         {WitnessRequest{Proof: [][]byte{}, Checkpoint: []byte{}}, true},
		"63 digests":    {WitnessRequest{Old: 1 << 62, Proof: digests(maxWitnessPath), Checkpoint: make([]byte, 8<<10)}, true},
		"64 digests":    {WitnessRequest{Proof: digests(maxWitnessPath + 1), Checkpoint: []byte{}}, false},
		"the last byte": {WitnessRequest{Proof: [][]byte{}, Checkpoint: make([]byte, maxWitness-6)}, true},
		"one more":      {WitnessRequest{Proof: [][]byte{}, Checkpoint: make([]byte, maxWitness-5)}, false},
	} {
		raw, err := EncodeMessage(&c.q)
		if err != nil {
			t.Fatal(err)
		}
		var got WitnessRequest
		if err := decodeWitness(raw, &got); (err == nil) != c.good || err != nil && !errors.Is(err, errWitness) {
			t.Errorf("%s (%d bytes): %v", name, len(raw), err)
		}
		if _, err := encodeWitness(&c.q); (err == nil) != (len(raw) <= maxWitness) {
			t.Errorf("%s (%d bytes): written with %v", name, len(raw), err)
		}
	}
}

func FuzzWitness(f *testing.F) {
	q, err := encodeWitness(&WitnessRequest{Old: 5, Proof: [][]byte{make([]byte, 32)}, Checkpoint: []byte("text")})
	if err != nil {
		f.Fatal(err)
	}
	a, err := encodeWitness(&WitnessAnswer{Code: WitnessElsewhere, Size: 7, Bytes: []byte("line")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(q)
	f.Add(a)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, v := range []any{&WitnessRequest{}, &WitnessAnswer{}} {
			if decodeWitness(raw, v) != nil {
				continue
			}
			if again, err := encodeWitness(v); err != nil || !bytes.Equal(again, raw) {
				t.Fatalf("%x is written as %x, %v", raw, again, err)
			}
		}
	})
}

// What is malformed never reaches who answers, and what he says goes back in its form.
func TestWitnessService(t *testing.T) {
	asked := 0
	s := witnessExchange(&Deps{Witness: func(_ context.Context, from []byte, q WitnessRequest) (WitnessAnswer, error) {
		asked++
		if string(from) != "peer" || q.Old != 5 {
			t.Errorf("asked by %q with %+v", from, q)
		}
		return WitnessAnswer{Code: WitnessRefused}, nil
	}})
	var out bytes.Buffer
	if err := s.answer(peer.ID("peer"), []byte{0x80}, &out); err == nil || asked > 0 {
		t.Errorf("malformed: %v", err)
	}
	q, err := encodeWitness(&WitnessRequest{Old: 5, Proof: [][]byte{}, Checkpoint: []byte("text")})
	if err == nil {
		err = s.answer(peer.ID("peer"), q, &out)
	}
	var a WitnessAnswer
	if err == nil {
		err = decodeWitness(out.Bytes(), &a)
	}
	if err != nil || a.Code != WitnessRefused || asked != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}
