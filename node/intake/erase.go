package intake

import (
	"context"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Erase takes objects of a record away for good on the operator's word, all when leaves is nil; see storage.Store.Erase. What was
// erased is not taken back from anywhere.
func (p *Pipeline) Erase(ctx context.Context, id protocol.RecordID, leaves []int) error {
	if err := p.d.Store.Erase(ctx, id, leaves, reason.ObjectErased); err != nil {
		return err
	}
	log.Infow("erased on the operator's word", "record", id, "objects", leaves)
	if p.d.Told.Pledged != nil {
		p.d.Told.Pledged() // it may have been a pledge
	}
	return nil
}
