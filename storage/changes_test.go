package storage

import (
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// One change of each record is its arrival, whatever happens to it and wherever the reader begins.
func TestArrived(t *testing.T) {
	s := openDisk(t, t.TempDir())
	a := newAuthor(t, "A")
	some := func(n int) []Leaf {
		leaves := indicators(n, 3)
		leaves[1].State, leaves[1].Reason = Held, reason.WarnHard
		return leaves
	}
	partly := accept(t, s, a.entry(draft{leaves: some(0)}))
	must(t, s.Decide(t.Context(), Ref{partly, 1}, Held, reason.TLPHeader))
	stranger := a.entry(draft{state: Held, reason: reason.TrustUnknown, leaves: indicators(3, 3)})
	released := accept(t, s, stranger)
	stranger.State, stranger.Reason, stranger.Leaves = Accepted, "", some(3)
	must(t, s.Accept(t.Context(), stranger))
	later := accept(t, s, a.entry(draft{leaves: indicators(6, 1)}))
	for _, id := range []protocol.RecordID{partly, later} {
		if !holdOne(t, s, id, reason.KeyRevoked) {
			t.Fatal("it is not held")
		}
	}
	changes, err := s.Changes(0, 100)
	must(t, err)
	at := map[protocol.RecordID]uint64{}
	for _, c := range changes {
		if c.Arrived() {
			if at[c.Record] != 0 {
				t.Errorf("record %s came with %d and with %d", c.Record, at[c.Record], c.Seq)
			}
			at[c.Record] = c.Seq
		}
	}
	if len(at) != 3 || at[partly] == 0 || at[released] == 0 || at[later] == 0 || len(changes) != 9 {
		t.Errorf("%d changes, arrivals %v", len(changes), at)
	}
	for after := range s.Sequence() {
		alone, err := s.Changes(after, 1)
		must(t, err)
		if len(alone) != 1 || alone[0].Arrived() != changes[after].Arrived() {
			t.Errorf("change %d read alone: %+v", after+1, alone)
		}
	}
}
