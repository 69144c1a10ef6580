package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/release"
	"tocsin/protocol/stix"
)

// group is what may share a record: objects of one TLP.
type group struct {
	tlp     stix.TLP
	objects [][]byte
	ratio   float64 // raw bytes per byte as sent, learned from the last record
}

// batch collects the objects of one request.
type batch struct {
	byTLP map[stix.TLP]*group
	// first is the body seen under an id and version, within this request.
	first map[version][]byte
}

type version struct {
	id       string
	modified time.Time
}

func (b *batch) count() int {
	n := 0
	for _, g := range b.byTLP {
		n += len(g.objects)
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

// sort reads the request's objects and puts each into a group or into skipped.
func (p *Publisher) sort(req Request, res *Result) (*batch, error) {
	bundle, err := stix.ReadBundle(req.Data)
	if err != nil {
		return nil, err
	}
	for _, s := range bundle.Skipped {
		res.skipInvalid(s.ID, s.Err)
	}
	objects := make([]*stix.Object, 0, len(bundle.Objects))
	for i, raw := range bundle.Objects {
		o, err := validate(raw)
		if err != nil {
			res.skipInvalid(nameOf(raw, i), err)
			continue
		}
		objects = append(objects, o)
	}
	defs := definitions(objects)
	b := &batch{byTLP: map[stix.TLP]*group{}, first: map[version][]byte{}}
	for _, o := range objects {
		tlp, marked := stix.TLPOf(o.MarkingRefs, defs)
		if !marked {
			tlp = req.TLP
		}
		if d := release.Decide(tlp, release.Audience{Open: req.Topic != protocol.TopicSealed}); !d.Allow {
			res.Denied++
			res.Skipped = append(res.Skipped, Skipped{ID: o.ID, Code: d.Code, Reason: d.Why})
			continue
		}
		if s := p.duplicate(b, o, req.Topic); s != nil {
			res.Skipped = append(res.Skipped, *s)
			continue
		}
		g := b.byTLP[tlp]
		if g == nil {
			g = &group{tlp: tlp, ratio: 5}
			b.byTLP[tlp] = g
		}
		g.objects = append(g.objects, o.Raw)
	}
	return b, nil
}

func (r *Result) skipInvalid(id string, err error) {
	r.Invalid++
	r.Skipped = append(r.Skipped, Skipped{ID: id, Code: reason.Of(err), Reason: err.Error()})
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

// validate holds an object to what every receiver will hold it to. The object
// is returned with the error where it could be read that far.
func validate(raw []byte) (*stix.Object, error) {
	o, err := stix.Parse(raw)
	if err != nil {
		return o, err
	}
	if o.Indicator != nil && o.Indicator.PatternType == "stix" {
		if _, err := pattern.Parse(o.Indicator.Pattern); err != nil {
			return o, reason.Wrap(reason.STIXPattern, "pattern of "+o.ID, err)
		}
	}
	return o, nil
}

// definitions resolves TLP markings that a bundle brings under ids of its own.
func definitions(objects []*stix.Object) func(string) (stix.TLP, bool) {
	defs := map[string]stix.TLP{}
	for _, o := range objects {
		if o.Type != "marking-definition" {
			continue
		}
		if tlp, ok := stix.TLPDefinition(o); ok {
			defs[o.ID] = tlp
		}
	}
	return func(id string) (stix.TLP, bool) {
		tlp, ok := defs[id]
		return tlp, ok
	}
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
		return nil // a value nobody can read contradicts nothing; the store reports its own damage
	}
	for _, h := range earlier {
		if h.Org != p.own {
			continue
		}
		if !o.Modified.IsZero() && !h.Modified.Equal(o.Modified) {
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
		return &Skipped{ID: o.ID, Code: reason.DupHeld, Reason: "already published " + where}
	}
	return &Skipped{ID: o.ID, Code: reason.STIXDuplicate,
		Reason: "another body stands under this id and modified time " + where + "; raise modified to publish a new version"}
}

// next makes one record from the front of a group and returns how many objects
// it used up. It aims at the live target size; when the guess was too high for
// gossip it halves. A single object may exceed the gossip limit; one that fits
// no record at all is used up with a nil record, and named.
func (p *Publisher) next(ctx context.Context, req Request, g *group, res *Result) (*protocol.Record, int, error) {
	n := g.fit()
	for {
		r, err := p.append(ctx, protocol.Draft{
			Topic:    req.Topic,
			Kind:     protocol.KindObjects,
			TLP:      g.tlp,
			Upstream: req.Upstream,
			Defaults: protocol.Defaults{Producer: req.Producer, Confidence: req.Confidence, ValidFor: req.ValidFor},
			Objects:  g.objects[:n],
		})
		tooLarge := errors.Is(err, errTooLarge) || slices.Contains(sizeCodes, reason.Of(err))
		if tooLarge && n > 1 {
			n /= 2
			continue
		}
		if tooLarge {
			res.skipInvalid(nameOf(g.objects[0], 0), err)
			return nil, 1, nil
		}
		if err != nil {
			return nil, 0, err
		}
		g.ratio = float64(r.Header().RawLength) / float64(r.Header().BodyLength)
		return r, n, nil
	}
}

// sizeCodes are what Sign says of a draft that fits no record.
var sizeCodes = []reason.Code{reason.WireSize, reason.BodySize}

// fit guesses how many objects make a record of the target size.
func (g *group) fit() int {
	const leafOverhead = 20 // length and salt; the salt does not compress
	size, raw := 0, 0
	for i, o := range g.objects {
		raw += len(o) + leafOverhead
		size += int(float64(len(o))/g.ratio) + leafOverhead
		if i > 0 && (size > protocol.TargetRecordBytes || raw > protocol.MaxRawBytes || i == protocol.MaxLeaves) {
			return i
		}
	}
	return len(g.objects)
}
