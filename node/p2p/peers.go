package p2p

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"

	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// PeerInfo is a plain snapshot of one peer.
type PeerInfo struct {
	ID        string
	Org       protocol.OrgID
	OrgKnown  bool
	Addrs     []string
	Connected bool
	Kept      bool      // configured or added: reconnected when lost
	Since     time.Time // when the connection began; of a peer that is not connected when the last one ended, zero when there was none
	Score     float64
	Topics    int // topics in common
	Mesh      int // of them, in the mesh
	Latency   time.Duration
	Rejected  int // invalid messages from it
	KeptBack  int // records that it kept to itself, in the last hour or two
	LastError string
}

// peerTable is what the host knows of its peers. It calls nobody while it holds its lock,
// since pubsub asks it for scores from inside its own.
type peerTable struct {
	deps    *Deps
	learned *learnMeter
	holes   *holes
	lapses  *lapses

	mu    sync.Mutex // guards all below and what peers points to
	peers map[peer.ID]*peerEntry
	// pending are peers that are not listed, admitted and not arrived yet; never more than slots.
	pending map[peer.ID]pendingPeer
}

// pendingPeer holds a slot until its connection arrives or until a time.
type pendingPeer struct {
	known bool // its certificate
	until time.Time
}

// peerEntry is one peer: connected, kept, or remembered for what it did.
type peerEntry struct {
	standing  standing
	connected bool
	since     time.Time // of the first connection of those there are, or that there were last
	kept      *keptPeer // nil when not kept
	exchanged time.Time // when chains were last exchanged on this connection
	rejected  int
	left      time.Time
	scores    [2]float64 // control, data
}

// standing is who a peer is in the trust list's eyes.
type standing struct {
	org   protocol.OrgID
	known bool
	level trust.Level
}

// keptPeer is a peer to stay connected to.
type keptPeer struct {
	info      peer.AddrInfo
	failures  int
	next      time.Time // do not dial before
	lastError string
}

func newPeerTable(deps *Deps) *peerTable {
	return &peerTable{deps: deps, learned: newLearnMeter(), holes: newHoles(), lapses: newLapses(), peers: make(map[peer.ID]*peerEntry), pending: make(map[peer.ID]pendingPeer)}
}

// lookup asks identity and trust list who p is; the lock is not held. Anybody can
// claim a peer in a certificate, so of several organisations the one that stands
// highest counts: only its own operations key names what it runs.
func (t *peerTable) lookup(p peer.ID) standing {
	var best standing
	for _, org := range t.deps.Chains().PeerOrgs([]byte(p), time.Now()) {
		if level := t.deps.Level(org); !best.known || level > best.level {
			best = standing{org: org, known: true, level: level}
		}
	}
	return best
}

// entry returns p's entry, made when there is none; the lock is held.
func (t *peerTable) entry(p peer.ID) *peerEntry {
	e, ok := t.peers[p]
	if !ok {
		e = &peerEntry{left: time.Now()}
		t.peers[p] = e
		t.shrink()
	}
	return e
}

// shrink forgets the peer that left longest ago when too many are remembered; the lock is held.
func (t *peerTable) shrink() {
	if len(t.peers) <= maxPeerEntries {
		return
	}
	var oldest peer.ID
	for p, e := range t.peers {
		if !e.connected && e.kept == nil && (oldest == "" || e.left.Before(t.peers[oldest].left)) {
			oldest = p
		}
	}
	delete(t.peers, oldest)
}

// arrived notes a connection to p; true when it is the first.
func (t *peerTable) arrived(p peer.ID) bool {
	s := t.lookup(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pending, p)
	e := t.entry(p)
	e.standing = s
	if e.connected {
		return false
	}
	e.connected, e.since, e.exchanged = true, time.Now(), time.Time{}
	if e.kept != nil {
		e.kept.failures, e.kept.lastError = 0, ""
	}
	return true
}

// departed notes that no connection to p is left.
func (t *peerTable) departed(p peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entry(p)
	e.connected, e.left, e.scores = false, time.Now(), [2]float64{}
}

