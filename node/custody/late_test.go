package custody

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/protocol"
	"tocsin/storage"
)

// TestStatusNamesNothingLate is VER-18: what a thief of an old key of this organisation brings after its certificate ended is not
// named by the next status, which goes on to name what the last one named; what came in time is named.
func TestStatusNamesNothingLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.prepare()
		check(t, h.publish(protocol.TopicDrill))
		thief, cert, created := h.keys.Record, h.org().Certificates[0], time.Now().Truncate(time.Millisecond)
		_, err := h.RotateRecord(context.Background(), false, 0, "test")
		check(t, err)
		bring := func(sequence uint64, previous protocol.RecordID, came time.Time) protocol.RecordID {
			r, err := protocol.Sign(testNetwork, protocol.Draft{Topic: protocol.TopicDrill, Kind: 77, Body: []byte("x"), Sequence: sequence,
				Previous: previous, Created: created, Expires: created.Add(300 * 24 * time.Hour)}, cert, thief)
			check(t, err)
			check(t, h.d.Store.Accept(t.Context(), storage.Entry{Record: r, State: storage.Held, Reason: "cert.expired", Received: came, From: "peer"}))
			return r.ID()
		}
		named := func(when string, want uint64) {
			t.Helper()
			h.changed = true
			time.Sleep(2 * time.Hour)
			if made, err := h.status(time.Now()); !made || err != nil {
				t.Fatalf("%s: made %v, %v", when, made, err)
			}
			if got := h.org().Named(thief.Public().ID(), protocol.TopicDrill); got != want {
				t.Errorf("%s the status names %d, want %d", when, got, want)
			}
		}
		named("at first", 1)
		end := cert.NotAfter
		time.Sleep(time.Until(end) + time.Hour)
		log, _ := h.d.Store.Head(h.d.Own, thief.Public().ID(), protocol.TopicDrill)
		second := bring(2, log.HeadID, end)
		named("with one that came in time", 2)
		bring(3, second, time.Now())
		named("with one that came late", 2)
		named("and again", 2)
	})
}
