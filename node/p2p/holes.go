package p2p

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/protocol"
)

// The numbers of NET-29.
const (
	holeAge     = 5 * time.Second    // what comes sooner from another may have been under way from it, too
	holeMesh    = protocol.ClockSkew // created this long after the graft, no clock within bounds dated it ahead
	holeSamples = 50
	holeShare   = 5 // more than one in so many
	holePenalty = time.Hour
	holeWindow  = time.Hour
	appHole     = -60

	// What a neighbour did not give and what is remembered of it: so many records of each, and of so many. It is a quota of
	// each, so that no neighbour can flush what another, or it, kept back before.
	maxWithheld = 512
	maxHolders  = 64
)

// holes counts what mesh neighbours kept to themselves. Gossip's own measure of it (P3) fails in
// quiet topics; asking works at a message a minute. Methods may be called concurrently and call nobody.
type holes struct {
	mu       sync.Mutex // guards all below
	withheld map[protocol.RecordID][]refusal
	order    map[peer.ID][]withheldAt // of each neighbour, oldest first; some may be gone
	peers    map[peer.ID]*neighbour
}

// refusal is a neighbour that showed a record, was asked for it and did not give it.
type refusal struct {
	peer peer.ID
	at   time.Time
	// grafted is since when it stood in our mesh, drops how many messages our own queues had lost.
	grafted time.Time
	drops   uint64
}

// withheldAt is a place in a neighbour's quota.
type withheldAt struct {
	id protocol.RecordID
	at time.Time
}

// neighbour is what one did, in this window and the one before.
type neighbour struct {
	began      time.Time
	sent, kept [2]int
	until      time.Time // of the penalty
}

func newHoles() *holes {
	return &holes{withheld: make(map[protocol.RecordID][]refusal), order: make(map[peer.ID][]withheldAt), peers: make(map[peer.ID]*neighbour)}
}

// withhold notes that a neighbour did not give records that it had shown and was asked for. What its quota has no
// room for counts at once: who invents records to flush the true ones is found by that.
func (h *holes) withhold(r refusal, ids []protocol.RecordID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.makeRoom(r.peer)
	for _, id := range ids {
		if slices.ContainsFunc(h.withheld[id], func(old refusal) bool { return old.peer == r.peer }) {
			continue
		}
		h.withheld[id] = append(h.withheld[id], r)
		list := append(h.order[r.peer], withheldAt{id, r.at})
		if len(list) > maxWithheld {
			if h.forget(list[0].id, r.peer) && r.at.Sub(list[0].at) < holeWindow {
				h.count(r.peer, true, r.at)
			}
			list = list[1:]
		}
		h.order[r.peer] = list
	}
}

// makeRoom lets go of the neighbour that was longest without a new record, for another. The caller holds mu.
func (h *holes) makeRoom(p peer.ID) {
	if _, ok := h.order[p]; ok || len(h.order) < maxHolders {
		return
	}
	var idle peer.ID
	last := func(p peer.ID) time.Time { return h.order[p][len(h.order[p])-1].at }
	for other := range h.order {
		if idle == "" || last(other).Before(last(idle)) {
			idle = other
		}
	}
	for _, w := range h.order[idle] {
		h.forget(w.id, idle)
	}
	delete(h.order, idle)
}

// forget takes a neighbour's refusal out; false when it is gone. The caller holds mu.
func (h *holes) forget(id protocol.RecordID, p peer.ID) bool {
	list, before := h.withheld[id], len(h.withheld[id])
	list = slices.DeleteFunc(list, func(r refusal) bool { return r.peer == p })
	if h.withheld[id] = list; len(list) == 0 {
		delete(h.withheld, id)
	}
	return len(list) < before
}

// came judges those who did not give a record when it is here from somebody else, by gossip or an exchange.
func (h *holes) came(id protocol.RecordID, created time.Time, from peer.ID, drops uint64, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.withheld[id]
	delete(h.withheld, id)
	for _, r := range list {
		if r.peer != from && now.Sub(r.at) >= holeAge && r.drops == drops && !created.Before(r.grafted.Add(holeMesh)) {
			h.count(r.peer, true, now)
		}
	}
}

// sentBy counts a record that a peer sent by gossip, the first or not, or gave when it was asked.
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

// Withheld says that a peer showed records of a topic, was asked for them and did not give them (NET-29).
func (h *Host) Withheld(p string, topic protocol.Topic, ids ...protocol.RecordID) {
	id, j, grafted, ok := h.neighbour(p, topic)
	now := time.Now()
	if !ok || len(ids) == 0 || now.Sub(grafted) < holeMesh {
		return
	}
	h.peers.holes.withhold(refusal{peer: id, at: now, grafted: grafted, drops: j.router.trace.drops()}, ids)
}

// Delivered says that an exchange with a peer brought a record.
func (h *Host) Delivered(p string, r *protocol.Record) {
	header := r.Header()
	id, j, grafted, ok := h.neighbour(p, header.Topic)
	if j == nil {
		return
	}
	h.peers.holes.came(r.ID(), header.Created, id, j.router.trace.drops(), time.Now())
	if ok && !header.Created.Before(grafted.Add(holeMesh)) { // as what counts against it
		h.peers.holes.sentBy(id)
	}
}

// neighbour finds a peer in the mesh of a topic, and since when it is there; ok is false when it is not, j nil
// when there is no such topic or peer.
func (h *Host) neighbour(p string, topic protocol.Topic) (id peer.ID, j *joined, grafted time.Time, ok bool) {
	id, err := peer.Decode(p)
	j, found := h.topics.get(topic)
	if err != nil || !found {
		return id, nil, grafted, false
	}
	grafted, ok = j.router.trace.grafted(j.path, id)
	return id, j, grafted, ok
}
