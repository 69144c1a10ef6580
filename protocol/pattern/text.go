package pattern

import (
	"regexp"
	"regexp/syntax"
	"strings"
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
	return truthOf(likeText(pattern, value))
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
	return no
}

// compile reads the regular expression of n once a match; nil with the reason
// when it is not evaluated here.
func (e *evaluator) compile(n *comparisonNode) (*regexp.Regexp, string) {
	if re, ok := e.regexps[n]; ok {
		return re, "the regular expression is not evaluated here"
	}
	re, why := compileExpression(n.operand.composed)
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
