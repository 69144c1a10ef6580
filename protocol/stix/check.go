package stix

import (
	"bytes"
	"fmt"
	"net/url"

	"tocsin/protocol/reason"
)

// maxFindings is how many findings one object gets; the hundredth helps nobody.
const maxFindings = 100

// finding is a Finding with the code under which it refuses.
type finding struct {
	Finding
	code reason.Code
}

// checker holds one object to the rules and gathers what indexing needs.
type checker struct {
	doc
	typ        []byte
	shoulds    bool              // list departures from a SHOULD too
	sco        bool              // the object is an observable
	open       bool              // an extension allows unknown properties at the top
	neighbours map[string][]byte // types by key, inside observed-data's deprecated objects
	found      []finding
	refs       []string
	markings   []string
	index      map[int]map[string]int // children by name, for lists and objects with many
	known      bool                   // the type is one of the standard's
	room       *Parser
}

// run holds the object to everything.
func (c *checker) run() {
	if c.kind(root) != kindObject {
		c.report(reason.STIXFormat, root, "a STIX object is a JSON object")
		return
	}
	r := c.head()
	if r == nil {
		return
	}
	c.sweep()
	c.follow(root, r)
	c.special()
	if c.shoulds {
		c.advise(r)
	}
}

// full tells that nothing more is noted: the walk ends early, so that an object
// with a broken MUST at every turn costs no more than a sound one.
func (c *checker) full() bool { return len(c.found) >= maxFindings }

// report notes a broken MUST at node i.
func (c *checker) report(code reason.Code, i int, what string) {
	if !c.full() {
		c.found = append(c.found, finding{Finding{Must: true, Path: c.path(i), Text: what}, code})
	}
}

func (c *checker) must(i int, what string) { c.report(reason.STIXRule, i, what) }

// missing notes a member that object i ought to have.
func (c *checker) missing(i int, name, what string) {
	if !c.full() {
		path := string(joinPath([]byte(c.path(i)), name))
		c.found = append(c.found, finding{Finding{Must: true, Path: path, Text: what}, reason.STIXRule})
	}
}

// should notes a departure from a SHOULD.
func (c *checker) should(i int, what string) {
	if c.shoulds && !c.full() {
		c.found = append(c.found, finding{Finding{Path: c.path(i), Text: what}, reason.STIXRule})
	}
}

// head checks what tells the object's rule: type, id and spec_version. It
// returns nil when they do not.
func (c *checker) head() *rule {
	typ, id := c.get(root, "type"), c.get(root, "id")
	switch {
	case typ == none:
		c.missing(root, "type", "every object has a type")
	case c.kind(typ) != kindString || !typeName(c.text(typ)) || c.is(typ, "action"): // OBJ-11
		c.must(typ, "a type is 3 to 250 of a-z, 0-9 and single hyphens, a letter first")
	case c.is(typ, "bundle"): // OBJ-10
		c.must(typ, "a bundle is a wrapper and no object; give the objects inside it")
	case id == none:
		c.missing(root, "id", "every object has an id")
	case c.kind(id) != kindString:
		c.must(id, "an id is a string")
	default:
		c.typ = c.text(typ)
		prefix, ok := splitID(c.text(id))
		if !ok { // OBJ-11
			c.must(id, clip(c.text(id))+" is no type--uuid with a UUID of RFC 4122")
		} else if !bytes.Equal(prefix, c.typ) { // OBJ-11
			c.must(id, "the id begins with "+clip(prefix)+", the type is "+clip(c.typ))
		}
		return c.rule()
	}
	return nil
}

// rule returns the rule of the object's type. A custom type is an observable
// when an extension says so, or when it has no time of creation.
func (c *checker) rule() *rule {
	c.open = c.extends("toplevel-property-extension")
	r, known := rules[string(c.typ)]
	switch {
	case !known && (c.extends("new-sco") || !c.has(root, "created") && !c.has(root, "modified") && !c.extends("new-sdo") && !c.extends("new-sro")):
		r = customObservable
	case !known:
		r = customAuthored
	}
	c.sco, c.known = r.sco, known
	if v := c.get(root, "spec_version"); v != none && !c.is(v, "2.1") { // OBJ-10
		c.must(v, "spec_version is 2.1; what was written for 2.0 is upgraded before it is signed")
	}
	return r
}

// name checks the name of one of the object's own properties. Names of two
// letters are in real use and only advised against. OBJ-14
func (c *checker) name(i int) {
	switch key := c.text(i); {
	case !propertyName(key):
		c.must(i+1, "the name of a property is 3 to 250 of a-z, 0-9 and _, a letter first")
	case among(key, reservedNames):
		c.must(i+1, "the standard reserves this name")
	}
}

