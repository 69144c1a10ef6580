package intake

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
	"tocsin/protocol/warn"
	"tocsin/storage"
)

// How many values one object and one record may be looked up by. Each costs an
// index entry at every node, and a pattern's text is a cheap way to write many.
// What exceeds this is held, not cut: half an object is never believed.
const (
	MaxObjectValues = 1000
	MaxRecordValues = 10_000
)

// verdict is what judging a record gives: its entry in the store and what of it is said.
type verdict struct {
	Outcome
	entry storage.Entry
	// hits counts objects that name a value on a hard warning list.
	hits int
}

// hold puts the whole record into quarantine.
func (v *verdict) hold(why reason.Code) {
	v.entry.State, v.entry.Reason = storage.Held, why
	v.State, v.Held, v.Accepted = storage.Held, v.Held+v.Accepted, 0
}

// judge opens a record and decides the fate of each object. But for its room it
// is pure: the same record, level and warning lists give the same verdict. A whole record is held
// only for a stranger or for a body that its publisher spoiled; otherwise each
// object stands alone.
func (d *desk) judge(r *protocol.Record, level trust.Level) verdict {
	v := verdict{entry: storage.Entry{Record: r, State: storage.Accepted}, Outcome: Outcome{State: storage.Accepted}}
	h := r.Header()
	// Identity is not belief: whoever speaks may say who he is.
	if level < trust.Observed && h.Kind != protocol.KindIdentity {
		v.hold(reason.TrustUnknown)
	}
	if err := readPledge(r); err != nil {
		v.hold(codeOf(err, reason.WireClaims))
	}
	if h.Kind != protocol.KindObjects {
		return v
	}
	leaves, err := d.opener.Open(r)
	if err != nil {
		// The signature covers the body hash, so the publisher made it so.
		v.hold(codeOf(err, reason.BodyFraming))
		return v
	}
	d.values, d.marks = 0, d.definitions(leaves)
	v.entry.Leaves = make([]storage.Leaf, len(leaves))
	for i, l := range leaves {
		if l.Object == nil { // gone before it came here
			v.entry.Leaves[i] = storage.Leaf{State: storage.Refused, Reason: reason.ObjectMissing, Confidence: -1, Modified: h.Created}
			continue
		}
		leaf, err := d.inspect(l.Object, &h)
		if err != nil {
			v.Refusals = append(v.Refusals, Refusal{Index: i, Object: leaf.Object, Err: err})
		}
		if leaf.Reason == reason.WarnHard {
			v.hits++
		}
		switch {
		case leaf.State == storage.Refused:
			v.Refused++
		case leaf.State == storage.Held, v.entry.State == storage.Held:
			v.Held++
		default:
			v.Accepted++
		}
		v.entry.Leaves[i] = leaf
	}
	return v
}

// alone is the verdict on a record of which only the header is there: it has its place, and says nothing.
func alone(r *protocol.Record) verdict {
	return verdict{
		entry:   storage.Entry{Record: r, State: storage.Refused, Reason: reason.ObjectMissing},
		Outcome: Outcome{State: storage.Refused},
	}
}

// readPledge reads the body of a record that an organisation binds itself or
// others by; nil for other kinds.
func readPledge(r *protocol.Record) error {
	var err error
	switch r.Header().Kind {
	case protocol.KindVouch:
		_, err = protocol.ReadVouch(r)
	case protocol.KindCommitment:
		_, err = protocol.ReadCommitment(r)
	case protocol.KindAdvisory:
		_, err = protocol.ReadAdvisory(r)
	}
	return err
}

// desk is the room that judging one record takes. Of the leaves nothing is kept
// beyond it: the strings of an entry are the parser's copies.
type desk struct {
	opener protocol.Opener
	parser stix.Parser

	// Of the record in hand: values indexed so far, and what marking definitions
	// that it brings under ids of their own mean.
	values int
	marks  map[string]stix.TLP
	// warn are the warning lists in force; nil for none.
	warn *warn.Index
}

// definitions finds the TLP markings that a record defines itself, so that its
// objects are held to them wherever they stand in it.
func (d *desk) definitions(leaves []protocol.Leaf) map[string]stix.TLP {
	var marks map[string]stix.TLP
	for _, l := range leaves {
		if !bytes.Contains(l.Object, []byte(`"marking-definition"`)) {
			continue
		}
		o, err := d.parser.Parse(l.Object)
		if err != nil {
			continue // inspect refuses it by itself
		}
		if tlp, ok := stix.TLPDefinition(o); ok {
			if marks == nil {
				marks = make(map[string]stix.TLP)
			}
			marks[strings.ToLower(o.ID)] = tlp
		}
	}
	return marks
}

