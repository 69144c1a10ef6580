package nodetest

//bubble: every test in this file runs inside Run, where time is virtual.

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// beat sends a status of the organisation, made at a time.
func (h *Hostile) beat(at time.Time) {
	h.fleet.t.Helper()
	if _, err := h.author.Beat(at); err != nil {
		h.fleet.t.Fatal(err)
	}
	h.Send(protocol.TopicControl.String(), h.identity().Raw())
}

// TestK3FrozenVictim is threat model K3: for whoever hears no status of an organisation for a week, machines
// act no more on its word; what it says is kept and relayed all the same, and a fresh status ends it
// (STM-26). The week is nearly over when the fleet starts, since a status may be that old: a week
// of idle nodes costs minutes of CPU time.
func TestK3FrozenVictim(t *testing.T) {
	Run(t, Options{Nodes: 5}, func(t *testing.T, f *Fleet) {
		const left = 5 * time.Minute
		const victim = 4
		f.Ring(1, 2)
		f.Settle(3 * time.Second)
		o := f.Hostile("organisation", []string{malware}, 0)
		f.automate(o.author.Org, "organisation", trust.Anchor)
		f.automate(f.Members[1].Own(), "second", trust.Partner)
		expires := time.Now().Add(left)
		o.beat(expires.Add(-protocol.StatusLife))
		value := "11.200.0.1"
		first := o.claim(malware, addresses([]string{value})...)
		f.claim(1, malware, value)
		f.Settle(2 * time.Minute)
		automatic := func(when string, want func(m *Member) bool) {
			t.Helper()
			for _, m := range f.Members {
				if m.Number == 1 {
					continue // its own word is enough
				}
				e, err := m.Desk.Explain(value, time.Now())
				if err != nil {
					t.Fatalf("%s, node %d: %v", when, m.Number, err)
				}
				if e.Automation.Allow != want(m) {
					t.Errorf("%s, node %d: machines may act %v: %q", when, m.Number, e.Automation.Allow, e.Automation.Obstacles)
				}
				stale := len(e.Barred) == 1 && e.Barred[0].Code == string(reason.OrgStale) && e.Barred[0].Org == o.author.Org.String()
				said := slices.ContainsFunc(e.Why, func(s string) bool { return strings.Contains(s, string(reason.OrgStale)) })
				if stale == want(m) || said == want(m) {
					t.Errorf("%s, node %d: stale %v, said so %v: %q", when, m.Number, stale, said, e.Why)
				}
				if !want(m) && len(e.Automation.Obstacles) == 0 {
					t.Errorf("%s, node %d: no obstacle is named", when, m.Number)
				}
			}
		}
		all := func(*Member) bool { return true }
		none := func(*Member) bool { return false }
		automatic("before", all)
		f.Settle(time.Until(expires) - time.Second)
		automatic("a second before the week is over", all)
		f.Settle(2 * time.Second)
		automatic("when it is over", none)
		second := o.claim(malware, addresses([]string{"11.200.0.2"})...)
		f.Settle(2 * time.Second)
		for _, m := range f.Members {
			for _, r := range []*protocol.Record{first, second} {
				if _, state, err := m.Store.Record(r.ID()); err != nil || state != storage.Accepted {
					t.Errorf("node %d: record %d of the stale organisation is %v, %v", m.Number, r.Header().Sequence, state, err)
				}
			}
		}
		f.Partition([]int{0, 1, 2, 3, 5}, []int{victim}) // 5 is the organisation
		f.Settle(2 * time.Minute)
		o.beat(time.Now())
		f.Settle(10 * time.Second)
		automatic("for all but the victim", func(m *Member) bool { return m.Number != victim })
		f.Heal()
		f.Settle(6 * time.Minute) // the longest backoff
		automatic("when the victim hears again", all)
	})
}
