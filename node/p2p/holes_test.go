package p2p

//bubble: every test in this file but those on bytes alone runs inside inBubble, where time is virtual.

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
)

// TestHoles: NET-29, sample by sample. What a neighbour was never asked for counts against nobody: whoever gives it a
// record by catch-up, and gossips it to us later, would frame it.
func TestHoles(t *testing.T) {
	start := time.Unix(1e9, 0)
	const good, bad = peer.ID("good"), peer.ID("bad")
	record := func(i int) (id protocol.RecordID) { id[0], id[1], id[2] = byte(i), byte(i>>8), 1; return id }
	asked := refusal{peer: bad, at: start, grafted: start.Add(-time.Hour)}
	for name, tt := range map[string]struct {
		refusal refusal
		never   bool // asked
		after   time.Duration
		created time.Time
		drops   uint64
		from    peer.ID
		counts  bool
	}{
		"asked, and from another, late":       {refusal: asked, after: holeAge, created: start, from: good, counts: true},
		"younger than the time":               {refusal: asked, after: holeAge - 1, created: start, from: good},
		"from another, nobody asked it":       {never: true, after: time.Minute, created: start, from: good},
		"it sent the record itself":           {refusal: asked, after: time.Minute, created: start, from: bad},
		"our queues dropped something":        {refusal: asked, after: time.Minute, created: start, drops: 1, from: good},
		"from before it stood in the mesh":    {refusal: asked, after: time.Minute, created: start.Add(-time.Hour), from: good},
		"dated ahead, as far as clocks allow": {refusal: asked, after: time.Minute, created: start.Add(-time.Hour + holeMesh - 1), from: good},
		"just after that":                     {refusal: asked, after: time.Minute, created: start.Add(-time.Hour + holeMesh), from: good, counts: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHoles()
			for i := range holeSamples {
				if !tt.never {
					h.withhold(tt.refusal, []protocol.RecordID{record(i), record(i)}) // it counts once
				}
				if s, _ := h.score(bad, start.Add(tt.after)); s != 0 {
					t.Fatalf("scored %v after %d", s, i)
				}
				h.came(record(i), tt.created, tt.from, tt.drops, start.Add(tt.after))
				h.came(record(i), tt.created, tt.from, tt.drops, start.Add(tt.after))
			}
			score, kept := h.score(bad, start.Add(tt.after))
			if (score == appHole) != tt.counts || (kept == holeSamples) != tt.counts {
				t.Errorf("score %v, %d kept back", score, kept)
			}
			if s, _ := h.score(good, start.Add(tt.after)); s != 0 {
				t.Errorf("the other has %v", s)
			}
			if s, _ := h.score(bad, start.Add(tt.after+holePenalty)); s != 0 {
				t.Errorf("after an hour %v", s)
			}
		})
	}
}

// TestHolesAreNotFlushed: a neighbour that invents records and does not give them makes nobody forget what it kept
// back, nor what another did (NET-29).
func TestHolesAreNotFlushed(t *testing.T) {
	start := time.Unix(1e9, 0)
	invented := 0
	invent := func(n int) (ids []protocol.RecordID) {
		for range n {
			invented++
			ids = append(ids, protocol.RecordID{1, byte(invented), byte(invented >> 8), byte(invented >> 16)})
		}
		return ids
	}
	h := newHoles()
	refuses := func(p peer.ID, ids ...protocol.RecordID) {
		h.withhold(refusal{peer: p, at: start, grafted: start.Add(-time.Hour)}, ids)
	}
	for i := range holeSamples {
		refuses("quiet", protocol.RecordID{0, byte(i)})
		refuses("loud", protocol.RecordID{2, byte(i)})
		refuses("loud", invent(2*maxWithheld)...)
	}
	for i := range holeSamples {
		for _, id := range []protocol.RecordID{{0, byte(i)}, {2, byte(i)}} {
			h.came(id, start, "other", 0, start.Add(holeAge))
		}
	}
	for _, p := range []peer.ID{"quiet", "loud"} {
		if score, kept := h.score(p, start.Add(holeAge)); score != appHole || kept < holeSamples {
			t.Errorf("%s: score %v, %d kept back", p, score, kept)
		}
	}
	for i := range 2 * maxHolders {
		refuses(peer.ID(fmt.Sprint(i)), invent(maxWithheld+1)...)
	}
	if len(h.order) > maxHolders || len(h.withheld) > maxHolders*maxWithheld {
		t.Errorf("%d records of %d neighbours remembered", len(h.withheld), len(h.order))
	}
}

// TestHoleShare: a fifth kept back is forgiven, more is not; what is remembered is bounded.
func TestHoleShare(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, tt := range []struct {
		sent, kept int
		want       float64
	}{{40, 10, 0}, {39, 11, appHole}, {0, 49, 0}, {0, 50, appHole}, {400, 100, 0}} {
		h := newHoles()
		for range tt.sent {
			h.count("p", false, now)
		}
		for range tt.kept {
			h.count("p", true, now)
		}
		if s, _ := h.score("p", now); s != tt.want {
			t.Errorf("%d sent, %d kept back: %v", tt.sent, tt.kept, s)
		}
	}
	h := newHoles()
	for i := range 2 * maxPeerEntries {
		h.count(peer.ID(fmt.Sprint(i)), false, now)
	}
	if len(h.peers) > maxPeerEntries {
		t.Errorf("%d peers remembered", len(h.peers))
	}
	for i := range 60 {
		h.count("q", true, now.Add(time.Duration(i)*10*time.Minute))
	}
	if s, kept := h.score("q", now.Add(600*time.Minute)); s != 0 || kept > 12 {
		t.Errorf("six an hour: %v with %d in the window", s, kept)
	}
}

// TestHoleInMesh: a neighbour that showed records in an exchange and did not give them, while another did by gossip,
// loses score and is named (NET-29); what came before it was in the mesh for long does not count.
func TestHoleInMesh(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		fraud := topic(t, "fraud")
		a, b, c := m.node(fraud), m.node(fraud), m.node(fraud)
		m.connect(a, b)
		m.connect(a, c)
		tell := func() {
			var ids []protocol.RecordID
			var records []*protocol.Record
			for range holeSamples {
				r := c.author.sign(t, fraud, 200)
				records, ids = append(records, r), append(ids, r.ID())
			}
			a.Withheld(b.PeerID(), fraud, ids...)
			time.Sleep(holeAge)
			for _, r := range records {
				if err := c.Announce(m.ctx, r); err != nil {
					t.Fatal(err)
				}
			}
			waitFor(t, 10*time.Second, "the last record", func() bool { return a.has(ids[len(ids)-1]) })
			time.Sleep(2 * time.Second) // scores are copied out every second
		}
		tell()
		if p := a.peer(t, b); p.KeptBack != 0 || p.Score < 0 {
			t.Errorf("too early it counts: %+v", p)
		}
		time.Sleep(2 * holeMesh)
		tell()
		if p := a.peer(t, b); p.KeptBack != holeSamples || p.Score > appHole+topicScoreCap {
			t.Errorf("after %d records kept back: %+v", holeSamples, p)
		}
		if p := a.peer(t, c); p.KeptBack != 0 || p.Score < 0 {
			t.Errorf("who sent them: %+v", p)
		}
	})
}
