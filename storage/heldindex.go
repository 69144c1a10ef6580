package storage

import (
	"strings"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// heldIndex is what memory knows of the quarantine, so that a page of it costs a page
// and budgets cost nothing. It follows from the records; only tables.change touches it.
type heldIndex struct {
	all    idSet // records held as a whole, and those with an object held alone
	orgs   map[protocol.OrgID]*cell
	ledger []hold   // of records held as a whole; 0 is nobody's
	free   []uint32 // lines of the ledger to use again
	codes  map[reason.Code]reason.Code
	// headers are the bytes of records of which only the header is kept.
	headers int64
}

// cell is one organisation's part of the quarantine.
type cell struct {
	ids   idSet
	usage Usage
}

// hold says since when a record is held as a whole, and why.
type hold struct {
	since int64 // Unix ms
	why   reason.Code
}

func newHeldIndex() heldIndex {
	return heldIndex{orgs: map[protocol.OrgID]*cell{}, ledger: make([]hold, 1), codes: map[reason.Code]reason.Code{}}
}

// open starts a line of the ledger. Codes are few: each is kept once, apart from the text
// that it was cut from.
func (h *heldIndex) open(line hold) uint32 {
	code, ok := h.codes[line.why]
	if !ok {
		code = reason.Code(strings.Clone(string(line.why)))
		h.codes[code] = code
	}
	line.why = code
	if n := len(h.free); n > 0 {
		at := h.free[n-1]
		h.free = h.free[:n-1]
		h.ledger[at] = line
		return at
	}
	h.ledger = append(h.ledger, line)
	return uint32(len(h.ledger) - 1)
}

// shut gives a line back.
func (h *heldIndex) shut(at uint32) {
	if at != 0 {
		h.ledger[at] = hold{}
		h.free = append(h.free, at)
	}
}

// move takes a record in or out, and its organisation's usage from before to after.
func (h *heldIndex) move(org protocol.OrgID, id protocol.RecordID, was, is bool, before, after Counts) {
	if was == is && before == after || !was && !is {
		return
	}
	c := h.orgs[org]
	if c == nil {
		c = &cell{}
		h.orgs[org] = c
	}
	c.usage.Records += after.HeldRecords - before.HeldRecords
	c.usage.Bytes += after.HeldBytes - before.HeldBytes
	switch {
	case is && !was:
		h.all.add(id)
		c.ids.add(id)
	case was && !is:
		h.all.remove(id)
		c.ids.remove(id)
	}
	if c.ids.empty() {
		delete(h.orgs, org)
	}
}

// of returns the ids of one organisation, or of all.
func (h *heldIndex) of(org protocol.OrgID) *idSet {
	if org == (protocol.OrgID{}) {
		return &h.all
	}
	if c := h.orgs[org]; c != nil {
		return &c.ids
	}
	return &idSet{}
}

// whole reports whether the record is held as a whole.
func (r *record) whole() bool { return r.hold != 0 }

// inQuarantine reports whether anything of a record is held.
func (r *record) inQuarantine() bool { return r.live && (r.whole() || r.held > 0) }

// counts says what a record adds to the totals.
func (r *record) counts() Counts {
	switch {
	case !r.live || r.space == spaceRejected:
		return Counts{}
	case r.whole():
		return Counts{Held: int(r.held), HeldRecords: 1, HeldBytes: int64(r.raw)}
	}
	return Counts{Records: 1, Objects: int(r.objects), Held: int(r.held)}
}

// headerBytes is what a record takes of which only the header is kept, else 0.
func (r *record) headerBytes() int64 {
	if !r.live || r.space != spaceRejected {
		return 0
	}
	return int64(r.raw)
}

// change is the one way to change a record that is in the tables: totals and
// quarantine follow.
func (t *tables) change(ord uint32, f func(r *record)) {
	r := &t.records[ord]
	before, was, headers := r.counts(), r.inQuarantine(), r.headerBytes()
	f(r)
	t.held.headers += r.headerBytes() - headers
	after, is := r.counts(), r.inQuarantine()
	t.counts = t.counts.plus(after).minus(before)
	t.held.move(t.logs[r.log].Org, r.id, was, is, before, after)
}

// hold puts an accepted record under hold where it is.
func (t *tables) hold(ord uint32, line hold) {
	t.change(ord, func(r *record) {
		r.hold = t.held.open(line)
		r.held, r.objects = r.held+r.objects, 0
	})
}

// heldCounts is what an accepted record would count under hold.
func (r *record) heldCounts() Counts {
	return Counts{Held: int(r.held) + int(r.objects), HeldRecords: 1, HeldBytes: int64(r.raw)}
}

// fateOf is the fate of a record under hold.
func (t *tables) fateOf(r *record) fate {
	line := t.held.ledger[r.hold]
	return fate{state: Held, why: line.why, since: time.UnixMilli(line.since).UTC()}
}

// Usage is what an organisation, or all together, occupies of the quarantine.
type Usage struct {
	// Records counts records held as a whole, Bytes their bytes as sent.
	Records int
	Bytes   int64
}

// Held says what an organisation occupies of the quarantine by records held as a whole;
// HeldTotal what all do together. Memory only.
func (s *Store) Held(org protocol.OrgID) Usage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.tables.held.orgs[org]; c != nil {
		return c.usage
	}
	return Usage{}
}

// KindUsage says what the records of a kind other than objects occupy that are stored and not held, by organisation. Memory only; it
// looks at each of them.
func (s *Store) KindUsage(kind protocol.Kind) map[protocol.OrgID]Usage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := map[protocol.OrgID]Usage{}
	for _, d := range s.tables.kinds[kind] {
		r := &s.tables.records[d.ord]
		if r.counts().Records == 0 {
			continue
		}
		org := s.tables.logs[r.log].Org
		u := out[org]
		out[org] = Usage{u.Records + 1, u.Bytes + int64(r.raw)}
	}
	return out
}

// HeldTotal is Held for all organisations together.
func (s *Store) HeldTotal() Usage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Usage{s.tables.counts.HeldRecords, s.tables.counts.HeldBytes}
}
