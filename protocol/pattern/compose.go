package pattern

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// overlong is a string of an observation that compose leaves alone. No
// comparison with it can be answered.
type overlong string

const tooManyMarks = "the text has more combining marks in a row than are put in order"

// compose puts s into Unicode NFC, so that spellings that Unicode calls the
// same are ==; text that is in NFC already costs one look. ok is false, and s
// comes back as it is, when so many combining marks follow each other (more
// than 30) that the library would break them up with a joiner: that is no NFC.
func compose(s string) (composed string, ok bool) {
	if isASCII(s) {
		return s, true
	}
	const joiner = "\u034f"
	composed = norm.NFC.String(s)
	if composed == s {
		return s, true
	}
	if strings.Count(composed, joiner) != strings.Count(s, joiner) {
		return s, false
	}
	return composed, true
}

// isASCII is most of what composing costs, as most text is: the library's own
// look takes several times as long. Eight bytes at once, as it is on the path of
// every text.
func isASCII(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		if s[0]|s[1]|s[2]|s[3]|s[4]|s[5]|s[6]|s[7] >= utf8.RuneSelf {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// composeAll composes the strings in decoded JSON, in place: once a match, not
// once a comparison.
func composeAll(v any) any {
	switch t := v.(type) {
	case object:
		for key, kid := range t {
			t[key] = composeAll(kid)
		}
	case []any:
		for i, kid := range t {
			t[i] = composeAll(kid)
		}
	case string:
		composed, ok := compose(t)
		if !ok {
			return overlong(t)
		}
		if composed != t {
			return composed
		}
	}
	return v // as it came: a string put into an interface again would be copied
}

// identifier gives the text of an identifier or a reference; objects are
// looked up by it, composed or not.
func identifier(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case overlong:
		return string(v), true
	}
	return "", false
}
