package nodetest

import (
	"context"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Swallow makes the peer keep to itself whatever it gets from now on: it stays in everybody's mesh and passes nothing on.
func (h *Hostile) Swallow() {
	h.fleet.t.Helper()
	for name := range h.topics {
		full := "/tocsin/1/" + Federation + "/" + name
		err := h.pubsub[name].RegisterTopicValidator(full, func(_ context.Context, from peer.ID, _ *pubsub.Message) pubsub.ValidationResult {
			if from == h.host.ID() {
				return pubsub.ValidationAccept
			}
			return pubsub.ValidationIgnore
		})
		if err != nil {
			h.fleet.t.Fatalf("%s on %s: %v", h.name, name, err)
		}
	}
}
