package stix

import (
	"bytes"
	"strconv"
	"strings"

	"tocsin/protocol/reason"
)

// manyChildren is from where a list or object is indexed before selectors are
// resolved in it, so that many selectors in a large one stay linear.
const manyChildren = 32

// granular checks markings of parts: each names what it marks, and either a
// marking or a language. A selector that selects nothing makes the object
// invalid, since nobody can tell what its author wanted to protect. OBJ-21
func (c *checker) granular(i int) {
	if c.kind(i) != kindList {
		c.must(i, "must be a list of objects")
	}
	for e := range c.elements(i) {
		if c.full() {
			return
		}
		c.inner(e, granularRule)
		if c.kind(e) != kindObject {
			continue
		}
		if c.has(e, "marking_ref") == c.has(e, "lang") {
			c.report(reason.STIXMarking, e, "exactly one of marking_ref and lang is required")
		}
		if list := c.get(e, "selectors"); list != none {
			for s := range c.elements(list) {
				if c.kind(s) == kindString && !c.full() && !c.selects(c.text(s)) {
					c.report(reason.STIXMarking, s, "the selector "+clip(c.text(s))+" selects nothing")
				}
			}
		}
	}
}

// selects resolves a selector such as "external_references.[0].url".
func (c *checker) selects(selector []byte) bool {
	at := root
	for part := range bytes.SplitSeq(selector, []byte(".")) {
		if at = c.child(at, string(part)); at == none {
			return false
		}
	}
	return true
}

// child returns the value of a member, or of the element that "[n]" names.
func (c *checker) child(i int, part string) int {
	if c.next(i)-i > manyChildren {
		if child, ok := c.children(i)[part]; ok {
			return child
		}
		return none
	}
	if c.kind(i) == kindObject {
		return c.get(i, part)
	}
	n := 0
	for e := range c.elements(i) {
		if part == indexPart(n) {
			return e
		}
		n++
	}
	return none
}

func indexPart(n int) string { return "[" + strconv.Itoa(n) + "]" }

// children indexes a list or object once.
func (c *checker) children(i int) map[string]int {
	if known, ok := c.index[i]; ok {
		return known
	}
	m := map[string]int{}
	for name := range c.members(i) {
		m[string(c.text(name))] = name + 1
	}
	n := 0
	for e := range c.elements(i) {
		m[indexPart(n)] = e
		n++
	}
	if c.index == nil {
		c.index = map[int]map[string]int{}
	}
	c.index[i] = m
	return m
}

// markingDefinition checks what only a marking definition has: a definition of
// its type, unless an extension says it all.
func (c *checker) markingDefinition() {
	id := c.str(root, "id")
	for _, ref := range c.markings {
		if ref == id {
			c.report(reason.STIXMarking, root, "a marking definition may not mark itself")
		}
	}
	typ, definition := c.get(root, "definition_type"), c.get(root, "definition")
	if typ == none && definition == none && c.has(root, "extensions") {
		return
	}
	if typ == none {
		c.missing(root, "definition_type", "this property is required")
	}
	if definition == none {
		c.missing(root, "definition", "this property is required")
	}
	if typ == none || definition == none || c.kind(definition) != kindObject {
		return
	}
	if c.is(typ, "statement") && c.str(definition, "statement") == "" {
		c.missing(definition, "statement", "a statement marking has a statement")
	}
	if _, ours := fixed[strings.ToLower(id)]; strings.EqualFold(c.str(root, "definition_type"), "tlp") && !ours {
		c.should(root, "TLP has fixed definitions; a marking of one's own should not claim to be one")
	}
}

// wellKnown refuses an object that gives a fixed TLP id another meaning. OBJ-23
func (c *checker) wellKnown() {
	id := c.get(root, "id")
	w, ours := fixed[strings.ToLower(c.str(root, "id"))]
	if !ours {
		return
	}
	forged := func() {
		c.report(reason.STIXMarking, id, "this id is "+w.name+" for ever; the object gives it another meaning")
	}
	definition, extensions := c.get(root, "definition"), c.get(root, "extensions")
	switch {
	case c.has(root, "name") && !strings.EqualFold(c.str(root, "name"), w.name):
		forged()
	case w.version == 1:
		if extensions != none || !c.is(c.get(root, "definition_type"), "tlp") || !c.only(definition, "tlp", w.word) {
			forged()
		}
	case definition != none || c.has(root, "definition_type") || extensions == none || c.size(extensions) != 1:
		forged()
	default:
		i := c.get(extensions, tlpExtension)
		if i == none || c.kind(i) != kindObject || c.size(i) != 2 || !c.is(c.get(i, tlpProperty), w.word) ||
			!c.is(c.get(i, "extension_type"), "property-extension") {
			forged()
		}
	}
	if c.has(root, "granular_markings") || c.has(root, "object_marking_refs") {
		forged()
	}
}

// only reports an object of one member with one value.
func (c *checker) only(object int, name, value string) bool {
	return object != none && c.kind(object) == kindObject && c.size(object) == 1 && c.is(c.get(object, name), value)
}

func (c *checker) size(object int) int {
	n := 0
	for range c.members(object) {
		n++
	}
	return n
}
