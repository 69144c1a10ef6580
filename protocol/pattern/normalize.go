package pattern

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Normalize reduces a value to its observable. path is the STIX object path it
// stood under ("domain-name:value", "file:hashes.'SHA-256'"), or "" when
// unknown; it only decides between readings that the content leaves open:
//
//   - a whole number is an address under ipv4-addr and an AS number under
//     autonomous-system; "1.2" and "1.2.3" are addresses under ipv4-addr only;
//   - twelve hex digits without separators are a MAC under mac-addr only;
//   - address:port is the address under ipv4-addr, ipv6-addr and domain-name,
//     and text elsewhere;
//   - a hash under SHA3-256 or SHA3-512 is text, "sha3-256:" and the digits.
//
// A dotted name is a domain unless it ends like a file name (.dll, .plist); a
// dotted name is not held against the list of top-level domains, since that
// list changes and the index must not. Text is put into Unicode NFC, so that two spellings of it are
// one, and stays as it is otherwise. Defanged values (hxxp, [.]) are read as what they stand for.
//
// Normalize is idempotent: under any path that the value came from, or none,
// the normal form gives the same observable again.
func Normalize(path, value string) Observable {
	root, property, _ := strings.Cut(path, ":")
	if _, algorithm, ok := strings.Cut(property, "hashes."); ok {
		return normalizeHash(root, strings.Trim(algorithm, "'"), value)
	}
	return normalize(root, value)
}

// normalize is Normalize with the object type alone.
func normalize(root, value string) Observable {
	if o, ok := typed(root, value); ok {
		return o
	}
	// Composing can make characters that mean something, as U+1FEF is a quote:
	// then what came out is read again. Not before: what a URL's path is
	// composed of means different things to different servers.
	composed, _ := compose(value)
	if composed != value {
		if o, ok := typed(root, composed); ok {
			return o
		}
	}
	return Observable{Type: Text, Value: composed}
}

// typed finds the typed observable that a value is, also when it is defanged.
func typed(root, value string) (Observable, bool) {
	trimmed := strings.TrimFunc(value, unicode.IsSpace)
	if o, ok := classify(root, trimmed); ok {
		return o, true
	}
	if mayBeDefanged(trimmed) {
		return classify(root, fang(trimmed))
	}
	return Observable{}, false
}

// The classes of bytes that tell the kinds of observables apart.
const (
	classDigit  uint16 = 1 << iota
	classHex           // a to f
	classLetter        // g to z
	classUpper         // beside classHex or classLetter
	classDot
	classColon
	classSlash
	classAt
	classHyphen
	classUnderscore
	classWildcard
	classBracket // [ ], of an IPv6 address
	classPercent // of a zone
	classHigh    // beyond ASCII
	classOther   // printable, but in no name
	classSpace   // spaces and control characters
)

const classHexDigit = classDigit | classHex | classUpper

// classes gives the class of every byte.
var classes = classTable()

func classTable() (t [256]uint16) {
	for c := range t {
		switch b := byte(c); {
		case b >= utf8.RuneSelf:
			t[c] = classHigh
		case b <= ' ' || b == 0x7f:
			t[c] = classSpace
		case isDigit(b):
			t[c] = classDigit
		case b >= 'a' && b <= 'f':
			t[c] = classHex
		case b >= 'A' && b <= 'F':
			t[c] = classHex | classUpper
		case b >= 'g' && b <= 'z':
			t[c] = classLetter
		case b >= 'G' && b <= 'Z':
			t[c] = classLetter | classUpper
		default:
			t[c] = classOther
		}
	}
	for c, class := range map[byte]uint16{'.': classDot, ':': classColon, '/': classSlash, '@': classAt, '-': classHyphen,
		'_': classUnderscore, '*': classWildcard, '[': classBracket, ']': classBracket, '%': classPercent} {
		t[c] = class
	}
	return t
}

// classesOf joins the classes of all bytes of s.
func classesOf(s string) (mask uint16) {
	for i := range len(s) {
		mask |= classes[s[i]]
	}
	return mask
}

// only reports whether mask holds nothing beyond allowed.
func only(mask, allowed uint16) bool { return mask&^allowed == 0 }

// classify finds the typed observable that v is; text is not its business.
func classify(root, v string) (Observable, bool) {
	mask := classesOf(v)
	if v == "" || mask&classSpace != 0 {
		return Observable{}, false
	}
	if only(mask, classHexDigit) {
		if t, ok := hashType(len(v)); ok {
			return Observable{Type: t, Value: lower(v, mask)}, true
		}
	}
	if root != "" {
		if o, ok := classifyUnder(root, v, mask); ok {
			return o, true
		}
	}
	if o, ok := classifyAddress(v, mask); ok {
		return o, true
	}
	if o, ok := classifyMAC(v, mask, false); ok {
		return o, true
	}
	if o, ok := classifyASN(v, mask); ok {
		return o, true
	}
	if mask&(classSlash|classColon) != 0 {
		return classifyURL(v, mask)
	}
	if mask&classAt != 0 {
		return classifyEmail(v)
	}
	if name, ok := domain(v, mask); ok {
		return Observable{Type: Domain, Value: name}, true
	}
	// A name in compatibility characters may turn out to be an address.
	if mask&classHigh != 0 {
		if host, ok := mapName(v); ok {
			return classifyAddress(host, classesOf(host))
		}
	}
	return Observable{}, false
}

// classifyUnder finds the readings that only the object type allows.
func classifyUnder(root, v string, mask uint16) (Observable, bool) {
	switch root {
	case "autonomous-system":
		if mask == classDigit {
			return asn(v)
		}
	case "mac-addr":
		return classifyMAC(v, mask, true)
	case "ipv4-addr":
		if a, ok := parseIPv4(v, true); ok {
			return Observable{Type: IPv4, Value: a.String()}, true
		}
	}
	if root == "ipv4-addr" || root == "ipv6-addr" || root == "domain-name" {
		if host, ok := cutPort(v, mask); ok {
			return classify(root, host)
		}
	}
	return Observable{}, false
}

// cutPort splits host:port, where the host has no colon or is in brackets.
func cutPort(v string, mask uint16) (host string, ok bool) {
	if mask&classColon == 0 || mask&classSlash != 0 {
		return "", false
	}
	i := strings.LastIndexByte(v, ':')
	host, port := v[:i], v[i+1:]
	if host == "" || port == "" || len(port) > 5 || classesOf(port) != classDigit {
		return "", false
	}
	if strings.IndexByte(host, ':') >= 0 && !(host[0] == '[' && host[len(host)-1] == ']') {
		return "", false
	}
	return host, true
}

// lower is strings.ToLower for ASCII, which costs nothing when there is
// nothing to do.
func lower(s string, mask uint16) string {
	if mask&classUpper == 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// isHex reports whether s holds hex digits, and nothing else.
func isHex(s string) bool { return s != "" && only(classesOf(s), classHexDigit) }
