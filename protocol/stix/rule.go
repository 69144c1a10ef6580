package stix

import "math/bits"

// shape is what the value of a property must be.
type shape uint8

const (
	anything    shape = iota
	text              // a string
	word              // a string that is one of prop.of
	texts             // a list of strings
	words             // a list of strings of prop.of
	flag              // true or false
	whole             // an integer in prop.min..prop.max
	number            // any number in prop.min..prop.max
	stamp             // a timestamp
	moment            // a timestamp of 1970 or later
	ident             // the id of an object of a type in prop.of, or not in prop.not
	idents            // a list of such ids
	tag               // a language tag
	tags              // a list of language tags
	hashes            // a dictionary of hashes
	dictionary        // an object with free names
	hexadecimal       // bytes as hexadecimal digits
	base64            // bytes as Base64
	link              // a URL
	record            // an object that follows prop.sub
	records           // a list of such objects
	extras            // the extensions of an object
	granular          // granular markings
)

// prop says what one property of an object may hold.
type prop struct {
	shape    shape
	of, not  []string
	min, max int64
	sub      *rule
	each     *prop  // of a list of strings: what each must be
	bit      uint64 // marks a property that is required; 0 otherwise
}

// pair is two times of one object, of which the second must not be earlier.
type pair struct {
	first, last string
	strict      bool // and not the same either
}

// rule is what the standard says of one kind of object. Rules are made once
// and never changed.
type rule struct {
	props map[string]*prop
	need  []string // required
	some  []string // at least one of them is required
	pairs []pair
	sco   bool // a cyber-observable: no created, modified or revoked
	// table is props for looking up, and all the bits of need.
	table nameTable
	all   uint64
}

// part adds something to a rule that is being made.
type part func(*rule)

func newRule(parts ...part) *rule {
	r := &rule{props: map[string]*prop{}}
	for _, add := range parts {
		add(r)
	}
	r.finish()
	return r
}

func (r *rule) set(p prop, names []string) {
	if s, list := elementShape(p.shape); list {
		p.each = &prop{shape: s, of: p.of, not: p.not}
	}
	for _, name := range names {
		one := p
		r.props[name] = &one
	}
}

// finish makes what follows from the parts.
func (r *rule) finish() {
	for i, name := range r.need {
		bit := uint64(1) << i
		r.all |= bit
		if p := r.props[name]; p != nil {
			p.bit |= bit
		}
	}
	r.table = newNameTable(r.props)
}

// nameTable finds a property by its name faster than a map of strings does:
// nearly always at the first place that its fingerprint says.
type nameTable struct {
	slots []nameSlot // a power of two, at most half full
	shift int
}

type nameSlot struct {
	name string
	prop *prop
}

func newNameTable(props map[string]*prop) nameTable {
	width := bits.Len(uint(2*len(props) + 1))
	t := nameTable{slots: make([]nameSlot, 1<<width), shift: 64 - width}
	for name, p := range props {
		i := fingerprint([]byte(name)) >> t.shift
		for t.slots[i].prop != nil {
			i = (i + 1) & uint64(len(t.slots)-1)
		}
		t.slots[i] = nameSlot{name, p}
	}
	return t
}

// find returns the property with a name, or nil.
func (t *nameTable) find(name []byte) *prop {
	for i := fingerprint(name) >> t.shift; ; i = (i + 1) & uint64(len(t.slots)-1) {
		switch s := &t.slots[i]; {
		case s.prop == nil:
			return nil
		case s.name == string(name):
			return s.prop
		}
	}
}

func each(s shape, names ...string) part {
	return func(r *rule) { r.set(prop{shape: s}, names) }
}

func need(names ...string) part { return func(r *rule) { r.need = append(r.need, names...) } }

func some(names ...string) part { return func(r *rule) { r.some = append(r.some, names...) } }

func ordered(first, last string) part {
	return func(r *rule) { r.pairs = append(r.pairs, pair{first, last, false}) }
}

func after(first, last string) part {
	return func(r *rule) { r.pairs = append(r.pairs, pair{first, last, true}) }
}

func oneOf(name string, values ...string) part {
	return func(r *rule) { r.set(prop{shape: word, of: values}, []string{name}) }
}

func manyOf(name string, values ...string) part {
	return func(r *rule) { r.set(prop{shape: words, of: values}, []string{name}) }
}

func between(s shape, low, high int64, names ...string) part {
	return func(r *rule) { r.set(prop{shape: s, min: low, max: high}, names) }
}

func integer(names ...string) part { return between(whole, -maxWhole, maxWhole, names...) }

func count(names ...string) part { return between(whole, 0, maxWhole, names...) }

func to(name string, types ...string) part {
	return func(r *rule) { r.set(prop{shape: ident, of: types}, []string{name}) }
}

func toMany(name string, types ...string) part {
	return func(r *rule) { r.set(prop{shape: idents, of: types}, []string{name}) }
}

func notTo(name string, types []string) part {
	return func(r *rule) { r.set(prop{shape: ident, not: types}, []string{name}) }
}

func notToMany(name string, types []string) part {
	return func(r *rule) { r.set(prop{shape: idents, not: types}, []string{name}) }
}

func within(s shape, name string, sub *rule) part {
	return func(r *rule) { r.set(prop{shape: s, sub: sub}, []string{name}) }
}

// all is a part made of parts.
func all(parts ...part) part {
	return func(r *rule) {
		for _, add := range parts {
			add(r)
		}
	}
}
