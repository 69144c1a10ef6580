package stix

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"

	"tocsin/protocol/reason"
)

// The numbers of the gate (SPEC 9). Each binds one object.
const (
	maxBytes  = 1 << 20        // OBJ-02: an object as written
	maxString = 256 << 10      // OBJ-05: a string or name as written, without its quotes
	maxDepth  = 32             // OBJ-03: lists and objects inside each other, the outermost one counted
	maxTokens = 20_000         // OBJ-04: names and values together
	maxWhole  = 1<<53 - 1      // OBJ-08: beyond it two integers share one double
	maxNumber = 1 << 10        // OBJ-08: characters of a number; a double never needs more
	fewNames  = 32             // up to here comparing names pairwise is cheaper than a map
	bom       = "\xef\xbb\xbf" // OBJ-01: refused in an object, passed over at the start of a file
)

// kind is what a node of the tape stands for.
type kind uint8

const (
	kindNull kind = iota
	kindFalse
	kindTrue
	kindInt
	kindFloat
	kindString
	kindList
	kindObject
	kindName // a member's name; its value is the next node
)

// node is one value or member name. The nodes of a document lie in the order
// of the text, so that a value's children are the nodes up to next.
type node struct {
	start, end uint32 // the extent in raw; of strings and names without quotes
	next       uint32 // index of the first node that is no part of this one
	kind       kind
	escaped    bool // the string holds a backslash
}

// scanner walks one text once. It checks every rule of the gate and leaves the
// tape behind, so that nothing needs to read the text a second time.
type scanner struct {
	raw   []byte
	pos   int
	base  int // where raw begins in the caller's input, for the offsets of errors
	nodes []node
}

// Scan is the strict gate: JSON grammar, depth, tokens, size, string length,
// duplicate names, UTF-8, surrogates, integers within 2^53. It must pass before
// anything else looks at the bytes. Errors are *reason.Error with a json.* code
// and the byte offset. It allocates little and reads each byte once.
func Scan(raw []byte) error {
	_, err := read(raw)
	return err
}

// scan passes raw through the gate and returns its tape, which it appends to
// room. base is added to the offsets in errors.
func scan(raw []byte, base int, room []node) ([]node, error) {
	s := scanner{raw: raw, base: base, nodes: room}
	if len(raw) > maxBytes { // OBJ-02
		return nil, s.fail(reason.JSONSize, maxBytes, fmt.Sprintf("%d bytes, at most %d are allowed", len(raw), maxBytes))
	}
	if err := s.value(0); err != nil {
		return nil, err
	}
	s.space()
	if s.pos < len(raw) {
		return nil, s.fail(reason.JSONSyntax, s.pos, "more text after the end of the value")
	}
	return s.nodes, nil
}

func (s *scanner) fail(code reason.Code, at int, text string) error {
	return reason.New(code, "read JSON at byte "+strconv.Itoa(s.base+at)+": "+text)
}

func (s *scanner) syntax(want string) error {
	if s.pos >= len(s.raw) {
		return s.fail(reason.JSONSyntax, len(s.raw), "the text ends where "+want+" is due")
	}
	return s.fail(reason.JSONSyntax, s.pos, fmt.Sprintf("%q stands where %s is due", s.raw[s.pos], want))
}

