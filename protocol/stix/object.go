package stix

import (
	"strconv"

	"tocsin/protocol/reason"
)

// Parse passes raw through the gate and the MUST rules of STIX 2.1. It keeps
// raw without copying; the caller must not change it afterwards. Errors are
// *reason.Error. Departures from a SHOULD are no error: see Check.
func Parse(raw []byte) (*Object, error) {
	d, err := read(raw)
	if err != nil {
		return nil, err
	}
	c := checker{doc: d, container: none}
	c.run()
	if len(c.found) > 0 {
		return nil, c.refusal()
	}
	return c.object(raw), nil
}

// Check lists every MUST and SHOULD finding of one object. The error is that
// of the gate; an object that is no JSON has no findings. After a hundred
// findings it stops looking.
func Check(raw []byte) ([]Finding, error) {
	d, err := read(raw)
	if err != nil {
		return nil, err
	}
	c := checker{doc: d, container: none, shoulds: true}
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
	o := &Object{
		Raw: raw, ID: c.str(root, "id"), Type: string(c.typ), Confidence: -1,
		MarkingRefs: c.markings, Refs: c.refs,
	}
	if c.sco { // under the names below an observable has something else
		o.Name = c.str(root, "name")
		if _, known := rules[o.Type]; known {
			o.Observable = c.doc.object(root)
		}
		return o
	}
	if o.Type == "indicator" {
		o.Indicator = &Indicator{}
	}
	for name := range c.members(root) {
		c.property(o, string(c.text(name)), name+1)
	}
	return o
}

// property takes one property over into o.
func (c *checker) property(o *Object, name string, i int) {
	switch name {
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
		o.Labels = c.strings(i)
	}
	n := o.Indicator
	if n == nil {
		return
	}
	switch name {
	case "pattern":
		n.Pattern = c.own(i)
	case "pattern_type":
		n.PatternType = c.own(i)
	case "indicator_types":
		n.Types = c.strings(i)
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
	return string(c.text(i))
}

// percent is a confidence, or -1.
func (c *checker) percent(i int) int {
	if n, err := strconv.Atoi(string(c.source(i))); err == nil && n >= 0 && n <= 100 {
		return n
	}
	return -1
}
