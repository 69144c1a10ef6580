package storage

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// HeldObject is one line of the quarantine.
type HeldObject struct {
	Hit
	// Since is when it was held, From who sent it.
	Since time.Time
	From  string
}

// HeldFilter selects from the quarantine; zero fields select all.
type HeldFilter struct {
	Org    protocol.OrgID
	Record protocol.RecordID
	// Reason is why the record is held, or for an object held alone why that is.
	Reason reason.Code
	// Text is part of a STIX id, type or value, in either case.
	Text string
}

// Quarantine lists held objects in order of Ref after a cursor, up to limit: those
// of records held as a whole and those held alone. The zero cursor is the start; next is
// the cursor to go on with, zero at the end.
func (s *Store) Quarantine(after Ref, limit int) (items []HeldObject, next Ref, err error) {
	return s.QuarantineWhere(HeldFilter{}, after, limit)
}

// QuarantineWhere is Quarantine for what a filter selects. A page costs what it shows, also of one
// organisation or one record; for a text, and for the reasons of objects held alone, it reads
// the quarantine until the page is full or enough was read: a page may be short, and next says whether it is the last.
func (s *Store) QuarantineWhere(f HeldFilter, after Ref, limit int) (items []HeldObject, next Ref, err error) {
	if limit <= 0 {
		return nil, Ref{}, nil
	}
	f.Text = strings.ToLower(f.Text)
	from, work := after.Record, 0
	for more := true; more; {
		var spots []spot
		var looked int
		spots, looked, from, more = s.heldPage(f, from)
		work += looked / looksPerWork
		for _, at := range spots {
			if work += workOfRecord; work > maxHeldWork {
				return items, Ref{at.id, beforeAll}, nil
			}
			ix, err := s.load(&at)
			if reason.Of(err) == reason.NotFound {
				continue // expired just now
			}
			if err == nil {
				work += ix.leaves() * f.workOfObject()
				items, next, err = ix.heldOf(at, f, after, limit, items)
			}
			if err != nil {
				return items, Ref{}, fmt.Errorf("list the quarantine: %w", err)
			}
			if next != (Ref{}) {
				return items, next, nil
			}
		}
		if more && work > maxHeldWork {
			return items, Ref{from, beforeAll}, nil
		}
	}
	return items, Ref{}, nil
}

// heldOf adds what a filter selects of one record; next is set when the page was full before.
func (ix indexed) heldOf(at spot, f HeldFilter, after Ref, limit int, items []HeldObject) ([]HeldObject, Ref, error) {
	for i := range ix.leaves() {
		at.index = i
		if at.id == after.Record && after != (Ref{}) && i <= after.Index {
			continue
		}
		h, err := ix.hit(at)
		if err != nil {
			return items, Ref{}, err
		}
		if h.class() != Held || !f.selects(&h) {
			continue
		}
		if len(items) == limit {
			return items, items[limit-1].Ref, nil
		}
		items = append(items, HeldObject{h, ix.info.since(), ix.info.source.from})
	}
	return items, Ref{}, nil
}

// since is when a held record or object came into quarantine.
func (info *recordInfo) since() time.Time {
	if !info.fate.since.IsZero() {
		return info.fate.since
	}
	return info.source.received
}

// selects holds a held object against what heldSpots does not look at.
func (f HeldFilter) selects(h *Hit) bool {
	if f.Reason != "" && f.Reason != h.RecordReason && h.RecordHeld || f.Reason != "" && f.Reason != h.Reason && !h.RecordHeld {
		return false
	}
	if f.Text == "" {
		return true
	}
	within := func(s string) bool { return strings.Contains(strings.ToLower(s), f.Text) }
	if within(h.Object) || within(h.Type) {
		return true
	}
	for _, v := range h.Values {
		if within(v.Observable.Value) {
			return true
		}
	}
	return false
}

// What heldPage copies out of the tables, and what it looks at, before it lets
// the writer have them.
const (
	heldPage = 64
	heldLook = 1 << 14
)

// What one page of the quarantine costs at most, in objects looked at: to load a record costs as much as some dozens of them,
// to pass one over in the tables a small part of one. The page goes on from there, so that a filter that selects nothing keeps nobody waiting.
const (
	maxHeldWork  = 1 << 15
	workOfRecord = 24
	looksPerWork = 8
)

// workOfObject is what one object costs: to look for a text in it takes longer than to show it.
func (f HeldFilter) workOfObject() int {
	if f.Text != "" {
		return 4
	}
	return 1
}

// beforeAll is the index of a cursor that stands before the first object of a record.
const beforeAll = -1

// heldPage is one look at the tables: some of the records with held objects that a filter may select, in order from one id on, how
// many it looked at, and where to go on if there is more.
func (s *Store) heldPage(f HeldFilter, from protocol.RecordID) (page []spot, looked int, next protocol.RecordID, more bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables
	for id := range t.held.within(f, from) {
		if looked++; looked > heldLook || len(page) == heldPage {
			return page, looked, id, true
		}
		ord, ok := t.find(id)
		if !ok {
			continue
		}
		r := &t.records[ord]
		if r.held == 0 || f.Org != (protocol.OrgID{}) && t.logs[r.log].Org != f.Org {
			continue
		}
		if f.Reason != "" && r.whole() && t.held.ledger[r.hold].why != f.Reason {
			continue
		}
		page = append(page, r.spot(0))
	}
	return page, looked, next, false
}

// within walks the ids that a filter leaves over, from one on.
func (h *heldIndex) within(f HeldFilter, from protocol.RecordID) iter.Seq[protocol.RecordID] {
	if f.Record == (protocol.RecordID{}) {
		return h.of(f.Org).from(from)
	}
	return func(yield func(protocol.RecordID) bool) {
		if slices.Compare(f.Record[:], from[:]) >= 0 {
			yield(f.Record)
		}
	}
}

// HeldRecords lists records held as a whole with one reason ("" for any), in order of
// id. Memory only; it does not fail.
func (s *Store) HeldRecords(why reason.Code) ([]protocol.RecordID, error) {
	return s.heldWhole(func(line hold) bool { return why == "" || line.why == why }), nil
}

// HeldOf says of which organisation and topic a record is that is held as a whole; ok is false
// when it is not. Memory only.
func (s *Store) HeldOf(id protocol.RecordID) (org protocol.OrgID, topic protocol.Topic, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ord, ok := s.tables.find(id)
	if !ok || !s.tables.records[ord].whole() {
		return org, topic, false
	}
	l := &s.tables.logs[s.tables.records[ord].log]
	return l.Org, l.Topic, true
}

// heldWhole lists records held as a whole, in order of id.
func (s *Store) heldWhole(want func(hold) bool) []protocol.RecordID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []protocol.RecordID
	for id := range s.tables.held.all.from(protocol.RecordID{}) {
		ord, ok := s.tables.find(id)
		if !ok {
			continue
		}
		if r := &s.tables.records[ord]; r.whole() && want(s.tables.held.ledger[r.hold]) {
			out = append(out, id)
		}
	}
	return out
}
