package node

import (
	"time"

	"tocsin/node/feed"
)

// The states that live events compare. They hold what a person would call a change, and nothing that moves all the time.
type (
	peerTurn struct {
		Org       string `json:"org,omitempty"`
		Connected bool   `json:"connected"`
		Kept      bool   `json:"kept"`
	}
	meshTurn struct {
		Peers int `json:"peers"`
		Mesh  int `json:"mesh"`
	}
	reviewTurn struct {
		Kind  string `json:"kind"`
		Org   string `json:"org"`
		Title string `json:"title"`
	}
	syncTurn struct {
		CaughtUp bool `json:"caught_up"`
		Behind   int  `json:"behind"`
		Refused  int  `json:"refused"`
	}
	syncPeerTurn struct {
		Equal bool   `json:"equal"`
		Error string `json:"error,omitempty"`
	}
)

// newFeed wires the live events.
func (n *Node) newFeed() *feed.Hub {
	return feed.New(feed.Sources{
		Store: n.Store, Audit: n.Audit,
		Peers: n.peerTurns, Mesh: n.meshTurns, Review: n.reviewTurns, Sync: n.syncTurns, Doctor: n.examiner.turns,
	})
}

func (n *Node) peerTurns() map[string]any {
	out := map[string]any{}
	for _, p := range n.Host.Peers() {
		t := peerTurn{Connected: p.Connected, Kept: p.Kept}
		if p.OrgKnown {
			t.Org = p.Org.String()
		}
		out[p.ID] = t
	}
	return out
}

func (n *Node) meshTurns() map[string]any {
	out := map[string]any{}
	for _, t := range n.Host.Topics() {
		out[t.Topic.String()] = meshTurn{t.Peers, t.Mesh}
	}
	return out
}

func (n *Node) reviewTurns() map[string]any {
	out := map[string]any{}
	for _, i := range n.review.List(time.Now()) {
		out[i.ID] = reviewTurn{i.Kind, i.Org.String(), i.Title}
	}
	return out
}

func (n *Node) syncTurns() map[string]any {
	st := n.catchup.Status()
	out := map[string]any{"all": syncTurn{st.Behind == 0 && !st.CaughtUp.IsZero(), st.Behind, st.Refused}}
	for _, p := range st.Peers {
		out[p.ID] = syncPeerTurn{p.Equal, p.Error}
	}
	return out
}
