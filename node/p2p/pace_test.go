package p2p

//bubble: tests that sleep run inside inBubble, where time is virtual.

import (
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// bulk makes n records of full size and a function that announces them.
func bulk(t *testing.T, n *testNode, on protocol.Topic, count int) (records []*protocol.Record, announce func()) {
	t.Helper()
	for range count {
		records = append(records, n.author.sign(t, on, 16<<10))
	}
	return records, func() {
		for _, r := range records {
			if err := n.Announce(t.Context(), r); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestSlowLink imports 26 MB over links of 10 Mbit/s: Announce goes at the pace of the
// neighbour, and nothing is dropped (NET-21).
func TestSlowLink(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.link = linkOf(10)
		fraud := topic(t, "fraud")
		nodes := m.line(2, fraud)
		nodes[1].list(nodes[0].author, trust.Anchor)
		records, announce := bulk(t, nodes[0], fraud, 1600)
		started := time.Now()
		announce()
		if d := time.Since(started); d < 5*time.Second {
			t.Errorf("announced in %v, faster than the link could carry half of it", d)
		}
		waitFor(t, 20*time.Second, "the last record", func() bool { return nodes[1].has(records[len(records)-1].ID()) })
		for i, r := range records {
			if !nodes[1].has(r.ID()) {
				t.Fatalf("record %d was lost; %d dropped", i, nodes[0].data.trace.drops())
			}
		}
		if n := nodes[0].data.trace.drops() + nodes[1].data.trace.drops(); n != 0 {
			t.Errorf("%d messages dropped", n)
		}
	})
}

// TestDeadNeighbour: a neighbour that takes nothing any more does not hold up the others.
func TestDeadNeighbour(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		nodes := m.line(2, fraud)
		nodes[1].list(nodes[0].author, trust.Anchor)
		// A stream on which nothing was written for long, with a full queue behind it.
		tr := nodes[0].data.trace
		tr.mu.Lock()
		tr.streams["dead"] = &outStream{opened: time.Now(), wrote: time.Now().Add(-stallAfter), waiting: outboundQueue}
		tr.mu.Unlock()
		records, announce := bulk(t, nodes[0], fraud, 20)
		started := time.Now()
		announce()
		if d := time.Since(started); d > time.Second {
			t.Errorf("a dead neighbour held up %d records for %v", len(records), d)
		}
	})
}

// TestControlIsNotDelayed: during a bulk import over a slow line, a message on control arrives at
// once (NET-02).
func TestControlIsNotDelayed(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		m.link = linkOf(10)
		fraud := topic(t, "fraud")
		nodes := m.line(3, fraud)
		time.Sleep(announceRest + 5*time.Second) // the announcements are through
		for _, n := range nodes[1:] {
			n.list(nodes[0].author, trust.Anchor)
		}
		records, announce := bulk(t, nodes[0], fraud, 300)
		m.wg.Go(announce)
		time.Sleep(2 * time.Second)
		urgent := nodes[0].author.identity(t)
		sent := time.Now()
		if err := nodes[0].Announce(t.Context(), urgent); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 30*time.Second, "the urgent record", func() bool { return nodes[2].has(urgent.ID()) })
		took := time.Since(sent)
		if nodes[2].has(records[len(records)-1].ID()) {
			t.Fatal("the import was over before the urgent record came: the test shows nothing")
		}
		t.Logf("control took %v with the import at %d of %d", took, nodes[2].count(), len(records))
		if took > time.Second {
			t.Errorf("control took %v during an import", took)
		}
		waitFor(t, time.Minute, "the import", func() bool { return nodes[2].has(records[len(records)-1].ID()) })
	})
}

// TestFloodPublish: own messages on control go to every neighbour at once, also to
// those outside a full mesh (NET-02).
func TestFloodPublish(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		center := m.node()
		leaves := make([]*testNode, gossipParams().Dhi+4)
		for i := range leaves {
			leaves[i] = m.node()
			m.connect(leaves[i], center)
		}
		time.Sleep(time.Minute)
		urgent := center.author.identity(t)
		if err := center.Announce(t.Context(), urgent); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if _, n := center.control.trace.meshed(protocol.TopicControl.Path(testNetwork), ""); n >= len(leaves) {
			t.Fatalf("%d of %d leaves are in the mesh: the test shows nothing", n, len(leaves))
		}
		for i, l := range leaves {
			if !l.has(urgent.ID()) {
				t.Errorf("leaf %d has not heard", i)
			}
		}
	})
}
