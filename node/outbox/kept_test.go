package outbox

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tocsin/node/once"
	"tocsin/protocol"
)

// Under an idempotency key an answer is kept exactly when something may have gone out, and nothing goes out that could not be
// noted (ADM-31).
func TestKeptUnderAKey(t *testing.T) {
	o := newOffice(t)
	dir := filepath.Join(t.TempDir(), "answers")
	book, err := once.Open(dir)
	check(t, err)
	under := func(what string, kept bool, do func(context.Context) error) {
		t.Helper()
		r := once.Request{Who: "maria", Key: what, What: "POST"}
		d, _, err := book.Begin(r, time.Now())
		check(t, err)
		done := do(once.With(t.Context(), d))
		check(t, d.End(once.Answer{Status: 200}, time.Now()))
		if again, _, err := book.Begin(r, time.Now()); err != nil || (again == nil) != kept {
			t.Errorf("%s (%v): kept %v, %v", what, done, again == nil, err)
		}
	}
	publish := func(objects ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := o.Publish(ctx, Request{Topic: topic(t, "fraud"), Confidence: -1, Data: bundle(objects...)})
			return err
		}
	}
	pledge := func(kind protocol.Kind, body []byte) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := o.Pledge(ctx, kind, body)
			return err
		}
	}
	vouch, err := protocol.Vouch{Subject: protocol.OrgID{1}, Until: time.Now().AddDate(0, 1, 0).Truncate(24 * time.Hour), Reason: "met"}.Encode()
	check(t, err)
	under("no STIX", false, publish("nonsense"))
	under("published", true, publish(indicator(1)))
	under("published before", false, publish(indicator(1)))
	under("refused when it was signed", false, pledge(77, make([]byte, protocol.MaxOpaqueControl+1)))
	under("another stands at its place", false, func(ctx context.Context) error {
		return o.keep(ctx, o.foreign(topic(t, "fraud"), 1, protocol.RecordID{}))
	})
	under("a pledge", true, pledge(protocol.KindVouch, vouch))
	o.suspected(&Loss{Key: o.Key(), Why: "seen"})
	under("stopped", false, publish(indicator(2)))

	o = newOffice(t)
	check(t, os.RemoveAll(dir))
	under("cannot be noted", false, publish(indicator(3)))
	if n := o.store.Counts().Records; n != 0 || len(o.announced) != 0 {
		t.Errorf("%d records went out that could not be noted", n)
	}
}
