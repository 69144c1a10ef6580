package node

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/node/audit"
	"tocsin/node/identity"
	"tocsin/node/invite"
	"tocsin/node/keystore"
	"tocsin/node/p2p"
	"tocsin/protocol"
)

// Invites is where invitations are made and accepted.
func (n *Node) Invites() *invite.Desk { return n.invites }

// openInvites opens the invitations; what they ask of the mesh is asked once it runs.
func (n *Node) openInvites(paths Paths, cfg Config, keys *keystore.Keys, chains *identity.Book) error {
	id, err := peer.IDFromPrivateKey(keys.Host)
	if err != nil {
		return fmt.Errorf("open invitations: %w", err)
	}
	n.invites, err = invite.New(filepath.Join(paths.State(), "invites.json"), invite.Deps{
		Network: cfg.Network, Own: n.own, Peer: []byte(id),
		Chains: chains.Chains,
		Learn:  n.intake.Learn,
		PeerOf: func(addrs [][]byte) ([]byte, error) {
			to, err := p2p.InvitedTo(addrs)
			return []byte(to.ID), err
		},
		Ask: func(ctx context.Context, addrs [][]byte, q invite.Request) (invite.Answer, error) {
			a, err := n.Host.AskInvite(ctx, addrs, p2p.InviteRequest{Handle: q.Handle, Org: q.Org, Proof: q.Proof, Chain: q.Chain})
			return invite.Answer{Code: a.Code, Proof: a.Proof, Nonce: a.Nonce, Chain: a.Chain}, err
		},
		Note: func(ctx context.Context, handle string, org protocol.OrgID) error {
			_, err := n.Audit.Append(ctx, audit.Event{Action: "invite.answered", Target: handle, Detail: map[string]string{"org": org.String()}})
			return err
		},
	})
	return err
}

// invited answers a peer that says it was invited.
func (n *Node) invited(ctx context.Context, from []byte, q p2p.InviteRequest) (p2p.InviteAnswer, error) {
	a, err := n.invites.Answer(ctx, from, invite.Request{Handle: q.Handle, Org: q.Org, Proof: q.Proof, Chain: q.Chain})
	return p2p.InviteAnswer{Code: a.Code, Proof: a.Proof, Nonce: a.Nonce, Chain: a.Chain}, err
}
