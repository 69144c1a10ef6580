package belief

import (
	"fmt"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// pass asks the automation gate. Nothing is exported yet, so no organisation has used
// anything of its daily cap.
func (s *session) pass(h *hearing, a *trust.Assessment) (trust.Passage, error) {
	arrived, err := s.arrived(a, h.value.Type)
	if err != nil {
		return trust.Passage{}, err
	}
	return s.in.List.Pass(a, trust.GateQuery{Value: h.value, Warned: h.warned, Arrived: arrived}, s.now), nil
}

// arrived is when the newest of the records came that the gate rests on, own ones left out.
func (s *session) arrived(a *trust.Assessment, kind pattern.Type) (time.Time, error) {
	var newest time.Time
	for _, t := range a.Rests(kind) {
		if t.Level == trust.Own {
			continue
		}
		received, _, err := s.Store.Source(t.Claim.Record)
		if reason.Of(err) == reason.NotFound {
			continue // it expired just now
		}
		if err != nil {
			return newest, err
		}
		if received.After(newest) {
			newest = received
		}
	}
	return newest, nil
}

// tooLow is the answer where the score alone stands in the way, which is nearly always: all items of a
// session share it. What else stands in the way explain says.
func tooLow() *api.Automation {
	why := fmt.Sprintf("The gate score is below %d, and machines act from there.", trust.Points(trust.Actionable))
	return &api.Automation{Obstacles: []string{why}, Publishers: []string{}}
}

// automation says whether machines may act on a value.
func (s *session) automation(h *hearing, a *trust.Assessment) (*api.Automation, error) {
	if a.Gate < trust.Actionable {
		return s.low, nil
	}
	full := s.in.List.Assess(h.claims, h.warning.Weight, s.now)
	p, err := s.pass(h, &full)
	if err != nil {
		return nil, err
	}
	return gate(&p), nil
}

func gate(p *trust.Passage) *api.Automation {
	out := &api.Automation{Allow: p.Allow, Groups: p.Groups, Obstacles: append([]string{}, p.Obstacles...), Publishers: []string{}}
	for _, org := range p.Publishers {
		out.Publishers = append(out.Publishers, org.String())
	}
	return out
}
