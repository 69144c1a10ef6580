package outbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/node/intake"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/release"
	"tocsin/protocol/stix"
)

// piece is an object that may go out.
type piece struct {
	raw    []byte
	values int // how many its pattern names
}

// batch collects the objects of one request by TLP, which may not mix in a record.
type batch struct {
	byTLP map[stix.TLP]*group
	// first is the body seen under an id and version, within this request.
	first map[version][]byte
}

type version struct {
	id       string
	modified time.Time
}

func (b *batch) add(tlp stix.TLP, o *stix.Object, values int) {
	g := b.byTLP[tlp]
	if g == nil {
		g = &group{tlp: tlp, ratio: firstRatio}
		b.byTLP[tlp] = g
	}
	g.pieces = append(g.pieces, piece{o.Raw, values})
}

func (b *batch) count() int {
	n := 0
	for _, g := range b.byTLP {
		n += len(g.pieces)
	}
	return n
}

// groups are in order of TLP, so that the same request packs in the same way.
func (b *batch) groups() []*group {
	var gs []*group
	for _, g := range b.byTLP {
		gs = append(gs, g)
	}
	slices.SortFunc(gs, func(x, y *group) int { return int(x.tlp) - int(y.tlp) })
	return gs
}

// candidate is an object that keeps every rule that its receivers hold it to.
type candidate struct {
	object *stix.Object
	values int
}

// sort reads the request's objects and puts each into a group or into skipped; see prepare.
func (p *Publisher) sort(req Request, res *Result, goes func(stix.TLP, *stix.Object)) (*batch, error) {
	bundle, err := stix.ReadBundle(req.Data)
	if err != nil {
		return nil, err
	}
	res.Upgraded = bundle.Upgraded
	marks := &markings{publisher: p, known: map[string]mark{}}
	for _, s := range bundle.Skipped {
		res.skipInvalid(s.ID, s.Err)
		marks.spoil(s.ID)
	}
	res.Invalid += bundle.MoreSkipped
	res.unnamed += bundle.MoreSkipped
	var found []candidate
	for i, raw := range bundle.Objects {
		o, values, err := validate(raw)
		if err != nil {
			res.skipInvalid(nameOf(raw, i), err)
			if id, _, ok := stix.LooseTLPDefinition(raw); ok {
				marks.spoil(id)
			}
			continue
		}
		marks.learn(o)
		found = append(found, candidate{o, values})
	}
	b := &batch{byTLP: map[stix.TLP]*group{}, first: map[version][]byte{}}
	for _, c := range found {
		tlp, s := marks.label(c.object, req)
		if s != nil {
			res.Denied++
			res.skip(*s)
			continue
		}
		if err := p.intake.Warned(c.object); err != nil {
			res.Denied++
			res.skip(Skipped{ID: c.object.ID, Code: reason.Of(err), Reason: err.Error()})
			continue
		}
		if s := p.duplicate(b, c.object, req.Topic); s != nil {
			res.skip(*s)
			continue
		}
		b.add(tlp, c.object, c.values)
		if goes != nil {
			goes(tlp, c.object)
		}
	}
	if res.unnamed > 0 {
		res.Skipped = append(res.Skipped, Skipped{ID: "*", Code: reason.STIXFormat,
			Reason: fmt.Sprintf("and %d more, which are not named: correct those above and publish again", res.unnamed)})
	}
	return b, nil
}

// maxNamed is how many skipped objects an answer names. A file of a few megabytes
// can hold millions of pieces that are none.
const maxNamed = 20_000

func (r *Result) skip(s Skipped) {
	if len(r.Skipped) >= maxNamed {
		r.unnamed++
		return
	}
	r.Skipped = append(r.Skipped, s)
}

func (r *Result) skipInvalid(id string, err error) {
	r.Invalid++
	r.skip(Skipped{ID: id, Code: reason.Of(err), Reason: err.Error()})
}

// nameOf names a broken object: by its id where one can be read, else by its place.
func nameOf(raw []byte, i int) string {
	var o struct {
		ID string `json:"id"`
	}
	if stix.Scan(raw) == nil && json.Unmarshal(raw, &o) == nil && o.ID != "" {
		return o.ID
	}
	return fmt.Sprintf("objects[%d]", i)
}

// validate holds an object to what every receiver will hold it to, and counts
// the values of its pattern.
func validate(raw []byte) (o *stix.Object, values int, err error) {
	if o, err = stix.Parse(raw); err != nil {
		return nil, 0, err
	}
	if o.Indicator == nil || o.Indicator.PatternType != "stix" {
		return o, 0, nil
	}
	parsed, err := pattern.Parse(o.Indicator.Pattern)
	if err != nil {
		return nil, 0, reason.Wrap(reason.STIXPattern, "pattern of "+o.ID, err)
	}
	found, _ := parsed.Values()
	if len(found) > intake.MaxObjectValues {
		return nil, 0, reason.New(reason.PatternLimit,
			fmt.Sprintf("pattern of %s names %d values, at most %d can be looked up: split it", o.ID, len(found), intake.MaxObjectValues))
	}
	return o, len(found), nil
}

