package stix

import (
	"fmt"
	"slices"

	"tocsin/protocol/reason"
)

const (
	maxWrapper  = 1000 // members of a bundle itself; the standard has three
	bracketBits = 64   // levels at which the kind of a bracket is remembered
)

// span is a piece of a file.
type span struct{ start, end int }

// splitter finds where the values of a large file begin and end. It follows
// strings and brackets and leaves all else to the gate, to which each piece is
// given alone: so one bad object does not cost the others, and a file may be
// of any size. It keeps no state that grows with depth.
type splitter struct {
	raw []byte
	pos int
}

func (s *splitter) fail(at int, text string) error {
	return reason.New(reason.JSONSyntax, fmt.Sprintf("read JSON at byte %d: %s", at, text))
}

func (s *splitter) want(what string) error {
	if s.pos >= len(s.raw) {
		return s.fail(len(s.raw), "the text ends where "+what+" is due")
	}
	return s.fail(s.pos, fmt.Sprintf("%q stands where %s is due", s.raw[s.pos], what))
}

func (s *splitter) peek() byte {
	for s.pos < len(s.raw) {
		switch c := s.raw[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// value passes over one value and returns where it lies.
func (s *splitter) value() (span, error) {
	c := s.peek()
	start := s.pos
	switch c {
	case '{', '[':
		err := s.nested()
		return span{start, s.pos}, err
	case '"':
		err := s.text()
		return span{start, s.pos}, err
	case 0, ',', ':', ']', '}':
		return span{}, s.want("a value")
	}
	for s.pos < len(s.raw) && !slices.Contains([]byte(",:]} \t\n\r[{\""), s.raw[s.pos]) {
		s.pos++
	}
	return span{start, s.pos}, nil
}

func (s *splitter) text() error {
	start := s.pos
	for s.pos++; s.pos < len(s.raw); s.pos++ {
		switch s.raw[s.pos] {
		case '\\':
			s.pos++
		case '"':
			s.pos++
			return nil
		}
	}
	s.pos = len(s.raw)
	return s.fail(start, "this string has no end")
}

// nested passes over a list or object. Down to bracketBits levels the kinds of
// brackets must agree; what lies deeper is refused by the gate anyway.
func (s *splitter) nested() error {
	start, depth := s.pos, 0
	var kinds uint64 // bit n is set when level n is an object
	for s.pos < len(s.raw) {
		switch c := s.raw[s.pos]; c {
		case '"':
			if err := s.text(); err != nil {
				return err
			}
			continue
		case '{', '[':
			if depth < bracketBits {
				kinds &^= 1 << depth
				if c == '{' {
					kinds |= 1 << depth
				}
			}
			depth++
		case '}', ']':
			depth--
			if depth < bracketBits && (kinds>>depth&1 == 1) != (c == '}') {
				return s.fail(s.pos, fmt.Sprintf("%q closes what it did not open", c))
			}
			if depth == 0 {
				s.pos++
				return nil
			}
		}
		s.pos++
	}
	return s.fail(start, "this list or object has no end")
}

// list passes over a list and returns where its elements lie.
func (s *splitter) list() ([]span, error) {
	s.pos++
	var all []span
	if s.peek() == ']' {
		s.pos++
		return nil, nil
	}
	for {
		element, err := s.value()
		if err != nil {
			return nil, err
		}
		all = append(all, element)
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return all, nil
		default:
			return nil, s.want("a comma or ]")
		}
	}
}

// wrapper is an object of which the values have not been read.
type wrapper struct {
	whole   span
	names   map[string]span // values by name
	others  []span          // the same without that list, in the order of the text
	objects []span          // elements of the list named objects
	isList  bool            // there is such a list
}

// object passes over the outermost object.
func (s *splitter) object() (*wrapper, error) {
	w := &wrapper{whole: span{start: s.pos}, names: map[string]span{}}
	s.pos++
	if s.peek() == '}' {
		s.pos++
		w.whole.end = s.pos
		return w, nil
	}
	for {
		if err := s.member(w); err != nil {
			return nil, err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			w.whole.end = s.pos
			return w, nil
		default:
			return nil, s.want("a comma or }")
		}
	}
}

func (s *splitter) member(w *wrapper) error {
	if s.peek() != '"' {
		return s.want("a name in quotes")
	}
	at := s.pos
	name, err := s.value()
	if err != nil {
		return err
	}
	nodes, err := scan(s.raw[name.start:name.end], name.start, nil)
	if err != nil {
		return err
	}
	d := doc{raw: s.raw[name.start:name.end], nodes: nodes}
	key := string(d.text(root))
	if _, twice := w.names[key]; twice { // OBJ-06
		return reason.New(reason.JSONDuplicate, fmt.Sprintf("read JSON at byte %d: the name %s stands twice in one object", at, clip([]byte(key))))
	}
	if len(w.names) == maxWrapper {
		return reason.New(reason.JSONTokens, fmt.Sprintf("read JSON at byte %d: more than %d names in the outermost object", at, maxWrapper))
	}
	if s.peek() != ':' {
		return s.want("a colon")
	}
	s.pos++
	if s.peek() == '[' && key == "objects" {
		start := s.pos
		w.objects, err = s.list()
		w.isList = true
		w.names[key] = span{start, s.pos}
		return err
	}
	value, err := s.value()
	w.names[key] = value
	w.others = append(w.others, value)
	return err
}
