package warn

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// compileExpression reads a regular expression, with or without the delimiters that MISP
// takes from PCRE ("/.../i"). Case is ignored always: values are compared in their normal
// form, which has lost it.
func compileExpression(text string) (*regexp.Regexp, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("longer than %d bytes", maxExpression)
	}
	body, flags, err := undelimited(text)
	if err != nil {
		return nil, err
	}
	source := "(?i" + flags + ")" + body
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("needs more than RE2: %w", err)
	}
	if repetition(tree) > maxRepetition {
		return nil, fmt.Errorf("counted repetitions multiply to more than %d", maxRepetition)
	}
	return regexp.Compile(source)
}

// undelimited takes the delimiters off and gives the flags that RE2 knows.
func undelimited(text string) (body, flags string, err error) {
	if text == "" || !strings.ContainsRune("/#~%!@", rune(text[0])) {
		return text, "", nil
	}
	end := strings.LastIndexByte(text, text[0])
	if end == 0 {
		return text, "", nil
	}
	for _, f := range text[end+1:] {
		switch f {
		case 'i', 'u', 'D': // always on, RE2's way, RE2's way
		case 'm', 's', 'U':
			if !strings.ContainsRune(flags, f) {
				flags += string(f)
			}
		case 'x', 'X', 'A', 'J', 'S':
			return "", "", fmt.Errorf("flag %q is not supported", f)
		default:
			return text, "", nil // no delimiter after all
		}
	}
	if end == 1 {
		return "", "", errors.New("an empty expression names everything")
	}
	return text[1:end], flags, nil
}

// repetition gives the largest number of times that counted repetitions, multiplied through
// their nesting, repeat a part of the expression.
func repetition(re *syntax.Regexp) int {
	most := 1
	for _, sub := range re.Sub {
		most = max(most, repetition(sub))
	}
	if re.Op == syntax.OpRepeat {
		most *= max(re.Min, re.Max, 1)
	}
	return min(most, maxRepetition+1)
}
