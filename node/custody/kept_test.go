package custody

import (
	"errors"
	"testing"
	"time"

	"tocsin/node/once"
	"tocsin/protocol"
)

// A change of keys under an idempotency key has a kept answer exactly when the chain changed, whoever asks for what (ADM-31).
func TestKeptUnderAKey(t *testing.T) {
	h := newHouse(t)
	h.prepare()
	book, err := once.Open(t.TempDir())
	check(t, err)
	under := func(what string, kept bool, do func(d *once.Doing) error) {
		t.Helper()
		r := once.Request{Who: "maria", Key: what, What: "POST"}
		d, _, err := book.Begin(r, time.Now())
		check(t, err)
		done := do(d)
		check(t, d.End(once.Answer{Status: 200}, time.Now()))
		if again, _, err := book.Begin(r, time.Now()); err != nil || (again == nil) != kept {
			t.Errorf("%s (%v): kept %v, %v", what, done, again == nil, err)
		}
	}
	rotate := func(d *once.Doing) error {
		_, err := h.RotateRecord(once.With(t.Context(), d), false, 0, "test")
		return err
	}
	revoke := func(key protocol.KeyID) func(d *once.Doing) error {
		return func(d *once.Doing) error {
			_, err := h.Revoke(once.With(t.Context(), d), Revocation{Key: key})
			return err
		}
	}
	h.deny = errors.New("the disk is full")
	under("rotate, not noted", false, rotate)
	under("revoke, not noted", false, revoke(h.d.Outbox.Key()))
	h.deny = nil
	under("revoke a stranger's", false, revoke(protocol.KeyID{1}))
	first := h.d.Outbox.Key()
	under("rotate", true, rotate)
	under("revoke the former", true, revoke(first))
	under("revoke the own", true, revoke(h.d.Outbox.Key()))
	h.keys.Operations = nil
	under("rotate without the operations key", false, rotate)
}
