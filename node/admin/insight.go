package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/belief"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// insightResource says where an object comes from and what became of it.
type insightResource struct {
	objectResource
	desk *belief.Desk
}

func (o *insightResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "object-versions", Method: http.MethodGet, Path: "/objects/{id}/versions", Summary: "Versions of an object and other organisations' voices under its id, newest first",
		Description: "Without bytes. Other organisations may speak under the same id: org says who.",
	}, o.versions)
	handle(a, huma.Operation{
		OperationID: "object-provenance", Method: http.MethodGet, Path: "/objects/{id}/provenance", Summary: "Who signed an object, and who brought it here",
		Description: "By signatures and by what this node saw. What the author says of its sources is upstream, which proves nothing.",
	}, o.provenance)
	handle(a, huma.Operation{
		OperationID: "object-score", Method: http.MethodGet, Path: "/objects/{id}/score", Summary: "The arithmetic behind the score of what an object names",
		Description: "As GET /explain for the object's id.",
	}, o.score)
	handle(a, huma.Operation{
		OperationID: "object-fate", Method: http.MethodGet, Path: "/objects/{id}/fate", Summary: "What became of an object here, and why",
		Description: "The state with its reason, blame and fix, and what happened to it: signed, received, superseded.",
	}, o.fate)
}

func (o *insightResource) versions(_ context.Context, in *struct {
	PageIn
	ID string `path:"id" doc:"A STIX id or a unique beginning of it, or RECORD#INDEX"`
}) (*body[api.List[api.Object]], error) {
	h, _, err := o.find.object(in.ID)
	if err != nil {
		return nil, err
	}
	hits, err := o.store.Versions(h.Object)
	if err != nil {
		return nil, err
	}
	list := api.List[api.Object]{Items: []api.Object{}}
	for _, v := range hits {
		item := o.names.object(v)
		item.Received, item.From, _ = o.store.Source(v.Record) // a record that has just expired has none
		list.Items = append(list.Items, item)
	}
	return paged("versions", list, in.PageIn, func(v api.Object) string {
		return fmt.Sprintf("%s%s%s%020d", newestFirst(v.Modified), newestFirst(v.Created), v.Record, v.Index)
	})
}

func (o *insightResource) provenance(_ context.Context, in *idIn) (*body[api.Provenance], error) {
	h, _, err := o.find.object(in.ID)
	if err != nil {
		return nil, err
	}
	raw, _, err := o.store.Record(h.Record)
	if err != nil {
		return nil, err
	}
	header, err := protocol.StoredHeader(raw)
	if err != nil {
		return nil, reason.Wrap(reason.StoreDamaged, "provenance of "+h.Object, err)
	}
	out := api.Provenance{
		Object: h.Object, Record: h.Record.String(), Index: h.Index, Org: h.Org.String(), Petname: o.names.petname(h.Org),
		Level: o.names.level(h.Org, h.Topic.String()), Sequence: header.Sequence, Topic: h.Topic.String(), TLP: h.TLP.String(),
		Upstream: header.Upstream, Created: header.Created, Expires: header.Expires, Voices: []api.ProvenanceVoice{},
	}
	if cert, ok := o.identity.Chains().Certificate(header.Certificate); ok {
		out.Key = cert.RecordKey.ID().String()
	}
	if out.Received, out.From, err = o.store.Source(h.Record); err != nil {
		return nil, err
	}
	all, err := o.store.Versions(h.Object)
	if err != nil {
		return nil, err
	}
	at := map[protocol.OrgID]int{}
	for _, v := range all {
		i, known := at[v.Org]
		if !known {
			i = len(out.Voices)
			at[v.Org] = i
			out.Voices = append(out.Voices, api.ProvenanceVoice{Org: v.Org.String(), Petname: o.names.petname(v.Org), Level: o.names.level(v.Org, v.Topic.String())})
		}
		out.Voices[i].Versions++
	}
	return answer(out)
}

func (o *insightResource) score(_ context.Context, in *idIn) (*body[*api.Explanation], error) {
	h, _, err := o.find.object(in.ID)
	if err != nil {
		return nil, err
	}
	e, err := o.desk.Explain(h.Object, time.Now())
	if err != nil {
		return nil, err
	}
	return answer(e)
}

func (o *insightResource) fate(_ context.Context, in *idIn) (*body[api.Fate], error) {
	h, _, err := o.find.object(in.ID)
	if err != nil {
		return nil, err
	}
	out := api.Fate{Object: h.Object, Record: h.Record.String(), Index: h.Index, State: stateOf(h), Whole: h.RecordHeld, Steps: []api.FateStep{}}
	if code := cmp.Or(h.Reason, h.RecordReason); code != "" {
		entry, _ := reason.Lookup(code)
		out.Code, out.Blame, out.Fix = string(code), string(entry.Blame), entry.Fix
	}
	received, from, err := o.store.Source(h.Record)
	if err != nil {
		return nil, err
	}
	out.Steps = append(out.Steps, api.FateStep{Kind: "signed", At: h.Created, Org: h.Org.String()}, api.FateStep{Kind: "received", At: received, From: from})
	all, err := o.store.Versions(h.Object)
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		if v.Org == h.Org && v.Modified.After(h.Modified) {
			out.Steps = append(out.Steps, superseded(o.store, v))
		}
	}
	slices.SortStableFunc(out.Steps, func(a, b api.FateStep) int { return a.At.Compare(b.At) })
	return answer(out)
}

// superseded is the arrival of a newer version by the same author.
func superseded(store *storage.Store, v storage.Hit) api.FateStep {
	at, from, _ := store.Source(v.Record) // a record that has just expired has none
	return api.FateStep{Kind: "superseded", At: at, From: from, Org: v.Org.String(), Record: v.Record.String()}
}
