package storage

import (
	"bytes"
	"cmp"
	"slices"

	"tocsin/protocol"
)

// Gap is a run of places of a key log that are missing: From to To, both missing.
type Gap struct {
	Org      protocol.OrgID
	Key      protocol.KeyID
	Topic    protocol.Topic
	From, To uint64
}

// Gaps lists what is missing below the heads of the key logs that want takes (nil takes all; it must not ask the store), at most
// limit runs, in the order of organisation, key, topic and place; places below
// the first that is held are left out, and those at or below the highest place of a log of which a record expired
// here, which may have expired before they could come. Memory only: it looks at the records that are held and
// never at the places between them, whose numbers are the publisher's.
func (s *Store) Gaps(limit int, want func(protocol.OrgID, protocol.Topic) bool) []Gap {
	var out []Gap
	for _, l := range s.gapped(want) {
		slices.Sort(l.held)
		last := max(l.top, l.held[0])
		for _, seq := range l.held {
			if seq > last+1 {
				out = append(out, Gap{Org: l.Org, Key: l.Key, Topic: l.Topic, From: last + 1, To: seq - 1})
			}
			last = max(last, seq)
		}
	}
	slices.SortFunc(out, func(a, b Gap) int {
		return cmp.Or(bytes.Compare(a.Org[:], b.Org[:]), bytes.Compare(a.Key[:], b.Key[:]),
			cmp.Compare(a.Topic.String(), b.Topic.String()), cmp.Compare(a.From, b.From))
	})
	return out[:min(len(out), max(limit, 0))]
}

// gappedLog is a key log that lacks places, and those that it has.
type gappedLog struct {
	Log
	top  uint64
	held []uint64
}

// gapped copies the logs that lack places, as far as want takes them, out of the tables.
func (s *Store) gapped(want func(protocol.OrgID, protocol.Topic) bool) []*gappedLog {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tables
	of := map[uint32]*gappedLog{}
	for i, l := range t.logs {
		if l.Head != l.Count && l.Count > l.expired && (want == nil || want(l.Org, l.Topic)) {
			of[uint32(i)] = &gappedLog{Log: l.Log, top: l.top}
		}
	}
	if len(of) == 0 {
		return nil
	}
	for i := range t.records {
		r := &t.records[i]
		if !r.live {
			continue
		}
		if l := of[r.log]; l != nil {
			l.held = append(l.held, r.sequence)
		}
	}
	out := make([]*gappedLog, 0, len(of))
	for _, l := range of {
		if len(l.held) > 0 {
			out = append(out, l)
		}
	}
	return out
}
