package bundle

import (
	"bytes"
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/node/intake"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// hollow writes n segments that are signed well and whose bodies are none.
func hollow(t *testing.T, n int) []byte {
	t.Helper()
	a := newAuthor(t, "Mallory")
	var b bytes.Buffer
	head := Head{Network: network, Created: time.Now().UTC().Truncate(time.Millisecond), MaxTLP: stix.Green}
	_, _ = rand.Read(head.Bundle[:])
	w, err := NewWriter(&b, head, Signer{Chain: a.Statements, Certificate: a.Certificate, Key: a.Key}, 0)
	must(t, err)
	for i := range n {
		h := w.head
		h.Kind, h.Chunk, h.Place = KindRecords, 1+i, 1
		var chain []byte
		if i == 0 {
			chain = w.chain
		}
		s, err := w.seal(h, []byte("x"), chain)
		must(t, err)
		b.Write(s)
	}
	return b.Bytes()
}

// TestFaultsAreBounded: small segments that are signed well and hold nothing do not fill the node's memory and the operator's
// terminal. It is no error either: a spool moves such a file away and goes on with the next one.
func TestFaultsAreBounded(t *testing.T) {
	raw := hollow(t, maxFaults+50)
	for _, n := range []int{maxFaults - 1, maxFaults, maxFaults + 50} {
		part := raw
		for _, p := range split(t, raw)[n:] {
			part = part[:len(part)-len(p.raw)]
		}
		in := bytes.NewReader(part)
		out, err := Import(t.Context(), newHouse(t).sink(), in)
		must(t, err)
		if want := min(n, maxFaults) + n/maxFaults; len(out.Faults) != want || in.Len() > 0 {
			t.Errorf("%d bad segments: %d faults, want %d; %d bytes were not taken", n, len(out.Faults), want, in.Len())
		}
	}
	var look Inspection
	must(t, look.Inspect(bytes.NewReader(raw), network))
	if len(look.Faults) != maxFaults+1 {
		t.Errorf("a look keeps %d faults", len(look.Faults))
	}
}

// TestPrunedTakeTurns: pruned records are unpacked only while there is room for them, for one may take 8 MB.
func TestPrunedTakeTurns(t *testing.T) {
	a := newHouse(t)
	for _, r := range a.publish(a.author, "fraud", 3, func(d *protocol.Draft) {
		d.Objects = [][]byte{[]byte(`{"id":"a"}`), []byte(`{"id":"b"}`)}
	}) {
		must(t, a.store.Erase(context.Background(), r.ID(), []int{1}, reason.OperatorRejected))
		_, raw, err := a.store.Fetch(r.ID())
		must(t, err)
		frame, err := new(squeezer).packPruned(raw)
		must(t, err)
		if got := unpackedSize(frame); got != int64(len(raw)) {
			t.Errorf("%d bytes are counted as %d", len(raw), got)
		}
	}
	raw, _ := a.export()
	for room, together := range map[int64]bool{1: false, 0: true} {
		s := newHouse(t).sink()
		s.room = room
		var in atomic.Int32
		pair := make(chan struct{})
		meet := sync.OnceFunc(func() { close(pair) })
		patience := 20 * time.Millisecond
		if together {
			patience = 30 * time.Second // over at once when two are there
		}
		s.Receive = func(context.Context, *protocol.Record, string) (intake.Outcome, error) {
			defer in.Add(-1)
			if in.Add(1) > 1 {
				meet()
			}
			select {
			case <-pair:
			case <-time.After(patience):
			}
			return intake.Outcome{State: storage.Accepted}, nil
		}
		out, err := Import(t.Context(), s, bytes.NewReader(raw))
		must(t, err)
		met := false
		select {
		case <-pair:
			met = true
		default:
		}
		if out.Taken != 3 || met != together {
			t.Errorf("room %d: %d taken, two at a time: %v", room, out.Taken, met)
		}
	}
}
