package nodetest

//bubble: every test in this file runs inside Run, where time is virtual.

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// poison makes 1,000 patterns that no machine may act on, and what to ask the desk for each:
// resolvers in every notation, wide networks, TLDs, and what the nodes' operators own.
func poison() (patterns, values []string) {
	add := func(kind, value string) {
		patterns = append(patterns, fmt.Sprintf("[%s:value = '%s']", kind, value))
		values = append(values, value)
	}
	zones := []string{"com", "net", "org", "uk", "co.uk", "gov.uk", "de", "jp", "github.io"}
	for i := 0; len(patterns) < 1000; i++ {
		switch i % 10 {
		case 0:
			add("ipv4-addr", []string{"8.8.8.8", "1.1.1.1", "9.9.9.9", "8.8.4.4"}[i/10%4])
		case 1:
			add("ipv6-addr", []string{"::ffff:8.8.8.8", "::ffff:808:808", "64:ff9b::808:808", "64:ff9b::1.1.1.1", "2001:4860:4860::8888", "2001:4860:4860:0:0:0:0:8888"}[i/10%6])
		case 2:
			add("ipv4-addr", fmt.Sprintf("8.%d.0.0/%d", i/10%256, 8+i/10%9))
		case 3:
			add("ipv4-addr", fmt.Sprintf("%d.0.0.0/%d", 1+i/10, i/10%9))
		case 4:
			add("ipv6-addr", fmt.Sprintf("2a00:%x::/%d", i, 16+i/10%30))
		case 5:
			add("domain-name", zones[i/10%len(zones)])
		case 6:
			add("domain-name", fmt.Sprintf("host-%d.ours.example", i))
		case 7:
			add("ipv4-addr", fmt.Sprintf("198.18.7.%d", i/10%256)) // of the operators' own network
		case 8:
			add("ipv4-addr", fmt.Sprintf("11.%d.%d.0/%d", i/10%256, i%256/2*2, 17+i/10%7))
		case 9:
			add("domain-name", fmt.Sprintf("rival-%d.example", i)) // nothing but the anchor's word
		}
	}
	return patterns, values
}

// TestP1PoisonedAnchor is threat model P1 in a fleet: whoever has an anchor's key makes no node act on any of 1,000
// poison values, is stopped after five records at most, and what was true before is so after the rollback.
func TestP1PoisonedAnchor(t *testing.T) {
	Run(t, Options{Nodes: 4, Assets: []string{"198.18.7.0/24", "ours.example"}}, func(t *testing.T, f *Fleet) {
		const each = 50 // patterns in one record of poison
		f.Ring(1)
		f.Settle(3 * time.Second)
		a := f.Hostile("anchor", []string{malware}, 0)
		a.beat(time.Now())
		key := a.author.Key.Public().ID()
		f.automate(a.author.Org, "anchor", trust.Anchor)
		f.automate(f.Members[1].Own(), "second", trust.Partner)
		f.automate(f.Members[2].Own(), "third", trust.Anchor)
		var early, shared []string // said by the anchor before, and also by the poisoner
		for i := range 10 {
			early, shared = append(early, fmt.Sprintf("11.200.0.%d", i+1)), append(shared, fmt.Sprintf("11.201.0.%d", i+1))
		}
		truth := slices.Concat(early, shared)
		good := a.claim(malware, addresses(early)...)
		f.claim(1, malware, truth...)
		f.claim(2, malware, shared...)
		f.Settle(2 * trust.HoldTime)
		whole := func(when string) {
			t.Helper()
			for _, m := range f.Members {
				if got := m.passing(f, truth...); len(got) != len(truth) {
					t.Errorf("%s, node %d: machines may act on %d of %d true values: %q", when, m.Number, len(got), len(truth), got)
				}
			}
		}
		whole("before the poison")

		patterns, values := poison()
		var bad []*protocol.Record
		for part := range slices.Chunk(patterns, each) {
			if len(bad) == 0 {
				part = append(addresses(shared), part...)
			}
			bad = append(bad, a.claim(malware, part...))
			f.Settle(time.Second)
			if len(bad) != 5 {
				continue
			}
			for _, m := range f.Members {
				if !m.Standing.Tripped(a.author.Org, malware) {
					t.Errorf("node %d: no breaker tripped within %d records", m.Number, len(bad))
				}
			}
		}
		harmless := func(when string) {
			t.Helper()
			for _, m := range f.Members {
				if got := m.passing(f, values...); len(got) != 0 {
					t.Errorf("%s, node %d: machines may act on %d poison values: %q", when, m.Number, len(got), got)
				}
			}
		}
		harmless("with the poison in")
		f.Settle(2 * trust.HoldTime)
		harmless("later")
		f.checkHeld("after the breaker", bad, 5)

		for _, m := range f.Members {
			err := m.Standing.RollBack(standing.Rollback{Org: a.author.Org, Key: key, After: good.Header().Sequence, At: time.Now(), Why: "its key was stolen"})
			if err != nil {
				t.Fatal(err)
			}
		}
		f.Settle(5 * time.Second) // the keeper sweeps
		f.checkHeld("after the rollback", bad, 0)
		for _, m := range f.Members {
			// A person closes the breaker, and below gives back the level that it took: for what the anchor said
			// before it counts again. The rollback stays.
			if n, err := m.Standing.Restore(a.author.Org, malware); n != 1 || err != nil {
				t.Errorf("node %d: closed %d, %v", m.Number, n, err)
			}
			if _, state, err := m.Store.Record(good.ID()); err != nil || state != storage.Accepted {
				t.Errorf("node %d: the anchor's earlier record is %v, %v", m.Number, state, err)
			}
		}
		f.automate(a.author.Org, "anchor", trust.Anchor)
		f.Settle(5 * time.Second)
		f.checkHeld("after the breaker was closed", bad, 0)
		harmless("after the rollback")
		whole("after the rollback")
		for _, m := range f.Members {
			for _, item := range m.check(f, values...) {
				if item.State == "accepted" {
					t.Errorf("node %d: %s is accepted still", m.Number, item.Value)
				}
			}
		}
	})
}

// checkHeld: all nodes have all of the records, and at most so many of them are accepted.
func (f *Fleet) checkHeld(when string, records []*protocol.Record, accepted int) {
	f.t.Helper()
	for _, m := range f.Members {
		states := map[storage.State]int{}
		for _, r := range records {
			if _, state, err := m.Store.Record(r.ID()); err == nil {
				states[state]++
			}
		}
		if n := states[storage.Accepted]; n > accepted || n+states[storage.Held] != len(records) {
			f.t.Errorf("%s, node %d: of %d records %v", when, m.Number, len(records), states)
		}
	}
}