func (t *peerTable) exchanged(p peer.ID, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entry(p).exchanged = at
}

// refresh looks every peer up again; it returns those that count as listed now,
// those that do not, and, of both, the connected ones that are blocked.
func (t *peerTable) refresh() (listed, unlisted, blocked []peer.ID) {
	for _, p := range t.ids() {
		s := t.lookup(p)
		t.mu.Lock()
		e, ok := t.peers[p]
		if ok {
			e.standing = s
			if e.listed() {
				listed = append(listed, p)
			} else {
				unlisted = append(unlisted, p)
			}
			if e.connected && s.level == trust.Blocked {
				blocked = append(blocked, p)
			}
		}
		t.mu.Unlock()
	}
	return listed, unlisted, blocked
}

func (t *peerTable) ids() []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := make([]peer.ID, 0, len(t.peers))
	for p := range t.peers {
		ids = append(ids, p)
	}
	return ids
}

// listed reports whether the operator named this peer or its organisation.
func (e *peerEntry) listed() bool { return e.kept != nil || e.standing.level >= trust.Observed }

// listed reports whether the operator named p or its organisation.
func (t *peerTable) listed(p peer.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.peers[p]
	return ok && e.listed()
}

// blocked reports whether the operator blocked p's organisation, as of now: a block must not wait for refresh.
func (t *peerTable) blocked(p peer.ID) bool { return t.lookup(p).level == trust.Blocked }

// anyCounts reports whether one of list is worth waiting for: listed itself, or
// nobody connected is.
func (t *peerTable) anyCounts(list []peer.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range list {
		if e, ok := t.peers[p]; ok && e.listed() {
			return true
		}
	}
	for _, e := range t.peers {
		if e.connected && e.listed() {
			return false
		}
	}
	return true
}

// appScore is the part of the trust list (NET-09) and of what it kept back (NET-29) in p's gossip score.
func (t *peerTable) appScore(p peer.ID) float64 {
	hole, _ := t.holes.score(p, time.Now())
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.peers[p]
	if !ok {
		return appUnknown + hole
	}
	return appScore(e.standing.level) + hole
}

// admit reports whether an inbound connection of p has a slot, and holds it: many
// handshakes at once must not find the same one free.
func (t *peerTable) admit(p peer.ID) bool {
	s := t.lookup(p)
	if s.level == trust.Blocked { // NET-30: whatever else it is
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.peers[p]; ok && (e.connected || e.kept != nil) {
		return true
	}
	if s.level >= trust.Observed {
		return true
	}
	now := time.Now()
	unlisted, newcomers := t.slots(now)
	if _, ok := t.pending[p]; !ok {
		if unlisted >= unlistedSlots || !s.known && newcomers >= newcomerSlots {
			return false
		}
	}
	t.pending[p] = pendingPeer{known: s.known, until: now.Add(pendingSlot)}
	return true
}

// slots counts peers that are not listed, connected or about to be, and those of
// them whose certificate is unknown; the lock is held.
func (t *peerTable) slots(now time.Time) (unlisted, newcomers int) {
	maps.DeleteFunc(t.pending, func(_ peer.ID, held pendingPeer) bool { return !now.Before(held.until) })
	for _, e := range t.peers {
		if !e.connected || e.listed() {
			continue
		}
		unlisted++
		if !e.standing.known {
			newcomers++
		}
	}
	for _, held := range t.pending {
		unlisted++
		if !held.known {
			newcomers++
		}
	}
	return unlisted, newcomers
}

// loiterers are newcomers that showed no certificate in time while slots are scarce.
func (t *peerTable) loiterers(now time.Time) []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, newcomers := t.slots(now); newcomers <= newcomerSlots/2 {
		return nil
	}
	var list []peer.ID
	for p, e := range t.peers {
		if e.connected && !e.listed() && !e.standing.known && now.Sub(e.since) > newcomerPatience {
			list = append(list, p)
		}
	}
	return list
}

