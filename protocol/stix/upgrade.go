package stix

import (
	"bytes"
	"strings"

	"tocsin/protocol/reason"
)

// Upgrade turns one STIX 2.0 object into STIX 2.1 with a fixed field order:
// the same input gives the same bytes on every machine. An observed-data with
// an objects container yields several objects, itself first. Objects that say
// spec_version 2.1 come back unchanged, and so do observables, which need not
// say it.
func Upgrade(raw []byte) ([][]byte, error) {
	d, err := read(raw)
	if err != nil {
		return nil, err
	}
	if d.kind(root) != kindObject {
		return nil, reason.New(reason.STIXFormat, "upgrade a STIX object: the document is no object")
	}
	if !isOld(&d) {
		return [][]byte{raw}, nil
	}
	return upgrade(&d)
}

// isOld reports an object of STIX 2.0. Such an object has no spec_version; but
// neither need an observable of 2.1 have one, or a custom type, which is taken
// for an observable when it has no time of creation.
func isOld(d *doc) bool {
	if v := d.get(root, "spec_version"); v != none {
		return d.is(v, "2.0")
	}
	typ := d.str(root, "type")
	r, known := rules[typ]
	if known {
		return !r.sco
	}
	return typ != "bundle" && d.has(root, "created")
}

// upgrade writes the object anew. OBJ-26
func upgrade(d *doc) ([][]byte, error) {
	o := newDraft(d, root, writing{})
	o.setString("spec_version", "2.1")
	switch o.typ {
	case "indicator":
		o.indicator()
	case "malware":
		if !o.has("is_family") {
			o.set("is_family", []byte("true"))
		}
	case "identity":
		o.firstOf("identity_class")
	case "marking-definition":
		if w, ours := fixed[strings.ToLower(d.str(root, "id"))]; ours && !o.has("name") {
			o.setString("name", w.name)
		}
	}
	if types, moved := typesOf[o.typ]; moved {
		o.moveLabels(types)
	}
	o.dropImpossible()
	var out [][]byte
	if container := d.get(root, "objects"); o.typ == "observed-data" && container != none && d.kind(container) == kindObject {
		observables, err := o.split(container)
		if err != nil {
			return nil, err
		}
		out = observables
	}
	out = append([][]byte{o.bytes()}, out...)
	for _, raw := range out { // what was added may not carry it over a limit
		if err := Scan(raw); err != nil {
			return nil, reason.Wrap(reason.STIXFormat, "upgrade "+clipped([]byte(d.str(root, "id")))+" to STIX 2.1", err)
		}
	}
	return out, nil
}

// typesOf are the properties that took over from labels in 2.1.
var typesOf = map[string]string{
	"indicator": "indicator_types", "malware": "malware_types", "report": "report_types",
	"tool": "tool_types", "threat-actor": "threat_actor_types",
}

// moveLabels makes the labels of 2.0 the types of 2.1. Machine tags, which
// hold a colon, were never types and stay. Where a granular marking selects a
// label the labels stay as well, or the selector would lead nowhere.
func (o *draft) moveLabels(types string) {
	list := o.d.get(root, "labels")
	if list == none || o.has(types) {
		return
	}
	var moved, kept []byte
	for e := range o.d.elements(list) {
		into := &moved
		if bytes.IndexByte(o.d.source(e), ':') >= 0 {
			into = &kept
		}
		*into = append(append(*into, ','), appendValue(nil, o.d, e, writing{prune: true})...)
	}
	if len(moved) == 0 {
		return
	}
	o.set(types, bracketed(moved))
	switch {
	case o.selected("labels"):
	case len(kept) > 0:
		o.set("labels", bracketed(kept))
	default:
		o.drop("labels")
	}
}

// bracketed makes a list of elements that each begin with a comma.
func bracketed(elements []byte) []byte {
	return append(append([]byte{'['}, elements[1:]...), ']')
}

func (o *draft) selected(name string) bool {
	list := o.d.get(root, "granular_markings")
	if list == none {
		return false
	}
	for e := range o.d.elements(list) {
		for _, selector := range o.d.selectors(e) {
			if first, _, _ := strings.Cut(selector, "."); first == name {
				return true
			}
		}
	}
	return false
}

func (d *doc) selectors(marking int) []string {
	if d.kind(marking) != kindObject {
		return nil
	}
	return d.strings(d.get(marking, "selectors"))
}

// firstOf takes the first element where a list stands for one value.
func (o *draft) firstOf(name string) {
	i := o.d.get(root, name)
	if i == none || o.d.kind(i) != kindList {
		return
	}
	for e := range o.d.elements(i) {
		o.set(name, o.d.source(e))
		return
	}
}

// dropImpossible leaves out a last_seen before first_seen. One of the two is
// wrong; without last_seen the object claims less, and nothing false.
func (o *draft) dropImpossible() {
	first, ok1 := parseTime([]byte(o.d.str(root, "first_seen")))
	last, ok2 := parseTime([]byte(o.d.str(root, "last_seen")))
	if ok1 && ok2 && last.Before(first) {
		o.drop("last_seen")
	}
}

func (o *draft) indicator() {
	if !o.has("pattern_type") {
		o.setString("pattern_type", "stix")
	}
	old := o.d.str(root, "pattern")
	if text := typedTimes(old); text != old {
		o.setString("pattern", text)
	}
}

// typedTimes turns START '...' STOP '...' of a 2.0 pattern into START t'...'
// STOP t'...' and leaves string literals and comments alone.
func typedTimes(pattern string) string {
	var out strings.Builder
	timed := false // the last word was START or STOP
	for i := 0; i < len(pattern); {
		n := tokenLength(pattern[i:])
		token := pattern[i : i+n]
		switch {
		case token[0] == '\'' && timed:
			out.WriteByte('t')
			timed = false
		case strings.TrimSpace(token) != "" && token[0] != '/':
			timed = token == "START" || token == "STOP"
		}
		out.WriteString(token)
		i += n
	}
	return out.String()
}

// tokenLength is the length of the string literal, comment, word or single
// character with which s begins.
func tokenLength(s string) int {
	switch {
	case s[0] == '\'':
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case '\'':
				return i + 1
			}
		}
		return len(s)
	case strings.HasPrefix(s, "/*"):
		if end := strings.Index(s[2:], "*/"); end >= 0 {
			return end + 4
		}
		return len(s)
	case strings.HasPrefix(s, "//"):
		if end := strings.IndexByte(s, '\n'); end >= 0 {
			return end + 1
		}
		return len(s)
	}
	n := 0
	for n < len(s) && (alphanumeric(s[n]) || s[n] == '_') {
		n++
	}
	return max(n, 1)
}