// peek returns the next byte that is no space, or 0 at the end; a real NUL
// fits no rule of the grammar either.
func (s *scanner) peek() byte {
	s.space()
	if s.pos < len(s.raw) {
		return s.raw[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.raw) {
		switch s.raw[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// open appends a node and returns its index. Its end and next are set later.
func (s *scanner) open(k kind, start int) (int, error) {
	if len(s.nodes) >= maxTokens { // OBJ-04
		return 0, s.fail(reason.JSONTokens, start, fmt.Sprintf("more than %d names and values", maxTokens))
	}
	s.nodes = append(s.nodes, node{start: uint32(start), kind: k})
	return len(s.nodes) - 1, nil
}

func (s *scanner) close(i, end int) {
	n := &s.nodes[i]
	n.end, n.next = uint32(end), uint32(len(s.nodes))
}

// value reads one value by the grammar of RFC 8259 (OBJ-01) that lies inside depth lists and objects.
func (s *scanner) value(depth int) error {
	switch c := s.peek(); c {
	case '"':
		return s.text(kindString)
	case '{', '[':
		if depth == maxDepth { // OBJ-03
			return s.fail(reason.JSONDepth, s.pos, fmt.Sprintf("lists and objects lie more than %d deep", maxDepth))
		}
		if c == '{' {
			return s.object(depth + 1)
		}
		return s.list(depth + 1)
	case 't':
		return s.word("true", kindTrue)
	case 'f':
		return s.word("false", kindFalse)
	case 'n':
		return s.word("null", kindNull)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number()
	}
	return s.syntax("a value")
}

func (s *scanner) word(w string, k kind) error {
	if !bytes.HasPrefix(s.raw[s.pos:], []byte(w)) {
		return s.syntax(w)
	}
	i, err := s.open(k, s.pos)
	if err != nil {
		return err
	}
	s.pos += len(w)
	s.close(i, s.pos)
	return nil
}

func (s *scanner) list(depth int) error {
	i, err := s.open(kindList, s.pos)
	if err != nil {
		return err
	}
	s.pos++
	if s.peek() == ']' {
		s.pos++
		s.close(i, s.pos)
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			s.close(i, s.pos)
			return nil
		default:
			return s.syntax("a comma or ]")
		}
	}
}

func (s *scanner) object(depth int) error {
	i, err := s.open(kindObject, s.pos)
	if err != nil {
		return err
	}
	s.pos++
	if s.peek() == '}' {
		s.pos++
		s.close(i, s.pos)
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.syntax("a name in quotes")
		}
		if err := s.text(kindName); err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.syntax("a colon")
		}
		s.pos++
		if err := s.value(depth); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			s.close(i, s.pos)
			return s.distinct(i)
		default:
			return s.syntax("a comma or }")
		}
	}
}

// distinct refuses a name that stands twice in one object. Names are compared
// as they decode: "a" and "\u0061" are one name. OBJ-06
func (s *scanner) distinct(object int) error {
	d := doc{raw: s.raw, nodes: s.nodes}
	var prints [fewNames]uint64
	var met uint64 // a bit for each print so far; most names meet no bit that is set
	n := 0
	for i, end := object+1, d.next(object); i < end; i = d.next(i + 1) {
		if n == fewNames {
			return s.distinctMany(object)
		}
		name := d.text(i)
		print := fingerprint(name)
		bit := uint64(1) << (print >> 58)
		if met&bit != 0 {
			if slices.Contains(prints[:n], print) { // one name twice, or names that were made to look alike
				return s.distinctMany(object)
			}
		}
		met |= bit
		prints[n] = print
		n++
	}
	return nil
}

// fingerprint tells most names apart without reading them again: the length and
// up to eight bytes from either end, spread over all bits.
func fingerprint(name []byte) uint64 {
	const spread = 0x9e3779b97f4a7c15
	n := len(name)
	var print uint64
	switch {
	case n >= 8:
		print = binary.LittleEndian.Uint64(name)*spread ^ binary.LittleEndian.Uint64(name[n-8:])
	case n >= 4:
		print = uint64(binary.LittleEndian.Uint32(name))<<32 | uint64(binary.LittleEndian.Uint32(name[n-4:]))
	default:
		for _, c := range name {
			print = print<<8 | uint64(c)
		}
	}
	return (print + uint64(n)) * spread
}

// distinctMany is distinct for objects of any size; a map keeps it linear on
// input that was made to be slow.
func (s *scanner) distinctMany(object int) error {
	d := doc{raw: s.raw, nodes: s.nodes}
	seen := make(map[string]struct{}, 2*fewNames)
	for i := range d.members(object) {
		name := d.text(i)
		if _, twice := seen[string(name)]; twice {
			return s.duplicate(i, name)
		}
		seen[string(name)] = struct{}{}
	}
	return nil
}

func (s *scanner) duplicate(name int, text []byte) error {
	return s.fail(reason.JSONDuplicate, int(s.nodes[name].start)-1, "the name "+clip(text)+" stands twice in one object")
}