// mark resolves a marking id for stix.TLPOf.
func (d *desk) mark(id string) (stix.TLP, bool) {
	tlp, ok := d.marks[strings.ToLower(id)]
	return tlp, ok
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
	if n := len(leaf.Values); n > MaxObjectValues || d.values+n > MaxRecordValues {
		leaf.State, leaf.Reason, leaf.Values = storage.Held, reason.PatternLimit, nil
		return leaf, reason.New(reason.PatternLimit,
			fmt.Sprintf("object %s names %d values; at most %d an object and %d a record are indexed", o.ID, n, MaxObjectValues, MaxRecordValues))
	}
	d.values += len(leaf.Values)
	if tlp, ok := stix.TLPOf(o.MarkingRefs, d.mark); ok && tlp > h.TLP {
		leaf.State, leaf.Reason = storage.Held, reason.TLPHeader
		return leaf, reason.New(reason.TLPHeader, "object "+o.ID+" is "+tlp.String()+" in a record that says "+h.TLP.String())
	}
	if hit, ok := d.warned(&leaf); ok {
		leaf.State, leaf.Reason = storage.Held, reason.WarnHard
		return leaf, warning(o.ID, hit)
	}
	return leaf, nil
}

// warned finds a value that an object by itself calls bad and that must never be
// blocked. Who takes such a claim back is heard.
func (d *desk) warned(leaf *storage.Leaf) (warn.Hit, bool) {
	if d.warn == nil || !leaf.Claim || leaf.Revoked {
		return warn.Hit{}, false
	}
	for _, v := range leaf.Values {
		if !v.Alone {
			continue
		}
		if hit, ok := d.warn.Match(v.Observable); ok && hit.Weight >= warn.Hard {
			return hit, true
		}
	}
	return warn.Hit{}, false
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
	case o.Opinion != nil:
		leaf.Voice = voiceOf(o.Opinion.Opinion)
		indexRefs(leaf, o.Opinion.About)
	case o.Sighting != nil:
		leaf.Voice = storage.Sighting
		if o.Sighting.Count == 0 {
			leaf.Voice = storage.Absent
		}
		indexRefs(leaf, []string{o.Sighting.About})
	case o.Type == "vulnerability" && o.Name != "":
		leaf.Values = []pattern.Value{{Observable: pattern.Normalize("vulnerability:name", o.Name), Alone: true}}
	}
	return nil
}

// Values are what receivers can look an object up by. It must be valid; of one that is not there are none.
func Values(o *stix.Object) (out []pattern.Observable) {
	leaf := storage.Leaf{Object: o.ID}
	if err := indexValues(&leaf, o, &protocol.Header{}); err != nil {
		return nil
	}
	for _, v := range leaf.Values {
		out = append(out, v.Observable)
	}
	return out
}

// Warned says (warn.hard) why every node would hold an object that somebody here is about
// to publish, and count it against this organisation.
func (p *Pipeline) Warned(o *stix.Object) error {
	d := desk{warn: p.index()}
	leaf := storage.Leaf{Object: o.ID, Revoked: o.Revoked}
	if err := indexValues(&leaf, o, &protocol.Header{}); err != nil {
		return nil // another check says it better
	}
	if hit, ok := d.warned(&leaf); ok {
		return warning(o.ID, hit)
	}
	return nil
}

func warning(object string, hit warn.Hit) error {
	return reason.New(reason.WarnHard, "object "+object+" names "+hit.Entry+" of the warning list "+hit.List+", which must not be blocked")
}

// voiceOf is what an opinion says; a neutral one is found but says nothing.
func voiceOf(opinion string) storage.Voice {
	switch opinion {
	case stix.StronglyDisagree, stix.Disagree:
		return storage.Refutes
	case stix.Agree, stix.StronglyAgree:
		return storage.Confirms
	}
	return storage.NoVoice
}

// indexRefs lets an object be found by those that it is about, each once.
func indexRefs(leaf *storage.Leaf, ids []string) {
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		leaf.Values = append(leaf.Values, pattern.Value{Observable: pattern.Observable{Type: pattern.ObjectRef, Value: id}, Alone: true})
	}
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
	leaf.Values = slices.DeleteFunc(leaf.Values, func(v pattern.Value) bool { return tooWide(v.Observable) })
	if !slices.ContainsFunc(leaf.Values, func(v pattern.Value) bool { return v.Alone }) {
		leaf.State = storage.NotEvaluated
	}
	return nil
}

// tooWide reports a network that is no indicator of anything: with it one voice
// would speak about every address. It is kept and marked as not evaluated.
func tooWide(o pattern.Observable) bool {
	const minBits4, minBits6 = 8, 16
	if o.Type != pattern.CIDR {
		return false
	}
	p, err := netip.ParsePrefix(o.Value)
	if err != nil {
		return false
	}
	return p.Addr().Is4() && p.Bits() < minBits4 || p.Addr().Is6() && p.Bits() < minBits6
}

func codeOf(err error, otherwise reason.Code) reason.Code {
	if c := reason.Of(err); c != "" {
		return c
	}
	return otherwise
}
