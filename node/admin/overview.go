package admin

import (
	"context"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/policy"
)

// overviewResource says what the node is made of: whom it meets, which program it is, how it is set.
type overviewResource struct {
	names  names
	mesh   Mesh
	policy *policy.Book
	// settings is nil where nobody knows them.
	settings func() []api.Setting
}

func (o *overviewResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "mesh", Method: http.MethodGet, Path: "/mesh", Summary: "Whom the node meets directly, and how",
		Description: "One hop only: what others meet is not known.",
	}, o.links)
	handle(a, huma.Operation{
		OperationID: "build", Method: http.MethodGet, Path: "/build", Summary: "Which program runs",
		Description: "Read from the program itself; nothing is asked of the network.",
	}, o.build)
	handle(a, huma.Operation{
		OperationID: "policy", Method: http.MethodGet, Path: "/policy", Summary: "What the trust list decides by",
		Description: "The figures of the trust list and its groups. The ETag is that of GET /trust: both are the trust list in force.",
	}, o.rules)
	if o.settings != nil {
		handle(a, huma.Operation{
			OperationID: "config", Method: http.MethodGet, Path: "/config", Summary: "The configuration in force, and where each value comes from",
			Description: "Every key with its value in force and where it comes from. Secrets are no keys, so none is shown. " +
				"Changed in tocsin.toml only, and read at the start.",
		}, o.config)
	}
}

func (o *overviewResource) links(_ context.Context, in *PageIn) (*body[api.Links], error) {
	list := api.List[api.Link]{Items: []api.Link{}}
	for _, i := range o.mesh.Peers() {
		l := api.Link{Peer: i.ID, Kind: linkKind(i), Topics: i.Topics, Mesh: i.Mesh, LatencyMS: float64(i.Latency) / float64(time.Millisecond), Since: i.Since}
		if i.OrgKnown {
			l.Org, l.Petname = i.Org.String(), o.names.petname(i.Org)
		}
		list.Items = append(list.Items, l)
	}
	page, err := paged("mesh", list, *in, func(l api.Link) string { return l.Peer })
	if err != nil {
		return nil, err
	}
	return answer(api.Links{Node: o.names.self.PeerID, Items: page.Body.Items, Next: page.Body.Next})
}

func linkKind(i PeerInfo) string {
	switch {
	case !i.Connected:
		return "kept"
	case i.Mesh > 0:
		return "mesh"
	case i.Topics > 0:
		return "topic"
	}
	return "connected"
}

func (o *overviewResource) build(context.Context, *nothing) (*body[api.Build], error) {
	out := api.Build{Version: o.names.self.Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return answer(out)
	}
	out.Modules = len(info.Deps)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			out.Revision = s.Value
		case "vcs.modified":
			out.Modified = s.Value == "true"
		case "vcs.time":
			out.Time, _ = time.Parse(time.RFC3339, s.Value) // absent where the build does not say
		}
	}
	return answer(out)
}

func (o *overviewResource) rules(context.Context, *nothing) (*tagged[api.Policy], error) {
	version, list := o.policy.Version(), o.policy.List()
	out := api.Policy{Version: version, Digest: list.Digest().String(), Entries: map[string]int{}, TwoApprovers: list.TwoApprovers(), Groups: []api.PolicyGroup{}}
	for _, e := range list.Entries() {
		out.Entries[o.names.level(e.Org, "")]++
	}
	for _, g := range list.Groups() {
		group := api.PolicyGroup{Name: g.Name, Upstream: g.Upstream, Orgs: []string{}}
		for _, org := range g.Orgs {
			group.Orgs = append(group.Orgs, org.String())
		}
		out.Groups = append(out.Groups, group)
	}
	return answerTagged(listTag(list), out)
}

func (o *overviewResource) config(_ context.Context, in *PageIn) (*body[api.List[api.Setting]], error) {
	return paged("config", api.List[api.Setting]{Items: o.settings()}, *in, func(s api.Setting) string { return s.Name })
}
