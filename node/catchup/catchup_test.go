package catchup

//bubble: every test in this file runs inside inBubble, where time is virtual.

import (
	"testing"
	"time"
)

// TestThree: an empty node gets 3,000 records from three peers, each exactly once, and all of them
// had a part in it; chains that it lacks are asked for (SYN-10, SYN-16).
func TestThree(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		empty := m.node()
		author := found(t)
		const n = 3000
		records := signed(t, author, n)
		for range 3 {
			full := m.node()
			full.hold(t, author, records...)
			m.connect(empty, full)
		}
		m.run(empty)
		waitFor(t, time.Minute, "all records here", func() bool { return empty.records() == n })
		if d := empty.twice(); d > 0 {
			t.Errorf("%d records came twice", d)
		}
		for p, count := range empty.from {
			t.Logf("%s sent %d", p, count)
			if count < n/10 {
				t.Errorf("%s sent %d of %d", p, count, n)
			}
		}
		if len(empty.from) != 3 {
			t.Errorf("%d peers sent something, want 3", len(empty.from))
		}
	})
}
