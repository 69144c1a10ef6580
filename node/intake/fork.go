package intake

import (
	"fmt"
	"time"

	"tocsin/protocol"
)

// prove makes the proof that a key signed two records for one place: r, and the one
// that stands in the store. It needs nobody's word, so that it holds the key here whoever
// sent them. The first proof of a key is handed on to be published (FRK-06).
func (p *Pipeline) prove(r *protocol.Record) {
	f, body, err := p.proof(r)
	first := false
	if err == nil && f != nil {
		first, err = p.hold(f)
	}
	if err != nil {
		log.Errorw("key log forks, but the proof was not made or kept", "record", r.ID(), "org", r.Org(), "err", err)
		return
	}
	if first && p.d.Told.Equivocated != nil {
		p.d.Told.Equivocated(f, body)
	}
}

// proof is nil when there is nothing to prove.
func (p *Pipeline) proof(r *protocol.Record) (*protocol.ForkProof, []byte, error) {
	h := r.Header()
	id, ok := p.d.Store.At(r.Org(), r.Key(), h.Topic, h.Sequence)
	if !ok || id == r.ID() {
		return nil, nil, nil // it has expired just now, or came twice at once
	}
	_, raw, err := p.d.Store.Fetch(id)
	if err != nil {
		return nil, nil, fmt.Errorf("read record %s at the same place: %w", id, err)
	}
	other, err := protocol.VerifyStored(raw, p.d.Identity.Chains())
	if err != nil {
		return nil, nil, fmt.Errorf("read record %s at the same place: %w", id, err)
	}
	body, err := protocol.NewForkProof(other, r)
	if err != nil {
		return nil, nil, err
	}
	f, err := protocol.ReadForkProof(body, p.d.Identity.Chains())
	return f, body, err
}

// hold notes a proven fork in the standing.
func (p *Pipeline) hold(f *protocol.ForkProof) (first bool, err error) {
	first, err = p.d.Standing.Forked(f, time.Now())
	if err == nil && first && p.d.Told.Forked != nil {
		p.d.Told.Forked(f)
	}
	return first, err
}
