package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/node/belief"
	"tocsin/node/policy"
	"tocsin/protocol/trust"
)

// simulateResource says what a trust list would change. It applies nothing.
type simulateResource struct {
	desk   *belief.Desk
	policy *policy.Book
	// one lets a single simulation run: it reads all that is stored.
	one chan struct{}
}

func (s *simulateResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "trust-simulate", Method: http.MethodPost, Path: "/trust-simulation", Summary: "What a trust list would change",
		Description: "Judges the values of some days by the list in force and by the given one in the place of the operator's file. " +
			"Applies nothing and writes nothing down. It reads much, so one runs at a time: conflict says that another one does.",
		MaxBodyBytes: 2 * api.MaxTrustFile, // JSON writes some characters of a file with two,
	}, s.simulate)
}

func (s *simulateResource) simulate(ctx context.Context, in *struct{ Body api.SimulateRequest }) (*body[api.Simulation], error) {
	release, err := place(s.one, "simulate a trust list: another simulation runs")
	if err != nil {
		return nil, err
	}
	defer release()
	list, err := trust.Parse(cmp.Or(in.Body.Name, "the trust list"), []byte(in.Body.File))
	if err != nil {
		return nil, err
	}
	if list, err = s.policy.Preview(list); err != nil {
		return nil, err
	}
	now, days := time.Now(), cmp.Or(in.Body.Days, api.DefaultSimulateDays)
	from := s.desk.Inputs()
	to := from
	to.List = list
	c, err := s.desk.Compare(ctx, from, to, now.AddDate(0, 0, -days), now)
	if err != nil {
		return nil, err
	}
	return answer(simulation(&c, days))
}

func simulation(c *belief.Comparison, days int) api.Simulation {
	out := api.Simulation{
		Values: c.Values, Changed: c.Changed, Days: days, Seconds: c.Took.Seconds(),
		Kinds: []api.ChangeKind{}, Examples: []api.ChangeExample{},
	}
	for kind, n := range c.Kinds {
		out.Kinds = append(out.Kinds, api.ChangeKind{Kind: kind, Count: n})
	}
	slices.SortFunc(out.Kinds, func(a, b api.ChangeKind) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Kind, b.Kind)) })
	for _, e := range c.Examples {
		out.Examples = append(out.Examples, api.ChangeExample{
			Type: string(e.Value.Type), Value: e.Value.Value, Before: api.Placement(e.Before), After: api.Placement(e.After),
		})
	}
	return out
}

// judging is the background judgement as the status shows it; nil when there was none.
func judging(desk *belief.Desk) *api.Judging {
	p := desk.Progress()
	if p.Began.IsZero() {
		return nil
	}
	return &api.Judging{
		Running: p.Running, Why: p.Why, Values: p.Values, Changed: p.Changed, PerSecond: p.PerSecond(), Seconds: p.Took.Seconds(),
	}
}

// behind counts the changes that the scorecards have not looked at yet.
func behind(desk *belief.Desk) uint64 {
	if desk.Scores == nil {
		return 0
	}
	return desk.Scores.Behind()
}
