package admin

import (
	"cmp"
	"net/http"
	"slices"

	"tocsin/node/admin/api"
	"tocsin/node/outbox"
	"tocsin/protocol"
)

// show answers what a publication would send.
func (p *publishResource) show(r *http.Request, req outbox.Request, a *publishAnswer) {
	would, err := p.look(r, req)
	if err != nil {
		a.problem(problemOf("publish", err))
		return
	}
	res := showResult(would.Result)
	res.Preview = &api.PublishPreview{Types: would.Types, Markings: map[string]int{}, Values: would.Values, Audience: p.audience(req.Topic)}
	for tlp, n := range would.Markings {
		res.Preview.Markings[tlp.String()] = n
	}
	a.result(res)
}

// look takes the places of a publication, since it holds its file in memory like one; they are free again before the answer is
// written, which its reader may take slowly.
func (p *publishResource) look(r *http.Request, req outbox.Request) (outbox.Preview, error) {
	release, err := p.begin(r, &req, 0)
	if err != nil {
		return outbox.Preview{}, err
	}
	defer release()
	return p.preview(req)
}

// audience is who takes part in a topic now. Every topic that can be published on is open: whoever joins later reads it, too.
func (p *publishResource) audience(t protocol.Topic) api.Audience {
	out := api.Audience{Open: true, Orgs: []api.AudienceOrg{}}
	readers := p.mesh.Readers(t)
	by := map[protocol.OrgID]int{}
	for _, peer := range p.mesh.Peers() {
		switch {
		case !slices.Contains(readers, peer.ID), peer.OrgKnown && peer.Org == p.names.self.Org:
			continue
		case !peer.OrgKnown:
			out.Unnamed++
		default:
			by[peer.Org]++
		}
		out.Peers++
	}
	for org, n := range by {
		one := api.AudienceOrg{Org: org.String(), Petname: p.names.petname(org), Level: p.names.level(org, t.String()), Peers: n}
		if known, ok := p.names.identity.Chains().Org(org); ok {
			one.Name, one.Country = known.Genesis.Name, known.Genesis.Country
		}
		out.Orgs = append(out.Orgs, one)
	}
	slices.SortFunc(out.Orgs, func(a, b api.AudienceOrg) int { return cmp.Compare(a.Org, b.Org) })
	return out
}
