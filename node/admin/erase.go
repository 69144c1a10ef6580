package admin

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/intake"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// eraseResource takes data away for good.
type eraseResource struct {
	names  names
	find   finder
	store  *storage.Store
	intake *intake.Pipeline
	audit  *audit.Log
}

func (e *eraseResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "erase", Method: http.MethodPost, Path: "/erasures", Summary: "Erase objects at this node for good",
		Description: "Object and salt go, the hash stays and tells nothing. " +
			"Peers keep theirs, and what stands under the same id in other records stays and is named as elsewhere. " +
			"The bytes are gone from the disk after POST /vacuum. " +
			"The audit log has record.erase with the numbers of the objects, not their ids.",
	}, e.erase)
	handle(a, huma.Operation{
		OperationID: "vacuum", Method: http.MethodPost, Path: "/vacuum", Summary: "Take off the disk what is not live",
		Description: "Copies what is live and swaps the files; writing pauses meanwhile, reading for a moment. " +
			"It ends also when the client leaves, and takes as long as it takes. With aside it deletes folders of former repairs, too. " +
			"The audit log has store.vacuum.",
	}, e.vacuum)
}

func (e *eraseResource) erase(ctx context.Context, in *struct{ Body api.EraseRequest }) (*body[api.Erased], error) {
	if strings.TrimSpace(in.Body.Reason) == "" {
		return nil, reason.New(reason.UsageInvalid, "erase "+in.Body.Record+": a reason is needed, for those who look at it later")
	}
	if isSTIX(in.Body.Record) {
		return nil, e.object(in.Body.Record)
	}
	id, err := e.find.record(in.Body.Record)
	if err != nil {
		return nil, err
	}
	leaves, err := e.store.Leaves(id)
	if err != nil {
		return nil, err
	}
	chosen, err := choose(leaves, in.Body.Object)
	if err != nil {
		return nil, fmt.Errorf("erase of record %s: %w", id, err)
	}
	org, err := e.store.Signer(id)
	if err != nil {
		return nil, err
	}
	out := api.Erased{Record: id.String(), Org: org.String(), Petname: e.names.petname(org), Objects: []api.Ref{}, Elsewhere: []api.Ref{}}
	for i, l := range leaves {
		switch {
		case chosen != nil && i != chosen[0]:
			if l.Reason != reason.ObjectErased && l.Reason != reason.ObjectMissing {
				out.Left++
			}
			continue
		case l.Object != "":
			if out.Elsewhere, err = e.elsewhere(out.Elsewhere, l); err != nil {
				return nil, err
			}
		}
		out.Objects = append(out.Objects, api.Ref{Record: out.Record, Index: i})
	}
	event := audit.Event{Action: "record.erase", Target: out.Record, Reason: in.Body.Reason, Detail: erasureDetail(chosen, len(leaves))}
	err = recorded(ctx, e.audit, event, func() error { return e.intake.Erase(ctx, id, chosen) })
	if err != nil {
		return nil, err
	}
	return answer(out)
}

// object is the refusal of an object where a record was to be named; it says where the object stands.
func (e *eraseResource) object(id string) error {
	var every storage.Hit // of no record: all are elsewhere
	every.Object = id
	refs, err := e.elsewhere(nil, every)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		return reason.New(reason.NotFound, fmt.Sprintf("erase %s: it stands in no record here", id))
	}
	where := make([]string, 0, maxNamed)
	for _, r := range refs[:min(len(refs), maxNamed)] {
		where = append(where, r.Record)
	}
	return reason.New(reason.UsageInvalid, fmt.Sprintf("erase %s: this is an object, and one is erased from a record: name the record, and the object with --object; it stands in %d of them: %s",
		id, len(refs), strings.Join(where, ", ")))
}

// maxNamed is how many records an error names.
const maxNamed = 4

// choose finds the object that is named by number or STIX id; nil means the whole record.
func choose(leaves []storage.Hit, object string) ([]int, error) {
	if object == "" {
		return nil, nil
	}
	if n, err := strconv.Atoi(object); err == nil {
		if n < 0 || n >= len(leaves) {
			return nil, reason.New(reason.NotFound, fmt.Sprintf("object %d, the record has %d", n, len(leaves)))
		}
		return []int{n}, nil
	}
	for i, l := range leaves {
		if l.Object == object {
			return []int{i}, nil
		}
	}
	return nil, reason.New(reason.NotFound, fmt.Sprintf("object %s does not stand in it", object))
}

// erasureDetail names objects by number only: the audit log is not to keep what is to be forgotten.
func erasureDetail(chosen []int, count int) map[string]string {
	if chosen == nil {
		return map[string]string{"objects": "all", "count": strconv.Itoa(count)}
	}
	return map[string]string{"objects": strconv.Itoa(chosen[0]), "count": "1"}
}

// elsewhere adds what other records say under an object's id.
func (e *eraseResource) elsewhere(refs []api.Ref, l storage.Hit) ([]api.Ref, error) {
	versions, err := e.store.Versions(l.Object)
	if err != nil && reason.Of(err) != reason.NotFound {
		return nil, err
	}
	for _, v := range versions {
		if v.Record != l.Record {
			refs = append(refs, api.Ref{Record: v.Record.String(), Index: v.Index})
		}
	}
	return refs, nil
}

// vacuumIn is the body of a vacuum.
type vacuumIn struct {
	Body api.VacuumRequest
}

func (e *eraseResource) vacuum(ctx context.Context, in *vacuumIn) (*body[api.Vacuumed], error) {
	var v storage.Vacuumed
	var aside []string
	// Whoever asked may leave; what was begun ends.
	ctx = context.WithoutCancel(ctx)
	err := recorded(ctx, e.audit, audit.Event{Action: "store.vacuum"}, func() (err error) {
		if v, err = e.store.Vacuum(ctx); err != nil {
			return err
		}
		if aside = e.store.Aside(); in.Body.Aside {
			err = e.store.WipeAside()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(api.Vacuumed{Before: v.Before, After: v.After, PausedMS: v.Paused.Milliseconds(), SwapMS: v.Swap.Milliseconds(), Aside: aside, Wiped: in.Body.Aside})
}
