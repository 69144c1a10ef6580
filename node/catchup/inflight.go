package catchup

import (
	"sync"
	"sync/atomic"
	"time"

	"tocsin/protocol"
)

// stealAfter is how long a session may wait for its peer before others ask theirs for the same (SYN-16).
const stealAfter = 10 * time.Second

// want is a record that peers showed and we lack.
type want struct {
	// owner is the session that asks for it now, nil when none does; since is how long it had waited in all by then.
	owner *session
	since time.Duration
	// holders counts the sessions whose peers have it.
	holders int
}

// inflight is what is still to be fetched, shared by all sessions, so that nothing is fetched twice.
// Methods may be called concurrently.
type inflight struct {
	mu    sync.Mutex // guards wants
	wants map[protocol.RecordID]*want
}

func newInflight() *inflight { return &inflight{wants: make(map[protocol.RecordID]*want)} }

// share is what one session found missing in one topic; it belongs to that session's goroutine, but given.
type share struct {
	ids  []protocol.RecordID
	next int
	// later are ids that another session had when we came by.
	later []protocol.RecordID
	// given are those that our peer turned out not to give; inflight's lock guards it.
	given map[protocol.RecordID]bool
}

// add notes that a session's peer holds ids.
func (f *inflight) add(ids []protocol.RecordID) *share {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		w, ok := f.wants[id]
		if !ok {
			w = &want{}
			f.wants[id] = w
		}
		w.holders++
	}
	return &share{ids: ids, given: make(map[protocol.RecordID]bool)}
}

// take gives a session up to n ids to ask its peer for. left is true when there is more, but
// others are asking for it.
func (f *inflight) take(s *session, l *share, n int) (ids []protocol.RecordID, left bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ; l.next < len(l.ids) && len(ids) < n; l.next++ {
		id := l.ids[l.next]
		if w, ok := f.wants[id]; ok && !l.given[id] && !w.claim(s) {
			l.later = append(l.later, id)
		} else if ok && !l.given[id] {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		return ids, true
	}
	kept := l.later[:0]
	for _, id := range l.later {
		w, ok := f.wants[id]
		switch {
		case !ok || l.given[id] || w.owner == s: // done, or ours already
		case len(ids) < n && w.claim(s):
			ids = append(ids, id)
		default:
			kept = append(kept, id)
		}
	}
	l.later = kept
	return ids, len(kept) > 0
}

// claim makes s the one that asks, unless another does and has not waited too long.
func (w *want) claim(s *session) bool {
	if w.owner != nil && w.owner.clock.waited()-w.since < stealAfter {
		return false
	}
	w.owner, w.since = s, s.clock.waited()
	return true
}

// open reports whether a record is still to be fetched.
func (f *inflight) open(id protocol.RecordID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.wants[id]
	return ok
}

// done says that a record need not be fetched any more: it is here, or refused.
func (f *inflight) done(id protocol.RecordID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.wants, id)
}

// giveUp says that a session's peer does not give a record.
func (f *inflight) giveUp(s *session, l *share, id protocol.RecordID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(s, l, id)
}

func (f *inflight) drop(s *session, l *share, id protocol.RecordID) {
	w, ok := f.wants[id]
	if !ok || l.given[id] {
		return
	}
	l.given[id] = true
	if w.owner == s {
		w.owner = nil
	}
	if w.holders--; w.holders <= 0 {
		delete(f.wants, id)
	}
}

// leave ends a session's part in a topic.
func (f *inflight) leave(s *session, l *share) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range l.ids {
		f.drop(s, l, id)
	}
}

// count is how many records are still to be fetched.
func (f *inflight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.wants)
}

// clock measures how long a session waited for its peer in all: while our own store is slow it stands
// still, and a peer that drips gains nothing. One goroutine starts and stops it; any may read it.
type clock struct {
	total   atomic.Int64 // nanoseconds
	started atomic.Int64 // Unix nanoseconds, 0 while it stands
}

func (c *clock) start() { c.started.Store(time.Now().UnixNano()) }

func (c *clock) stop() {
	if at := c.started.Swap(0); at != 0 {
		c.total.Add(time.Now().UnixNano() - at)
	}
}

func (c *clock) waited() time.Duration {
	d := c.total.Load()
	if at := c.started.Load(); at != 0 {
		d += time.Now().UnixNano() - at
	}
	return time.Duration(d)
}
