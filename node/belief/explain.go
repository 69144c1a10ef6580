package belief

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// maxExplained bounds how many values of one object are explained.
const maxExplained = 100

// Explain gives the arithmetic behind one value, or behind each value that a
// STIX id (whole, or a unique beginning of it) names. not.found when neither is
// known, id.ambiguous when the beginning fits several.
func (d *Desk) Explain(subject string, now time.Time) (*api.Explanation, error) {
	s := d.session(d.Inputs(), now)
	if isID(subject) {
		return s.explainObject(subject)
	}
	o := pattern.Refang(subject)
	e, err := s.explainValue(o)
	if err != nil {
		return nil, fmt.Errorf("explain %q: %w", subject, err)
	}
	return e, nil
}

// isID tells a STIX id, or its beginning, from a value: type, two hyphens, and
// at least 8 hex digits or hyphens of a UUID.
func isID(s string) bool {
	typ, id, ok := strings.Cut(s, "--")
	return ok && typ != "" && len(id) >= 8 && len(id) <= 36 &&
		strings.Trim(typ, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && strings.Trim(id, "0123456789abcdef-") == ""
}

func (s *session) explainObject(subject string) (*api.Explanation, error) {
	id, versions, err := s.versions(subject)
	if err != nil {
		return nil, err
	}
	versions = newest(versions)
	values := named(versions)
	more := len(values) - maxExplained
	if more > 0 {
		values = values[:maxExplained]
	}
	var all []api.Explanation
	for _, o := range values {
		e, err := s.explainValue(o)
		if err != nil {
			return nil, fmt.Errorf("explain %s: %w", id, err)
		}
		all = append(all, *e)
	}
	if len(all) == 0 {
		return s.explainBare(id, versions), nil
	}
	slices.SortStableFunc(all, func(a, b api.Explanation) int { return b.Gate*101 + b.Score - a.Gate*101 - a.Score })
	e := all[0]
	if len(all) == 1 {
		return &e, nil
	}
	e.Values = all
	e.Why = append([]string{fmt.Sprintf("%s names %d values; %s is the strongest", id, len(all)+max(more, 0), e.Value)}, e.Why...)
	for _, other := range all[1:] {
		e.Why = append(e.Why, fmt.Sprintf("another value: %s, %s, score %d", other.Value, other.Verdict, other.Score))
	}
	if more > 0 {
		e.Why = append(e.Why, fmt.Sprintf("%d more values are not explained here: ask for each", more))
	}
	return &e, nil
}

// versions finds an object by its id or a unique beginning of it.
func (d *Desk) versions(subject string) (string, []storage.Hit, error) {
	hits, err := d.Store.Versions(subject)
	if err != nil || len(hits) > 0 {
		return subject, hits, err
	}
	ids, err := d.Store.Complete(subject, 6)
	switch {
	case err != nil:
		return subject, nil, fmt.Errorf("explain %s: %w", subject, err)
	case len(ids) == 0:
		return subject, nil, reason.New(reason.NotFound, fmt.Sprintf("explain %s: no such object here", subject))
	case len(ids) > 1:
		return subject, nil, reason.New(reason.Ambiguous, fmt.Sprintf("explain %s: it is the beginning of %s", subject, strings.Join(ids, ", ")))
	}
	hits, err = d.Store.Versions(ids[0])
	return ids[0], hits, err
}

// newest drops versions that a newer accepted one of the same organisation replaces.
func newest(versions []storage.Hit) []storage.Hit {
	var out []storage.Hit
	replaced := map[protocol.OrgID]bool{}
	for _, h := range versions {
		if replaced[h.Org] {
			continue
		}
		out = append(out, h)
		replaced[h.Org] = !h.RecordHeld && h.State != storage.Held && h.State != storage.Refused
	}
	return out
}

// named lists the values of the given versions, those of the newest first.
func named(versions []storage.Hit) []pattern.Observable {
	var out []pattern.Observable
	seen := map[pattern.Observable]bool{}
	for _, h := range versions {
		for _, v := range h.Values {
			if !seen[v.Observable] {
				seen[v.Observable] = true
				out = append(out, v.Observable)
			}
		}
	}
	return out
}

// explainBare speaks of an object that names no value to be asked for.
func (s *session) explainBare(id string, versions []storage.Hit) *api.Explanation {
	h := s.consider(pattern.Observable{}, versions)
	e := &api.Explanation{Value: id, Terms: []api.Term{}, Why: []string{id + " names no value that could be looked up, so it has no score"}}
	e.Verdict, e.State = h.judge(&trust.Assessment{})
	return e
}

func (s *session) explainValue(o pattern.Observable) (*api.Explanation, error) {
	h, err := s.hear(o)
	if err != nil {
		return nil, err
	}
	if len(h.voices) == 0 {
		return nil, s.nobody(h)
	}
	v, err := s.verdict(h)
	if err != nil {
		return nil, err
	}
	a := &v.Assessment
	e := &api.Explanation{
		Value: o.Value, Verdict: v.Verdict, State: v.State, Score: trust.Points(a.Shown), Gate: trust.Points(a.Gate),
		Support: fraction(a.Support), Refute: fraction(a.Refute),
		Terms: make([]api.Term, len(a.Terms)), Opinions: h.opinions(), Automation: gate(&v.Passage),
		Ledger: s.ledger(h), Barred: h.barred(),
	}
	if h.warned {
		e.Warning = warning(h.warning)
	}
	for i, t := range a.Terms {
		e.Terms[i] = term(&t)
	}
	e.Why = s.why(h, v, e)
	return e, nil
}

// nobody says that no object here names the value, and what else is known of it.
func (s *session) nobody(h *hearing) error {
	text := fmt.Sprintf("nothing here names the %s %q", h.value.Type, h.value.Value)
	if h.omitted > 0 {
		text += fmt.Sprintf(", but %d objects of strangers that may were not looked at", h.omitted)
	}
	if s.in.Warnings != nil {
		if hit, ok := s.in.Warnings.Match(h.value); ok {
			text += fmt.Sprintf("; the warning list %q does (%s)", hit.List, hit.Entry)
		}
	}
	return reason.New(reason.NotFound, text)
}

func term(t *trust.Term) api.Term {
	return api.Term{
		Org: t.Claim.Org.String(), Petname: t.Petname, Group: t.Group, Level: t.Level.String(),
		Weight: fraction(t.Weight), Q: fraction(t.Q), Claimed: claimed(t), Decay: fraction(t.Decay), V: fraction(t.V),
		Counted: t.Counted, Refutes: t.Claim.Refutes, Why: t.Why, Object: t.Claim.Object, Record: t.Claim.Record.String(),
		Barred: string(t.Claim.Barred),
	}
}

// claimed is the stated claim, as the formula min(claimed, 95) wants it; silence is 50.
func claimed(t *trust.Term) int {
	if t.Claim.Claimed < 0 {
		return t.Claimed / 100
	}
	return min(t.Claim.Claimed, 100)
}

// fraction turns 1/10,000 into a fraction of 1 with at most four digits.
func fraction(n int) float64 { return float64(n) / 10_000 }

// speaker names a voice for an explanation: by its petname, never by a name
// that it gives itself.
func speaker(petname string, org protocol.OrgID, level trust.Level) string {
	if level == trust.Own {
		return "we ourselves"
	}
	if petname == "" {
		petname = org.String()[:len("sha256:")+8]
	}
	return petname + " " + level.String()
}
