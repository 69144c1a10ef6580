package catchup

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/recon"
)

// maxPartners bounds what is remembered of peers; the one visited longest ago goes first.
const maxPartners = 1024

// maxSources is how many peers a gap names.
const maxSources = 16

// books is what the keeper knows of its peers and of how far it is. Methods may be called concurrently.
type books struct {
	mu       sync.Mutex // guards all below
	partners map[string]*partner

	caughtUp time.Time
	// equal of asked peers were equal in the last round.
	equal, asked int
	repaired     uint64
	gap          *Gap // the one under way or the last; one of its records came at least
	// open says that something is being fetched, began since when, ended when the gap was filled.
	open         bool
	began, ended time.Time
	// records and objects are what came since then.
	records, objects int
}

// partner is one peer.
type partner struct {
	history
	status PeerStatus
	next   time.Time // not before; zero: any time
	seen   time.Time
	busy   bool
	hint   time.Time // the last that was heard
	// reached is where the next comparison of a topic begins, which was cut (SYN-14).
	reached map[protocol.Topic]recon.Bound
}

func newBooks() *books { return &books{partners: make(map[string]*partner)} }

// of returns a peer's page, made when there is none. The caller holds mu.
func (b *books) of(id string, now time.Time) *partner {
	p, ok := b.partners[id]
	if !ok {
		p = &partner{status: PeerStatus{ID: id}}
		b.partners[id] = p
		b.shrink(id)
	}
	p.seen = now
	return p
}

func (b *books) shrink(but string) {
	if len(b.partners) <= maxPartners {
		return
	}
	var oldest string
	for id, p := range b.partners {
		if id != but && !p.busy && (oldest == "" || p.seen.Before(b.partners[oldest].seen)) {
			oldest = id
		}
	}
	delete(b.partners, oldest)
}

// arrived forgets what a new connection may cure: faults, and that it did not speak the protocol. What
// it has was refused all the same.
func (b *books) arrived(id string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.of(id, now)
	if p.refusals == 0 {
		p.next, p.failures = time.Time{}, 0
	}
	p.status.Unsupported = false
}

// due reports whether a peer may be visited when it is asked for out of turn.
func (b *books) due(id string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.of(id, now)
	return !p.busy && !now.Before(p.next) && (p.status.Last.IsZero() || p.failures > 0 || now.Sub(p.status.Last) >= visitRest)
}

// candidate is a peer as the schedule sees it.
func (b *books) candidate(id string, now time.Time) candidate {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.of(id, now)
	return candidate{id: id, next: p.next, busy: p.busy}
}

// begin marks a visit; false when one is under way.
func (b *books) begin(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.of(id, time.Now())
	if p.busy {
		return false
	}
	p.busy = true
	return true
}

// eager reports whether a peer's set is full of what we refuse, so that gaps are asked for first.
func (b *books) eager(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.partners[id]
	return ok && p.refusals > 0
}

// end notes what a visit came to.
func (b *books) end(id string, o outcome, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.of(id, now)
	p.busy = false
	p.next = time.Time{}
	if rest := p.after(o); rest > 0 {
		p.next = now.Add(rest)
	}
	st := &p.status
	st.Last, st.Equal, st.Unsupported, st.Error = now, o.equal(), o.unsupported, ""
	st.Next = now.Add(roundEvery)
	if p.next.After(st.Next) {
		st.Next = p.next
	}
	if o.err != nil {
		st.Error = o.err.Error()
	}
}

// reached is where the next comparison of a topic with a peer begins.
func (b *books) reached(id string, topic protocol.Topic) recon.Bound {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of(id, time.Now()).reached[topic]
}

// reach notes where it does; the zero bound is the beginning.
func (b *books) reach(id string, topic protocol.Topic, at recon.Bound) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.of(id, time.Now())
	if at == (recon.Bound{}) {
		delete(p.reached, topic)
		return
	}
	if p.reached == nil {
		p.reached = make(map[protocol.Topic]recon.Bound)
	}
	p.reached[topic] = at
}

