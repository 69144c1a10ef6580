package storage

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/recon"
)

// Set is what is held of a topic, for reconciliation (SYN-01): created and id of every unexpired record
// whose verified header is kept: accepted, in quarantine, rejected and erased ones. It is a snapshot and costs nothing.
// A record leaves the set in the millisecond that it expires, whenever Expire takes it off the disk: two nodes
// that expire at different hours have equal sets and do not send each other what nobody takes.
func (s *Store) Set(topic protocol.Topic) *recon.Tree { return s.setAt(topic, time.Now()) }

// Topics lists the topics of which a record is kept, in order of their names. Memory only.
func (s *Store) Topics() []protocol.Topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []protocol.Topic
	for topic, tree := range s.tables.sets.trees {
		if tree.Len() > 0 {
			out = append(out, topic)
		}
	}
	slices.SortFunc(out, func(a, b protocol.Topic) int { return cmp.Compare(a.String(), b.String()) })
	return out
}

func (s *Store) setAt(topic protocol.Topic, now time.Time) *recon.Tree {
	ms := now.UnixMilli()
	s.mu.RLock()
	due, tree := s.tables.sets.due(ms), s.tables.sets.trees[topic]
	s.mu.RUnlock()
	if due {
		s.mu.Lock()
		s.tables.sets.advance(ms)
		tree = s.tables.sets.trees[topic]
		s.mu.Unlock()
	}
	if tree == nil {
		return new(recon.Tree)
	}
	return tree
}

// reconSets are the sets of all topics. Trees are immutable: whoever has one may read it while these move on. The caller holds
// Store.mu; apart from the writer, setAt changes them, since time alone ends records.
type reconSets struct {
	trees map[protocol.Topic]*recon.Tree
	// ends has, for everything in the trees, when it ends; lapsed is what has ended and is still stored: when the clock is
	// set back it lives again.
	ends   endings
	lapsed map[protocol.RecordID]ending
	// asOf is the time that the trees are of.
	asOf int64
	// bulk collects items at a start, nil afterwards.
	bulk map[protocol.Topic][]recon.Item
}

// ending is the end of one item, in Unix ms.
type ending struct {
	expires int64
	topic   protocol.Topic
	item    recon.Item
}

func newReconSets() reconSets {
	return reconSets{
		trees: map[protocol.Topic]*recon.Tree{}, lapsed: map[protocol.RecordID]ending{},
		bulk: map[protocol.Topic][]recon.Item{},
	}
}

// build makes the trees of what was collected, at once.
func (r *reconSets) build() {
	for topic, items := range r.bulk {
		r.trees[topic] = recon.NewTree(items)
	}
	r.bulk = nil
	heap.Init(&r.ends)
}

// add takes a record in; one that is in already stays.
func (r *reconSets) add(e ending) {
	if r.bulk != nil {
		r.bulk[e.topic] = append(r.bulk[e.topic], e.item)
		r.ends = append(r.ends, e)
		return
	}
	tree := r.trees[e.topic]
	if tree == nil {
		tree = new(recon.Tree)
	}
	if !tree.Has(e.item) {
		r.trees[e.topic] = tree.With(e.item)
		heap.Push(&r.ends, e)
	}
}

// remove takes a record out that is not stored any more. Its end is found gone when it comes.
func (r *reconSets) remove(topic protocol.Topic, item recon.Item) {
	if tree := r.trees[topic]; tree != nil {
		r.trees[topic] = tree.Without(item)
	}
	delete(r.lapsed, item.ID)
}

// due reports whether the trees are of another time than now.
func (r *reconSets) due(now int64) bool {
	return len(r.ends) > 0 && r.ends[0].expires <= now || now < r.asOf && len(r.lapsed) > 0
}

// advance makes the trees those of now, which may be before asOf.
func (r *reconSets) advance(now int64) {
	if now < r.asOf {
		for id, e := range r.lapsed {
			if e.expires > now {
				delete(r.lapsed, id)
				r.add(e)
			}
		}
	}
	for len(r.ends) > 0 && r.ends[0].expires <= now {
		e := heap.Pop(&r.ends).(ending)
		if tree := r.trees[e.topic]; tree.Has(e.item) {
			r.trees[e.topic] = tree.Without(e.item)
			r.lapsed[e.item.ID] = e
		}
	}
	r.asOf = now
}

// endings is a heap of ends, the next one in front.
type endings []ending

// Len implements heap.Interface.
func (e endings) Len() int { return len(e) }

// Less implements heap.Interface.
func (e endings) Less(i, j int) bool { return e[i].expires < e[j].expires }

// Swap implements heap.Interface.
func (e endings) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *endings) Push(x any) { *e = append(*e, x.(ending)) }

// Pop implements heap.Interface.
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
