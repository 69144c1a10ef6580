package storage

import (
	"bytes"
	"cmp"
	"slices"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

func (l *Log) logKey() logKey { return logKey{l.Org, l.Key, l.Topic} }

// lapse counts a place whose record expires.
func (l *keyLog) lapse(seq uint64) { l.expired, l.top = l.expired+1, max(l.top, seq) }

// At returns the record at a place of a key log (REC-09). Memory only.
func (s *Store) At(org protocol.OrgID, key protocol.KeyID, topic protocol.Topic, seq uint64) (protocol.RecordID, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ord, ok := s.tables.at(logKey{org, key, topic}, seq)
	if !ok {
		return protocol.RecordID{}, false
	}
	return s.tables.records[ord].id, true
}

// Head returns the state of one key log; ok is false when nothing was ever held.
func (s *Store) Head(org protocol.OrgID, key protocol.KeyID, topic protocol.Topic) (l Log, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, ok := s.tables.logOf[logKey{org, key, topic}]
	if !ok {
		return Log{}, false
	}
	return s.tables.logs[i].Log, true
}

// Logs returns all key logs, by organisation, key and topic. The caller owns the slice.
func (s *Store) Logs() []Log {
	s.mu.RLock()
	out := make([]Log, len(s.tables.logs))
	for i, l := range s.tables.logs {
		out[i] = l.Log
	}
	s.mu.RUnlock()
	slices.SortFunc(out, func(a, b Log) int {
		if c := bytes.Compare(a.Org[:], b.Org[:]); c != 0 {
			return c
		}
		if c := bytes.Compare(a.Key[:], b.Key[:]); c != 0 {
			return c
		}
		return bytes.Compare([]byte(a.Topic.String()), []byte(b.Topic.String()))
	})
	return out
}

// Range lists the records held at places from..to of a key log, in order; gaps are left
// out. A log may be all gaps, its numbers are the publisher's: it looks at no more places
// than there are records. Memory only.
func (s *Store) Range(org protocol.OrgID, key protocol.KeyID, topic protocol.Topic, from, to uint64) []protocol.RecordID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables
	log, ok := t.logOf[logKey{org, key, topic}]
	if !ok {
		return nil
	}
	from, to = max(from, 1), min(to, t.logs[log].Head)
	if from > to {
		return nil
	}
	var found []*record
	if to-from < uint64(len(t.records)) {
		for n := range to - from + 1 {
			if ord, ok := t.place(log, from+n); ok {
				found = append(found, &t.records[ord])
			}
		}
	} else {
		for i := range t.records {
			if r := &t.records[i]; r.live && r.log == log && r.sequence >= from && r.sequence <= to {
				found = append(found, r)
			}
		}
		slices.SortFunc(found, func(a, b *record) int { return cmp.Compare(a.sequence, b.sequence) })
	}
	out := make([]protocol.RecordID, len(found))
	for i, r := range found {
		out[i] = r.id
	}
	return out
}

// Records lists the accepted and held records of a kind other than objects, in the order
// of (created, id). Memory only.
func (s *Store) Records(kind protocol.Kind) ([]protocol.RecordID, error) {
	return s.records(kind, func(r *record) bool { return r.space != spaceRejected })
}

// Accepted is Records without those that are held.
func (s *Store) Accepted(kind protocol.Kind) ([]protocol.RecordID, error) {
	return s.records(kind, func(r *record) bool { return r.space == spaceAccepted && !r.whole() })
}

func (s *Store) records(kind protocol.Kind, want func(*record) bool) ([]protocol.RecordID, error) {
	if kind == protocol.KindObjects {
		return nil, reason.New(reason.Internal, "list records: those of kind objects are found by what they say")
	}
	type entry struct {
		created int64
		id      protocol.RecordID
	}
	s.mu.RLock()
	var found []entry
	for _, d := range s.tables.kinds[kind] {
		if r := &s.tables.records[d.ord]; r.live && want(r) {
			found = append(found, entry{d.created, r.id})
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(found, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.created, b.created), bytes.Compare(a.id[:], b.id[:]))
	})
	out := make([]protocol.RecordID, len(found))
	for i, e := range found {
		out[i] = e.id
	}
	return out, nil
}
