package intake

import (
	"slices"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// judge opens a record and decides the fate of each object. But for its room it is pure: the same
// record and level give the same entry. A whole record is held only for a
// stranger or for a body that its publisher spoiled; otherwise each object
// stands alone.
func (d *desk) judge(r *protocol.Record, level trust.Level) (storage.Entry, Outcome) {
	e := storage.Entry{Record: r, State: storage.Accepted}
	h := r.Header()
	if h.Kind != protocol.KindObjects {
		return e, Outcome{State: storage.Accepted}
	}
	leaves, err := d.opener.Open(r)
	if err != nil {
		// The signature covers the body hash, so the publisher made it so.
		e.State, e.Reason = storage.Held, codeOf(err, reason.BodyFraming)
		return e, Outcome{State: storage.Held}
	}
	if level < trust.Observed {
		e.State, e.Reason = storage.Held, reason.TrustUnknown
	}
	out := Outcome{State: e.State}
	e.Leaves = make([]storage.Leaf, len(leaves))
	for i, l := range leaves {
		leaf, err := d.inspect(l.Object, &h)
		if err != nil {
			out.Refusals = append(out.Refusals, Refusal{Index: i, Object: leaf.Object, Err: err})
		}
		switch {
		case leaf.State == storage.Refused:
			out.Refused++
		case leaf.State == storage.Held, e.State == storage.Held:
			out.Held++
		default:
			out.Accepted++
		}
		e.Leaves[i] = leaf
	}
	return e, out
}

// desk is the room that judging one record takes. Of the leaves nothing is kept
// beyond it: the strings of an entry are the parser's copies.
type desk struct {
	opener protocol.Opener
	parser stix.Parser
}

// inspect reads one object and derives what the index keeps of it. The leaf is
// usable even when err says why the object was refused or held.
func (d *desk) inspect(raw []byte, h *protocol.Header) (storage.Leaf, error) {
	o, err := d.parser.Parse(raw)
	if err != nil {
		return storage.Leaf{State: storage.Refused, Reason: codeOf(err, reason.STIXFormat), Confidence: -1, Modified: h.Created}, err
	}
	leaf := storage.Leaf{
		Object:     o.ID,
		Type:       o.Type,
		Modified:   o.Modified,
		State:      storage.Accepted,
		Revoked:    o.Revoked,
		Confidence: o.Confidence,
	}
	if leaf.Modified.IsZero() {
		leaf.Modified = h.Created
	}
	if leaf.Confidence < 0 {
		leaf.Confidence = h.Defaults.Confidence
	}
	if err := indexValues(&leaf, o, h); err != nil {
		leaf.State, leaf.Reason = storage.Refused, codeOf(err, reason.STIXPattern)
		return leaf, err
	}
	if tlp, ok := stix.TLPOf(o.MarkingRefs, nil); ok && tlp > h.TLP {
		leaf.State, leaf.Reason = storage.Held, reason.TLPHeader
		return leaf, reason.New(reason.TLPHeader, "object "+o.ID+" is "+tlp.String()+" in a record that says "+h.TLP.String())
	}
	return leaf, nil
}

// indexValues fills in what an object can be looked up by and whether it claims badness.
func indexValues(leaf *storage.Leaf, o *stix.Object, h *protocol.Header) error {
	switch {
	case o.Indicator != nil:
		return indexIndicator(leaf, o.Indicator, h)
	case o.Observable != nil:
		for _, v := range pattern.FromObservable(o.Type, o.Observable) {
			leaf.Values = append(leaf.Values, pattern.Value{Observable: v, Alone: true})
		}
	case o.Type == "vulnerability" && o.Name != "":
		leaf.Values = []pattern.Value{{Observable: pattern.Normalize("vulnerability:name", o.Name), Alone: true}}
	}
	return nil
}

// indexIndicator applies the record's defaults (REC-20) and reads the pattern. A
// pattern in another language, or one of which no single value stands for the
// whole, is kept and marked: it is never "no match".
func indexIndicator(leaf *storage.Leaf, in *stix.Indicator, h *protocol.Header) error {
	leaf.Claim = !slices.Equal(in.Types, []string{"benign"})
	leaf.ValidFrom, leaf.ValidUntil = in.ValidFrom, in.ValidUntil
	if leaf.ValidUntil.IsZero() && h.Defaults.ValidFor > 0 {
		leaf.ValidUntil = h.Created.Add(h.Defaults.ValidFor)
	}
	if in.PatternType != "stix" {
		leaf.State = storage.NotEvaluated
		return nil
	}
	p, err := pattern.Parse(in.Pattern)
	if err != nil {
		return reason.Wrap(reason.STIXPattern, "pattern of "+leaf.Object, err)
	}
	leaf.Values, _ = p.Values()
	if !slices.ContainsFunc(leaf.Values, func(v pattern.Value) bool { return v.Alone }) {
		leaf.State = storage.NotEvaluated
	}
	return nil
}

func codeOf(err error, otherwise reason.Code) reason.Code {
	if c := reason.Of(err); c != "" {
		return c
	}
	return otherwise
}
