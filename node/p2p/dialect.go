package p2p

import (
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	libp2pproto "github.com/libp2p/go-libp2p/core/protocol"
)

// Dialect is what a bare pubsub needs in order to be heard on the data mesh: its
// protocol id, no pubsub signature, our message id. It brings none of the node's
// checks; attackers in tests and demonstrations speak it.
func Dialect() []pubsub.Option {
	return []pubsub.Option{
		pubsub.WithGossipSubProtocols([]libp2pproto.ID{dataProtocol}, features),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
	}
}
