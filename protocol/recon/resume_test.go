package recon

import (
	"math/rand/v2"
	"testing"
)

// TestResumed: sessions that end after a few messages, each beginning where the one before got to, find all that one would, also
// where many items have one timestamp, and each gets further.
func TestResumed(t *testing.T) {
	for name, span := range map[string]uint64{"spread": 1 << 40, "one timestamp": 1} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, span))
			var ours, theirs []Item
			want := map[ID]bool{}
			for range 20_000 {
				item := Item{Timestamp: 1 + r.Uint64N(span), ID: newID(r.Uint64())}
				switch r.IntN(3) {
				case 0:
					ours = append(ours, item)
				case 1:
					want[item.ID] = true
					fallthrough
				default:
					theirs = append(theirs, item)
				}
			}
			a, b := NewTree(ours), NewTree(theirs)
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			var from Bound
			sessions, done := 0, false
			for ; !done && sessions < 200; sessions++ {
				i, err := NewInitiator(a, minFrame)
				check(err)
				responder, err := NewResponder(b, minFrame)
				check(err)
				message, err := i.InitiateFrom(from)
				check(err)
				for range 40 {
					answer, err := responder.Answer(message)
					check(err)
					var need []ID
					message, _, need, err = i.Reconcile(answer)
					check(err)
					for _, id := range need {
						delete(want, id)
					}
					if done = message == nil; done {
						break
					}
				}
				if !done && i.Settled() == from {
					t.Fatalf("session %d got no further than %+v", sessions, from)
				}
				from = i.Settled()
			}
			if !done || len(want) > 0 || sessions < 3 {
				t.Errorf("after %d sessions, done %v, %d of what we need were never named", sessions, done, len(want))
			}
		})
	}
}