// hinted notes a hint of a peer; false when the last is not that long ago.
func (b *books) hinted(id string, rest time.Duration, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.of(id, now)
	if now.Sub(p.hint) < rest {
		return false
	}
	p.hint = now
	return true
}

// sent counts a record that a peer was given.
func (b *books) sent(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(id, time.Now()).status.Sent++
}

// behind notes that something is missing, and from when on it is being fetched.
func (b *books) behind(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		b.open, b.began, b.records, b.objects = true, now, 0, 0
	}
}

// got counts a record that came; the first begins a gap.
func (b *books) got(id string, r *protocol.Record, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.of(id, now)
	p.status.Received++
	p.status.ReceivedBytes += int64(len(r.Raw()))
	b.repaired++
	if !b.open {
		return // more of what was here in part
	}
	b.extend()
	b.records++
	b.objects += objectsIn(r)
	g, at := b.gap, r.Header().Created
	g.Records, g.Objects = b.records, b.objects
	if g.From.IsZero() || at.Before(g.From) {
		g.From = at
	}
	if at.After(g.Until) {
		g.Until = at
	}
	if len(g.Sources) < maxSources && !slices.Contains(g.Sources, id) {
		g.Sources = append(g.Sources, id)
	}
}

// extend begins a gap, or goes on with the last: what was made just before a peer came is compared some seconds after the
// rest, and is of the same gap. The caller holds mu.
func (b *books) extend() {
	switch {
	case b.gap == nil || b.gap.Done && b.began.Sub(b.ended) > 2*gapWait:
		b.gap = &Gap{}
	case b.gap.Done:
		b.gap.Done, b.began = false, b.began.Add(-b.gap.Took)
		b.records, b.objects = b.records+b.gap.Records, b.objects+b.gap.Objects
	}
}

// objectsIn counts the objects that came with a record.
func objectsIn(r *protocol.Record) int {
	if h := r.Header(); h.Kind == protocol.KindObjects && !r.HeaderOnly() {
		return h.Count - len(r.Missing())
	}
	return 0
}

// round notes the end of one: left records are still to be fetched.
func (b *books) round(o outcome, left int, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o.asked == 0 {
		return
	}
	b.equal, b.asked = o.equals, o.asked
	if left > 0 || o.equals == 0 {
		return
	}
	if o.upTo.After(b.caughtUp) {
		b.caughtUp = o.upTo
	}
	if b.open && b.gap != nil && !b.gap.Done {
		b.gap.Done, b.gap.Took, b.ended = true, now.Sub(b.began), now
	}
	b.open = false
}

// status fills in all but what the keeper's other parts know.
func (b *books) status(left int, now time.Time) Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := Status{CaughtUp: b.caughtUp, Behind: left, Equal: b.equal, Asked: b.asked, Repaired: b.repaired}
	if b.open {
		st.Fetched, st.FetchedObjects = b.records, b.objects
		if d := now.Sub(b.began).Seconds(); d > 0 {
			st.Rate = float64(b.records) / d
		}
	}
	if b.gap != nil {
		g := *b.gap
		g.Sources = slices.Clone(g.Sources)
		if !g.Done {
			g.Took = now.Sub(b.began)
		}
		st.Last = &g
	}
	if st.Rate > 0 {
		st.Remaining = time.Duration(float64(left) / st.Rate * float64(time.Second))
	}
	for _, id := range slices.Sorted(maps.Keys(b.partners)) {
		st.Peers = append(st.Peers, b.partners[id].status)
	}
	slices.SortStableFunc(st.Peers, func(x, y PeerStatus) int { return cmp.Compare(y.Last.UnixNano(), x.Last.UnixNano()) })
	return st
}

// Status says how far we are.
func (k *Keeper) Status() Status {
	now := time.Now()
	st := k.books.status(k.inflight.count(), now)
	st.Refused = k.refused.count(now)
	// How many objects a record has is known of those that came, else of those that are here.
	records, objects := st.Fetched, st.FetchedObjects
	if records == 0 {
		c := k.d.Store.Counts()
		records, objects = c.Records, c.Objects
	}
	st.Objects = st.Behind
	if records > 0 {
		st.Objects = int(float64(st.Behind) * float64(objects) / float64(records))
	}
	return st
}
