package evidence

import (
	"testing"
	"time"

	"tocsin/node/audit"
	"tocsin/node/once"
	"tocsin/protocol/reason"
)

// A checkpoint under an idempotency key has a kept answer, a failed one has not (ADM-31).
func TestCheckpointUnderAKey(t *testing.T) {
	w := newWorld(t)
	book, err := once.Open(t.TempDir())
	ok(t, err)
	for _, entries := range []int{0, 1} {
		r := once.Request{Who: "maria", Key: "k", What: "POST"}
		d, _, err := book.Begin(r, time.Now())
		ok(t, err)
		if entries > 0 {
			_, err = w.log.Append(audit.WithActor(t.Context(), audit.Node()), audit.Event{Action: "test"})
			ok(t, err)
		}
		_, err = w.cosigner.Now(once.With(t.Context(), d))
		if (err == nil) != (entries > 0) || err != nil && reason.Of(err) != reason.NotFound {
			t.Fatalf("%d entries: %v", entries, err)
		}
		ok(t, d.End(once.Answer{Status: 200}, time.Now()))
		again, _, err := book.Begin(r, time.Now())
		ok(t, err)
		if (again == nil) != (entries > 0) {
			t.Errorf("%d entries: kept %v", entries, again == nil)
		}
		if again != nil {
			ok(t, again.End(once.Answer{Status: 404}, time.Now()))
		}
	}
}
