package storage

import (
	"cmp"
	"slices"

	"tocsin/protocol"
)

// Place is a record at its place of a key log.
type Place struct {
	ID protocol.RecordID
	// Log counts the logs that Inventory returns beside it.
	Log      int
	Sequence uint64
	// State is the record's fate as a whole: accepted, held or, when a person rejected it, refused.
	State State
	// HeldObjects is how many of its objects are held, by themselves or with the record.
	HeldObjects int
	// Expires is in Unix ms.
	Expires int64
}

// Inventory lists every record that is held with its place, log by log and each in its order, and the logs. It looks at
// each record once, in memory only, and is a snapshot.
func (s *Store) Inventory() ([]Log, []Place) {
	s.mu.RLock()
	t := s.tables
	logs := make([]Log, len(t.logs))
	for i, l := range t.logs {
		logs[i] = l.Log
	}
	places := make([]Place, 0, len(t.records))
	for i := range t.records {
		r := &t.records[i]
		if !r.live {
			continue
		}
		p := Place{ID: r.id, Log: int(r.log), Sequence: r.sequence, State: Accepted, HeldObjects: int(r.held), Expires: r.expires}
		switch {
		case r.space == spaceRejected:
			p.State = Refused
		case r.whole():
			p.State = Held
		}
		places = append(places, p)
	}
	s.mu.RUnlock()
	slices.SortFunc(places, func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.Log, b.Log), cmp.Compare(a.Sequence, b.Sequence))
	})
	return logs, places
}
