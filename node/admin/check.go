package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/belief"
)

// maxCheckBytes is room for MaxCheckValues of generous length.
const maxCheckBytes = 32 << 20

// checkResource answers what is believed and why. Nothing of it leaves the node.
type checkResource struct{ desk *belief.Desk }

func (c *checkResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "check", Method: http.MethodPost, Path: "/check", Summary: "What is believed about values",
		Description: "Judges up to 10,000 values at once by what is held here, in the order of the question; " +
			"nothing leaves the node and nothing is written down. " +
			"A value that nobody names has the verdict unknown, which is no proof of harmlessness. GET /explain says how a score came about.",
		MaxBodyBytes: maxCheckBytes,
	}, c.check)
	handle(a, huma.Operation{
		OperationID: "explain", Method: http.MethodGet, Path: "/explain", Summary: "The arithmetic behind a score",
		Description: "For one value, or for each value that an object names. With the trust list, the terms suffice to recompute the score by hand. " +
			"not.found says that nobody names it.",
	}, c.explain)
}

func (c *checkResource) check(_ context.Context, in *struct{ Body api.CheckRequest }) (*body[api.List[api.CheckItem]], error) {
	items, err := c.desk.Check(in.Body.Values, time.Now())
	if err != nil {
		return nil, err
	}
	for i := range items {
		if items[i].Sources == nil {
			items[i].Sources = []api.Source{}
		}
	}
	return answer(api.List[api.CheckItem]{Items: items})
}

func (c *checkResource) explain(_ context.Context, in *struct {
	Subject string `query:"subject" required:"true" minLength:"1" maxLength:"16384" doc:"A value as typed, or a STIX id or a unique beginning of it"`
}) (*body[*api.Explanation], error) {
	e, err := c.desk.Explain(in.Subject, time.Now())
	if err != nil {
		return nil, err
	}
	return answer(e)
}
