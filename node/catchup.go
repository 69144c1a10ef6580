package node

import (
	"context"
	"slices"

	"tocsin/node/catchup"
	"tocsin/node/identity"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// newCatchup wires what fetches what gossip did not bring.
func (n *Node) newCatchup(chains *identity.Book) *catchup.Keeper {
	return catchup.New(catchup.Deps{
		Host: n.Host, Store: n.Store, Chains: chains.Chains,
		Topics: n.joined,
		Receive: func(ctx context.Context, r *protocol.Record, from string) error {
			n.Outbox.Saw(r)
			_, err := n.intake.Receive(ctx, r, from)
			return err
		},
		Listed: func(org protocol.OrgID) bool { return n.level(org) >= trust.Observed },
	})
}

// CatchUp is the node's catch-up: what tests and demonstrations ask directly.
func (n *Node) CatchUp() *catchup.Keeper { return n.catchup }

// joined are the topics that this node takes part in, control first.
func (n *Node) joined() []protocol.Topic {
	list := []protocol.Topic{protocol.TopicControl}
	for _, t := range n.Host.Topics() {
		if !slices.Contains(list, t.Topic) {
			list = append(list, t.Topic)
		}
	}
	return list
}

// lookBehind has a gap looked for when the record before one that gossip brought is not here.
func (n *Node) lookBehind(r *protocol.Record) {
	h := r.Header()
	if h.Sequence <= 1 {
		return
	}
	if _, ok := n.Store.At(r.Org(), r.Key(), h.Topic, h.Sequence-1); !ok {
		n.catchup.Poke(h.Topic)
	}
}

// announcer is the mesh as the outbox sees it.
type announcer struct{ n *Node }

// Announce hands a record to gossip. One that is too large for it travels by catch-up alone, and peers are soon told of it.
func (a announcer) Announce(ctx context.Context, r *protocol.Record) error {
	err := a.n.Host.Announce(ctx, r)
	if reason.Of(err) == reason.GossipSize {
		a.n.catchup.Poke(r.Header().Topic)
	}
	return err
}