// reject counts an invalid message.
func (t *peerTable) reject(p peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entry(p).rejected++
}

// setScores takes over one instance's scores.
func (t *peerTable) setScores(id libp2pproto.ID, scores map[peer.ID]float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := 0
	if id == dataProtocol {
		i = 1
	}
	for p, s := range scores {
		if e, ok := t.peers[p]; ok {
			e.scores[i] = s
		}
	}
}

// keep makes p one to stay connected to.
func (t *peerTable) keep(info peer.AddrInfo) {
	s := t.lookup(info.ID) // it may never come, and has a name all the same
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entry(info.ID)
	e.kept, e.standing = &keptPeer{info: info}, s
}

// unkeep stops keeping p; known is false when p is neither kept nor connected.
func (t *peerTable) unkeep(p peer.ID) (known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.peers[p]
	if !ok || (e.kept == nil && !e.connected) {
		return false
	}
	e.kept = nil
	return true
}

// failed notes a failed dial and puts the next one off.
func (t *peerTable) failed(p peer.ID, err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.peers[p]
	if !ok || e.kept == nil {
		return
	}
	e.kept.failures++
	e.kept.lastError = err.Error()
	e.kept.next = now.Add(backoff(e.kept.failures, p))
}

// due are kept peers to dial now; none of them is due again while that dial may last.
func (t *peerTable) due(now time.Time) []peer.AddrInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []peer.AddrInfo
	for _, e := range t.peers {
		if e.kept != nil && !e.connected && e.standing.level != trust.Blocked && !now.Before(e.kept.next) {
			e.kept.next = now.Add(dialTimeout)
			list = append(list, e.kept.info)
		}
	}
	return list
}

// unexchanged are connected peers with whom chains were not exchanged yet.
func (t *peerTable) unexchanged() []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []peer.ID
	for p, e := range t.peers {
		if e.connected && e.exchanged.IsZero() {
			list = append(list, p)
		}
	}
	return list
}

// askable are the peers to ask about ourselves, kept and listed ones first: those
// connected, and kept ones that may be so in a moment.
func (t *peerTable) askable() []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []peer.ID
	for p, e := range t.peers {
		if e.connected || e.kept != nil && e.kept.failures == 0 {
			list = append(list, p)
		}
	}
	rank := func(p peer.ID) int {
		e := t.peers[p]
		switch {
		case e.kept != nil:
			return 0
		case e.standing.level >= trust.Observed:
			return 1
		}
		return 2
	}
	slices.SortFunc(list, func(a, b peer.ID) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
	})
	return list
}

// companions are the connected peers that one could ask, as Host.Companions says.
func (t *peerTable) companions() []Companion {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Companion
	for p, e := range t.peers {
		if e.connected && e.standing.level != trust.Blocked {
			list = append(list, Companion{ID: p.String(), Listed: e.standing.level >= trust.Observed, Kept: e.kept != nil, Since: e.since})
		}
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	rank := func(c Companion) int {
		switch {
		case c.Listed:
			return 0
		case c.Kept:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b Companion) int { return cmp.Compare(rank(a), rank(b)) })
	return list
}

// snapshot lists connected and kept peers in id order, without what only the network knows.
func (t *peerTable) snapshot() []PeerInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []PeerInfo
	for p, e := range t.peers {
		if !e.connected && e.kept == nil {
			continue
		}
		info := PeerInfo{
			ID: p.String(), Org: e.standing.org, OrgKnown: e.standing.known,
			Connected: e.connected, Kept: e.kept != nil,
			Score: min(e.scores[0], e.scores[1]), Rejected: e.rejected,
		}
		switch {
		case e.connected:
			info.Since = e.since
		case !e.since.IsZero():
			info.Since = e.left
		}
		if e.kept != nil {
			info.LastError = e.kept.lastError
			for _, a := range e.kept.info.Addrs {
				info.Addrs = append(info.Addrs, a.String())
			}
		}
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b PeerInfo) int { return strings.Compare(a.ID, b.ID) })
	return list
}
