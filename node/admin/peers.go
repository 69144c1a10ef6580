package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/settings"
	"tocsin/protocol/reason"
)

type peerResource struct {
	names    names
	mesh     Mesh
	settings *settings.Book
}

func (p *peerResource) register(a huma.API) {
	handle(a, huma.Operation{OperationID: "peers-list", Method: http.MethodGet, Path: "/peers", Summary: "Connected and kept peers"}, p.list)
	handle(a, huma.Operation{OperationID: "peers-add", Method: http.MethodPost, Path: "/peers", Summary: "Connect to a peer and keep it"}, p.add)
	handle(a, huma.Operation{OperationID: "peers-remove", Method: http.MethodDelete, Path: "/peers/{id}", Summary: "Stop keeping a peer"}, p.remove)
}

func (p *peerResource) list(context.Context, *nothing) (*body[api.List[api.Peer]], error) {
	list := api.List[api.Peer]{Items: []api.Peer{}}
	for _, info := range p.mesh.Peers() {
		list.Items = append(list.Items, p.show(info))
	}
	return answer(list)
}

// add connects first, so that an address that means nothing changes nothing. One
// that means something is kept even when nobody answers there yet.
func (p *peerResource) add(ctx context.Context, in *struct{ Body api.PeerRequest }) (*body[api.Peer], error) {
	id, dialErr := p.mesh.Connect(ctx, in.Body.Addr)
	if dialErr != nil && reason.Of(dialErr) != reason.PeerDial {
		return nil, dialErr
	}
	if err := p.settings.AddPeer(in.Body.Addr); err != nil {
		return nil, err
	}
	for _, info := range p.mesh.Peers() {
		if id != "" && info.ID == id {
			return answer(p.show(info))
		}
	}
	peer := api.Peer{ID: id, Level: "unknown", Addrs: []string{in.Body.Addr}, Kept: true, State: "not connected"}
	if dialErr != nil {
		peer.State = api.ProblemOf(dialErr).Detail
	}
	return answer(peer)
}

func (p *peerResource) remove(_ context.Context, in *struct {
	ID string `path:"id"`
}) (*body[api.Removed], error) {
	if err := p.mesh.Disconnect(in.ID); err != nil {
		return nil, err
	}
	if err := p.settings.RemovePeer(in.ID); err != nil {
		return nil, err
	}
	return answer(api.Removed{Removed: in.ID})
}

// show says of a peer what the mesh and the trust list know.
func (p *peerResource) show(i PeerInfo) api.Peer {
	peer := api.Peer{
		ID: i.ID, Level: "unknown", Addrs: append([]string{}, i.Addrs...), Connected: i.Connected, Kept: i.Kept,
		Score: i.Score, Topics: i.Topics, Mesh: i.Mesh, LatencyMS: float64(i.Latency) / float64(time.Millisecond),
		Rejected: i.Rejected, State: "connected",
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
