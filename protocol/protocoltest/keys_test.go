package protocoltest

import (
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// An author that loses one key after the other goes on, and a stranger who gets its
// statements at once comes to the same end.
func TestKeysOverTime(t *testing.T) {
	a := found(t, 7)
	must := func(s *protocol.Statement, err error) *protocol.Statement {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	write := func() *protocol.Record {
		t.Helper()
		r, err := a.Record(protocol.Draft{
			Topic: topic(t, "fraud"), Kind: protocol.KindObjects, TLP: stix.Green, Objects: [][]byte{[]byte(`{"type":"x"}`)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	good := write()
	must(a.Beat(now))
	stolen := a.Key.Public().ID()
	must(a.Revoke(stolen, func(r *protocol.Revocation) { r.Heads = a.Heads() }))
	bad := write()
	must(a.Renew())
	fresh := write()
	heads := a.Heads()
	must(a.Beat(now.Add(time.Hour)))
	must(a.Rotate())
	lost := a.Operations.Public().ID()
	must(a.Delegate())
	must(a.Revoke(lost, func(r *protocol.Revocation) { r.Heads = heads }))
	must(a.Renew())
	// It says once more what stands: the word of the roots before it does not count.
	must(a.Rotate(func(r *protocol.Root) { r.Compromise, r.Heads = true, heads }))
	must(a.Beat(now.Add(2 * time.Hour)))
	must(a.Beat(now))
	last := write()

	chains, _, errs := protocol.NewChains("test").With(a.Statements...)
	for _, err := range errs { // statuses before the newest, and what keys said that were lost later
		if code := reason.Of(err); code != reason.StatusOld && code != reason.KeyRevoked && code != reason.ChainLimit {
			t.Error(err)
		}
	}
	for _, c := range []*protocol.Chains{chains, a.Chains} {
		org, _ := c.Org(a.Org)
		if len(org.Roots) != 2 || org.Disputed || org.Status == nil || org.Status.RootVersion != 3 || org.Stale(now) {
			t.Errorf("%d roots, status %+v", len(org.Roots), org.Status)
		}
		for r, want := range map[*protocol.Record]bool{good: false, bad: false, fresh: true, last: true} {
			_, err := protocol.Verify(r.Raw(), c, now)
			if (err == nil) != want || !want && reason.Of(err) != reason.KeyRevoked {
				t.Errorf("record %d of key %s: %v, want it to stand: %v", r.Header().Sequence, r.Key(), err, want)
			}
		}
	}
	if _, err := a.Beat(now, func(s *protocol.Status) { s.Counter = 1 }); reason.Of(err) != reason.StatusOld {
		t.Errorf("a status that goes back: %v", err)
	}
}
