package belief

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/node/scores"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// The bounds of a comparison.
const (
	// MaxExamples is how many changed values a comparison names.
	MaxExamples = 50
	// maxWaiting is how many held objects of newly listed organisations are looked at.
	maxWaiting = 100_000
	// stride is how many values are judged between two rests.
	stride = 256
)

// Comparison is what other inputs would change.
type Comparison struct {
	// Values were judged, Changed have another verdict or band.
	Values, Changed int
	// Kinds counts the changes: "suspicious -> malicious", or, where the verdict stays, "known: context -> stored".
	Kinds map[string]int
	// Examples are the first MaxExamples changed values in the order of (type, value).
	Examples []Example
	Took     time.Duration
}

// Example is one value that changes.
type Example struct {
	Value         pattern.Observable
	Before, After Standing
}

// Standing is where a value stands.
type Standing struct {
	Verdict, State string
	// Score and Gate are in points, Band is that of the gate score.
	Score, Gate int
	Band        string
}

// same reports whether what machines and people go by is unchanged.
func (s Standing) same(t Standing) bool { return s.Verdict == t.Verdict && s.Band == t.Band }

// kind names the change from s to t.
func (s Standing) kind(t Standing) string {
	if s.Verdict != t.Verdict {
		return s.Verdict + " -> " + t.Verdict
	}
	return s.Verdict + ": " + s.Band + " -> " + t.Band
}

// band names the part of the scale that a gate score lies in.
func band(gate int) string {
	switch {
	case gate >= trust.Actionable:
		return "actionable"
	case gate >= trust.Alert:
		return "alert"
	case gate >= trust.Context:
		return "context"
	}
	return "stored"
}

// stand judges hits about a value, for who explains nothing.
func (s *session) stand(o pattern.Observable, hits []storage.Hit) (Standing, error) {
	if len(hits) == 0 {
		return Standing{Verdict: unknown, State: none, Band: band(0)}, nil
	}
	h := s.consider(o, hits)
	if err := s.answers(h); err != nil {
		return Standing{}, err
	}
	a := s.in.List.Score(h.claims, h.warning.Weight, s.now)
	out := Standing{Score: trust.Points(a.Shown), Gate: trust.Points(a.Gate), Band: band(a.Gate)}
	out.Verdict, out.State = h.judge(&a)
	return out, nil
}

// Compare reports which values would have another verdict or band at now under other
// inputs: those named by records received since, and those that wait in quarantine because
// their author is listed by the other inputs only. It works in the background's pace.
func (d *Desk) Compare(ctx context.Context, from, to Inputs, since, now time.Time) (Comparison, error) {
	out := Comparison{Kinds: map[string]int{}}
	began := time.Now()
	c := contrast{Desk: d, from: d.session(from, now), to: d.session(to, now), pace: scores.Pace{Store: d.Store}}
	c.to.admits = true
	c.pace.Start()
	seen := map[pattern.Observable]bool{}
	visit := func(o pattern.Observable) error {
		before, after, _, err := c.judge(ctx, o)
		if err != nil {
			return err
		}
		out.Values++
		if !before.same(after) {
			out.note(Example{o, before, after})
		}
		return nil
	}
	waiting, err := d.waiting(ctx, from.List, to.List, since)
	for _, o := range waiting {
		if err == nil && !seen[o] {
			seen[o] = true
			err = visit(o)
		}
	}
	if err == nil {
		err = d.Store.Survey(ctx, since, func(o pattern.Observable) error {
			if seen[o] {
				return nil
			}
			return visit(o)
		})
	}
	if err != nil {
		return out, fmt.Errorf("compare verdicts: %w", err)
	}
	out.Took = time.Since(began)
	return out, nil
}

// note counts a change and keeps it if it is among the first.
func (c *Comparison) note(e Example) {
	c.Changed++
	c.Kinds[e.Before.kind(e.After)]++
	i, _ := slices.BinarySearchFunc(c.Examples, e, func(a, b Example) int {
		return cmp.Or(cmp.Compare(a.Value.Type, b.Value.Type), cmp.Compare(a.Value.Value, b.Value.Value))
	})
	if i == MaxExamples {
		return
	}
	c.Examples = slices.Insert(c.Examples, i, e)
	c.Examples = c.Examples[:min(len(c.Examples), MaxExamples)]
}

// waiting lists the values that wait in quarantine because their author is a stranger to from and listed by to.
func (d *Desk) waiting(ctx context.Context, from, to *trust.List, since time.Time) ([]pattern.Observable, error) {
	var out []pattern.Observable
	for _, e := range to.Entries() {
		if from.Listed(e.Org) || !to.Listed(e.Org) {
			continue
		}
		filter := storage.HeldFilter{Org: e.Org, Reason: reason.TrustUnknown}
		for after, looked := (storage.Ref{}), 0; looked < maxWaiting && ctx.Err() == nil; {
			items, next, err := d.Store.QuarantineWhere(filter, after, 1000)
			if err != nil {
				return nil, err
			}
			for i := range items {
				if h := &items[i]; h.Claim && !h.Since.Before(since) {
					out = append(out, observables(h.Values)...)
				}
			}
			if looked += len(items); next == (storage.Ref{}) {
				break
			}
			after = next
		}
	}
	return out, ctx.Err()
}

func observables(values []pattern.Value) []pattern.Observable {
	out := make([]pattern.Observable, 0, len(values))
	for _, v := range values {
		if v.Alone {
			out = append(out, v.Observable)
		}
	}
	return out
}

// contrast judges values twice.
type contrast struct {
	*Desk
	from, to *session
	pace     scores.Pace
	judged   int
}

// judge gives a value's standing under both inputs, and the records that name it.
func (c *contrast) judge(ctx context.Context, o pattern.Observable) (before, after Standing, records []protocol.RecordID, err error) {
	if c.judged++; c.judged%stride == 0 {
		if err := c.pace.Rest(ctx); err != nil {
			return before, after, nil, err
		}
	}
	hits, _, err := c.Store.Lookup(o, func(org protocol.OrgID) bool {
		return c.to.in.List.Listed(org) || c.from.in.List.Listed(org)
	})
	if err != nil {
		return before, after, nil, err
	}
	if before, err = c.from.stand(o, hits); err != nil {
		return before, after, nil, err
	}
	if after, err = c.to.stand(o, hits); err != nil || before.same(after) {
		return before, after, nil, err
	}
	for i := range hits {
		if h := &hits[i]; !h.RecordHeld {
			records = append(records, h.Record)
		}
	}
	return before, after, records, nil
}
