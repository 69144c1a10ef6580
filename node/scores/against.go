package scores

import (
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// refuters are the independent counted groups that spoke against an object before this record came.
func (s *sight) refuters(h *storage.Hit) ([]party, error) {
	if h.Object == "" {
		return nil, nil
	}
	all, err := s.against(h.Object)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	var out []party
	for _, p := range all {
		if p.compare(s.moment) >= 0 {
			break
		}
		if p.counted && !s.sameVoice(h, &p.first) {
			out = append(out, p)
		}
	}
	return out, nil
}

// verdict is what has been said against a claim so far.
type verdict struct {
	groups int // independent counted ones
	own    bool
}

// upheld reports whether more than one voice's word stands against the claim: one partner whose keys are stolen
// must not bring down everybody else.
func (v verdict) upheld() bool { return v.own || v.groups > 1 }

func (v *verdict) add(p *party) {
	v.groups++
	v.own = v.own || p.own
}

// against are the parties that speak against an object, in the order in which they began.
func (s *sight) against(object string) ([]party, error) {
	hits, _, err := s.Store.Lookup(pattern.Observable{Type: pattern.ObjectRef, Value: object}, s.list.Listed)
	if err != nil || len(hits) == 0 {
		return nil, err
	}
	kept := hits[:0]
	for i := range hits {
		if h := &hits[i]; stands(h) && refutes(h) && s.counts(h) {
			kept = append(kept, *h)
		}
	}
	return s.parties(kept, func(h *storage.Hit) bool { return refutes(h) && about(h, object) }, true)
}

// about reports whether an opinion names an object.
func about(h *storage.Hit, object string) bool {
	for _, v := range h.Values {
		if v.Observable.Type == pattern.ObjectRef && v.Observable.Value == object {
			return true
		}
	}
	return false
}

// sameVoice reports whether an object's author and somebody who speaks against it count as one.
func (s *sight) sameVoice(h *storage.Hit, other *first) bool {
	if h.Org == other.org {
		return true
	}
	pair := []storage.Hit{*h, {Org: other.org, Topic: other.topic}}
	pair[1].Record = other.id
	groups := s.groups(pair, false)
	return groups[0] == groups[1]
}

// refutation charges the authors of what a counted voice speaks against, once an object and group.
func (s *sight) refutation(h *storage.Hit) error {
	if !s.counts(h) {
		return nil
	}
	for _, v := range h.Values {
		if v.Observable.Type != pattern.ObjectRef || !s.once(v.Observable.Value, "refuted") {
			continue
		}
		all, err := s.against(v.Observable.Value)
		if err != nil {
			return err
		}
		for i := range all {
			if all[i].moment != s.moment || all[i].org != s.org {
				continue // somebody else of its group, or it itself earlier, said so before
			}
			if err := s.charge(v.Observable.Value, all, &all[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// charge notes what by, one of all that speak against an object, means to each listed organisation whose claim
// under this id came before.
func (s *sight) charge(object string, all []party, by *party) error {
	versions, err := s.Store.Versions(object)
	if err != nil {
		return err
	}
	done := map[protocol.OrgID]bool{}
	for i := range versions {
		h := &versions[i]
		if !stands(h) || !claims(h) || s.levelOf(h) < trust.Observed || done[h.Org] || s.sameVoice(h, &by.first) {
			continue
		}
		done[h.Org] = true
		began, ok, err := s.earliest(h, claims)
		if err != nil {
			return err
		}
		if !ok || began.compare(s.moment) >= 0 {
			continue
		}
		var before verdict
		for i := range all {
			if p := &all[i]; p.counted && p.compare(s.moment) < 0 && !s.sameVoice(h, &p.first) {
				before.add(p)
			}
		}
		now := before
		now.add(by)
		s.event(&began).refute(&began, before, now)
	}
	return nil
}

// withdrawal notes that an author took its claim back: after a refutation it counts how long
// that took, before any it costs a little.
func (s *sight) withdrawal(h *storage.Hit) error {
	taken, ok, err := s.earliest(h, func(v *storage.Hit) bool { return v.Claim && v.Revoked })
	if err != nil || !ok || taken.moment != s.moment || !s.once(h.Object, "withdrawn") {
		return err
	}
	began, ok, err := s.earliest(h, claims)
	if err != nil || !ok || began.compare(s.moment) >= 0 {
		return err
	}
	refuters, err := s.refuters(h)
	if err != nil {
		return err
	}
	e := &s.self
	if began.topic != s.topic {
		e = s.event(&began)
	}
	if len(refuters) == 0 {
		e.withdrawn++
		return nil
	}
	since := refuters[0].at
	if began.at.After(since) {
		since = began.at // it was refuted before it came here
	}
	e.retraction = append(e.retraction, max(s.moment.at.Sub(since), time.Duration(0)))
	return nil
}
