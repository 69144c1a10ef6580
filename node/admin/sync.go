package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/catchup"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// maxGaps bounds how many missing runs are counted and listed.
const maxGaps = 10000

// CatchUp is what gossip did not bring, as plain functions, all of which may be called concurrently.
type CatchUp struct {
	Status  func() catchup.Status
	Now     func(ctx context.Context, peer string) error
	Digests func(ctx context.Context, peers int) []catchup.Comparison
}

// syncResource says how far catch-up is, and has it done now.
type syncResource struct {
	names   names
	catchUp CatchUp
	store   *storage.Store
	mesh    Mesh
	audit   *audit.Log
}

func (s *syncResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "sync", Method: http.MethodGet, Path: "/sync", Summary: "How far catch-up is",
		Description: "Of all topics together, and per peer. Nothing is asked of peers for it.",
	}, s.get)
	handle(a, huma.Operation{
		OperationID: "sync-now", Method: http.MethodPost, Path: "/sync/now", Summary: "Compare with peers now and fetch what is missing",
		Description: "Runs a round with the named peer, or with those whose turn it is, and answers with how far catch-up is then. " +
			"It fetches what is missing and sends nothing that was not asked for. peer.dial says that no peer was there or answered. " +
			"The audit log has sync.now.",
	}, s.now)
	handle(a, huma.Operation{
		OperationID: "sync-gaps", Method: http.MethodGet, Path: "/sync/gaps", Summary: "What is missing in key logs",
		Description: "Runs of numbers that are missing in key logs, 10,000 at most; with all=true every log with its head instead.",
	}, s.gaps)
	handle(a, huma.Operation{
		OperationID: "sync-verify", Method: http.MethodPost, Path: "/sync/verify", Summary: "Compare what is held of each topic with peers",
		Description: "Asks peers for digests of each topic and compares; fetches nothing. " +
			"A peer that does not answer has an error in place of a digest. Not written to the audit log.",
	}, s.verify)
}

func (s *syncResource) get(context.Context, *nothing) (*body[api.Sync], error) {
	return answer(s.show())
}

func (s *syncResource) now(ctx context.Context, in *struct{ Body api.SyncRequest }) (*body[api.Sync], error) {
	peer := in.Body.Peer
	if peer != "" {
		id, err := s.peer(peer)
		if err != nil {
			return nil, err
		}
		peer = id
	}
	if err := s.store.Room(); err != nil {
		return nil, err // nothing that a peer has could be stored: to say that nothing is missing would be wrong
	}
	err := recorded(ctx, s.audit, audit.Event{Action: "sync.now", Target: peer}, func() error { return s.catchUp.Now(ctx, peer) })
	if err != nil {
		return nil, err
	}
	if err := s.store.Room(); err != nil {
		return nil, err
	}
	return answer(s.show())
}

// peer finds a peer by its id, the beginning of that, or the organisation it belongs to.
func (s *syncResource) peer(text string) (string, error) {
	id, err := (&peerResource{names: s.names, mesh: s.mesh}).resolve(text)
	if reason.Of(err) != reason.NotFound {
		return id, err
	}
	org, orgErr := s.names.resolve(text)
	if orgErr != nil {
		return "", err
	}
	for _, i := range s.mesh.Peers() {
		if i.Connected && i.OrgKnown && i.Org == org {
			return i.ID, nil
		}
	}
	return "", reason.New(reason.PeerDial, "catch up with "+text+": no node of it is connected")
}

// show puts the status into the words of the API.
func (s *syncResource) show() api.Sync {
	st := s.catchUp.Status()
	called := s.callers()
	out := api.Sync{
		CaughtUp: st.CaughtUp, Behind: st.Behind, BehindObjects: st.Objects, Fetched: st.Fetched, FetchedObjects: st.FetchedObjects,
		Rate: st.Rate, Remaining: st.Remaining.Seconds(), Equal: st.Equal, Asked: st.Asked, Repaired: st.Repaired, Refused: st.Refused,
		Peers: []api.SyncPeer{}, Connected: connected(s.mesh),
	}
	gaps := s.store.Gaps(maxGaps, nil)
	out.Gaps = len(gaps)
	for _, g := range gaps {
		out.Missing += g.To - g.From + 1
	}
	if g := st.Last; g != nil {
		out.Last = &api.SyncGap{From: g.From, Until: g.Until, Records: g.Records, Objects: g.Objects, Took: g.Took.Seconds(), Done: g.Done,
			Off: g.Until.Before(s.names.self.Started), Sources: []api.PeerCalled{}}
		for _, id := range g.Sources {
			out.Last.Sources = append(out.Last.Sources, called(id))
		}
	}
	for _, p := range st.Peers {
		out.Peers = append(out.Peers, api.SyncPeer{
			PeerCalled: called(p.ID), Last: p.Last, Next: p.Next, Received: p.Received, Sent: p.Sent, ReceivedBytes: p.ReceivedBytes,
			Equal: p.Equal, Unsupported: p.Unsupported, Error: p.Error,
		})
	}
	return out
}

