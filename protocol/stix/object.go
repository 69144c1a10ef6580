package stix

import (
	"strconv"

	"tocsin/protocol/reason"
)

// Parse passes raw through the gate and the MUST rules of STIX 2.1. It keeps
// raw without copying; the caller must not change it afterwards. Errors are
// *reason.Error. Departures from a SHOULD are no error: see Check.
func Parse(raw []byte) (*Object, error) {
	var p Parser
	return p.Parse(raw)
}

// Check lists every MUST and SHOULD finding of one object. The error is that
// of the gate; an object that is no JSON has no findings. After a hundred
// findings it stops looking.
func Check(raw []byte) ([]Finding, error) {
	d, err := read(raw)
	if err != nil {
		return nil, err
	}
	c := checker{doc: d, shoulds: true, room: &Parser{}}
	c.run()
	findings := make([]Finding, 0, len(c.found))
	for _, f := range c.found {
		findings = append(findings, f.Finding)
	}
	return findings, nil
}

// refusal turns the findings into the error of Parse: the first, and how many
// more there are. What breaks a marking comes before all else.
func (c *checker) refusal() error {
	worst := c.found[0]
	for _, f := range c.found {
		if f.code == reason.STIXMarking {
			worst = f
			break
		}
	}
	text := "parse "
	if c.kind(root) == kindObject && c.get(root, "id") != none {
		text += clipped(c.text(c.get(root, "id"))) + ": "
	} else {
		text += "a STIX object: "
	}
	if worst.Path != "" {
		text += worst.Path + ": "
	}
	text += worst.Text
	if more := len(c.found) - 1; more > 0 {
		text += " (and " + strconv.Itoa(more) + " more)"
	}
	return reason.New(worst.code, text)
}

// object extracts what indexing needs from an object without findings.
func (c *checker) object(raw []byte) *Object {
	var o *Object
	if c.indicator() {
		both := &struct {
			Object
			indicator Indicator
		}{}
		o = &both.Object
		o.Indicator = &both.indicator
	} else {
		o = &Object{}
	}
	o.Raw, o.Confidence = raw, -1
	o.ID = c.own(c.get(root, "id"))
	o.Type = o.ID[:len(c.typ)] // head made sure
	o.MarkingRefs, o.Refs = c.room.keepList(c.markings), c.room.keepList(c.refs)
	if c.sco { // under the names below an observable has something else
		o.Name = c.str(root, "name")
		if c.known {
			o.Observable = c.doc.object(root)
		}
		return o
	}
	for i, end := root+1, c.next(root); i < end; i = c.next(i + 1) {
		c.property(o, c.text(i), i+1)
	}
	c.remark(o)
	return o
}

// remark takes over what an opinion or a sighting is about.
func (c *checker) remark(o *Object) {
	switch o.Type {
	case "opinion":
		o.Opinion = &Opinion{Opinion: c.own(c.get(root, "opinion")), About: c.ownList(c.get(root, "object_refs"))}
	case "sighting":
		o.Sighting = &Seen{About: c.own(c.get(root, "sighting_of_ref")), Count: -1}
		if i := c.get(root, "count"); i != none {
			if n, err := strconv.Atoi(string(c.source(i))); err == nil {
				o.Sighting.Count = n
			}
		}
	}
}

func (c *checker) indicator() bool { return string(c.typ) == "indicator" }

// property takes one property over into o.
func (c *checker) property(o *Object, name []byte, i int) {
	switch string(name) {
	case "created_by_ref":
		o.CreatedByRef = c.own(i)
	case "created":
		o.Created, _ = parseTime(c.text(i))
	case "modified":
		o.Modified, _ = parseTime(c.text(i))
	case "revoked":
		o.Revoked = c.kind(i) == kindTrue
	case "confidence":
		o.Confidence = c.percent(i)
	case "lang":
		o.Lang = c.own(i)
	case "name":
		o.Name = c.own(i)
	case "labels":
		o.Labels = c.ownList(i)
	case "pattern", "pattern_type", "indicator_types", "valid_from", "valid_until":
		if o.Indicator != nil {
			c.indicatorProperty(o.Indicator, name, i)
		}
	}
}

// indicatorProperty takes one property over that only an indicator has.
func (c *checker) indicatorProperty(n *Indicator, name []byte, i int) {
	switch string(name) {
	case "pattern":
		n.Pattern = c.own(i)
	case "pattern_type":
		n.PatternType = c.own(i)
	case "indicator_types":
		n.Types = c.ownList(i)
	case "valid_from":
		n.ValidFrom, _ = parseTime(c.text(i))
	case "valid_until":
		n.ValidUntil, _ = parseTime(c.text(i))
	}
}

// own copies a string; a property that the type does not have may be of any
// kind.
func (c *checker) own(i int) string {
	if c.kind(i) != kindString {
		return ""
	}
	return c.room.keep(c.text(i))
}

// ownList copies the strings of a list.
func (c *checker) ownList(list int) []string {
	var few [8]string
	all := few[:0]
	for e := range c.elements(list) {
		if c.kind(e) == kindString {
			all = append(all, c.own(e))
		}
	}
	return c.room.keepList(all)
}

// percent is a confidence, or -1.
func (c *checker) percent(i int) int {
	if n, err := strconv.Atoi(string(c.source(i))); err == nil && n >= 0 && n <= 100 {
		return n
	}
	return -1
}