// extends reports whether an extension of the object has a type.
func (c *checker) extends(typ string) bool {
	list := c.get(root, "extensions")
	if list == none {
		return false
	}
	for name := range c.members(list) {
		if c.kind(name+1) == kindObject && c.is(c.get(name+1, "extension_type"), typ) {
			return true
		}
	}
	return false
}

// sweep walks the whole tape once: nothing may be null or empty, and what any
// reference names is gathered. OBJ-13
func (c *checker) sweep() {
	for i := range c.nodes {
		switch c.kind(i) {
		case kindNull:
			c.must(i, "null is not allowed; leave the property out")
		case kindList, kindObject:
			if c.empty(i) {
				c.must(i, "an empty list or object is not allowed; leave the property out")
			}
		case kindName:
			c.gather(i)
		}
	}
}

var (
	suffixRef  = []byte("_ref")
	suffixRefs = []byte("_refs")
)

// gather keeps the ids that the member with name node i refers to. Markings
// are taken from wherever they stand, so that none inside can be missed. OBJ-24
func (c *checker) gather(i int) {
	// The last letter tells nearly all others; escaped it may be anything.
	if n := &c.nodes[i]; !n.escaped && (n.start == n.end || c.raw[n.end-1] != 'f' && c.raw[n.end-1] != 's') {
		return
	}
	name := c.text(i)
	if !bytes.HasSuffix(name, suffixRef) && !bytes.HasSuffix(name, suffixRefs) {
		return
	}
	into := &c.refs
	if s := string(name); s == "object_marking_refs" || s == "marking_ref" {
		into = &c.markings
	}
	if c.kind(i+1) == kindString {
		c.keep(into, i+1)
	}
	for e := range c.elements(i + 1) {
		if c.kind(e) == kindString {
			c.keep(into, e)
		}
	}
}

func (c *checker) keep(into *[]string, i int) {
	if id := c.text(i); isID(id) {
		*into = append(*into, c.room.keep(id))
	}
}

func isID(id []byte) bool {
	_, ok := splitID(id)
	return ok
}

// follow holds object i to a rule.
func (c *checker) follow(i int, r *rule) {
	var met uint64
	for name := range c.members(i) {
		if c.full() {
			return
		}
		if p := r.table.find(c.text(name)); p != nil {
			met |= p.bit
			c.value(name+1, p)
		} else if i == root {
			c.name(name)
		}
	}
	if met != r.all { // OBJ-15
		c.needs(i, r)
	}
	if len(r.some) > 0 && !c.hasAny(i, r.some) { // OBJ-15
		c.must(i, fmt.Sprintf("at least one of %v is required", r.some))
	}
	for _, p := range r.pairs {
		c.inOrder(i, p)
	}
}

// needs notes the required properties that object i lacks.
func (c *checker) needs(i int, r *rule) {
	for _, name := range r.need {
		if !c.has(i, name) {
			c.missing(i, name, "this property is required")
		}
	}
}

func (c *checker) hasAny(i int, names []string) bool {
	for _, name := range names {
		if c.has(i, name) {
			return true
		}
	}
	return false
}

// inOrder checks two times of object i. A time that cannot be read was found
// already. OBJ-16
func (c *checker) inOrder(i int, p pair) {
	first, last := c.get(i, p.first), c.get(i, p.last)
	if first == none || last == none || c.kind(first) != kindString || c.kind(last) != kindString {
		return
	}
	if !p.strict && bytes.Equal(c.text(first), c.text(last)) {
		return // as with most objects that were never changed
	}
	from, ok1 := parseTime(c.text(first))
	until, ok2 := parseTime(c.text(last))
	if !ok1 || !ok2 {
		return
	}
	if p.strict && !until.After(from) {
		c.must(last, "must be later than "+p.first)
	} else if until.Before(from) {
		c.must(last, "must not be earlier than "+p.first)
	}
}

// value holds the value at node i to what p says of it. OBJ-15
func (c *checker) value(i int, p *prop) {
	if c.full() {
		return
	}
	switch p.shape {
	case flag:
		if c.kind(i) != kindTrue && c.kind(i) != kindFalse {
			c.must(i, "must be true or false")
		}
	case whole, number:
		c.numeric(i, p)
	case texts, words, idents, tags:
		if c.kind(i) != kindList {
			c.must(i, "must be a list of strings")
		}
		for e := range c.elements(i) {
			c.stringy(e, p.each)
		}
	case hashes:
		c.hashes(i)
	case dictionary:
		c.dictionary(i)
	case record:
		c.inner(i, p.sub)
	case records:
		if c.kind(i) != kindList {
			c.must(i, "must be a list of objects")
		}
		for e := range c.elements(i) {
			c.inner(e, p.sub)
		}
	case extras:
		c.extensions(i)
	case granular:
		c.granular(i)
	default:
		c.stringy(i, p)
	}
}

