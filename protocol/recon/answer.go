package recon

import (
	"fmt"

	"tocsin/protocol/reason"
)

// A range with fewer than listBelow items is sent as the list of its ids, a larger one as fingerprints of that
// many buckets. The numbers are the reference's: so are the messages, byte for byte.
const (
	buckets   = 16
	listBelow = 2 * buckets
)

// minFrame is the smallest frame limit, reserve what of it is kept for the end of a message.
const (
	minFrame = 4096
	reserve  = 200
)

// What a message may cost where there is a frame limit: maxSteps walks down the tree, or more in proportion where the limit
// is above catch-up's 64 KiB, and maxWalk own items that an initiator goes through. Honest messages stay
// below; this is half of the 10 ms of SYN-28.
const (
	maxSteps  = 1 << 13
	stepBytes = 8
	maxWalk   = 1 << 15
)

func checkLimit(frameLimit int) error {
	// SYN-26: what is smaller gets nowhere.
	if frameLimit != 0 && frameLimit < minFrame {
		return reason.New(reason.SyncMessage, fmt.Sprintf("reconcile in frames of %d bytes: the least is %d", frameLimit, minFrame))
	}
	return nil
}

// answer is one message while it is answered.
type answer struct {
	set   Set
	limit int // 0 is none
	out   *writer
	// found takes what an initiator learns; nil at a responder.
	found *findings

	// Ranges below bound prev, which is position lower, are dealt with. Those that need no more are
	// only written when one follows that does: skip says that a Skip up to prev is due.
	prev  Bound
	lower int
	skip  bool
	// written is the position that the last range written ends at.
	written int
	// steps counts walks down the tree, walked own items gone through.
	steps, walked int
}

// reconcile says to each range of a message what is to be said.
func (a *answer) reconcile(r *reader) error {
	for !r.done() {
		// SYN-28: where the work is done, the rest is left for the next message.
		if a.limit > 0 && a.steps > max(maxSteps, a.limit/stepBytes) {
			a.pause()
			return nil
		}
		s, err := r.next()
		if err != nil {
			return err
		}
		upper := a.set.Search(s.upper)
		a.steps++
		var more bool
		switch {
		case s.mode == modeSkip:
			a.skip, more = true, true
		case s.mode == modeFingerprint:
			more = a.match(upper, &s)
		case a.found == nil:
			upper, more = a.list(upper, &s.upper)
		default:
			more = a.compare(upper, &s)
		}
		if !more {
			return nil
		}
		a.prev, a.lower = s.upper, upper
	}
	return nil
}

// match answers a fingerprint. It returns false when the message is full.
func (a *answer) match(upper int, s *span) (more bool) {
	a.steps++
	if s.fingerprint == a.set.Fingerprint(a.lower, upper) {
		a.skip = true
		return true
	}
	mark, written := len(a.out.buf), a.written
	a.split(upper, &s.upper)
	if !a.full(len(a.out.buf)) {
		return true
	}
	a.out.buf = a.out.buf[:mark]
	from := upper
	// SYN-27: the reference leaves this range out of the fingerprint, so that it differs from the other's, who
	// has something here. When the other has nothing here it could be the same, and what we have would be missed.
	if s.fingerprint == a.set.Fingerprint(0, 0) {
		from = written
	}
	a.remainder(from)
	return false
}

// split writes the range up to a bound: its ids when they are few, else fingerprints of its parts.
func (a *answer) split(upper int, bound *Bound) {
	a.due()
	n := upper - a.lower
	if n < listBelow {
		a.ids(a.lower, upper, bound)
		return
	}
	a.steps += 2 * buckets
	from := a.lower
	for i := range buckets {
		to := from + n/buckets
		if i < n%buckets {
			to++
		}
		end := *bound
		if to < upper {
			end = between(a.set.At(to-1), a.set.At(to))
		}
		a.out.fingerprint(&end, a.set.Fingerprint(from, to))
		from = to
	}
	a.written = upper
}

// ids writes a range as the list of its ids.
func (a *answer) ids(from, to int, bound *Bound) {
	a.steps++
	a.out.bound(bound, modeIDs)
	a.out.varint(uint64(to - from))
	walk(a.set, from, to, func(item *Item) bool {
		a.out.buf = append(a.out.buf, item.ID[:]...)
		return true
	})
	a.written = to
}

// list answers a list with ours, at a responder. When it does not fit it ends where the message is full, and so does the
// range; reached is its end.
func (a *answer) list(upper int, bound *Bound) (reached int, more bool) {
	if a.limit > 0 {
		if fit := (a.limit-reserve-len(a.out.buf))/32 + 1; fit < upper-a.lower {
			upper = a.lower + fit
			bound = &Bound{Item: a.set.At(upper), Len: 32}
		}
	}
	a.due()
	a.ids(a.lower, upper, bound)
	if a.full(len(a.out.buf)) {
		a.remainder(upper)
		return upper, false
	}
	return upper, true
}

// compare learns from a list, at an initiator. It returns false when there is too much of ours to go through.
func (a *answer) compare(upper int, s *span) (more bool) {
	n := upper - a.lower
	switch {
	case a.limit == 0 || a.walked+n <= maxWalk:
		a.walked += n
		a.found.compare(a.set, a.lower, upper, s)
		a.skip = true
	case n > maxWalk:
		// Even alone it is too large: ask for its parts.
		a.split(upper, &s.upper)
	default:
		a.pause()
		return false
	}
	return true
}

// due writes the Skip that is due.
func (a *answer) due() {
	if a.skip {
		a.skip = false
		a.out.bound(&a.prev, modeSkip)
	}
}

// full says whether n bytes leave too little room for more.
func (a *answer) full(n int) bool { return a.limit > 0 && n > a.limit-reserve }

// pause ends the message where we are.
func (a *answer) pause() {
	a.due()
	a.remainder(a.lower)
}

// remainder ends the message with the fingerprint of all from a position on: the other side goes on from there.
func (a *answer) remainder(from int) {
	a.out.fingerprint(&Bound{Item: Item{Timestamp: Infinity}}, a.set.Fingerprint(from, a.set.Len()))
}