// markings knows what marking definitions mean that are not the standard's own:
// those of this request and those that this organisation published before.
type markings struct {
	publisher *Publisher
	known     map[string]mark // by id in lower case
}

// mark is one marking definition.
type mark struct {
	tlp    stix.TLP
	isTLP  bool
	broken bool // it stands in this request and breaks a rule
}

const markingPrefix = "marking-definition--"

func (m *markings) learn(o *stix.Object) {
	if o.Type != "marking-definition" {
		return
	}
	tlp, ok := stix.TLPDefinition(o)
	m.known[strings.ToLower(o.ID)] = mark{tlp: tlp, isTLP: ok}
}

// spoil notes that a piece of the request was left out. When it is a marking
// definition nobody can say what it allows.
func (m *markings) spoil(id string) {
	if id = strings.ToLower(id); strings.HasPrefix(id, markingPrefix) {
		m.known[id] = mark{broken: true}
	}
}

// tlp resolves a marking id for stix.TLPOf.
func (m *markings) tlp(id string) (stix.TLP, bool) {
	found := m.find(id)
	return found.tlp, found.isTLP
}

// find looks in this request, then in what this organisation published.
func (m *markings) find(id string) mark {
	id = strings.ToLower(id)
	found, ok := m.known[id]
	if !ok {
		found = m.publisher.published(id)
		m.known[id] = found
	}
	return found
}

// published reads a marking definition back that went out earlier.
func (p *Publisher) published(id string) mark {
	versions, err := p.store.Versions(id)
	if err != nil {
		return mark{}
	}
	for _, h := range versions {
		if h.Org != p.own {
			continue
		}
		raw, err := p.store.Object(h.Ref)
		if err != nil {
			return mark{broken: true}
		}
		if o, err := stix.Parse(raw); err == nil {
			tlp, ok := stix.TLPDefinition(o)
			return mark{tlp: tlp, isTLP: ok}
		}
	}
	return mark{}
}

// label gives the TLP that an object goes out under, or why it does not: it asks
// the release guard, and fails closed where a marking cannot be read.
func (m *markings) label(o *stix.Object, req Request) (stix.TLP, *Skipped) {
	for _, ref := range o.MarkingRefs {
		if m.find(ref).broken {
			return 0, &Skipped{ID: o.ID, Code: reason.OutTLP,
				Reason: "it is marked by " + ref + ", which is broken, so that nobody can say what it allows; correct that definition"}
		}
	}
	tlp, marked := stix.TLPOf(o.MarkingRefs, m.tlp)
	if !marked {
		tlp = req.TLP
	}
	d := release.Decide(tlp, release.Audience{Open: req.Topic != protocol.TopicSealed})
	if !d.Allow {
		return 0, &Skipped{ID: o.ID, Code: d.Code, Reason: d.Why}
	}
	return tlp, nil
}

// duplicate says why an object must not go out again: a second body under one
// id and version would make this organisation contradict itself, and the same
// body on the same topic tells nobody anything new (and refreshes nothing).
func (p *Publisher) duplicate(b *batch, o *stix.Object, topic protocol.Topic) *Skipped {
	v := version{o.ID, o.Modified}
	if body, ok := b.first[v]; ok {
		return compare(o, body, "in this request")
	}
	b.first[v] = o.Raw
	earlier, err := p.store.Versions(o.ID)
	if err != nil {
		return nil // a version nobody can read contradicts nothing; the store reports its own damage
	}
	for _, h := range earlier {
		if h.Org != p.own || !o.Modified.IsZero() && !h.Modified.Equal(o.Modified) {
			continue
		}
		body, err := p.store.Object(h.Ref)
		if err != nil {
			continue
		}
		same := bytes.Equal(body, o.Raw)
		switch {
		case same && h.Topic != topic:
		case !same && o.Modified.IsZero(): // observables have no versions
		default:
			return compare(o, body, "in record "+h.Record.String())
		}
	}
	return nil
}

func compare(o *stix.Object, body []byte, where string) *Skipped {
	if bytes.Equal(body, o.Raw) {
		why := "already published " + where + "; what it went out with (confidence, validity, producer) cannot be changed afterwards"
		if !o.Modified.IsZero() {
			why += ": raise modified to publish a new version"
		}
		return &Skipped{ID: o.ID, Code: reason.STIXPublished, Reason: why}
	}
	return &Skipped{ID: o.ID, Code: reason.STIXDuplicate,
		Reason: "another body stands under this id and modified time " + where + "; raise modified to publish a new version"}
}