// elementShape is what a list of strings is a list of.
func elementShape(s shape) (element shape, list bool) {
	switch s {
	case texts:
		return text, true
	case words:
		return word, true
	case idents:
		return ident, true
	case tags:
		return tag, true
	}
	return s, false
}

// inner holds an object inside the object to its rule.
func (c *checker) inner(i int, r *rule) {
	if c.full() {
		return
	}
	if c.kind(i) != kindObject {
		c.must(i, "must be an object")
		return
	}
	c.follow(i, r)
	if r == referenceRule {
		c.reference(i)
	}
}

func (c *checker) numeric(i int, p *prop) {
	switch k := c.kind(i); {
	case p.shape == whole && k != kindInt:
		c.must(i, "must be an integer")
		return
	case k != kindInt && k != kindFloat:
		c.must(i, "must be a number")
		return
	}
	if n := nearly(c.source(i)); n < float64(p.min) || n > float64(p.max) {
		c.must(i, fmt.Sprintf("must lie in %d..%d", p.min, p.max))
	}
}

// stringy checks the shapes that are strings.
func (c *checker) stringy(i int, p *prop) {
	if c.full() {
		return
	}
	if c.kind(i) != kindString {
		c.must(i, "must be a string")
		return
	}
	if p.shape == text {
		return
	}
	b := c.text(i)
	switch p.shape {
	case word:
		if !among(b, p.of) {
			c.must(i, fmt.Sprintf("%s is not one of %v", clip(b), p.of))
		}
	case stamp:
		if _, ok := parseTime(b); !ok { // OBJ-12
			c.must(i, clip(b)+" is no UTC time of the form 2006-01-02T15:04:05.000Z")
		}
	case moment:
		c.moment(i, b)
	case ident:
		c.ident(i, b, p)
	case tag:
		if !languageTag(b) { // OBJ-17
			c.must(i, clip(b)+" is no language tag of RFC 5646")
		}
	case hexadecimal:
		if len(b) == 0 || len(b)%2 != 0 || !allHex(b) {
			c.must(i, "must be pairs of hexadecimal digits")
		}
	case base64:
		if !isBase64(b) {
			c.must(i, "must be Base64 with padding")
		}
	case link:
		if c.shoulds { // it is only advised against, and dear to find out
			c.link(i, b)
		}
	}
}

// ident checks a reference: the form of the id and the type it names. Whether
// the object exists is nobody's business here. OBJ-18
func (c *checker) ident(i int, b []byte, p *prop) {
	typ, ok := splitID(b)
	if !ok { // 2.0 manners: the key of a neighbour
		typ, ok = c.neighbours[string(b)]
	}
	switch {
	case !ok && c.sco: // dangles like any other; the OASIS validator lets it pass, too
		if c.shoulds {
			c.should(i, clip(b)+" is no id of an object")
		}
	case !ok:
		c.must(i, clip(b)+" is no id of an object")
	case len(p.of) > 0 && !among(typ, p.of):
		c.must(i, fmt.Sprintf("refers to %s; only %v may stand here", clip(typ), p.of))
	case among(typ, p.not):
		c.must(i, fmt.Sprintf("may not refer to %s", clip(typ)))
	}
}

// moment wants a time of 1970 or later: the zero time of an Object says that
// its author was silent, and no real object is older than STIX. OBJ-12
func (c *checker) moment(i int, b []byte) {
	switch t, ok := parseTime(b); {
	case !ok:
		c.must(i, clip(b)+" is no UTC time of the form 2006-01-02T15:04:05.000Z")
	case t.Unix() < 0:
		c.must(i, clip(b)+" lies before 1970, which no object can mean here; leave the property out where it may be, or say the real time")
	}
}

// link wants what RFC 3986 calls a URI. A defanged observable is exempt.
func (c *checker) link(i int, b []byte) {
	u, err := url.Parse(string(b))
	if err != nil || u.Scheme == "" || bytes.ContainsAny(b, " <>\"{}|\\^`") {
		if !c.defanged() {
			c.should(i, clip(b)+" is no URL of RFC 3986")
		}
	}
}
