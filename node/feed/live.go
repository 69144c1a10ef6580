package feed

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// The bounds of what is kept of what was only seen as it happened. A reader that is further behind gets a gap.
const (
	maxKept = 8192
	maxAge  = 24 * time.Hour
)

// moment is a turn with its number in this run of the node, from 1 without gaps.
type moment struct {
	seq  uint64
	at   time.Time
	kind string
	turn Turn
}

// ring keeps the newest moments for all readers: it is the bounded queue of each of them.
type ring struct {
	mu    sync.Mutex // guards all below
	kept  []moment   // ascending; elements are never changed, so readers may hold on to them
	last  uint64     // number of the newest
	lost  time.Time  // when the newest that is not kept any more happened
	grown chan struct{}
}

// add numbers moments and keeps them, and lets go of what is too old or too much.
func (r *ring) add(all []moment, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range all {
		r.last++
		m.seq = r.last
		r.kept = append(r.kept, m)
	}
	over := max(0, len(r.kept)-maxKept)
	for over < len(r.kept) && now.Sub(r.kept[over].at) > maxAge {
		over++
	}
	if over > 0 {
		r.lost = r.kept[over-1].at
		r.kept = r.kept[over:]
	}
	if len(all) > 0 {
		close(r.grown)
		r.grown = make(chan struct{})
	}
}

// after gives up to limit moments behind a number, and how many in between are not kept any more.
func (r *ring) after(seq uint64, limit int) (found []moment, dropped uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seq >= r.last {
		return nil, 0
	}
	first := r.last - uint64(len(r.kept)) // the number before the oldest
	if seq < first {
		dropped, seq = first-seq, first
	}
	from := int(seq - first)
	to := min(len(r.kept), from+limit)
	return r.kept[from:to:to], dropped
}

// newest is the number of the newest moment, and what is closed when there is a newer one.
func (r *ring) newest() (uint64, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, r.grown
}

// since is the number behind which all lies that happened at a time or later. Where some of
// that is not kept any more it is 0, so that the reader learns of it.
func (r *ring) since(at time.Time) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lost.Before(at) {
		return 0
	}
	for _, m := range r.kept {
		if !m.at.Before(at) {
			return m.seq - 1
		}
	}
	return r.last
}

// watch compares a source with what it was.
type watch struct {
	kind string
	ask  func() map[string]any
	was  map[string]any
}

// look adds what is otherwise than before, by name.
func (w *watch) look(turns []moment, at time.Time) []moment {
	now := w.ask()
	names := slices.AppendSeq(slices.Collect(maps.Keys(now)), maps.Keys(w.was))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		before, after := w.was[name], now[name]
		if before != after {
			turns = append(turns, moment{at: at, kind: w.kind, turn: Turn{name, before, after}})
		}
	}
	w.was = now
	return turns
}
