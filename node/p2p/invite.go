package p2p

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// What bounds the exchange of an invitation (INV-09).
const (
	inviteProtocol = "/tocsin/invite/1"
	inviteService  = "tocsin.invite"
	inviteDeadline = 5 * time.Second
	maxInvite      = 64 << 10 // a request or an answer
	maxInviteChain = 256
	// inviteAddrTTL is how long the addresses of an invitation are remembered by themselves.
	inviteAddrTTL = 5 * time.Minute
)

// InviteRequest is what the accepter of an invitation says (INV-09).
type InviteRequest struct {
	_      struct{} `cbor:",toarray"`
	Handle string
	Org    protocol.OrgID
	Proof  protocol.Digest
	Chain  [][]byte
}

// InviteAnswer is what the inviter answers.
type InviteAnswer struct {
	_     struct{} `cbor:",toarray"`
	Code  uint64
	Proof protocol.Digest
	Nonce [protocol.NonceBytes]byte
	Chain [][]byte
}

var errInvite = errors.New("invitation message is malformed")

// encodeInvite writes a message of the service, within its limit.
func encodeInvite(v any) ([]byte, error) {
	raw, err := EncodeMessage(v)
	if err == nil && len(raw) > maxInvite {
		err = fmt.Errorf("%w: %d bytes, at most %d", errInvite, len(raw), maxInvite)
	}
	return raw, err
}

// decodeInvite reads what encodeInvite wrote into v, and nothing else.
func decodeInvite(raw []byte, v any) error {
	if len(raw) > maxInvite {
		return fmt.Errorf("%w: more than %d bytes", errInvite, maxInvite)
	}
	return DecodeMessage(raw, v, maxInviteChain, errInvite)
}

// inviteBounds is the service as the asker needs it.
func inviteBounds() service {
	return service{id: inviteProtocol, name: inviteService, deadline: inviteDeadline, maxRequest: maxInvite, rate: inviteServe}
}

// inviteExchange answers those who say that they were invited (INV-09). Whether they were is Deps.Invited's to say.
func inviteExchange(deps *Deps) service {
	v := inviteBounds()
	v.answer = func(from peer.ID, request []byte, w io.Writer) error {
		var q InviteRequest
		if err := decodeInvite(request, &q); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), inviteDeadline)
		defer cancel()
		a, err := deps.Invited(ctx, []byte(from), q)
		if err != nil {
			return err
		}
		if a.Chain == nil {
			a.Chain = [][]byte{}
		}
		raw, err := encodeInvite(&a)
		if err != nil {
			return err
		}
		_, err = w.Write(raw)
		return err
	}
	return v
}

// InvitedTo reads where an invitation leads: addresses in binary form that
// all end in the same peer id.
func InvitedTo(addrs [][]byte) (peer.AddrInfo, error) {
	var to peer.AddrInfo
	for _, raw := range addrs {
		a, err := multiaddr.NewMultiaddrBytes(raw)
		if err != nil {
			return to, fmt.Errorf("an address of it is none: %w", err)
		}
		info, err := peer.AddrInfoFromP2pAddr(a)
		if err != nil {
			return to, fmt.Errorf("address %s: %w", a, err)
		}
		if len(info.Addrs) == 0 {
			return to, fmt.Errorf("address %s says nothing but a peer id", a)
		}
		if to.ID != "" && to.ID != info.ID {
			return to, errors.New("its addresses end in different peer ids")
		}
		to.ID, to.Addrs = info.ID, append(to.Addrs, info.Addrs...)
	}
	if to.ID == "" {
		return to, errors.New("it names no address")
	}
	return to, nil
}