// connected counts the peers that are connected now.
func connected(m Mesh) (n int) {
	for _, i := range m.Peers() {
		if i.Connected {
			n++
		}
	}
	return n
}

// callers gives peers with their organisations, as the mesh knows them now.
func (s *syncResource) callers() func(id string) api.PeerCalled {
	orgs := map[string]protocol.OrgID{}
	for _, i := range s.mesh.Peers() {
		if i.OrgKnown {
			orgs[i.ID] = i.Org
		}
	}
	return func(id string) api.PeerCalled {
		p := api.PeerCalled{ID: id}
		if org, ok := orgs[id]; ok {
			p.Org, p.Petname = org.String(), s.names.petname(org)
		}
		return p
	}
}

func (s *syncResource) gaps(_ context.Context, in *struct {
	PageIn
	All bool `query:"all" doc:"Every key log instead of what is missing"`
}) (*body[api.List[api.KeyLog]], error) {
	list := api.List[api.KeyLog]{Items: []api.KeyLog{}}
	if in.All {
		for _, l := range s.store.Logs() {
			list.Items = append(list.Items, s.log(l))
		}
		return paged("sync-logs", list, in.PageIn, logKey)
	}
	for _, g := range s.store.Gaps(maxGaps, nil) {
		l, ok := s.store.Head(g.Org, g.Key, g.Topic)
		if !ok {
			l = storage.Log{Org: g.Org, Key: g.Key, Topic: g.Topic}
		}
		entry := s.log(l)
		entry.From, entry.To = g.From, g.To
		list.Items = append(list.Items, entry)
	}
	return paged("sync-gaps", list, in.PageIn, logKey)
}

// logKey is the order of key logs and of what they lack.
func logKey(l api.KeyLog) string {
	return fmt.Sprintf("%s\x00%s\x00%s\x00%020d", l.Org, l.Key, l.Topic, l.From)
}

func (s *syncResource) log(l storage.Log) api.KeyLog {
	return api.KeyLog{Org: l.Org.String(), Petname: s.names.petname(l.Org), Key: l.Key.String(), Topic: l.Topic.String(), Head: l.Head, At: l.HeadCreated}
}

func (s *syncResource) verify(ctx context.Context, in *struct {
	Peers int `query:"peers" minimum:"0" maximum:"64" default:"3" doc:"How many peers to ask"`
}) (*body[api.List[api.SyncDigest]], error) {
	list := api.List[api.SyncDigest]{Items: []api.SyncDigest{}}
	called := s.callers()
	for _, c := range s.catchUp.Digests(ctx, in.Peers) {
		d := api.SyncDigest{Topic: c.Topic.String(), Until: c.Until, Records: c.Records, Digest: c.Digest.String(), Peers: []api.PeerDigest{}}
		for _, p := range c.Peers {
			theirs := api.PeerDigest{PeerCalled: called(p.ID), Error: p.Error}
			if p.Error == "" {
				theirs.Records, theirs.Digest, theirs.Equal = p.Records, p.Digest.String(), p.Records == c.Records && p.Digest == c.Digest
			}
			if theirs.Equal {
				d.Equal++
			}
			d.Peers = append(d.Peers, theirs)
		}
		list.Items = append(list.Items, d)
	}
	return answer(list)
}

// syncStatus is catch-up in the node's status; nil where there is none.
func (s *statusResource) syncStatus() *api.SyncBrief {
	if s.catchUp == nil {
		return nil
	}
	st := s.catchUp.Status()
	b := &api.SyncBrief{CaughtUp: st.CaughtUp, Behind: st.Behind, BehindObjects: st.Objects, Remaining: st.Remaining.Seconds(), Equal: st.Equal, Asked: st.Asked}
	if g := st.Last; g != nil && g.Done {
		b.Gap, b.Sources, b.Took = g.Until, len(g.Sources), g.Took.Seconds()
	}
	return b
}
