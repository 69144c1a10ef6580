package stix

import (
	"slices"
	"strings"
)

// writing says how values are written anew. Strings and numbers stay as they
// were written; only space between them goes.
type writing struct {
	prune bool                    // leave out members that are null or empty
	swap  func(ref string) string // the id that stands for a reference, or nil
	ref   bool                    // the value is a reference
}

func isRef(name string) bool {
	return strings.HasSuffix(name, "_ref") || strings.HasSuffix(name, "_refs")
}

// appendValue writes the value at node i.
func appendValue(out []byte, d *doc, i int, w writing) []byte {
	switch d.kind(i) {
	case kindList:
		out = append(out, '[')
		n := 0
		for e := range d.elements(i) {
			if n++; n > 1 {
				out = append(out, ',')
			}
			out = appendValue(out, d, e, w)
		}
		return append(out, ']')
	case kindObject:
		out = append(out, '{')
		n := 0
		for name := range d.members(i) {
			if w.prune && d.hollow(name+1) {
				continue
			}
			if n++; n > 1 {
				out = append(out, ',')
			}
			out = append(append(out, d.source(name)...), ':')
			inside := w
			inside.ref = isRef(string(d.text(name)))
			out = appendValue(out, d, name+1, inside)
		}
		return append(out, '}')
	case kindString:
		if w.ref && w.swap != nil {
			return appendString(out, w.swap(string(d.text(i))))
		}
	}
	return append(out, d.source(i)...)
}

// hollow reports a value that says nothing: null, an empty list, and an object
// of such members.
func (d *doc) hollow(i int) bool {
	switch d.kind(i) {
	case kindNull:
		return true
	case kindList:
		return d.empty(i)
	case kindObject:
		for name := range d.members(i) {
			if !d.hollow(name + 1) {
				return false
			}
		}
		return true
	}
	return false
}

// member is one property of an object that is being written.
type member struct {
	name  string
	value []byte
}

// draft is an object that is being written from the one at node from of d.
type draft struct {
	d       *doc
	from    int
	typ     string
	members []member
}

func newDraft(d *doc, from int, w writing) *draft {
	o := &draft{d: d, from: from, typ: d.str(from, "type")}
	w.prune = true
	for name := range d.members(from) {
		if !d.hollow(name + 1) {
			key := string(d.text(name))
			w.ref = isRef(key)
			o.members = append(o.members, member{key, appendValue(nil, d, name+1, w)})
		}
	}
	return o
}

func (o *draft) index(name string) int {
	return slices.IndexFunc(o.members, func(m member) bool { return m.name == name })
}

func (o *draft) has(name string) bool { return o.index(name) >= 0 }

func (o *draft) drop(name string) {
	o.members = slices.DeleteFunc(o.members, func(m member) bool { return m.name == name })
}

func (o *draft) set(name string, value []byte) {
	o.drop(name)
	o.members = append(o.members, member{name, value})
}

func (o *draft) setString(name, value string) { o.set(name, appendString(nil, value)) }

// rename gives a property another name, unless that name is taken.
func (o *draft) rename(old, name string) {
	if i := o.index(old); i >= 0 && !o.has(name) {
		o.members[i].name = name
	}
}

// firstFields is the order in which an upgraded object begins. All others
// follow by name.
var firstFields = []string{"type", "spec_version", "id", "created_by_ref", "created", "modified"}

// bytes writes the object, its properties in a fixed order. OBJ-26
func (o *draft) bytes() []byte {
	place := func(m member) int {
		if i := slices.Index(firstFields, m.name); i >= 0 {
			return i
		}
		return len(firstFields)
	}
	slices.SortFunc(o.members, func(a, b member) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	out := []byte{'{'}
	for i, m := range o.members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, m.name), ':')
		out = append(out, m.value...)
	}
	return append(out, '}')
}
