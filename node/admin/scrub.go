package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/scrub"
)

// scrubResource looks for damage in the store.
type scrubResource struct {
	keeper *scrub.Keeper
	audit  *audit.Log
}

func (s *scrubResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "scrub", Method: http.MethodGet, Path: "/scrub", Summary: "What the last look at the whole store found",
		Description: "Of the round that runs, as far as it is, else of the last one.",
	}, s.last)
	handle(a, huma.Operation{
		OperationID: "scrub-now", Method: http.MethodPost, Path: "/scrub", Summary: "Look at the whole store now, and repair it from peers",
		Description: "Reads every record, holds it against its id, and fetches damaged ones from peers. " +
			"Answers when it is done, which takes minutes where there is much; one that runs already is waited for first. " +
			"The audit log has scrub.now.",
	}, s.now)
}

func (s *scrubResource) last(context.Context, *nothing) (*body[api.Scrub], error) {
	return answer(*scrubOf(s.keeper))
}

func (s *scrubResource) now(ctx context.Context, _ *nothing) (*body[api.Scrub], error) {
	err := recorded(ctx, s.audit, audit.Event{Action: "scrub.now"}, func() error {
		_, err := s.keeper.Now(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(*scrubOf(s.keeper))
}

// scrubOf shows the last round; nil without a keeper.
func scrubOf(k *scrub.Keeper) *api.Scrub {
	if k == nil {
		return nil
	}
	r := k.Report()
	out := &api.Scrub{
		Running: r.Running, OK: r.Sound(), Began: r.Began, Ended: r.Ended, Records: r.Records, Repaired: r.Repaired,
		Lost: []string{}, Problems: append([]string{}, r.Problems...),
	}
	for _, f := range r.Lost {
		out.Lost = append(out.Lost, f.Record.String())
	}
	if r.Error != "" {
		out.Problems = append(out.Problems, r.Error)
	}
	return out
}
