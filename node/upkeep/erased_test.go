package upkeep

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// REC-37: a store from a time before an erasure, as a restore gives it, is put right by the audit log: what is in it is erased
// again, and what comes later is, too.
func TestErasedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		h := newHousehold(t)
		author, err := protocoltest.Found(testNetwork, "Author", time.Now().Truncate(time.Millisecond), rand.Reader)
		check(t, err)
		if _, errs := h.d.Identity.Add(author.Statements...); len(errs) > 0 {
			t.Fatal(errs)
		}
		var records []*protocol.Record
		for i := range 4 {
			d := protocol.Draft{Topic: protocol.TopicDrill, Kind: protocol.KindObjects, TLP: stix.Green, Expires: time.Now().Add(300 * time.Hour)}
			for n := range 3 {
				d.Objects = append(d.Objects, fmt.Appendf(nil, `{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z",`+
					`"pattern":"[domain-name:value = 'a.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`, 10*i+n))
			}
			r, err := author.Record(d)
			check(t, err)
			records = append(records, r)
		}
		erased := func(r *protocol.Record, action, objects string) {
			_, err := h.d.Audit.Append(ctx, audit.Event{Action: action, Target: r.ID().String(), Reason: "r", Detail: map[string]string{"objects": objects}})
			check(t, err)
		}
		receive := func(r *protocol.Record) {
			_, err := h.d.Intake.Receive(ctx, r, "peer")
			check(t, err)
		}
		receive(records[0])
		receive(records[1])
		erased(records[0], eraseAction, "1")
		erased(records[0], eraseAction, "2")
		erased(records[2], eraseAction, "0")
		erased(records[2], eraseAction, "all")
		erased(records[3], "record.erase.failed", "all")
		h.run(t, time.Minute, func() {
			receive(records[2])
			receive(records[3])
		})
		for i, want := range []int{2, 0, 3, 0} {
			leaves, err := h.d.Store.Leaves(records[i].ID())
			check(t, err)
			gone := 0
			for _, l := range leaves {
				if l.Reason == reason.ObjectErased {
					gone++
				}
			}
			if form, _, err := h.d.Store.Fetch(records[i].ID()); gone != want || err != nil || (form == storage.Pruned) != (want > 0) {
				t.Errorf("record %d: %d objects are erased, want %d; form %d, %v", i, gone, want, form, err)
			}
		}
		before := h.d.Store.Sequence()
		h.restart()
		h.run(t, time.Minute, nil)
		if h.d.Store.Sequence() != before {
			t.Error("what is erased already is erased again at every start")
		}
	})
}
