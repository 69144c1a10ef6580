package intake

import (
	"context"
	"maps"
	"slices"
	"sync"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Tombstones say which objects of a record were erased here; nil means all.
type Tombstones map[protocol.RecordID][]int

// Add notes one object of a record, or all.
func (t Tombstones) Add(id protocol.RecordID, object int, all bool) {
	have, known := t[id]
	switch {
	case all:
		t[id] = nil
	case known && have == nil: // all of it already
	case !slices.Contains(have, object):
		t[id] = append(have, object)
	}
}

// graves are the tombstones of records that the store may not know of: it keeps its own, but a store that was restored from an
// earlier time lacks the latest ones.
type graves struct {
	mu     sync.Mutex // guards stones
	stones Tombstones
}

// Remember has what was erased before erased again when it comes, whatever the store knows. It takes the place of what was remembered.
func (p *Pipeline) Remember(t Tombstones) {
	p.graves.mu.Lock()
	defer p.graves.mu.Unlock()
	p.graves.stones = maps.Clone(t)
}

// dig remembers what was erased just now: a repair of the store may lose its own note of it.
func (p *Pipeline) dig(id protocol.RecordID, leaves []int) {
	p.graves.mu.Lock()
	defer p.graves.mu.Unlock()
	if p.graves.stones == nil {
		p.graves.stones = make(Tombstones)
	}
	if leaves == nil {
		p.graves.stones.Add(id, 0, true)
	}
	for _, leaf := range leaves {
		p.graves.stones.Add(id, leaf, false)
	}
}

// bury erases what was erased before of a record that has just been stored.
func (p *Pipeline) bury(ctx context.Context, r *protocol.Record) error {
	p.graves.mu.Lock()
	objects, known := p.graves.stones[r.ID()]
	objects = slices.Clone(objects)
	p.graves.mu.Unlock()
	if !known {
		return nil
	}
	return p.Erase(context.WithoutCancel(ctx), r.ID(), objects)
}

// Erase takes objects of a record away for good on the operator's word, all when leaves is nil; see storage.Store.Erase. What was
// erased is not taken back from anywhere.
func (p *Pipeline) Erase(ctx context.Context, id protocol.RecordID, leaves []int) error {
	if err := p.d.Store.Erase(ctx, id, leaves, reason.ObjectErased); err != nil {
		return err
	}
	p.dig(id, leaves)
	log.Infow("erased on the operator's word", "record", id, "objects", leaves)
	if p.d.Told.Pledged != nil {
		p.d.Told.Pledged() // it may have been a pledge
	}
	return nil
}
