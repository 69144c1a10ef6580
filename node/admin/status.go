package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/backup"
	"tocsin/node/belief"
	"tocsin/node/custody"
	"tocsin/node/identity"
	"tocsin/node/scrub"
	"tocsin/storage"
)

type statusResource struct {
	self    Self
	store   *storage.Store
	mesh    Mesh
	desk    *belief.Desk
	keys    *custody.Office // nil in tests
	running func() bool
	space   func() *api.Space
	backups *backup.Runner // nil in tests
	scrub   *scrub.Keeper  // nil in tests
	catchUp *CatchUp       // nil in tests
	ports   []string       // where the admin port listens besides the socket
}

func (s *statusResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "status", Method: http.MethodGet, Path: "/status", Summary: "The node at a glance",
		Description: "The only resource that answers while the node starts; everything in it is cheap to ask for.",
	}, s.get)
}

func (s *statusResource) get(context.Context, *nothing) (*body[api.Status], error) {
	st := api.Status{
		Org: s.self.Org.String(), Node: s.self.Node, PeerID: s.self.PeerID,
		Name: s.self.Name, Country: s.self.Country, Words: identity.Words(s.self.Org),
		Network: s.self.Network, Version: s.self.Version, Started: s.self.Started,
		Addrs: []string{}, Topics: []string{}, State: api.StateStarting, Admin: append([]string{}, s.ports...),
	}
	if !s.running() {
		return answer(st)
	}
	st.State = api.StateRunning
	if st.Space = s.space(); st.Space != nil && st.Space.Degraded != "" {
		st.State = api.StateDegraded
	}
	st.Addrs = append(st.Addrs, s.mesh.Addrs()...)
	for _, p := range s.mesh.Peers() {
		if p.Connected {
			st.Peers++
		} else {
			st.Unreached++ // it is kept, or it would not be listed
		}
	}
	for _, t := range s.mesh.Topics() {
		st.Topics = append(st.Topics, t.Topic.String())
	}
	st.Scrub = scrubOf(s.scrub)
	st.Sync = s.syncStatus()
	c := s.store.Counts()
	st.Records, st.Objects, st.Held = c.Records, c.Objects, c.Held
	st.Waiting = s.mesh.Waiting()
	st.Backup = backupStatus(s.backups)
	st.Judging, st.Behind = judging(s.desk), behind(s.desk)
	if s.keys != nil {
		keys := s.keys.Keys()
		st.Node = keys.Record.Public().ID().String()
		if err := s.keys.Stopped(); err != nil {
			st.Stopped = err.Error()
		}
	}
	return answer(st)
}
