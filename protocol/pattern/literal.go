package pattern

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
)

// literal turns a literal token into its value.
func (l *lexer) literal(t token) (literal, error) {
	switch t.kind {
	case tokString:
		text := unescape(t.text)
		composed, ok := compose(text)
		return literal{kind: litString, text: text, composed: composed, overlong: !ok}, nil
	case tokInt:
		if n, err := strconv.ParseInt(t.text, 10, 64); err == nil {
			return literal{kind: litInt, num: n, real: float64(n)}, nil
		}
		return l.real(t)
	case tokFloat:
		return l.real(t)
	case tokHex:
		b, err := hex.DecodeString(t.text)
		if err != nil {
			return literal{}, l.fail(t.pos, "h'...' must hold pairs of hex digits")
		}
		return literal{kind: litBinary, text: string(b)}, nil
	case tokBinary:
		b, err := base64.StdEncoding.DecodeString(t.text)
		if err != nil || strings.ContainsAny(t.text, "\r\n") {
			return literal{}, l.fail(t.pos, "b'...' must hold base64 with its padding")
		}
		return literal{kind: litBinary, text: string(b)}, nil
	case tokTime:
		if !isTimestamp(t.text) {
			return literal{}, l.fail(t.pos, "t'...' must hold a timestamp like 2026-01-31T12:00:00Z")
		}
		return literal{kind: litTime, text: t.text}, nil
	}
	return literal{kind: litBool, yes: t.text == "true"}, nil
}

// real reads a number that is no 64-bit integer.
func (l *lexer) real(t token) (literal, error) {
	f, err := strconv.ParseFloat(t.text, 64)
	if err != nil || math.IsInf(f, 0) {
		return literal{}, l.fail(t.pos, "number out of range")
	}
	return literal{kind: litFloat, real: f}, nil
}

// unescape undoes \' and \\, the only escapes there are; the lexer has
// refused all others.
func unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for ; i >= 0; i = strings.IndexByte(s, '\\') {
		b.WriteString(s[:i])
		b.WriteByte(s[i+1])
		s = s[i+2:]
	}
	b.WriteString(s)
	return b.String()
}

// isTimestamp checks the form that the grammar gives a timestamp. As there, a
// day that its month lacks passes: the calendar is asked when it is compared.
func isTimestamp(s string) bool {
	const form = "dddd-dd-ddTdd:dd:dd"
	if len(s) <= len(form) || s[len(s)-1] != 'Z' {
		return false
	}
	for i := range len(form) {
		if form[i] == 'd' && !isDigit(s[i]) || form[i] != 'd' && s[i] != form[i] {
			return false
		}
	}
	if !inRange(s[5:7], 1, 12) || !inRange(s[8:10], 1, 31) || !inRange(s[11:13], 0, 23) ||
		!inRange(s[14:16], 0, 59) || !inRange(s[17:19], 0, 60) {
		return false
	}
	return isFraction(s[len(form) : len(s)-1])
}

func inRange(two string, low, high int) bool {
	n := int(two[0]-'0')*10 + int(two[1]-'0')
	return n >= low && n <= high
}

// isFraction reports whether s is empty or a point and digits.
func isFraction(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != '.' || len(s) == 1 {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// parseTimestamp reads a timestamp of the standard's form. A leap second is
// the second after it, since time.Time has none.
func parseTimestamp(s string) (time.Time, bool) {
	if !isTimestamp(s) {
		return time.Time{}, false
	}
	leap := s[17:19] == "60"
	if leap {
		s = s[:17] + "59" + s[19:]
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, false
	}
	if leap {
		t = t.Add(time.Second)
	}
	return t, true
}

// seconds reads the number of a WITHIN. Spans above the range of a Duration
// (292 years) become the longest one.
func seconds(text string) time.Duration {
	f, _ := strconv.ParseFloat(text, 64)
	if f >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	span := time.Duration(math.Round(f * float64(time.Second)))
	if span == 0 && f > 0 {
		return time.Nanosecond
	}
	return span
}
