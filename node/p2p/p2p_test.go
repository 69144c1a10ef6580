package p2p

import (
	"testing"
	"time"
)

// TestLine publishes on a line of three right after they were peered: the far
// end learns record and author although it was never told of either (NET-12, NET-18).
func TestLine(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(3, fraud)
		r := nodes[0].publish(t, fraud, 1000)
		waitFor(t, 2*time.Second, "record at the far end", func() bool { return nodes[2].has(r.ID()) })
		if !nodes[2].knows(nodes[0].author.org()) {
			t.Error("the far end does not know the author")
		}
		if nodes[0].count() != 0 {
			t.Error("the author received its own record")
		}
	})
}
