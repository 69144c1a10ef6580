package pattern

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// like tests a value against a LIKE pattern: % is any text, _ one character,
// and the whole value must fit.
func (e *evaluator) like(pattern string, v any) truth {
	value, ok := text(v)
	if !ok {
		return no
	}
	if len(pattern) > MaxExpression {
		e.unsure("the LIKE pattern is too long to be evaluated")
		return maybe
	}
	if !e.spend(len(value)) {
		return maybe
	}
	if likeText(pattern, value) {
		return yes
	}
	return e.composed(pattern, value)
}

// likeText matches greedily: behind the last % seen, a mismatch moves its
// match by one character and tries again.
func likeText(pattern, value string) bool {
	behind, from := -1, 0
	p, v := 0, 0
	for v < len(value) {
		want, wantSize := utf8.DecodeRuneInString(pattern[p:])
		have, haveSize := utf8.DecodeRuneInString(value[v:])
		switch {
		case p < len(pattern) && want == '%':
			p++
			behind, from = p, v
		case p < len(pattern) && (want == '_' || want == have):
			p += wantSize
			v += haveSize
		case behind >= 0:
			_, size := utf8.DecodeRuneInString(value[from:])
			from += size
			p, v = behind, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "%") == ""
}

// matches tests a value against a regular expression, anywhere in the value.
func (e *evaluator) matches(n *comparisonNode, v any) truth {
	value, ok := text(v)
	if !ok {
		return no
	}
	re, why := e.compile(n)
	if re == nil {
		e.unsure(why)
		return maybe
	}
	if !e.spend(len(value)) {
		return maybe
	}
	if re.MatchString(value) {
		return yes
	}
	if strings.ContainsAny(value, "\n\v") {
		e.unsure("a regular expression sees line ends differently in PCRE and RE2")
		return maybe
	}
	return e.composed(n.operand.text, value)
}

// compile reads the regular expression of n once a match; nil with the reason
// when it is not evaluated here.
func (e *evaluator) compile(n *comparisonNode) (*regexp.Regexp, string) {
	if re, ok := e.regexps[n]; ok {
		return re, "the regular expression is not evaluated here"
	}
	re, why := compileExpression(n.operand.text)
	e.regexps[n] = re
	return re, why
}

func compileExpression(source string) (*regexp.Regexp, string) {
	if len(source) > MaxExpression {
		return nil, "the regular expression is too long to be evaluated"
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, "the regular expression needs more than RE2: " + err.Error()
	}
	if repetition(tree) > MaxRepetition {
		return nil, "the regular expression repeats too often to be evaluated"
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, "the regular expression needs more than RE2: " + err.Error()
	}
	return re, ""
}

// repetition gives the largest number of times that counted repetitions,
// multiplied through their nesting, repeat a part of the expression.
func repetition(re *syntax.Regexp) int {
	most := 1
	for _, sub := range re.Sub {
		most = max(most, repetition(sub))
	}
	if re.Op == syntax.OpRepeat {
		most *= max(re.Min, re.Max, 1)
	}
	return min(most, MaxRepetition+1)
}

// composed answers for text that did not match as it is: maybe when putting
// it into one Unicode composition (NFC) first could change that.
func (e *evaluator) composed(pattern, value string) truth {
	if isComposed(pattern) && isComposed(value) {
		return no
	}
	e.unsure("the text would have to be composed (Unicode NFC) to be compared")
	return maybe
}

// isComposed reports whether NFC surely leaves s as it is: it holds no marks,
// no jamo, and nothing from the ranges with characters that NFC replaces.
func isComposed(s string) bool {
	for _, r := range s {
		switch {
		case r < 0x300:
		case unicode.Is(unicode.M, r), unicode.Is(replaced, r):
			return false
		}
	}
	return true
}

// replaced holds the ranges in which NFC replaces single characters, and the
// conjoining jamo.
var replaced = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x0340, Hi: 0x0387, Stride: 1}, {Lo: 0x0958, Hi: 0x095f, Stride: 1}, {Lo: 0x09dc, Hi: 0x09df, Stride: 1},
		{Lo: 0x0a33, Hi: 0x0a5e, Stride: 1}, {Lo: 0x0b5c, Hi: 0x0b5d, Stride: 1}, {Lo: 0x0f43, Hi: 0x0fb9, Stride: 1},
		{Lo: 0x1100, Hi: 0x11ff, Stride: 1}, {Lo: 0x1f00, Hi: 0x1fff, Stride: 1}, {Lo: 0x2000, Hi: 0x2001, Stride: 1},
		{Lo: 0x2126, Hi: 0x212b, Stride: 1}, {Lo: 0x2329, Hi: 0x232a, Stride: 1}, {Lo: 0x2adc, Hi: 0x2adc, Stride: 1},
		{Lo: 0xf900, Hi: 0xfb4e, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x1d15e, Hi: 0x1d1c0, Stride: 1}, {Lo: 0x2f800, Hi: 0x2fa1d, Stride: 1}},
}
