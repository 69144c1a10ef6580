package feed

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"tocsin/protocol/reason"
)

// Reader follows the hub for one client. It belongs to one goroutine and keeps nothing but its place.
type Reader struct {
	hub   *Hub
	kinds map[string]bool
	// live is set where any kind is not durable.
	live bool
	at   cursor
	// other are the durable kinds whose sequence is another one than the cursor came from; told once.
	other map[string]bool
}

// Follow begins behind cursor ("" for now; a plain number means behind that change of the change sequence) with the given kinds (none
// means KindObject). usage.invalid for a cursor or kind that is none.
func (h *Hub) Follow(cursor string, kinds ...string) (*Reader, error) {
	at, other, err := h.begin(cursor)
	if err != nil {
		return nil, err
	}
	r := &Reader{hub: h, kinds: map[string]bool{}, at: at, other: other}
	if len(kinds) == 0 {
		kinds = []string{KindObject}
	}
	for _, kind := range kinds {
		if !slices.Contains(Kinds(), kind) {
			return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("events of kind %.40q: there are %q", kind, Kinds()))
		}
		r.kinds[kind] = true
		r.live = r.live || !durable(kind)
	}
	return r, nil
}

// Cursor is where the reader stands: behind what Next gave last, and all before it that is not of its kinds.
func (r *Reader) Cursor() string { return r.name(r.at) }

// name is a place as this reader's ids show it.
func (r *Reader) name(at cursor) string {
	if len(r.kinds) == 1 && r.kinds[KindObject] {
		return at.short()
	}
	return at.text()
}

// Next gives at least one event, or none when ctx ends (its error) or wait has passed (no error: time for a heartbeat).
func (r *Reader) Next(ctx context.Context, wait time.Duration) ([]Event, error) {
	patience := time.NewTimer(wait)
	defer patience.Stop()
	for {
		events, err := r.gather()
		if err != nil || len(events) > 0 {
			return events, err
		}
		if over, err := r.sleep(ctx, patience.C); over || err != nil {
			return nil, err
		}
	}
}

