package p2p

import (
	"context"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

const (
	askAgain    = 5 * time.Second // a chain that did not come is asked for again after it
	askInterval = time.Second     // between two requests to one peer, or for one certificate
	askPatience = 5 * time.Second // how long one request may take
	askAtOnce   = 4               // listed peers asked in parallel, and as many others
)

// waitingRoom keeps records whose signer's certificate is unknown until the
// chain is there: bounded in all, per forwarder and in time (NET-14). Methods may
// be called concurrently.
type waitingRoom struct {
	wake chan struct{} // capacity 1: something came, or a chain was learned

	mu       sync.Mutex // guards all below
	bytes    int
	unlisted int // of bytes, those of forwarders that are not listed
	count    int
	byPeer   map[peer.ID]int // bytes by forwarder
	askedAt  map[peer.ID]time.Time
	busy     map[peer.ID]bool // being asked
	groups   map[protocol.Digest]*waitingGroup
}

// waitingGroup is what waits for one certificate.
type waitingGroup struct {
	records []waitingRecord
	turns   int                   // how often somebody was asked
	last    time.Time             // when somebody last was
	asked   map[peer.ID]time.Time // when each peer was
}

type waitingRecord struct {
	topic  protocol.Topic
	from   peer.ID
	listed bool // the forwarder, when the record came
	raw    []byte
	since  time.Time
}

func (r *waitingRecord) size() int { return max(len(r.raw), minCharge) }

func newWaitingRoom() *waitingRoom {
	return &waitingRoom{
		wake:    make(chan struct{}, 1),
		byPeer:  make(map[peer.ID]int),
		askedAt: make(map[peer.ID]time.Time),
		busy:    make(map[peer.ID]bool),
		groups:  make(map[protocol.Digest]*waitingGroup),
	}
}

// put keeps a record; false when there is no room. What is there stays: a
// flood must not push out what came before it. Half of the room is for listed
// forwarders alone, who pass on nothing that they could not verify.
func (w *waitingRoom) put(certificate protocol.Digest, r waitingRecord) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, share := r.size(), maxWaitingPeer
	if !r.listed {
		share = maxWaitingPeer / 2
	}
	if w.bytes+n > maxWaiting || w.byPeer[r.from]+n > share || !r.listed && w.unlisted+n > maxWaitingUnlisted {
		return false
	}
	g, ok := w.groups[certificate]
	if !ok {
		g = &waitingGroup{asked: make(map[peer.ID]time.Time)}
		w.groups[certificate] = g
	}
	g.records = append(g.records, r)
	if !r.listed {
		w.unlisted += n
	}
	w.bytes += n
	w.byPeer[r.from] += n
	w.count++
	signal(w.wake)
	return true
}

// take removes what waits for certificates that known reports.
func (w *waitingRoom) take(known func(protocol.Digest) bool) []waitingRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []waitingRecord
	for d, g := range w.groups {
		if !known(d) {
			continue
		}
		for _, r := range g.records {
			w.release(r)
		}
		out = append(out, g.records...)
		delete(w.groups, d)
	}
	// As they came, so that key logs stay in order.
	slices.SortStableFunc(out, func(a, b waitingRecord) int { return a.since.Compare(b.since) })
	return out
}

// expire drops what waited longer than waitingTTL; catch-up finds it.
func (w *waitingRoom) expire(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d, g := range w.groups {
		g.records = slices.DeleteFunc(g.records, func(r waitingRecord) bool {
			old := now.Sub(r.since) > waitingTTL
			if old {
				w.release(r)
			}
			return old
		})
		if len(g.records) == 0 {
			delete(w.groups, d)
		}
		forget(g.asked, now)
	}
	forget(w.askedAt, now)
}

// forget drops who was asked longer ago than anything waits.
func forget(asked map[peer.ID]time.Time, now time.Time) {
	maps.DeleteFunc(asked, func(_ peer.ID, at time.Time) bool { return now.Sub(at) > waitingTTL })
}

// release takes a record off the books; the lock is held.
func (w *waitingRoom) release(r waitingRecord) {
	n := r.size()
	w.bytes -= n
	if !r.listed {
		w.unlisted -= n
	}
	w.count--
	if w.byPeer[r.from] -= n; w.byPeer[r.from] <= 0 {
		delete(w.byPeer, r.from)
	}
}

// due says whom to ask for what now; others lists connected peers, listed ones first.
func (w *waitingRoom) due(now time.Time, others func() []peer.ID) map[peer.ID][]protocol.Digest {
	others = sync.OnceValue(others) // mostly nobody wants them
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[peer.ID][]protocol.Digest)
	free := func(p peer.ID) bool {
		return !w.busy[p] && now.Sub(w.askedAt[p]) >= askInterval && len(out[p]) < maxWanted
	}
	for d, g := range w.groups {
		if now.Sub(g.last) < askInterval {
			continue
		}
		if p, ok := g.next(now, others, free); ok {
			out[p] = append(out[p], d)
		}
	}
	return out
}

