package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/settings"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

type peerResource struct {
	names    names
	mesh     Mesh
	settings *settings.Book
	audit    *audit.Log
}

func (p *peerResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "peers-list", Method: http.MethodGet, Path: "/peers", Summary: "Connected and kept peers",
		Description: "In the order of their ids. Not every one is kept: those that came by themselves go by themselves.",
	}, p.list)
	handle(a, huma.Operation{
		OperationID: "peers-show", Method: http.MethodGet, Path: "/peers/{id}", Summary: "One peer, connected or kept",
		Description: "Named by its id or a unique beginning of it, of 8 characters or more.",
	}, p.one)
	handle(a, huma.Operation{
		OperationID: "peers-add", Method: http.MethodPost, Path: "/peers", Summary: "Connect to a peer and keep it",
		Description: "Dials the address, and keeps the peer also when nobody answers there: " +
			"then connected is false, state says why, and the node tries again every half minute. Trusts nobody: that is POST /trust. " +
			"The audit log has peers.add.",
	}, p.add)
	handle(a, huma.Operation{
		OperationID: "peers-remove", Method: http.MethodDelete, Path: "/peers/{id}", Summary: "Stop keeping a peer",
		Description: "Closes its connections and forgets the address; it may come back by itself. The audit log has peers.remove.",
	}, p.remove)
}

func (p *peerResource) list(_ context.Context, in *PageIn) (*body[api.List[api.Peer]], error) {
	list := api.List[api.Peer]{Items: []api.Peer{}}
	for _, info := range p.mesh.Peers() {
		list.Items = append(list.Items, p.show(info))
	}
	return paged("peers", list, *in, func(p api.Peer) string { return p.ID })
}

func (p *peerResource) one(_ context.Context, in *struct {
	ID string `path:"id" maxLength:"256" doc:"The peer's id or a unique beginning of it"`
}) (*body[api.Peer], error) {
	id, err := p.resolve(in.ID)
	if err != nil {
		return nil, err
	}
	for _, info := range p.mesh.Peers() {
		if info.ID == id {
			return answer(p.show(info))
		}
	}
	return nil, reason.New(reason.NotFound, fmt.Sprintf("peer %s has just gone", id))
}

// add connects first, so that an address that means nothing changes nothing. One
// that means something is kept even when nobody answers there yet: the mesh
// goes on trying, and the answer says so.
func (p *peerResource) add(ctx context.Context, in *struct{ Body api.PeerRequest }) (*body[api.Peer], error) {
	addr := in.Body.Addr
	if err := settings.CheckPeer(addr); err != nil {
		return nil, reason.Wrap(reason.UsageInvalid, fmt.Sprintf("add peer %q", addr), err)
	}
	var peer api.Peer
	err := recorded(ctx, p.audit, audit.Event{Action: "peers.add", Target: addr}, func() (err error) {
		peer, err = p.keep(ctx, addr)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(peer)
}

// keep connects to an address and keeps it.
func (p *peerResource) keep(ctx context.Context, addr string) (api.Peer, error) {
	before, known := p.connection(addr)
	id, dialErr := p.mesh.Connect(ctx, addr)
	if id == "" {
		id = addr[strings.LastIndex(addr, "/")+1:]
	}
	peer, kept := p.find(id)
	switch {
	case dialErr != nil && !kept:
		return peer, reason.New(reason.UsageInvalid, api.ProblemOf(dialErr).Detail)
	case !kept:
		peer = api.Peer{ID: id, Level: trust.Unknown.String(), Addrs: []string{addr}, State: "not connected"}
	case dialErr != nil && !peer.Connected:
		if peer.State == "not connected" { // else it says why, as the list of peers does
			peer.State += ": " + api.ProblemOf(dialErr).Detail
		}
	case known:
		peer.State = "connected already by " + before + "; the address given is kept, but was not tried"
	}
	peer.Kept = true
	return peer, p.settings.AddPeer(addr)
}

// connection gives the address by which a peer is connected already, when that is
// not the address given: the mesh does not dial a second time.
func (p *peerResource) connection(addr string) (by string, connected bool) {
	at := strings.LastIndex(addr, "/p2p/") // checked: it is there
	for _, i := range p.mesh.Peers() {
		if i.ID == addr[at+len("/p2p/"):] && i.Connected && len(i.Addrs) > 0 && !slices.Contains(i.Addrs, addr[:at]) {
			return i.Addrs[0], true
		}
	}
	return "", false
}

// find gives what the mesh knows of a peer it keeps.
func (p *peerResource) find(id string) (api.Peer, bool) {
	for _, i := range p.mesh.Peers() {
		if i.ID == id && i.Kept {
			return p.show(i), true
		}
	}
	return api.Peer{}, false
}

func (p *peerResource) remove(ctx context.Context, in *struct {
	ID string `path:"id" doc:"The peer's id or a unique beginning of it"`
}) (*body[api.Removed], error) {
	id, err := p.resolve(in.ID)
	if err != nil {
		return nil, err
	}
	err = recorded(ctx, p.audit, audit.Event{Action: "peers.remove", Target: id}, func() error {
		if err := p.mesh.Disconnect(id); err != nil {
			return err
		}
		return p.settings.RemovePeer(id)
	})
	if err != nil {
		return nil, err
	}
	return answer(api.Removed{Removed: id})
}

// resolve finds the peer that a full id or a unique prefix of it names.
func (p *peerResource) resolve(text string) (string, error) {
	var found []string
	for _, i := range p.mesh.Peers() {
		if i.ID == text {
			return text, nil
		}
		if len(text) >= minPrefix && strings.HasPrefix(i.ID, text) {
			found = append(found, i.ID)
		}
	}
	switch len(found) {
	case 0:
		return "", reason.New(reason.NotFound, fmt.Sprintf("peer %q is neither connected nor kept", text))
	case 1:
		return found[0], nil
	}
	return "", reason.New(reason.Ambiguous, fmt.Sprintf("peer %q: %d peers begin like this", text, len(found)))
}

// show says of a peer what the mesh and the trust list know.
func (p *peerResource) show(i PeerInfo) api.Peer {
	peer := api.Peer{
		ID: i.ID, Level: trust.Unknown.String(), Addrs: append([]string{}, i.Addrs...), Connected: i.Connected, Kept: i.Kept,
		Score: i.Score, Topics: i.Topics, Mesh: i.Mesh, LatencyMS: float64(i.Latency) / float64(time.Millisecond),
		Rejected: i.Rejected, KeptBack: i.KeptBack, State: "connected",
	}
	if i.OrgKnown {
		peer.Org, peer.Petname, peer.Level = i.Org.String(), p.names.petname(i.Org), p.names.level(i.Org, "")
	}
	if !i.Connected {
		peer.State = "not connected"
		if i.LastError != "" {
			peer.State += ": " + i.LastError
		}
	}
	return peer
}