// sleep returns when a source that is followed has something new, or with true when patience is over. There may be many
// readers of many events, so that nothing is started to wait.
func (r *Reader) sleep(ctx context.Context, patience <-chan time.Time) (over bool, err error) {
	var changes, entries, moments <-chan struct{}
	var change, entry, moment uint64
	if r.kinds[KindObject] {
		if change, changes, err = r.hub.sources.Store.Newest(); err != nil {
			return false, err
		}
	}
	if r.kinds[KindAudit] {
		if entry, entries, err = r.hub.sources.Audit.Newest(); err != nil {
			return false, err
		}
	}
	if r.live {
		moment, moments = r.hub.live.newest()
	}
	if change > r.at.change.seq || entry > r.at.audit.seq || moment > r.at.live {
		return false, nil
	}
	select {
	case <-changes:
	case <-entries:
	case <-moments:
	case <-patience:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return false, nil
}

// pending is an event and what it moves the cursor to; 0 leaves a part as it is.
type pending struct {
	Event
	change, audit place
	live          uint64
	// back is set for a gap whose end may be before its beginning: the source is another one now.
	back bool
}

// stretch is what one source has for the reader, in its order.
type stretch struct {
	events []pending
	// more tells that it was cut short.
	more bool
}

// gather reads all sources that are followed and puts what they have in the order of time.
func (r *Reader) gather() ([]Event, error) {
	var all []*stretch
	for _, source := range []struct {
		wanted bool
		read   func() (*stretch, error)
	}{{r.kinds[KindObject], r.readChanges}, {r.kinds[KindAudit], r.readEntries}, {r.live, r.readLive}} {
		if !source.wanted {
			continue
		}
		s, err := source.read()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	var out []Event
	for {
		s := earliest(all)
		if s == nil {
			return out, nil
		}
		p := s.events[0]
		s.events = s.events[1:]
		if e, wanted := r.take(p); wanted {
			out = append(out, e)
		}
	}
}

// earliest is the stretch whose next event happened first, to the millisecond, which is how the audit log counts; nil when all are used up, or one that goes on is.
func earliest(all []*stretch) *stretch {
	var first *stretch
	for _, s := range all {
		switch {
		case len(s.events) == 0 && s.more:
			return nil
		case len(s.events) == 0:
		case first == nil || s.events[0].At.UnixMilli() < first.events[0].At.UnixMilli():
			first = s
		}
	}
	return first
}

// take moves the cursor behind an event and names it; false for a kind that is not followed.
func (r *Reader) take(p pending) (Event, bool) {
	from := r.at
	switch {
	case p.change.seq > 0 || p.back && p.Kind == KindObject:
		r.at.change = p.change
	case p.audit.seq > 0 || p.back && p.Kind == KindAudit:
		r.at.audit = p.audit
	default:
		r.at.live, r.at.boot = p.live, r.hub.boot
	}
	e := p.Event
	e.ID = r.name(r.at)
	if g, ok := e.Data.(Gap); ok {
		g.From, g.To = r.name(from), e.ID
		e.Kind, e.Data = KindGap, g
		log.Infow("a reader of events missed some", "from", g.From, "to", g.To, "dropped", g.Dropped)
		return e, true
	}
	return e, r.kinds[e.Kind]
}

// gap is what is missing of a source.
func gap(kind string, dropped int64, p pending) pending {
	p.Event = Event{At: time.Now(), Kind: kind, Data: Gap{Dropped: dropped}}
	return p
}

// readChanges reads the change sequence. A cursor from beyond its end, or behind another change, comes from another store: a
// backup was restored.
func (r *Reader) readChanges() (*stretch, error) {
	last := r.hub.sources.Store.Sequence()
	if r.at.change.seq > last || r.other[KindObject] {
		delete(r.other, KindObject)
		return &stretch{events: []pending{gap(KindObject, Unknown, pending{change: r.hub.changeAt(min(last, r.at.change.seq)), back: true})}}, nil
	}
	found, err := r.hub.changes.after(r.at.change.seq)
	if len(found) == 0 && reason.Of(err) == reason.StoreDamaged {
		return r.skipDamaged(last), nil
	}
	if len(found) == 0 && err != nil {
		return nil, err
	}
	s := &stretch{more: err != nil || len(found) == batch}
	for i := range found {
		c := &found[i]
		s.events = append(s.events, pending{Event: Event{At: c.At, Kind: KindObject, Change: c}, change: placeOfChange(c)})
	}
	return s, nil
}

// skipDamaged passes over changes that cannot be read, so many at a time.
func (r *Reader) skipDamaged(last uint64) *stretch {
	to := r.at.change.seq + 1
	for to < last && to < r.at.change.seq+batch {
		if found, _ := r.hub.sources.Store.Changes(to, 1); len(found) > 0 {
			break
		}
		to++
	}
	return &stretch{events: []pending{gap(KindObject, count(to-r.at.change.seq), pending{change: place{seq: to}})}, more: true}
}

// readEntries reads the audit log. One that ends before the cursor, or has another entry there, is another one; what
// cannot be read of it is passed over by it.
func (r *Reader) readEntries() (*stretch, error) {
	head, _ := r.hub.sources.Audit.Head()
	if r.at.audit.seq > head || r.other[KindAudit] {
		delete(r.other, KindAudit)
		return &stretch{events: []pending{gap(KindAudit, Unknown, pending{audit: r.hub.entryAt(min(head, r.at.audit.seq)), back: true})}}, nil
	}
	if r.at.audit.seq == head {
		return new(stretch), nil
	}
	found, err := r.hub.entries.after(r.at.audit.seq)
	if err != nil {
		return nil, err
	}
	s := &stretch{more: len(found) == batch}
	at := r.at.audit.seq
	for i := range found {
		e := &found[i]
		if e.Seq > at+1 {
			s.events = append(s.events, gap(KindAudit, count(e.Seq-at-1), pending{audit: place{seq: e.Seq - 1}}))
			s.events[len(s.events)-1].At = e.At
		}
		at = e.Seq
		s.events = append(s.events, pending{Event: Event{At: e.At, Kind: KindAudit, Audit: e}, audit: placeOfEntry(e)})
	}
	if len(found) == 0 {
		s.events = []pending{gap(KindAudit, count(head-at), pending{audit: place{seq: head}})}
	}
	return s, nil
}

// readLive reads what was seen as it happened. A cursor of another run of the node knows nothing of this one.
func (r *Reader) readLive() (*stretch, error) {
	s, after := new(stretch), r.at.live
	newest, _ := r.hub.live.newest()
	if r.at.boot != r.hub.boot || after > newest {
		after = 0
		s.events = append(s.events, gap(KindPeer, Unknown, pending{}))
		s.events[0].At = r.hub.started
	}
	found, dropped := r.hub.live.after(after, batch)
	s.more = len(found) == batch
	if len(s.events) > 0 && dropped > 0 {
		s.events[0].live = after + dropped
	} else if dropped > 0 {
		s.events = append(s.events, gap(KindPeer, count(dropped), pending{live: after + dropped}))
		if len(found) > 0 {
			s.events[0].At = found[0].at
		}
	}
	for i := range found {
		m := &found[i]
		s.events = append(s.events, pending{Event: Event{At: m.at, Kind: m.kind, Data: m.turn}, live: m.seq})
	}
	return s, nil
}

// count is a number of events in a gap.
func count(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