// text reads a string or a name, of which pos is the opening quote.
func (s *scanner) text(k kind) error {
	start, escaped := s.pos+1, false
	if len(s.nodes) >= maxTokens {
		_, err := s.open(k, start) // says so
		return err
	}
	s.pos = start
	for {
		s.pos += plainLength(s.raw[s.pos:])
		if s.pos == len(s.raw) {
			return s.syntax("the closing quote of a string")
		}
		switch c := s.raw[s.pos]; {
		case c == '"':
			s.nodes = append(s.nodes, node{
				start: uint32(start), end: uint32(s.pos), next: uint32(len(s.nodes) + 1), kind: k, escaped: escaped,
			})
			s.pos++
			if size := s.pos - 1 - start; size > maxString { // OBJ-05
				return s.fail(reason.JSONString, start-1, fmt.Sprintf("a string of %d bytes, at most %d are allowed", size, maxString))
			}
			return nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.fail(reason.JSONSyntax, s.pos, fmt.Sprintf("the control character %#02x stands bare in a string; it must be escaped", c))
		default:
			r, size := utf8.DecodeRune(s.raw[s.pos:])
			if r == utf8.RuneError && size == 1 { // OBJ-07
				return s.fail(reason.JSONUTF8, s.pos, fmt.Sprintf("the byte %#02x is no valid UTF-8", c))
			}
			s.pos += size
		}
	}
}

// plainLength counts the plain bytes at the start of b, eight at a time.
func plainLength(b []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quote, slash := w^ones*'"', w^ones*'\\'
		// a byte's top bit is set here where it is above ASCII, below the
		// space, a quote or a backslash
		odd := (w | (w - ones*' ') | (quote - ones) | (slash - ones)) & tops
		if odd != 0 { // the lowest bit is exact: only bytes above it can have been borrowed from
			return n + bits.TrailingZeros64(odd)/8
		}
	}
	for n < len(b) && plain[b[n]] {
		n++
	}
	return n
}

// plain marks the bytes that a string may hold as they are: printable ASCII
// but the quote and the backslash.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// escape reads one escape, of which pos is the backslash, and refuses half a
// surrogate pair. OBJ-07
func (s *scanner) escape() error {
	at := s.pos
	s.pos++
	if s.pos == len(s.raw) {
		return s.syntax("an escape")
	}
	switch s.raw[s.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
	default:
		return s.syntax("an escape")
	}
	unit, ok := hexUnit(s.raw[at:])
	if !ok {
		return s.syntax("an escape of four hexadecimal digits")
	}
	s.pos = at + 6
	switch {
	case unit < 0xd800 || unit > 0xdfff:
		return nil
	case unit < 0xdc00:
		if low, ok := hexUnit(s.raw[s.pos:]); ok && low >= 0xdc00 && low <= 0xdfff {
			s.pos += 6
			return nil
		}
	}
	return s.fail(reason.JSONSurrogate, at, "half a surrogate pair")
}

// number reads a number: integers that every reader holds exactly, and finite
// doubles. OBJ-08
func (s *scanner) number() error {
	start, k := s.pos, kindInt
	if s.raw[s.pos] == '-' {
		s.pos++
	}
	switch {
	case s.pos < len(s.raw) && s.raw[s.pos] == '0':
		s.pos++
	case s.digits() == 0:
		return s.syntax("a digit")
	}
	if s.pos < len(s.raw) && s.raw[s.pos] == '.' {
		s.pos, k = s.pos+1, kindFloat
		if s.digits() == 0 {
			return s.syntax("a digit")
		}
	}
	if s.pos < len(s.raw) && (s.raw[s.pos] == 'e' || s.raw[s.pos] == 'E') {
		s.pos, k = s.pos+1, kindFloat
		if s.pos < len(s.raw) && (s.raw[s.pos] == '+' || s.raw[s.pos] == '-') {
			s.pos++
		}
		if s.digits() == 0 {
			return s.syntax("a digit")
		}
	}
	if !representable(s.raw[start:s.pos], k) {
		return s.fail(reason.JSONNumber, start, "the number "+clip(s.raw[start:s.pos])+" is no integer below 2^53 and no finite double")
	}
	i, err := s.open(k, start)
	if err != nil {
		return err
	}
	s.close(i, s.pos)
	return nil
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.raw) && s.raw[s.pos] >= '0' && s.raw[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

func representable(text []byte, k kind) bool {
	if len(text) > maxNumber {
		return false
	}
	if k == kindInt {
		n, err := strconv.ParseInt(string(text), 10, 64)
		return err == nil && -maxWhole <= n && n <= maxWhole
	}
	return finite(text)
}
