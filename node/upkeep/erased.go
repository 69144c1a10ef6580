package upkeep

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"tocsin/node/audit"
	"tocsin/node/intake"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// eraseAction is what the audit log calls an erasure; its detail "objects" is "all" or the number of one.
const eraseAction = "record.erase"

// auditPage is how many entries of the audit log are looked at at once.
const auditPage = 1000

// keepErased sees to it that what was erased stays so when the store was restored from a time before: the audit log is a
// file of its own and knows. What is in the store is erased again, what is not is remembered, should it come.
func (k *Keeper) keepErased(ctx context.Context) error {
	stones, err := k.tombstones()
	if err != nil {
		return fmt.Errorf("read what was erased: %w", err)
	}
	k.d.Intake.Remember(stones)
	again := 0
	for id, objects := range stones {
		n, err := k.eraseAgain(ctx, id, objects)
		if err != nil {
			return fmt.Errorf("erase again: %w", err)
		}
		again += n
	}
	if again > 0 {
		log.Warnw("the store had records that were erased here before; they are erased again", "records", again)
	}
	return nil
}

// tombstones reads what was erased from the audit log.
func (k *Keeper) tombstones() (intake.Tombstones, error) {
	stones := intake.Tombstones{}
	for after := uint64(0); ; {
		entries, next, err := k.d.Audit.Read(after, auditPage, audit.Filter{Action: eraseAction})
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			id, err := protocol.ParseRecordID(e.Target)
			if e.Action != eraseAction || err != nil {
				continue // one that failed
			}
			n, err := strconv.Atoi(e.Detail["objects"])
			stones.Add(id, n, err != nil)
		}
		if next == 0 || next <= after {
			return stones, nil
		}
		after = next
	}
}

// eraseAgain erases what of a record was erased and is there.
func (k *Keeper) eraseAgain(ctx context.Context, id protocol.RecordID, objects []int) (int, error) {
	if !k.d.Store.Has(id) {
		return 0, nil
	}
	leaves, err := k.d.Store.Leaves(id)
	if err != nil {
		return 0, err
	}
	there := len(leaves) == 0
	for _, l := range leaves {
		there = there || l.Reason != reason.ObjectErased && (objects == nil || slices.Contains(objects, l.Index))
	}
	if !there {
		return 0, nil
	}
	err = k.d.Intake.Erase(ctx, id, objects)
	if reason.Of(err) == reason.NotFound {
		return 0, nil // it has expired just now
	}
	return 1, err
}
