package p2p

import (
	"context"
	"maps"
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
	askAtOnce   = 8               // peers asked in parallel
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
	groups   map[protocol.Digest]*waitingGroup
}

// waitingGroup is what waits for one certificate.
type waitingGroup struct {
	records []waitingRecord
	last    time.Time             // when somebody was last asked
	asked   map[peer.ID]time.Time // when each forwarder was
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

// due says whom to ask for what now.
func (w *waitingRoom) due(now time.Time) map[peer.ID][]protocol.Digest {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[peer.ID][]protocol.Digest)
	for d, g := range w.groups {
		if now.Sub(g.last) < askInterval {
			continue
		}
		p, ok := g.next(now, func(p peer.ID) bool {
			return now.Sub(w.askedAt[p]) >= askInterval && len(out[p]) < maxWanted
		})
		if ok {
			out[p] = append(out[p], d)
		}
	}
	return out
}

// next chooses whom to ask among the forwarders that are free: the one asked
// longest ago, of those not asked yet a listed one, then the earliest. So each has
// its turn, and none gets ahead of those before it by being many.
func (g *waitingGroup) next(now time.Time, free func(peer.ID) bool) (p peer.ID, ok bool) {
	var best *waitingRecord
	for i := range g.records {
		r := &g.records[i]
		if now.Sub(g.asked[r.from]) < askAgain || !free(r.from) {
			continue
		}
		if best == nil {
			best = r
			continue
		}
		order := g.asked[r.from].Compare(g.asked[best.from])
		if order < 0 || order == 0 && r.listed && !best.listed {
			best = r
		}
	}
	if best == nil {
		return "", false
	}
	return best.from, true
}

// asked notes that p is being asked.
func (w *waitingRoom) asked(p peer.ID, wanted []protocol.Digest, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.askedAt[p] = now
	for _, d := range wanted {
		if g, ok := w.groups[d]; ok {
			g.last, g.asked[p] = now, now
		}
	}
}

func (w *waitingRoom) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// Waiting counts records that wait for their signer's chain.
func (h *Host) Waiting() int { return h.waiting.len() }

// runWaiting asks forwarders for missing chains and lets records go on once
// they verify, until ctx ends.
func (h *Host) runWaiting(ctx context.Context) error {
	var asks, work errgroup.Group
	asks.SetLimit(askAtOnce)
	work.SetLimit(receivers)
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = asks.Wait()
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
		for p, wanted := range h.waiting.due(now) {
			started := asks.TryGo(func() error {
				h.askFor(ctx, p, wanted)
				return nil
			})
			if started {
				h.waiting.asked(p, wanted, now)
			}
		}
	}
}

// askFor asks p for the chains of certificates and keeps what comes.
func (h *Host) askFor(ctx context.Context, p peer.ID, wanted []protocol.Digest) {
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
