package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/doctor"
	"tocsin/protocol/reason"
)

// maxExaminations is how many may run at once: each looks at the disk and the network.
const maxExaminations = 2

// doctorResource examines the node.
type doctorResource struct {
	checks func() []doctor.Check
	// slots bounds the examinations under way.
	slots chan struct{}
}

func (d *doctorResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "doctor", Method: http.MethodGet, Path: "/doctor", Summary: "Examine the node: checks with what they found and what to do, within five seconds",
		Description: "Runs all checks, or the named ones, and answers within five seconds with what each found and what to do. " +
			"Two examinations run at a time; more wait. Changes nothing.",
	}, d.examine)
}

type doctorIn struct {
	Check []string `query:"check,explode" maxItems:"100" doc:"Names of checks; all without"`
}

func (d *doctorResource) examine(ctx context.Context, in *doctorIn) (*body[api.Examination], error) {
	chosen, err := namedChecks(d.checks(), in.Check)
	if err != nil {
		return nil, err
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	start := time.Now()
	results := doctor.Examine(ctx, chosen)
	out := api.Examination{State: string(doctor.Worst(results)), Checks: []api.Checked{}}
	for _, r := range results {
		out.Checks = append(out.Checks, api.Checked{Name: r.Name, State: string(r.State), Text: r.Text, Fix: r.Fix, TookMS: r.TookMS})
	}
	out.TookMS = time.Since(start).Milliseconds()
	return answer(out)
}

// namedChecks gives the checks by those names, all for none; not.found for a name that no check has.
func namedChecks(all []doctor.Check, names []string) ([]doctor.Check, error) {
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, c := range all {
		known = append(known, c.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, reason.New(reason.NotFound, fmt.Sprintf("check %q: no such check; there are %s", name, strings.Join(known, ", ")))
		}
	}
	return slices.DeleteFunc(all, func(c doctor.Check) bool { return !slices.Contains(names, c.Name) }), nil
}
