package p2p

import (
	"maps"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
)

// The numbers of NET-29.
const (
	holeAge     = 5 * time.Second    // a record that a neighbour held for so long should have come from it
	holeMesh    = protocol.ClockSkew // created this long after the graft, no clock within bounds dated it ahead
	holeSamples = 50
	holeShare   = 5 // more than one in so many
	holePenalty = time.Hour
	holeWindow  = time.Hour
	appHole     = -60

	maxShown = 16 << 10 // records that neighbours showed and we wait for
)

// holes counts what mesh neighbours kept to themselves. Gossip's own measure of it (P3) fails in
// quiet topics; comparing stores works at a message a minute. Methods may be called concurrently and call nobody.
type holes struct {
	mu    sync.Mutex // guards all below
	shown map[protocol.RecordID][]showing
	order []protocol.RecordID // of shown, oldest first; some may be gone
	peers map[peer.ID]*neighbour
}

// showing is a neighbour that held a record when we did not.
type showing struct {
	peer peer.ID
	at   time.Time
	// grafted is since when it stood in our mesh, drops how many messages our own queues had lost.
	grafted time.Time
	drops   uint64
	// withheld says that it was asked for the record and did not give it.
	withheld bool
}

// neighbour is what one did, in this window and the one before.
type neighbour struct {
	began      time.Time
	sent, kept [2]int
	until      time.Time // of the penalty
}

func newHoles() *holes {
	return &holes{shown: make(map[protocol.RecordID][]showing), peers: make(map[peer.ID]*neighbour)}
}

// show notes that a neighbour holds records that we lack.
func (h *holes) show(s showing, ids []protocol.RecordID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if _, ok := h.shown[id]; !ok {
			h.order = append(h.order, id)
		}
		h.shown[id] = append(h.shown[id], s)
	}
	for len(h.order) > maxShown {
		delete(h.shown, h.order[0])
		h.order = h.order[1:]
	}
}

// withhold notes that a peer did not give what it was asked for.
func (h *holes) withhold(p peer.ID, ids []protocol.RecordID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		for i := range h.shown[id] {
			if s := &h.shown[id][i]; s.peer == p {
				s.withheld = true
			}
		}
	}
}

// came judges those who showed a record when it is here. gossip says by which way.
func (h *holes) came(id protocol.RecordID, created time.Time, from peer.ID, gossip bool, drops uint64, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list, ok := h.shown[id]
	if !ok {
		return
	}
	delete(h.shown, id)
	for _, s := range list {
		switch {
		case s.peer == from:
			h.count(from, false, now)
		case !gossip && !s.withheld, // we asked somebody else first
			now.Sub(s.at) < holeAge, s.drops != drops, created.Before(s.grafted.Add(holeMesh)):
		default:
			h.count(s.peer, true, now)
		}
	}
}

// sentBy counts a record that a peer sent by gossip, the first or not.
func (h *holes) sentBy(p peer.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count(p, false, time.Now())
}

// count adds a sample. The caller holds mu.
func (h *holes) count(p peer.ID, kept bool, now time.Time) {
	n, ok := h.peers[p]
	if !ok {
		if len(h.peers) >= maxPeerEntries {
			maps.DeleteFunc(h.peers, func(_ peer.ID, old *neighbour) bool { return now.Sub(old.began) > 2*holeWindow && now.After(old.until) })
		}
		if len(h.peers) >= maxPeerEntries {
			return
		}
		n = &neighbour{began: now}
		h.peers[p] = n
	}
	if age := now.Sub(n.began); age >= holeWindow {
		n.sent[1], n.kept[1] = n.sent[0], n.kept[0]
		if age >= 2*holeWindow {
			n.sent[1], n.kept[1] = 0, 0
		}
		n.sent[0], n.kept[0], n.began = 0, 0, now
	}
	if !kept {
		n.sent[0]++
		return
	}
	n.kept[0]++
	sent, held := n.sent[0]+n.sent[1], n.kept[0]+n.kept[1]
	if sent+held >= holeSamples && held*holeShare > sent+held {
		if now.After(n.until) {
			log.Warnw("neighbour keeps records to itself", "peer", p, "kept", held, "sent", sent)
		}
		n.until = now.Add(holePenalty)
	}
}

// score is the part of p's score, 0 or the penalty; kept is how many records it kept back lately.
func (h *holes) score(p peer.ID, now time.Time) (score float64, kept int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, ok := h.peers[p]
	if !ok {
		return 0, 0
	}
	if now.Before(n.until) {
		score = appHole
	}
	return score, n.kept[0] + n.kept[1]
}

// Shown says that an exchange showed records of a topic that a peer holds and we lack (NET-29).
func (h *Host) Shown(p string, topic protocol.Topic, ids []protocol.RecordID) {
	id, err := peer.Decode(p)
	j, ok := h.topics.get(topic)
	if err != nil || !ok {
		return
	}
	now := time.Now()
	grafted, ok := j.router.trace.grafted(j.path, id)
	if !ok || now.Sub(grafted) < holeMesh {
		return
	}
	h.peers.holes.show(showing{peer: id, at: now, grafted: grafted, drops: j.router.trace.drops()}, ids)
}

// Withheld says that a peer did not give records that it had shown.
func (h *Host) Withheld(p string, _ protocol.Topic, ids ...protocol.RecordID) {
	if id, err := peer.Decode(p); err == nil {
		h.peers.holes.withhold(id, ids)
	}
}

// Delivered says that an exchange with a peer brought a record.
func (h *Host) Delivered(p string, r *protocol.Record) {
	id, err := peer.Decode(p)
	j, ok := h.topics.get(r.Header().Topic)
	if err != nil || !ok {
		return
	}
	h.peers.holes.came(r.ID(), r.Header().Created, id, false, j.router.trace.drops(), time.Now())
}
