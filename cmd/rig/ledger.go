package main

import (
	"fmt"
	"path/filepath"

	"tocsin/protocol"
	"tocsin/storage"
)

// place is where a record stands in a key log.
type place struct {
	key      protocol.KeyID
	topic    protocol.Topic
	sequence uint64
}

// ledger remembers every place of a key log that was ever seen taken, whatever became of the store since.
type ledger struct {
	at map[place]protocol.RecordID
}

// see notes a record at its place; two records at one place are a sequence used twice.
func (g *ledger) see(r *run, p place, id protocol.RecordID) {
	if was, ok := g.at[p]; ok && was != id {
		r.breach("sequence %d of key %s on %s was used twice: %s and %s", p.sequence, p.key, p.topic, was, id)
	}
	g.at[p] = id
}

// inspect opens the store of a node that does not run, and holds it against what was acknowledged and
// offered: nothing lost, nothing that nobody offered, no object in two records, no place taken twice, and no log
// of its own with a hole. A witness acknowledged nothing: acked is nil. It returns
// all records with their organisations.
func (g *ledger) inspect(r *run, dir string, l *load, acked map[protocol.RecordID]string) (map[protocol.RecordID]protocol.OrgID, error) {
	s, err := storage.Open(filepath.Join(dir, "store"), storage.Options{Network: "main"})
	if err != nil {
		return nil, fmt.Errorf("open the store of %s: %w", dir, err)
	}
	defer s.Close() // it was only read
	if err := s.Damage(); err != nil {
		r.breach("the store of %s says: %v", dir, err)
	}
	for id := range acked {
		if _, state, err := s.Record(id); err != nil || state != storage.Accepted {
			r.breach("record %s was acknowledged and is %s, %v", id, state, err)
		}
	}
	for _, log := range s.Logs() {
		if acked != nil && log.Topic != protocol.TopicControl && log.Count != log.Head {
			r.breach("the log of key %s on %s holds %d of %d records", log.Key, log.Topic, log.Count, log.Head)
		}
	}
	all, err := g.survey(r, s, l)
	if counts := s.Counts(); err == nil && counts.Records+counts.HeldRecords != len(all) {
		r.breach("the store of %s counts %+v and holds %d records", dir, counts, len(all))
	}
	return all, err
}

// survey looks at every record of a store.
func (g *ledger) survey(r *run, s *storage.Store, l *load) (map[protocol.RecordID]protocol.OrgID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	logs, places := s.Inventory()
	all := make(map[protocol.RecordID]protocol.OrgID, len(places))
	seen := map[string]protocol.RecordID{}
	for _, p := range places {
		log := logs[p.Log]
		all[p.ID] = log.Org
		g.see(r, place{log.Key, log.Topic, p.Sequence}, p.ID)
		hits, err := s.Leaves(p.ID)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", p.ID, err)
		}
		for _, h := range hits {
			if !l.offered[h.Object] {
				r.breach("record %s holds %s, which nobody offered", p.ID, h.Object)
			}
			if other, ok := seen[h.Object]; ok {
				r.breach("%s was offered once and is in %s and %s", h.Object, other, p.ID)
			}
			seen[h.Object] = p.ID
		}
	}
	return all, nil
}

// sound runs the store's own check on a node that does not run.
func sound(r *run, dir string) error {
	report, err := storage.Check(filepath.Join(dir, "store"))
	if err != nil {
		return err
	}
	for _, p := range report.Problems {
		r.breach("fsck of %s: %s", dir, p)
	}
	return nil
}
