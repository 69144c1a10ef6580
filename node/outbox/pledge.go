package outbox

import (
	"context"
	"fmt"

	"tocsin/protocol"
	"tocsin/protocol/stix"
)

// Pledge signs, stores and announces a record on control whose body the caller has
// encoded: a fork proof, a vouch, a commitment, an advisory. It is durable when it returns nil.
func (p *Publisher) Pledge(ctx context.Context, kind protocol.Kind, body []byte) (*protocol.Record, error) {
	r, err := p.append(ctx, protocol.Draft{
		Topic:    protocol.TopicControl,
		Kind:     kind,
		TLP:      stix.Clear,
		Defaults: protocol.Defaults{Confidence: -1},
		Body:     body,
	})
	if err != nil {
		return nil, fmt.Errorf("publish a record of kind %s: %w", kind, err)
	}
	var res Result
	p.announce(ctx, r, &res)
	return r, nil
}
