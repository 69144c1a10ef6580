package stix

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"tocsin/protocol/reason"
)

// container is the objects property of an observed-data of 2.0: observables
// that name each other by key. In 2.1 each is an object of its own.
type container struct {
	d        *doc
	node     int
	owner    string            // id of the observed-data
	markings []string          // of the owner; its parts inherit them
	ids      map[string]string // by key; "" while the id is being computed
	names    map[string]int    // node of each observable by key
}

// What each part of a container gets from the whole is bounded, in number and
// in bytes for all parts together: a small file must not become a large one.
const (
	maxInherited      = 100
	maxInheritedBytes = maxBytes
	longestID         = longestName + 2 + uuidLength
)

// renamed are properties of observables that got other names in 2.1.
var renamed = map[string][][2]string{
	"file":                 {{"created", "ctime"}, {"modified", "mtime"}, {"accessed", "atime"}},
	"directory":            {{"created", "ctime"}, {"modified", "mtime"}, {"accessed", "atime"}},
	"process":              {{"created", "created_time"}, {"binary_ref", "image_ref"}},
	"user-account":         {{"password_last_changed", "credential_last_changed"}},
	"windows-registry-key": {{"modified", "modified_time"}},
}

// split takes the observables out of the container, gives them ids and lists
// those in object_refs. OBJ-27
func (o *draft) split(node int) ([][]byte, error) {
	c := container{
		d: o.d, node: node, owner: o.d.str(root, "id"), markings: o.markings(),
		ids: map[string]string{}, names: map[string]int{},
	}
	if err := c.affordable(); err != nil {
		return nil, err
	}
	for name := range o.d.members(node) {
		if o.d.kind(name+1) != kindObject {
			return nil, c.fail(string(o.d.text(name)), "is no object")
		}
		c.names[string(o.d.text(name))] = name + 1
	}
	var out [][]byte
	var refs []byte
	for name := range o.d.members(node) {
		key := string(o.d.text(name))
		id, err := c.id(key)
		if err != nil {
			return nil, err
		}
		object, err := c.observable(key, id)
		if err != nil {
			return nil, err
		}
		out = append(out, object)
		refs = appendString(append(refs, ','), id)
	}
	if len(out) > 0 {
		o.drop("objects")
		o.set("object_refs", bracketed(refs))
	}
	return out, nil
}

// affordable refuses a container of which the parts would inherit too much.
func (c *container) affordable() error {
	refuse := func(format string, numbers ...any) error {
		return reason.New(reason.STIXFormat, "upgrade "+clipped([]byte(c.owner))+" to STIX 2.1: "+fmt.Sprintf(format, numbers...))
	}
	if n := len(c.owner); n > longestID { // it enters what is hashed for each part
		return refuse("its id has %d characters, an id has at most %d", n, longestID)
	}
	if n := len(c.markings); n > maxInherited {
		return refuse("it has %d markings, at most %d can be inherited", n, maxInherited)
	}
	parts, bytes := 0, 0
	for range c.d.members(c.node) {
		parts++
	}
	for _, ref := range c.markings {
		bytes += len(ref)
	}
	if parts*bytes > maxInheritedBytes {
		return refuse("its markings have %d bytes for each of %d observables, at most %d together can be inherited", bytes, parts, maxInheritedBytes)
	}
	return nil
}

// markings are all markings of the object, those of parts included: an
// observable must not travel further than what it was part of.
func (o *draft) markings() []string {
	all := o.d.strings(o.d.get(root, "object_marking_refs"))
	if list := o.d.get(root, "granular_markings"); list != none {
		for e := range o.d.elements(list) {
			if o.d.kind(e) == kindObject {
				all = append(all, o.d.str(e, "marking_ref"))
			}
		}
	}
	return sortedSet(all)
}

func sortedSet(all []string) []string {
	all = slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == "" })
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *container) fail(key, what string) error {
	return reason.New(reason.STIXFormat, "upgrade "+clipped([]byte(c.owner))+" to STIX 2.1: objects."+clipped([]byte(key))+" "+what)
}

// id gives the id of the observable under key, and first those of the
// observables that contribute to it.
func (c *container) id(key string) (string, error) {
	if id, known := c.ids[key]; known {
		if id == "" {
			return "", c.fail(key, "refers to itself")
		}
		return id, nil
	}
	c.ids[key] = ""
	node := c.names[key]
	typ := c.d.str(node, "type")
	if !typeName([]byte(typ)) {
		return "", c.fail(key, "has no type")
	}
	var failed error
	id, err := deterministicID(c.d, node, typ, func(ref string) string {
		if _, ours := c.names[ref]; !ours {
			return ref
		}
		id, err := c.id(ref)
		if err != nil {
			failed = err
		}
		return id
	})
	if failed != nil {
		return "", failed
	}
	if err != nil { // nothing contributes: the UUID is random in form only
		sum := sha256.Sum256([]byte(c.owner + "\x00" + key + "\x00" + string(c.d.source(node))))
		id = typ + "--" + formatUUID(sum[:], 4)
	}
	c.ids[key] = id
	return id, nil
}

// observable writes the observable under key as an object of its own.
func (c *container) observable(key, id string) ([]byte, error) {
	var failed error
	o := newDraft(c.d, c.names[key], writing{swap: func(ref string) string {
		if _, ours := c.names[ref]; !ours {
			return ref
		}
		other, err := c.id(ref)
		if err != nil {
			failed = err
		}
		return other
	}})
	if failed != nil {
		return nil, failed
	}
	for _, names := range renamed[o.typ] {
		o.rename(names[0], names[1])
	}
	o.setString("spec_version", "2.1")
	o.setString("id", id)
	own := c.d.strings(c.d.get(c.names[key], "object_marking_refs"))
	if all := sortedSet(slices.Concat(own, c.markings)); len(all) > 0 {
		var list []byte
		for _, ref := range all {
			list = appendString(append(list, ','), ref)
		}
		o.set("object_marking_refs", bracketed(list))
	}
	return o.bytes(), nil
}
