package pattern

import (
	"fmt"
	"strconv"

	"tocsin/protocol/reason"
)

// parser is a recursive-descent parser with one token of look-ahead.
type parser struct {
	lex          lexer
	tok          token
	depth        int
	comparisons  int
	alternatives int
	findings     []string
}

// pattern reads the whole pattern.
func (p *parser) pattern() (*observationNode, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.observations(obsFollowedBy)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEOF {
		return nil, p.want("AND, OR, FOLLOWEDBY, a qualifier or the end")
	}
	return n, nil
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

// want is the error that something else was expected than the current token.
func (p *parser) want(what string) error {
	return p.lex.fail(p.tok.pos, "expected %s, found %s", what, p.tok)
}

// expect passes over one given mark or keyword.
func (p *parser) expect(text string) error {
	if !p.tok.is(text) {
		return p.want(text)
	}
	return p.advance()
}

// enter counts one level of nesting; the caller takes it back.
func (p *parser) enter() error {
	if p.depth++; p.depth > MaxDepth {
		return reason.New(reason.PatternLimit, limitText("levels of nesting", p.depth, MaxDepth))
	}
	return p.advance()
}

// observations reads a chain of op, whose operands bind tighter: FOLLOWEDBY
// over OR over AND over one observation with its qualifiers. The operators are
// left-associative, and a chain of one operator means the same flat.
func (p *parser) observations(op observationOp) (*observationNode, error) {
	word, tighter := "FOLLOWEDBY", obsOr
	switch op {
	case obsOr:
		word, tighter = "OR", obsAnd
	case obsAnd:
		word, tighter = "AND", obsLeaf
	case obsLeaf:
		return p.qualified()
	}
	first, err := p.observations(tighter)
	if err != nil || !p.tok.is(word) {
		return first, err
	}
	n := &observationNode{op: op, kids: []*observationNode{first}}
	for p.tok.is(word) {
		if err := p.advance(); err != nil {
			return nil, err
		}
		kid, err := p.observations(tighter)
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, kid)
	}
	return n, nil
}

// qualified reads one observation expression and the qualifiers behind it.
func (p *parser) qualified() (*observationNode, error) {
	bracket := p.tok.is("[")
	n, err := p.observation()
	if err != nil {
		return nil, err
	}
	var seen [obsStartStop + 1]bool
	for p.tok.kind == tokKeyword {
		outer, err := p.qualifier(n)
		if err != nil {
			return nil, err
		}
		if outer == nil {
			break
		}
		if bracket && seen[outer.op] {
			p.findings = append(p.findings, "one qualifier stands twice on one observation")
		}
		seen[outer.op] = true
		n = outer
	}
	return n, nil
}

// observation reads a bracket or a parenthesis.
func (p *parser) observation() (*observationNode, error) {
	switch {
	case p.tok.is("["):
		if err := p.enter(); err != nil {
			return nil, err
		}
		leaf, err := p.comparisonChain(cmpOr)
		if err != nil {
			return nil, err
		}
		p.depth--
		return &observationNode{leaf: leaf}, p.expect("]")
	case p.tok.is("("):
		if err := p.enter(); err != nil {
			return nil, err
		}
		n, err := p.observations(obsFollowedBy)
		if err != nil {
			return nil, err
		}
		p.depth--
		return n, p.expect(")")
	}
	return nil, p.want("[ or (")
}

// qualifier reads one qualifier and wraps n in it; nil when there is none.
func (p *parser) qualifier(n *observationNode) (*observationNode, error) {
	q := &observationNode{kids: []*observationNode{n}}
	switch p.tok.text {
	case "WITHIN":
		q.op = obsWithin
		return q, p.within(q)
	case "REPEATS":
		q.op = obsRepeats
		return q, p.repeats(q)
	case "START":
		q.op = obsStartStop
		return q, p.startStop(q)
	}
	return nil, nil
}

func (p *parser) within(q *observationNode) error {
	if err := p.advance(); err != nil {
		return err
	}
	if p.tok.kind != tokInt && p.tok.kind != tokFloat {
		return p.want("a number of seconds")
	}
	if q.within = seconds(p.tok.text); q.within <= 0 {
		return p.want("a number of seconds above 0")
	}
	if err := p.advance(); err != nil {
		return err
	}
	return p.expect("SECONDS")
}

func (p *parser) repeats(q *observationNode) error {
	if err := p.advance(); err != nil {
		return err
	}
	if p.tok.kind != tokInt {
		return p.want("a whole number of times")
	}
	// Beyond 64 bits ParseInt gives the largest number, which is as unreachable.
	if q.times, _ = strconv.ParseInt(p.tok.text, 10, 64); q.times < 1 {
		return p.want("a number of times above 0")
	}
	if err := p.advance(); err != nil {
		return err
	}
	return p.expect("TIMES")
}

func (p *parser) startStop(q *observationNode) (err error) {
	if q.start, err = p.moment("START"); err != nil {
		return err
	}
	if !p.tok.is("STOP") {
		return p.want("STOP")
	}
	q.stop, err = p.moment("STOP")
	return err
}

// moment reads the timestamp after START or STOP.
func (p *parser) moment(word string) (string, error) {
	if err := p.advance(); err != nil {
		return "", err
	}
	switch p.tok.kind {
	case tokString:
		return "", p.want("t'...' after " + word + " (a plain string is STIX 2.0)")
	case tokTime:
		value, err := p.literal()
		return value.text, err
	}
	return "", p.want("t'...' after " + word)
}

// literal reads the current literal token and passes over it.
func (p *parser) literal() (literal, error) {
	value, err := p.lex.literal(p.tok)
	if err != nil {
		return literal{}, err
	}
	return value, p.advance()
}

// countComparison counts one comparison against the limit.
func (p *parser) countComparison() error {
	if p.comparisons++; p.comparisons > MaxComparisons {
		return reason.New(reason.PatternLimit, limitText("comparisons", p.comparisons, MaxComparisons))
	}
	return nil
}

// findHash notes a hash whose length does not fit the algorithm it is under.
func (p *parser) findHash(n *comparisonNode, value literal) {
	last := len(n.steps) - 1
	if last < 1 || value.kind != litString || n.steps[last-1].key != "hashes" {
		return
	}
	if want, ok := hashDigits(n.steps[last].key); ok && !(len(value.text) == want && isHex(value.text)) {
		p.findings = append(p.findings, fmt.Sprintf("%s is not a %s hash: it needs %d hex digits",
			strconv.Quote(value.text), n.steps[last].key, want))
	}
}
