package pattern

import (
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"

	"tocsin/protocol/reason"
)

// tokenKind is the kind of a token.
type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokIdent
	tokHyphenIdent
	tokKeyword
	tokInt
	tokFloat
	tokString
	tokHex
	tokBinary
	tokTime
	tokOperator
	tokPunct
)

// token is one token: its kind, its text as written (of a literal: the part
// between the quotes), and the byte offset where it starts.
type token struct {
	kind tokenKind
	text string
	pos  int
}

// is reports whether the token is that keyword, operator or punctuation mark.
func (t token) is(text string) bool { return t.kind >= tokKeyword && t.text == text && !t.literal() }

func (t token) literal() bool { return t.kind >= tokInt && t.kind <= tokTime }

// String shows the token in an error.
func (t token) String() string {
	if t.kind == tokEOF {
		return "the end"
	}
	text := t.text
	if len(text) > 40 {
		text = text[:40] + "..."
	}
	return strconv.Quote(text)
}

// lexer cuts a pattern into tokens, one at a time. It copies nothing.
type lexer struct {
	src string
	pos int
}

// fail makes a syntax error at a byte offset.
func (l *lexer) fail(pos int, format string, args ...any) error {
	column := utf8.RuneCountInString(l.src[:pos]) + 1
	return reason.New(reason.PatternSyntax,
		fmt.Sprintf("read pattern: column %d: ", column)+fmt.Sprintf(format, args...))
}

// limitText says which limit a pattern passes.
func limitText(what string, have, limit int) string {
	return fmt.Sprintf("read pattern: it has %d %s, more than the %d allowed", have, what, limit)
}

// next returns the next token.
func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	if l.pos == len(l.src) {
		return token{kind: tokEOF, pos: l.pos}, nil
	}
	c := l.src[l.pos]
	switch {
	case isLetter(c):
		return l.word()
	case c == '\'':
		return l.quoted(tokString, l.pos)
	case isDigit(c), (c == '+' || c == '-' || c == '.') && l.startsNumber():
		return l.number()
	}
	return l.mark()
}

// skip passes over spaces and comments.
func (l *lexer) skip() error {
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		if c == ' ' {
			l.pos++
			continue
		}
		if c == '/' && l.pos+1 < len(l.src) {
			done, err := l.comment()
			if err != nil || done {
				return err
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(l.src[l.pos:])
		if r == utf8.RuneError && size == 1 {
			return l.fail(l.pos, "not valid UTF-8")
		}
		if !unicode.IsSpace(r) {
			return nil
		}
		l.pos += size
	}
	return nil
}

// comment passes over one comment; done is true when there is none here.
func (l *lexer) comment() (done bool, err error) {
	switch l.src[l.pos+1] {
	case '/':
		for l.pos < len(l.src) && l.src[l.pos] != '\n' && l.src[l.pos] != '\r' {
			l.pos++
		}
		return false, nil
	case '*':
		for i := l.pos + 2; i+1 < len(l.src); i++ {
			if l.src[i] == '*' && l.src[i+1] == '/' {
				l.pos = i + 2
				return false, nil
			}
		}
		return true, l.fail(l.pos, "comment without its closing */")
	}
	return true, nil
}

// word reads an identifier, a keyword or a prefixed literal such as t'...'.
func (l *lexer) word() (token, error) {
	start, hyphen := l.pos, false
	for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos]) || l.src[l.pos] == '-') {
		hyphen = hyphen || l.src[l.pos] == '-'
		l.pos++
	}
	text := l.src[start:l.pos]
	if len(text) == 1 && l.pos < len(l.src) && l.src[l.pos] == '\'' {
		switch text[0] {
		case 'h':
			return l.quoted(tokHex, start)
		case 'b':
			return l.quoted(tokBinary, start)
		case 't':
			return l.quoted(tokTime, start)
		}
	}
	kind := tokIdent
	if hyphen {
		kind = tokHyphenIdent
	} else if isKeyword(text) {
		kind = tokKeyword
	}
	return token{kind: kind, text: text, pos: start}, nil
}

// quoted reads to the closing quote. The token's text still has its escapes.
func (l *lexer) quoted(kind tokenKind, start int) (token, error) {
	open := l.pos
	for i := open + 1; i < len(l.src); i++ {
		switch c := l.src[i]; {
		case c == '\'':
			l.pos = i + 1
			return token{kind: kind, text: l.src[open+1 : i], pos: start}, nil
		case c == '\\':
			if i+1 >= len(l.src) || (l.src[i+1] != '\'' && l.src[i+1] != '\\') {
				return token{}, l.fail(i, `a backslash in a string must be \\ or \'`)
			}
			i++
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(l.src[i:])
			if r == utf8.RuneError && size == 1 {
				return token{}, l.fail(i, "not valid UTF-8")
			}
			i += size - 1
		}
	}
	return token{}, l.fail(open, "string without its closing quote")
}

// startsNumber reports whether a sign or a point begins a number here.
func (l *lexer) startsNumber() bool {
	rest := l.src[l.pos:]
	if rest[0] != '.' {
		rest = rest[1:]
	}
	if rest != "" && rest[0] == '.' {
		rest = rest[1:]
	}
	return rest != "" && isDigit(rest[0])
}

// number reads an integer or a float.
func (l *lexer) number() (token, error) {
	start := l.pos
	if c := l.src[l.pos]; c == '+' || c == '-' {
		l.pos++
	}
	whole := l.pos
	l.digits()
	kind := tokInt
	if l.pos+1 < len(l.src) && l.src[l.pos] == '.' && isDigit(l.src[l.pos+1]) {
		kind = tokFloat
		l.pos++
		l.digits()
	} else if l.pos-whole > 1 && l.src[whole] == '0' {
		return token{}, l.fail(start, "integer with a leading zero")
	}
	return token{kind: kind, text: l.src[start:l.pos], pos: start}, nil
}

func (l *lexer) digits() {
	for l.pos < len(l.src) && isDigit(l.src[l.pos]) {
		l.pos++
	}
}

// mark reads an operator or a punctuation mark.
func (l *lexer) mark() (token, error) {
	start, size, kind := l.pos, 1, tokOperator
	two := l.src[start:min(start+2, len(l.src))]
	switch two {
	case "==", "!=", "<>", "<=", ">=":
		size = 2
	default:
		switch two[0] {
		case '=', '<', '>':
		case '[', ']', '(', ')', ',', '.', ':', '*':
			kind = tokPunct
		default:
			r, _ := utf8.DecodeRuneInString(l.src[start:])
			return token{}, l.fail(start, "unexpected character %q", r)
		}
	}
	l.pos += size
	return token{kind: kind, text: l.src[start:l.pos], pos: start}, nil
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isKeyword knows the words of the language. They are upper case, the two
// truth values lower case, and none of them can be a bare path step.
func isKeyword(text string) bool {
	switch text {
	case "AND", "OR", "NOT", "FOLLOWEDBY", "LIKE", "MATCHES", "ISSUPERSET", "ISSUBSET", "EXISTS",
		"LAST", "IN", "START", "STOP", "SECONDS", "WITHIN", "REPEATS", "TIMES", "true", "false":
		return true
	}
	return false
}
