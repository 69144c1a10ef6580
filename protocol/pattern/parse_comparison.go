package pattern

import (
	"strconv"

	"tocsin/protocol/reason"
)

// comparisonChain reads comparisons joined by op; AND binds tighter than OR.
func (p *parser) comparisonChain(op comparisonOp) (*comparisonNode, error) {
	word, operand := "OR", func() (*comparisonNode, error) { return p.comparisonChain(cmpAnd) }
	if op == cmpAnd {
		word, operand = "AND", p.comparison
	}
	first, err := operand()
	if err != nil || !p.tok.is(word) {
		return first, err
	}
	n := &comparisonNode{op: op, kids: []*comparisonNode{first}}
	for p.tok.is(word) {
		if err := p.advance(); err != nil {
			return nil, err
		}
		kid, err := operand()
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, kid)
	}
	return n, nil
}

// comparison reads one comparison, or a parenthesis of them.
func (p *parser) comparison() (*comparisonNode, error) {
	if p.tok.is("(") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		n, err := p.comparisonChain(cmpOr)
		if err != nil {
			return nil, err
		}
		p.depth--
		return n, p.expect(")")
	}
	if err := p.countComparison(); err != nil {
		return nil, err
	}
	if p.tok.is("NOT") || p.tok.is("EXISTS") {
		return p.exists()
	}
	n := &comparisonNode{}
	if err := p.path(n); err != nil {
		return nil, err
	}
	if p.tok.is("NOT") {
		n.not = true
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	return n, p.test(n)
}

// exists reads [NOT] EXISTS path.
func (p *parser) exists() (*comparisonNode, error) {
	n := &comparisonNode{op: cmpExists}
	if p.tok.is("NOT") {
		n.not = true
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if !p.tok.is("EXISTS") {
		return nil, p.want("EXISTS (NOT goes before the operator)")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	return n, p.path(n)
}

// test reads the operator and what it compares with.
func (p *parser) test(n *comparisonNode) error {
	op, ok := operators(p.tok)
	if !ok {
		return p.want("an operator (=, !=, <, <=, >, >=, IN, LIKE, MATCHES, ISSUBSET, ISSUPERSET)")
	}
	n.op = op
	word := p.tok.text
	if err := p.advance(); err != nil {
		return err
	}
	switch op {
	case cmpIn:
		return p.set(n)
	case cmpEqual, cmpUnequal:
		if !p.tok.literal() && !p.tok.is("true") && !p.tok.is("false") {
			return p.want("a constant after " + word)
		}
	case cmpLess, cmpLessEqual, cmpGreater, cmpGreaterEqual:
		if !p.tok.literal() {
			return p.want("a constant with an order after " + word)
		}
	default:
		if p.tok.kind != tokString {
			return p.want("a string after " + word)
		}
	}
	value, err := p.literal()
	if err != nil {
		return err
	}
	if n.operand = value; op == cmpEqual || op == cmpUnequal {
		p.findHash(n, value)
	}
	return nil
}

// operators knows the comparison operators.
func operators(t token) (comparisonOp, bool) {
	if t.kind != tokOperator && t.kind != tokKeyword {
		return 0, false
	}
	switch t.text {
	case "=", "==":
		return cmpEqual, true
	case "!=", "<>":
		return cmpUnequal, true
	case "<":
		return cmpLess, true
	case "<=":
		return cmpLessEqual, true
	case ">":
		return cmpGreater, true
	case ">=":
		return cmpGreaterEqual, true
	case "IN":
		return cmpIn, true
	case "LIKE":
		return cmpLike, true
	case "MATCHES":
		return cmpMatches, true
	case "ISSUBSET":
		return cmpIsSubset, true
	case "ISSUPERSET":
		return cmpIsSuperset, true
	}
	return 0, false
}

// set reads ( constant , ... ); the constants are of one kind, and the set may
// be empty.
func (p *parser) set(n *comparisonNode) error {
	if err := p.expect("("); err != nil {
		return err
	}
	for first := true; !p.tok.is(")"); first = false {
		if !first {
			if err := p.expect(","); err != nil {
				return err
			}
		}
		if !p.tok.literal() && !p.tok.is("true") && !p.tok.is("false") {
			return p.want("a constant of the set")
		}
		at := p.tok
		value, err := p.literal()
		if err != nil {
			return err
		}
		if !first && !value.sameSet(n.set[0]) {
			return p.lex.fail(at.pos, "the constants of a set must be of one kind, found %s", at)
		}
		if p.alternatives++; p.alternatives > MaxAlternatives {
			return reason.New(reason.PatternLimit, limitText("alternatives", p.alternatives, MaxAlternatives))
		}
		p.findHash(n, value)
		n.set = append(n.set, value)
	}
	return p.advance()
}

// path reads an object path into n.
func (p *parser) path(n *comparisonNode) error {
	if p.tok.kind != tokIdent && p.tok.kind != tokHyphenIdent {
		return p.want("an object path (type:property)")
	}
	n.typ = p.tok.text
	if err := p.advance(); err != nil {
		return err
	}
	if !p.tok.is(":") {
		return p.want(": after the object type")
	}
	first, err := p.key()
	if err != nil {
		return err
	}
	n.steps = append(make([]step, 0, 2), first)
	for p.tok.is(".") || p.tok.is("[") {
		next, err := p.step()
		if err != nil {
			return err
		}
		if len(n.steps) == MaxSteps {
			return reason.New(reason.PatternLimit, limitText("steps in a path", MaxSteps+1, MaxSteps))
		}
		n.steps = append(n.steps, next)
	}
	return nil
}

// step reads .key or [index].
func (p *parser) step() (step, error) {
	if p.tok.is(".") {
		return p.key()
	}
	if err := p.advance(); err != nil {
		return step{}, err
	}
	s := step{kind: stepAny}
	if !p.tok.is("*") {
		if p.tok.kind != tokInt || p.tok.text[0] == '-' {
			return step{}, p.want("an index from 0 or *")
		}
		s.kind = stepIndex
		var err error
		if s.index, err = strconv.Atoi(p.tok.text); err != nil {
			return step{}, p.want("an index that a list can have")
		}
	}
	if err := p.advance(); err != nil {
		return step{}, err
	}
	return s, p.expect("]")
}

// key passes over the mark before a property name and reads the name.
func (p *parser) key() (step, error) {
	if err := p.advance(); err != nil {
		return step{}, err
	}
	s := step{kind: stepKey, key: p.tok.text}
	switch p.tok.kind {
	case tokIdent:
	case tokString:
		s.key = unescape(s.key)
	case tokHyphenIdent, tokKeyword:
		return step{}, p.want("a property name (put this one in quotes)")
	default:
		return step{}, p.want("a property name")
	}
	return s, p.advance()
}
