package outbox

import (
	"bytes"
	"context"
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// TestPledge: the body goes out as it is, at the end of the control log, durable and
// announced; what fits no such record is refused and uses no number up.
func TestPledge(t *testing.T) {
	o := newOffice(t)
	ctx := context.Background()
	body := []byte("any body")
	const kind = protocol.Kind(77)
	for i := range 2 {
		r, err := o.Pledge(ctx, kind, body)
		check(t, err)
		h := r.Header()
		if h.Kind != kind || h.Topic != protocol.TopicControl || h.Sequence != uint64(i+1) || !bytes.Equal(r.Body(), body) || !o.store.Has(r.ID()) {
			t.Errorf("record %d: %+v", i, h)
		}
		if n := len(o.announced); n != i+1 || o.announced[i] != r.ID() {
			t.Errorf("%d records announced after %d", n, i+1)
		}
	}
	if _, err := o.Pledge(ctx, kind, make([]byte, protocol.MaxOpaqueControl+1)); reason.Of(err) != reason.KindSize {
		t.Errorf("a body too large: %v", err)
	}
	if _, err := o.Pledge(ctx, kind, make([]byte, protocol.MaxOpaqueControl)); err != nil {
		t.Errorf("a body of the limit: %v", err)
	}
	if head, _ := o.store.Head(o.own, o.Key(), protocol.TopicControl); head.Head != 3 {
		t.Errorf("head %d, want 3", head.Head)
	}
}