// next chooses whom to ask: a forwarder, and turn about another peer once the forwarders had
// time to answer. Gossip delivers one copy of a record, so that a forwarder who says nothing
// would else hold it back for ever.
func (g *waitingGroup) next(now time.Time, others func() []peer.ID, free func(peer.ID) bool) (peer.ID, bool) {
	may := func(p peer.ID) bool { return now.Sub(g.asked[p]) >= askAgain && free(p) }
	forwarder, ok := g.forwarder(may)
	if now.Sub(g.records[0].since) < askInterval || ok && g.turns%2 == 0 {
		return forwarder, ok
	}
	if other, ok := g.longestAgo(slices.Values(others()), may); ok {
		return other, true
	}
	return forwarder, ok
}

// forwarder chooses among the forwarders that may be asked: the one asked longest ago, of
// those not asked yet a listed one, then the earliest. So each has its turn, and none gets
// ahead of those before it by being many.
func (g *waitingGroup) forwarder(may func(peer.ID) bool) (peer.ID, bool) {
	return g.longestAgo(func(yield func(peer.ID) bool) {
		for _, listed := range []bool{true, false} {
			for i := range g.records {
				if r := &g.records[i]; r.listed == listed && !yield(r.from) {
					return
				}
			}
		}
	}, may)
}

// longestAgo is the first of those that may be asked and were so longest ago.
func (g *waitingGroup) longestAgo(peers iter.Seq[peer.ID], may func(peer.ID) bool) (best peer.ID, ok bool) {
	for p := range peers {
		if may(p) && (!ok || g.asked[p].Before(g.asked[best])) {
			best, ok = p, true
		}
	}
	return best, ok
}

// asked notes that p is being asked.
func (w *waitingRoom) asked(p peer.ID, wanted []protocol.Digest, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.askedAt[p], w.busy[p] = now, true
	for _, d := range wanted {
		if g, ok := w.groups[d]; ok {
			g.last, g.asked[p] = now, now
			g.turns++
		}
	}
}

// answered notes that p is no longer being asked, whether or not it answered.
func (w *waitingRoom) answered(p peer.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, p)
}

func (w *waitingRoom) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// Waiting counts records that wait for their signer's chain.
func (h *Host) Waiting() int { return h.waiting.len() }

// connected are the peers that are connected, listed ones first, within that by chance:
// peer ids of any order can be made.
func (t *peerTable) connected() []peer.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var listed, others []peer.ID
	for p, e := range t.peers {
		switch {
		case !e.connected:
		case e.listed():
			listed = append(listed, p)
		default:
			others = append(others, p)
		}
	}
	for _, list := range [][]peer.ID{listed, others} {
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	return append(listed, others...)
}

// runWaiting asks for missing chains and lets records go on once they verify, until ctx ends.
func (h *Host) runWaiting(ctx context.Context) error {
	var work errgroup.Group
	work.SetLimit(receivers)
	var asks askers
	asks.listed.SetLimit(askAtOnce)
	asks.others.SetLimit(askAtOnce)
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			_, _ = asks.listed.Wait(), asks.others.Wait()
			return work.Wait()
		case <-h.waiting.wake:
		case <-ticker.C:
		}
		now := time.Now()
		h.waiting.expire(now)
		chains := h.deps.Chains()
		for _, r := range h.waiting.take(func(d protocol.Digest) bool { _, ok := chains.Certificate(d); return ok }) {
			h.goOn(ctx, r, &work)
		}
		h.askDue(ctx, now, &asks)
	}
}

// askers are the requests under way. Listed peers have a part of their own, so that
// however many others take their time, they are asked.
type askers struct{ listed, others errgroup.Group }

// askDue starts the requests that are due, as far as there is room for them.
func (h *Host) askDue(ctx context.Context, now time.Time, asks *askers) {
	for p, wanted := range h.waiting.due(now, h.peers.connected) {
		group := &asks.others
		if h.peers.listed(p) {
			group = &asks.listed
		}
		begin := make(chan struct{}) // it must not end before it is noted
		started := group.TryGo(func() error {
			<-begin
			defer h.waiting.answered(p)
			h.askFor(ctx, p, wanted)
			return nil
		})
		if started {
			h.waiting.asked(p, wanted, now)
			close(begin)
		}
	}
}

// askFor asks p for the chains of certificates and keeps what comes.
func (h *Host) askFor(ctx context.Context, p peer.ID, wanted []protocol.Digest) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	statements, err := h.askChains(ctx, p, &chainRequest{Wanted: wanted})
	if err != nil {
		log.Debugw("chain not received", "peer", p, "wanted", len(wanted), "err", err)
	}
	h.learn(statements)
}

// goOn judges a record that waited, passes it on to the mesh, which has only
// seen it and never delivered it, and hands it to intake.
func (h *Host) goOn(ctx context.Context, w waitingRecord, work *errgroup.Group) {
	j, ok := h.topics.get(w.topic)
	if !ok {
		return // left meanwhile
	}
	r, err := h.judge.verify(w.topic, w.from, w.raw, time.Now())
	if err != nil {
		invalid := protocol.VerdictOf(err) == protocol.Reject
		h.refused(j.path, w.from, invalid)
		h.tell(w.topic, err)
		log.Infow("record refused after its chain came", "peer", w.from, "topic", w.topic, "code", reason.Of(err), "err", err)
		return
	}
	if err := j.handle.Publish(ctx, w.raw, pubsub.WithValidatorData(r)); err != nil {
		log.Debugw("record not passed on", "record", r.ID(), "err", err)
	}
	work.Go(func() error {
		h.receive(ctx, j, r, w.from)
		return nil
	})
}
