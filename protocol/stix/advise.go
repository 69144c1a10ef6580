package stix

import (
	"bytes"
	"slices"
	"strings"
)

// advise lists what the standard advises against. Real feeds do all of it, so
// nothing here refuses an object. OBJ-14
func (c *checker) advise(r *rule) {
	_, known := rules[string(c.typ)]
	if !known && c.get(root, "extensions") == none {
		c.should(c.get(root, "type"), "a custom type without an extension is deprecated")
	}
	for name := range c.members(root) {
		key := c.text(name)
		switch {
		case known && !c.open && r.props[string(key)] == nil:
			c.should(name+1, "no property of this type; an extension is the way to add one")
		case len(key) < 3 && string(key) != "id":
			c.should(name+1, "the name of a property has at least three characters")
		}
	}
	for _, name := range []string{"created", "modified"} {
		if i := c.get(root, name); i != none && c.kind(i) == kindString && !milliseconds(c.text(i)) {
			c.should(i, "should be precise to the millisecond")
		}
	}
	if i := c.get(root, "created_by_ref"); i != none && !c.sco && c.kind(i) == kindString {
		if typ, ok := splitID(c.text(i)); ok && string(typ) != "identity" {
			c.should(i, "a creator is an identity")
		}
	}
	c.adviseID()
}

func milliseconds(b []byte) bool {
	dot := bytes.IndexByte(b, '.')
	return dot >= 0 && len(b)-dot >= len(".000Z")
}

func (c *checker) adviseID() {
	i := c.get(root, "id")
	id := c.str(root, "id")
	if !isID([]byte(id)) {
		return
	}
	if id != strings.ToLower(id) {
		c.should(i, "the UUID should be in lower case: ids are compared as text")
	}
	if uuidVersion([]byte(id)) > 5 {
		c.should(i, "RFC 4122 has no UUIDs of this version")
	}
	if !slices.Contains(scoTypes, string(c.typ)) {
		return
	}
	if want, err := deterministicID(&c.doc, root, string(c.typ), nil); err == nil && want != id {
		c.should(i, "the deterministic id of this observable is "+want)
	}
}
