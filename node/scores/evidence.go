package scores

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// maxValues is how many values of one record are compared with what others say: a record
// that names more is a list, and its first thousand stand for it.
const maxValues = 1000

// eye looks at records with one trust list, at one time. Of two voices the later one's record (by
// when it came, then id) is where their meeting is counted, so being behind counts nothing twice
// and, of what still stands, nothing less. What was changed or taken back meanwhile is seen as it is now.
type eye struct {
	*Book
	list *trust.List
	now  time.Time
}

// moment is when a record came; records that came together stand in the order of their ids.
type moment struct {
	at time.Time
	id protocol.RecordID
}

func (m moment) compare(n moment) int {
	return cmp.Or(m.at.Compare(n.at), bytes.Compare(m.id[:], n.id[:]))
}

// sight is one record under the eye.
type sight struct {
	eye
	moment
	org   protocol.OrgID
	topic protocol.Topic
	// self is what the record brings to its own author; others to whom it meets.
	self   event
	others []event
	// met holds the values, and the objects by what was looked at, that were dealt with: a record that says a
	// thing twice says it once.
	met   map[pattern.Observable]bool
	asked map[question]bool
}

// question is what is asked about an object.
type question struct {
	object string
	about  string
}

// once reports whether a question about an object comes up for the first time in this record.
func (s *sight) once(object, about string) bool {
	q := question{object, about}
	again := s.asked[q]
	s.asked[q] = true
	return !again
}

// at gives what a change brings. An error leaves out what could not be read.
func (e eye) at(c storage.Change) ([]event, error) {
	if !changed(c) || e.level(e.list, c.Org, c.Topic.String(), e.now) < trust.Observed {
		return nil, nil
	}
	leaves, err := e.Store.Leaves(c.Record)
	if reason.Of(err) == reason.NotFound {
		return nil, nil // expired meanwhile
	}
	if err != nil || len(leaves) == 0 { // statements and the like say nothing about values
		return nil, err
	}
	if c.Kind == "released" && c.Objects == 1 && len(leaves) > 1 {
		return nil, nil // one object was let out: its record was counted when it came
	}
	received, _, err := e.Store.Source(c.Record)
	if err != nil {
		return nil, err
	}
	s := sight{eye: e, moment: moment{received, c.Record}, org: c.Org, topic: c.Topic}
	s.self = event{org: c.Org, topic: c.Topic, at: received, came: true}
	s.met, s.asked = map[pattern.Observable]bool{}, map[question]bool{}
	var failed error
	for i := range leaves {
		if h := &leaves[i]; stands(h) {
			if err := s.leaf(h); err != nil {
				failed = cmp.Or(failed, fmt.Errorf("object %s: %w", h.Object, err))
			}
		}
	}
	return append([]event{s.self}, s.others...), failed
}

// stands reports whether an object is in the store's good part.
func stands(h *storage.Hit) bool {
	return !h.RecordHeld && h.State != storage.Held && h.State != storage.Refused
}

func (s *sight) leaf(h *storage.Hit) error {
	switch {
	case h.Claim && h.Revoked:
		return s.withdrawal(h)
	case h.Claim:
		return s.claim(h)
	case h.Voice == storage.Refutes && !h.Revoked:
		return s.refutation(h)
	}
	return nil
}

// claim counts an object and meets its values, and what was said against it before it came.
func (s *sight) claim(h *storage.Hit) error {
	if h.First.Equal(h.Created) {
		s.self.objects++
	}
	unique := true
	for _, v := range h.Values {
		if !v.Alone || s.met[v.Observable] || len(s.met) == maxValues {
			continue
		}
		s.met[v.Observable] = true
		alone, err := s.value(v.Observable)
		if err != nil {
			return err
		}
		unique = unique && alone
	}
	if unique && h.First.Equal(h.Created) {
		s.self.unique++
	}
	refuters, err := s.refuters(h)
	if err != nil || len(refuters) == 0 || !s.once(h.Object, "refuted before") {
		return err
	}
	first, ok, err := s.earliest(h, claims)
	if err != nil || !ok || first.moment != s.moment {
		return err
	}
	var said verdict
	for i := range refuters {
		said.add(&refuters[i])
	}
	s.self.refute(&first, verdict{}, said)
	return nil
}

// party is the voices of one group about a value, and when the first of them came.
type party struct {
	first
	group   string
	counted bool
	own     bool // this node's own voice is among them
}

// first is where a voice began.
type first struct {
	moment
	org   protocol.OrgID
	topic protocol.Topic
}

// value meets the other voices that name a value. alone is true when no other
// listed organisation's came before.
func (s *sight) value(o pattern.Observable) (alone bool, err error) {
	hits, _, err := s.Store.Lookup(o, s.list.Listed)
	if err != nil {
		return false, err
	}
	hits = slices.DeleteFunc(hits, func(h storage.Hit) bool {
		return !stands(&h) || !h.Claim || !h.Alone || h.Revoked || s.levelOf(&h) < trust.Observed
	})
	if !slices.ContainsFunc(hits, func(h storage.Hit) bool { return h.Org != s.org }) {
		return true, nil
	}
	parties, err := s.parties(hits, func(h *storage.Hit) bool { return claims(h) && names(h, o) }, false)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(parties, func(p party) bool { return p.moment == s.moment && p.org == s.org })
	if i < 0 {
		return !slices.ContainsFunc(parties, func(p party) bool { return p.compare(s.moment) < 0 && p.org != s.org }), nil
	}
	s.meet(parties[:i], parties[i])
	return i == 0, nil
}