// AskInvite connects to the node that an invitation leads to and asks it. The peer is
// not kept: it may be anybody until its answer was checked. peer.dial when it cannot be reached.
func (h *Host) AskInvite(ctx context.Context, addrs [][]byte, q InviteRequest) (InviteAnswer, error) {
	var a InviteAnswer
	to, err := InvitedTo(addrs)
	if err != nil {
		return a, reason.Wrap(reason.InviteInvalid, "accept invitation "+q.Handle, err)
	}
	if to.ID == h.host.ID() {
		return a, reason.New(reason.InviteInvalid, "accept invitation "+q.Handle+": it leads to this node itself")
	}
	if q.Chain == nil {
		q.Chain = [][]byte{}
	}
	request, err := encodeInvite(&q)
	if err != nil {
		return a, err
	}
	h.host.Peerstore().AddAddrs(to.ID, to.Addrs, inviteAddrTTL)
	if err := h.dial(ctx, to); err != nil {
		return a, reason.Wrap(reason.PeerDial, fmt.Sprintf("accept invitation %s: the inviter's node is not reached", q.Handle), err)
	}
	raw, cut, err := h.ask(ctx, to.ID, inviteBounds(), request, maxInvite)
	if err == nil && cut {
		err = fmt.Errorf("%w: more than %d bytes", errInvite, maxInvite)
	}
	if err == nil {
		err = decodeInvite(raw, &a)
	}
	if err != nil {
		return InviteAnswer{}, reason.Wrap(reason.PeerDial, fmt.Sprintf("accept invitation %s: the inviter's node did not answer; wait a minute and accept it again", q.Handle), err)
	}
	return a, nil
}

// InviteAddrs chooses the addresses for an invitation, in binary form with the peer id: those given, else the
// listen addresses that reach farthest, at most protocol.MaxInviteAddrs.
func (h *Host) InviteAddrs(given []string) ([][]byte, error) {
	list := given
	if len(list) == 0 {
		list = h.Addrs()
	}
	var addrs []multiaddr.Multiaddr
	for _, text := range list {
		a, err := multiaddr.NewMultiaddr(text)
		if err != nil {
			return nil, reason.Wrap(reason.UsageInvalid, fmt.Sprintf("address %q", text), err)
		}
		transport, id := peer.SplitAddr(a)
		if transport == nil || id != "" && id != h.host.ID() {
			return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("address %q: want where this node is reached from outside, such as /ip4/192.0.2.7/tcp/8469", text))
		}
		if a = transport.Encapsulate(multiaddr.StringCast("/p2p/" + h.host.ID().String())); len(a.Bytes()) <= protocol.MaxInviteAddrBytes && !slices.ContainsFunc(addrs, a.Equal) {
			addrs = append(addrs, a)
		}
	}
	if len(given) == 0 {
		addrs = farthest(addrs)
	}
	if len(addrs) == 0 || len(given) > 0 && len(addrs) > protocol.MaxInviteAddrs {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("an invitation names 1 to %d addresses; %d fit", protocol.MaxInviteAddrs, len(addrs)))
	}
	var out [][]byte
	for _, a := range addrs {
		out = append(out, a.Bytes())
	}
	return out, nil
}

// AddrTexts shows addresses in binary form.
func AddrTexts(addrs [][]byte) []string {
	var out []string
	for _, raw := range addrs {
		if a, err := multiaddr.NewMultiaddrBytes(raw); err == nil {
			out = append(out, a.String())
		}
	}
	return out
}

// farthest puts public addresses before private ones; loopback ones count only where there is no other.
func farthest(addrs []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	rank := func(a multiaddr.Multiaddr) int {
		switch {
		case manet.IsIPLoopback(a):
			return 2
		case manet.IsPublicAddr(a):
			return 0
		}
		return 1
	}
	slices.SortStableFunc(addrs, func(a, b multiaddr.Multiaddr) int { return cmp.Compare(rank(a), rank(b)) })
	if len(addrs) > 0 && rank(addrs[0]) < 2 {
		addrs = slices.DeleteFunc(addrs, manet.IsIPLoopback)
	}
	return addrs[:min(len(addrs), protocol.MaxInviteAddrs)]
}
