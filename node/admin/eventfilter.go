package admin

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/node/admin/api"
	"tocsin/node/belief"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

const (
	// maxFacts is for how many changes is remembered what they are about: followers want the same ones at about the same time.
	maxFacts = 512
	// maxJudged is how many values of one record are judged for a filter; a record with more passes, since nobody knows.
	maxJudged = 256
)

// eventFilter selects changes.
type eventFilter struct {
	names          names
	facts          *eventFacts
	org            protocol.OrgID
	topic, country string
	wish           wish
	// all is set where nothing is filtered.
	all bool
}

// wish is what an object must be.
type wish struct {
	typ, tlp, label string
	score           int
}

func (e *eventResource) filter(in *ObjectFilterIn) (f eventFilter, err error) {
	f = eventFilter{
		names: e.names, facts: e.facts, topic: in.Topic, country: strings.ToUpper(in.Country),
		wish: wish{typ: in.Type, label: in.Label, score: in.MinScore},
	}
	if in.TLP != "" {
		label, err := stix.ParseTLP(in.TLP)
		if err != nil {
			return f, reason.Wrap(reason.UsageInvalid, "tlp", err)
		}
		f.wish.tlp = label.String()
	}
	if in.Org != "" {
		f.org, err = e.names.resolve(in.Org)
	}
	f.all = f.org == protocol.OrgID{} && f.topic == "" && f.country == "" && f.wish == wish{}
	return f, err
}

// object shows a change that the filter lets pass, with what the filter looked at.
func (f *eventFilter) object(c *storage.Change) (api.Event, bool) {
	switch {
	case f.all:
		return f.names.event(c), true
	case f.org != protocol.OrgID{} && c.Org != f.org, f.topic != "" && c.Topic.String() != f.topic, f.country != "" && f.countryOf(c.Org) != f.country:
		return api.Event{}, false
	case f.wish == wish{}:
		return f.names.event(c), true
	}
	fact := f.facts.of(c, f.wish)
	if !fact.grants(f.wish) {
		return api.Event{}, false
	}
	out := f.names.event(c)
	out.Types, out.TLP = fact.types, fact.tlp
	if f.wish.score > 0 && fact.judged && !fact.partly {
		out.Score = &fact.score
	}
	return out, true
}

func (f *eventFilter) countryOf(org protocol.OrgID) string {
	chain, _ := f.names.identity.Chains().Org(org)
	return strings.ToUpper(chain.Genesis.Country)
}

// eventFact is what the objects of a change are.
type eventFact struct {
	types  []string
	tlp    string
	labels []string
	score  int
	// damaged is set when it cannot be told: such a change passes every filter. described, labelled and judged
	// tell what was looked at, partly that not all values were judged.
	damaged, described, labelled, judged, partly bool
}

// grants reports whether the objects are as wished.
func (e *eventFact) grants(w wish) bool {
	switch {
	case e.damaged:
		return true
	case w.typ != "" && !slices.Contains(e.types, w.typ), w.tlp != "" && e.tlp != w.tlp, w.label != "" && !slices.Contains(e.labels, w.label):
		return false
	}
	return w.score == 0 || e.partly || e.score >= w.score
}

// eventFacts finds what the objects of changes are, once for all followers.
type eventFacts struct {
	store *storage.Store
	desk  *belief.Desk

	mu    sync.Mutex // guards all below; held while one looks for all
	known map[uint64]*eventFact
	order []uint64
}

// of gives what the filter with this wish has to know of a change. Its result is the caller's.
func (e *eventFacts) of(c *storage.Change, w wish) eventFact {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, ok := e.known[c.Seq]
	if !ok {
		f = new(eventFact)
		e.keep(c.Seq, f)
	}
	var hits []storage.Hit
	var err error
	if !f.described || w.score > 0 && !f.judged {
		hits, err = e.store.Leaves(c.Record)
	}
	if err == nil && !f.described {
		f.described = true
		f.describe(hits)
	}
	if err == nil && w.label != "" && !f.labelled {
		f.labelled = true
		f.labels, err = e.labels(c.Record)
	}
	if err == nil && w.score > 0 && !f.judged {
		f.judged = true
		err = e.judge(f, hits)
	}
	if err != nil && reason.Of(err) != reason.NotFound {
		log.Warnw("an event passes every filter, since its record cannot be read", "seq", c.Seq, "record", c.Record, "err", err)
		f.damaged = true
	}
	return *f
}

func (e *eventFacts) keep(seq uint64, f *eventFact) {
	if e.known == nil {
		e.known = map[uint64]*eventFact{}
	}
	if len(e.order) == maxFacts {
		delete(e.known, e.order[0])
		e.order = e.order[1:]
	}
	e.known[seq] = f
	e.order = append(e.order, seq)
}

// describe notes what the objects are; of none there is nothing to note.
func (f *eventFact) describe(hits []storage.Hit) {
	if len(hits) == 0 {
		return
	}
	for _, h := range hits {
		if h.Type != "" && !slices.Contains(f.types, h.Type) {
			f.types = append(f.types, h.Type)
		}
	}
	slices.Sort(f.types)
	f.tlp = hits[0].TLP.String()
}

// labels are those of all objects of a record; its body may be gone.
func (e *eventFacts) labels(id protocol.RecordID) ([]string, error) {
	raw, _, err := e.store.Record(id)
	if err != nil {
		return nil, err
	}
	_, leaves, err := protocol.OpenStored(raw)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, l := range leaves {
		var said struct {
			Labels []string `json:"labels"`
		}
		if json.Unmarshal(l.Object, &said) == nil { // one whose labels are no texts has none
			all = append(all, said.Labels...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// judge finds the highest score of the values.
func (e *eventFacts) judge(f *eventFact, hits []storage.Hit) error {
	now, n := time.Now(), 0
	for _, h := range hits {
		for _, v := range h.Values {
			if n++; n > maxJudged {
				f.partly = true
				return nil
			}
			verdict, err := e.desk.Judge(v.Observable, now)
			if err != nil {
				return err
			}
			f.score = max(f.score, trust.Points(verdict.Assessment.Shown))
		}
	}
	return nil
}
