package stix

import (
	"encoding/json"
	"iter"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// bytesPerNode is what a node of a real object takes at least, nearly always;
// a tape made for it does not grow.
const bytesPerNode = 24

// root is the node of the whole document.
const root = 0

// none is the index of a node that is not there.
const none = -1

// doc is a text that passed the gate, with its tape. It is never changed.
type doc struct {
	raw   []byte
	nodes []node
}

// read passes raw through the gate.
func read(raw []byte) (doc, error) {
	nodes, err := scan(raw, 0, make([]node, 0, nodesFor(raw)))
	return doc{raw: raw, nodes: nodes}, err
}

// nodesFor is the room that the tape of raw takes, nearly always.
func nodesFor(raw []byte) int { return 8 + min(len(raw)/bytesPerNode, maxTokens) }

func (d *doc) kind(i int) kind { return d.nodes[i].kind }

func (d *doc) next(i int) int { return int(d.nodes[i].next) }

// empty reports a list or object that holds nothing.
func (d *doc) empty(i int) bool {
	return d.kind(i) == kindList && d.next(i) == i+1 || d.kind(i) == kindObject && d.next(i) == i+1
}

// members yields the name nodes of an object. A name's value is the node after
// it. What is no object has none.
func (d *doc) members(object int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if d.kind(object) != kindObject {
			return
		}
		for i, end := object+1, d.next(object); i < end; i = d.next(i + 1) {
			if !yield(i) {
				return
			}
		}
	}
}

// elements yields the values of a list. What is no list has none.
func (d *doc) elements(list int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if d.kind(list) != kindList {
			return
		}
		for i, end := list+1, d.next(list); i < end; i = d.next(i) {
			if !yield(i) {
				return
			}
		}
	}
}

// get returns the value of a member, or none.
func (d *doc) get(object int, name string) int {
	if d.kind(object) != kindObject {
		return none
	}
	for i, end := object+1, d.next(object); i < end; i = d.next(i + 1) {
		if d.reads(i, name) {
			return i + 1
		}
	}
	return none
}

// reads reports that string or name i decodes to want. It undoes no escape
// that it need not look at, and makes no copy: names are compared often.
func (d *doc) reads(i int, want string) bool {
	n := &d.nodes[i]
	size := int(n.end - n.start)
	if !n.escaped {
		return size == len(want) && string(d.raw[n.start:n.end]) == want
	}
	return size > len(want) && size <= longestEscape*len(want) && sameText(d.raw[n.start:n.end], want)
}

// has reports whether an object has a member.
func (d *doc) has(object int, name string) bool { return d.get(object, name) != none }

// text returns a string or name as it decodes. The slice belongs to the
// document, unless an escape had to be undone.
func (d *doc) text(i int) []byte {
	n := &d.nodes[i]
	if n.escaped {
		return unescape(d.raw[n.start:n.end])
	}
	return d.raw[n.start:n.end]
}

// str returns the string that member name of an object holds, or "".
func (d *doc) str(object int, name string) string {
	if i := d.get(object, name); i != none && d.kind(i) == kindString {
		return string(d.text(i))
	}
	return ""
}

// is reports that node i is the string want.
func (d *doc) is(i int, want string) bool {
	return i != none && d.kind(i) == kindString && d.reads(i, want)
}

// source returns a value or name as it is written, quotes included.
func (d *doc) source(i int) []byte {
	n := d.nodes[i]
	if n.kind == kindString || n.kind == kindName {
		return d.raw[n.start-1 : n.end+1]
	}
	return d.raw[n.start:n.end]
}

// strings returns the strings of a list.
func (d *doc) strings(list int) []string {
	if list == none || d.kind(list) != kindList || d.empty(list) {
		return nil
	}
	all := make([]string, 0, 2)
	for i := range d.elements(list) {
		if d.kind(i) == kindString {
			all = append(all, string(d.text(i)))
		}
	}
	return all
}

// value returns a value decoded, numbers as json.Number.
func (d *doc) value(i int) any {
	switch d.kind(i) {
	case kindFalse, kindTrue:
		return d.kind(i) == kindTrue
	case kindInt, kindFloat:
		return json.Number(d.source(i))
	case kindString:
		return string(d.text(i))
	case kindList:
		list := []any{}
		for e := range d.elements(i) {
			list = append(list, d.value(e))
		}
		return list
	case kindObject:
		return d.object(i)
	}
	return nil
}

func (d *doc) object(i int) map[string]any {
	m := map[string]any{}
	for name := range d.members(i) {
		m[string(d.text(name))] = d.value(name + 1)
	}
	return m
}

// path says where node i stands, e.g. "granular_markings[0].selectors". It is
// found again from the root, so that a sound object pays nothing for it.
func (d *doc) path(i int) string {
	var path []byte
	for at := root; at < i; {
		next := none
		n := 0
		for e := range d.elements(at) {
			if i < d.next(e) {
				path = append(strconv.AppendInt(append(path, '['), int64(n), 10), ']')
				next = e
				break
			}
			n++
		}
		for name := range d.members(at) {
			if i < d.next(name+1) {
				path = joinPath(path, clipped(d.text(name)))
				next = name + 1
				break
			}
		}
		if next == none {
			break
		}
		at = next
	}
	return string(path)
}

func joinPath(path []byte, name string) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	return append(path, name...)
}

// hexUnit reads the UTF-16 unit of an escape at the start of b.
func hexUnit(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var unit rune
	for _, c := range b[2:6] {
		digit, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		unit = unit<<4 | rune(digit)
	}
	return unit, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// unescape decodes the inside of a string that passed the gate.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		char, size := escapedRune(b[i:])
		out = utf8.AppendRune(out, char)
		i += size - 1
	}
	return out
}

// longestEscape is how many bytes may stand for one that they decode to.
const longestEscape = 6

// sameText reports that the inside of a string that passed the gate decodes to want.
func sameText(b []byte, want string) bool {
	for len(b) > 0 {
		char, size := [utf8.UTFMax]byte{b[0]}, 1
		width := 1
		if b[0] == '\\' {
			var r rune
			r, size = escapedRune(b)
			width = utf8.EncodeRune(char[:], r)
		}
		if len(want) < width || want[:width] != string(char[:width]) {
			return false
		}
		b, want = b[size:], want[width:]
	}
	return want == ""
}

// escapedRune decodes the escape with which b begins, and tells its size. The
// gate let b pass.
func escapedRune(b []byte) (char rune, size int) {
	switch c := b[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		unit, _ := hexUnit(b)
		if !utf16.IsSurrogate(unit) {
			return unit, 6
		}
		low, _ := hexUnit(b[6:])
		return utf16.DecodeRune(unit, low), 12
	default:
		return rune(c), 2
	}
}

// appendString writes text as a JSON string with the fewest escapes.
func appendString(out []byte, text string) []byte {
	out = append(out, '"')
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ':
			out = append(out, `\u00`...)
			out = append(out, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// clip quotes a piece of the input for an error: short, and with nothing in it
// that a terminal would act on.
func clip(text []byte) string { return strconv.QuoteToASCII(short(text)) }

// clipped is clip without the quotes, for paths.
func clipped(text []byte) string {
	q := clip(text)
	return q[1 : len(q)-1]
}

func short(text []byte) string {
	const most = 80
	if len(text) <= most {
		return string(text)
	}
	return string(text[:most]) + "..."
}