// meet counts a voice that is new about a value, after those that came before, in their
// order. Of the counted voices the first two confirm each other; an observed one is confirmed by a
// counted one when no more than one of them was there before it. Whoever comes later
// repeats what is known, and earns nothing.
func (s *sight) meet(before []party, me party) {
	counted := 0
	for _, p := range before {
		if p.counted {
			counted++
		}
	}
	if counted == 1 {
		s.self.confirmed++
	}
	if len(before) == 1 { // until now nobody else had named it
		e := s.event(&before[0].first)
		e.unique--
		e.lead = append(e.lead, me.at.Sub(before[0].at))
	}
	if !me.counted {
		return
	}
	for _, p := range before {
		// An observed voice is confirmed once: by the first counted one after it, or before it.
		if counted == 0 || counted == 1 && p.counted {
			s.event(&p.first).confirmed++
		}
	}
}

// event is where somebody else's counts go.
func (s *sight) event(f *first) *event {
	i := slices.IndexFunc(s.others, func(e event) bool { return e.org == f.org && e.topic == f.topic })
	if i < 0 {
		s.others = append(s.others, event{org: f.org, topic: f.topic, at: s.moment.at})
		i = len(s.others) - 1
	}
	return &s.others[i]
}

// levelOf is the trust in a hit's author on its topic.
func (s *sight) levelOf(h *storage.Hit) trust.Level {
	return s.level(s.list, h.Org, h.Topic.String(), s.now)
}

// parties puts hits into groups as the arithmetic does, each with the earliest version that
// fits, in the order in which they began.
func (s *sight) parties(hits []storage.Hit, fits func(*storage.Hit) bool, refute bool) ([]party, error) {
	by := map[string]*party{}
	for i, group := range s.groups(hits, refute) {
		h := &hits[i]
		began, ok, err := s.earliest(h, fits)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		p := by[group]
		if p == nil {
			p = &party{first: began, group: group}
			by[group] = p
		}
		p.counted = p.counted || s.counts(h)
		p.own = p.own || h.Org == s.Own
		if began.compare(p.moment) < 0 {
			p.first = began
		}
	}
	out := make([]party, 0, len(by))
	for _, p := range by {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b party) int {
		return cmp.Or(a.compare(b.moment), bytes.Compare(a.org[:], b.org[:]), cmp.Compare(a.group, b.group))
	})
	return out, nil
}

// counts reports whether a hit's author can confirm and refute: partner, anchor or own, and
// in good standing.
func (s *sight) counts(h *storage.Hit) bool {
	return s.levelOf(h) >= trust.Partner && (s.Standing == nil || s.Standing.Org(h.Org, h.Topic, s.now) == "")
}

// groups names each hit's group by the rules of the arithmetic.
func (s *sight) groups(hits []storage.Hit, refute bool) []string {
	said := make([]trust.Claim, len(hits))
	place := map[storage.Ref]int{}
	for i := range hits {
		h := &hits[i]
		place[h.Ref] = i
		said[i] = trust.Claim{
			Org: h.Org, Topic: h.Topic.String(), Upstream: h.Upstream, Own: h.Org == s.Own, Refutes: refute, Claimed: 100,
			Since: s.now, Object: fmt.Sprint(h.Index), Record: h.Record,
		}
	}
	out := make([]string, len(hits))
	for _, t := range s.list.Assess(said, 0, s.now).Terms {
		var index int
		_, _ = fmt.Sscan(t.Claim.Object, &index)
		out[place[storage.Ref{Record: t.Claim.Record, Index: index}]] = t.Group
	}
	return out
}

// earliest finds when the first version came that an organisation published of an object and that fits.
func (s *sight) earliest(h *storage.Hit, fits func(*storage.Hit) bool) (f first, ok bool, err error) {
	versions := []storage.Hit{*h}
	if h.Object != "" {
		if versions, err = s.Store.Versions(h.Object); err != nil {
			return f, false, err
		}
	}
	for i := range versions {
		v := &versions[i]
		if v.Org != h.Org || !stands(v) || !fits(v) {
			continue
		}
		received, _, err := s.Store.Source(v.Record)
		if reason.Of(err) == reason.NotFound {
			continue
		}
		if err != nil {
			return f, false, err
		}
		at := first{moment{received, v.Record}, v.Org, v.Topic}
		if !ok || at.compare(f.moment) < 0 {
			f, ok = at, true
		}
	}
	return f, ok, nil
}

func claims(h *storage.Hit) bool { return h.Claim && !h.Revoked }

func refutes(h *storage.Hit) bool { return h.Voice == storage.Refutes && !h.Revoked }

func names(h *storage.Hit, o pattern.Observable) bool {
	return slices.ContainsFunc(h.Values, func(v pattern.Value) bool { return v.Observable == o && v.Alone })
}
