package stix

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"

	"tocsin/protocol/reason"
)

// Bundle is what a file held: objects of STIX 2.1, upgraded where they came
// as 2.0.
type Bundle struct {
	// Objects are the objects' bytes: slices of the input for 2.1, new bytes
	// for what was upgraded from 2.0. Nothing is validated beyond the gate.
	Objects [][]byte
	// Upgraded counts objects that came as STIX 2.0.
	Upgraded int
	// Skipped are pieces that no object could be made of, each with its reason:
	// the first ten thousand, and every marking definition. A file of a few
	// megabytes can hold millions.
	Skipped []Skip
	// MoreSkipped counts the pieces beyond those in Skipped.
	MoreSkipped int
}

// maxSkipped is how many pieces Skipped names.
const maxSkipped = 10_000

// Skip names one piece of a bundle that was left out.
type Skip struct {
	// ID is the object's id where one could be read, else "objects[N]".
	ID string
	// Err says why; reason.Of gives the code.
	Err error
}

// ReadBundle takes a STIX 2.1 or 2.0 bundle, a bare object, or a list of
// objects, and returns the objects one by one. A broken object inside a
// readable bundle lands in Skipped; an input that is no STIX at all is an
// error with code stix.format, one that is broken JSON as a whole an error
// with a json code. The bundle wrapper has no meaning and is dropped. The size
// of the whole input is the caller's limit. OBJ-25
func ReadBundle(raw []byte) (*Bundle, error) {
	s := splitter{raw: raw}
	if bytes.HasPrefix(raw, []byte(bom)) {
		s.pos = len(bom)
	}
	r := reader{raw: raw, bundle: &Bundle{}}
	switch s.peek() {
	case '[':
		elements, err := s.list()
		if err == nil {
			err = s.ended()
		}
		if err == nil && !slices.ContainsFunc(elements, r.isObject) && len(elements) > 0 {
			err = noSTIX("the list holds no object")
		}
		if err != nil {
			return nil, err
		}
		r.all(elements)
		return r.bundle, nil
	case '{':
		w, err := s.object()
		if err == nil {
			err = s.ended()
		}
		if err != nil {
			return nil, err
		}
		if err := r.wrapped(w); err != nil {
			return nil, err
		}
		return r.bundle, nil
	case 0:
		return nil, noSTIX("the input is empty")
	}
	return nil, noSTIX(fmt.Sprintf("it begins with %q, not with an object or a list", s.raw[s.pos]))
}

func noSTIX(why string) error {
	return reason.New(reason.STIXFormat, "read STIX: "+why)
}

func (s *splitter) ended() error {
	s.peek()
	if s.pos < len(s.raw) {
		return s.fail(s.pos, "more text after the end of the value")
	}
	return nil
}

// reader gives the pieces of a file to the gate one by one.
type reader struct {
	raw    []byte
	bundle *Bundle
	room   []node // used again for each piece
}

func (r *reader) isObject(at span) bool { return r.raw[at.start] == '{' }

// wrapped reads the outermost object: a bundle, the envelope of TAXII, which
// is one without a type, or one bare object.
func (r *reader) wrapped(w *wrapper) error {
	typ, typed := w.names["type"]
	isBundle := typed && string(r.raw[typ.start:typ.end]) == `"bundle"`
	if !isBundle && (typed || !w.isList) {
		return r.bare(w)
	}
	if objects, present := w.names["objects"]; present && !w.isList {
		return noSTIX(fmt.Sprintf("objects of the bundle is no list, at byte %d", objects.start))
	}
	for _, at := range w.others {
		if _, err := scan(r.raw[at.start:at.end], at.start, nil); err != nil {
			return err
		}
	}
	r.all(w.objects)
	return nil
}

// bare reads a file that is one object.
func (r *reader) bare(w *wrapper) error {
	at := w.whole
	nodes, err := scan(r.raw[at.start:at.end], at.start, nil)
	if err != nil {
		return err
	}
	d := doc{raw: r.raw[at.start:at.end], nodes: nodes}
	if d.str(root, "type") == "" {
		return noSTIX("the object has no type")
	}
	r.add(0, at)
	return nil
}

func (r *reader) all(elements []span) {
	for n, at := range elements {
		r.add(n, at)
	}
}

// add passes one piece through the gate and keeps what comes out.
func (r *reader) add(n int, at span) {
	piece := r.raw[at.start:at.end:at.end]
	if piece[0] != '{' && len(r.bundle.Skipped) >= maxSkipped {
		r.bundle.MoreSkipped++
		return
	}
	nodes, err := scan(piece, at.start, r.room[:0])
	if err != nil {
		r.skip(n, piece, err)
		return
	}
	r.room = nodes
	d := doc{raw: piece, nodes: nodes}
	switch {
	case d.kind(root) != kindObject:
		r.skip(n, piece, noSTIX(fmt.Sprintf("objects[%d] is no object", n)))
	case isOld(&d):
		objects, err := upgrade(&d)
		if err != nil {
			r.skip(n, piece, err)
			return
		}
		r.bundle.Objects = append(r.bundle.Objects, objects...)
		r.bundle.Upgraded++
	default:
		r.bundle.Objects = append(r.bundle.Objects, piece)
	}
}

func (r *reader) skip(n int, piece []byte, err error) {
	id := looseID(piece)
	if len(r.bundle.Skipped) >= maxSkipped && !isMarking(id) {
		r.bundle.MoreSkipped++
		return
	}
	if id == "" {
		id = fmt.Sprintf("objects[%d]", n)
	}
	r.bundle.Skipped = append(r.bundle.Skipped, Skip{ID: id, Err: err})
}

// looseID reads the id of an object that did not pass the gate, or gives "".
// Of several it is that of a marking definition, which others depend on.
func looseID(piece []byte) string {
	first := ""
	for name, value := range looseMembers(piece) {
		if string(looseText(name)) != "id" {
			continue
		}
		id := string(looseText(value))
		switch {
		case !isID([]byte(id)):
		case isMarking(id):
			return id
		case first == "":
			first = id
		}
	}
	return first
}

// looseMembers yields names and values of an object as they are written, as far
// as they can be told apart. The object need not have passed the gate.
func looseMembers(piece []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		s := splitter{raw: piece}
		if s.peek() != '{' {
			return
		}
		for s.pos++; s.peek() == '"'; s.pos++ {
			name, err := s.value()
			if err != nil || s.peek() != ':' {
				return
			}
			s.pos++
			value, err := s.value()
			if err != nil || !yield(piece[name.start:name.end], piece[value.start:value.end]) || s.peek() != ',' {
				return
			}
		}
	}
}

// looseText decodes what is written as a string; what is none gives nil.
func looseText(written []byte) []byte {
	var room [1]node
	nodes, err := scan(written, 0, room[:0])
	if err != nil || nodes[root].kind != kindString {
		return nil
	}
	d := doc{raw: written, nodes: nodes}
	return d.text(root)
}

// isMarking reports the id of a marking definition, in whatever case.
func isMarking(id string) bool {
	return len(id) > len(tlpDefinition) && strings.EqualFold(id[:len(tlpDefinition)], tlpDefinition)
}
