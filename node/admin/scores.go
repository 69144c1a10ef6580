package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/scores"
	"tocsin/protocol"
)

// scoreResource shows the scorecards. Nothing of it leaves the node.
type scoreResource struct {
	names  names
	scores *scores.Book // nil: none are kept
	// commitment is what an organisation promises now; nil where no promises are kept.
	commitment func(protocol.OrgID) (protocol.Commitment, bool)
}

func (s *scoreResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "scorecards", Method: http.MethodGet, Path: "/scorecards", Summary: "What this node saw of organisations' work",
		Description: "One per organisation and topic, in the order of their ids, with what it promised. Made here of what came here; nobody else has it.",
	}, s.list)
}

func (s *scoreResource) list(_ context.Context, in *struct {
	PageIn
	Org string `query:"org" maxLength:"512" doc:"Of this organisation: petname, id, or a unique beginning of 8 hex digits or more"`
}) (*body[api.List[api.Scorecard]], error) {
	var org protocol.OrgID
	if in.Org != "" {
		var err error
		if org, err = s.names.resolve(in.Org); err != nil {
			return nil, err
		}
	}
	out := api.List[api.Scorecard]{Items: []api.Scorecard{}}
	if s.scores == nil {
		return answer(out)
	}
	for _, c := range s.scores.Cards(org, time.Now()) {
		out.Items = append(out.Items, s.card(c))
	}
	return paged("scorecards", out, in.PageIn, func(c api.Scorecard) string {
		return c.Org + "\x00" + c.Topic
	})
}

func (s *scoreResource) card(c scores.Card) api.Scorecard {
	out := api.Scorecard{
		Org: c.Org.String(), Petname: s.names.petname(c.Org), Level: s.names.level(c.Org, c.Topic), Topic: c.Topic,
		Objects: c.Work.Objects, Unique: c.Work.Unique, First: c.Work.First, Last: c.Work.Last,
		Confirmed: c.Ledger.Confirmed, Refuted: c.Ledger.Refuted, Withdrawn: c.Ledger.Withdrawn, Q: float64(c.Ledger.Q) / 10_000,
		LeadSeconds: int64(c.Lead.Median / time.Second), Leads: c.Lead.Of,
		RetractionSeconds: int64(c.Retraction.Median / time.Second), Retractions: c.Retraction.Of,
	}
	if s.commitment == nil {
		return out
	}
	if p, ok := s.commitment(c.Org); ok {
		out.Commitment = &api.Commitment{
			Onward: p.Onward.String(), Attribution: p.Attribution, RetractionSeconds: int64(p.Retraction / time.Second),
			RetentionDays: int(p.Retention / (24 * time.Hour)), Will: p.Will, WillNot: p.WillNot, Until: p.Until,
		}
	}
	return out
}
