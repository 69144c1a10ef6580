package pattern

import "strconv"

// Value is one literal that a pattern compares with equality.
type Value struct {
	// Observable is the literal in normal form.
	Observable Observable
	// Alone is true when seeing this one value satisfies the whole pattern.
	Alone bool
}

// Values lists the literals that the pattern compares by = or IN (not negated),
// and ISSUBSET as CIDR, without duplicates, in order of appearance. complete
// is false when the pattern holds something that no such value stands for
// (LIKE, MATCHES, NOT, numbers that are no AS number, qualifiers, observations
// joined by AND or FOLLOWEDBY ...): then the pattern as a whole is "not
// evaluated here". Observations joined by OR are as good as values joined by OR.
func (p *Pattern) Values() (values []Value, complete bool) {
	c := collector{complete: true}
	c.observation(p.root, true)
	return c.values, c.complete
}

// collector gathers values. seen is made once a linear search gets slow.
type collector struct {
	values   []Value
	seen     map[Observable]int
	complete bool
}

// linearSearch is how many values are searched without a map.
const linearSearch = 16

func (c *collector) observation(n *observationNode, alone bool) {
	switch n.op {
	case obsLeaf:
		if len(n.leaf.kids) > 0 && n.leaf.mixesTypes() {
			c.complete, alone = false, false
		}
		c.comparison(n.leaf, alone)
		return
	case obsOr:
	default:
		c.complete, alone = false, false
	}
	for _, kid := range n.kids {
		c.observation(kid, alone)
	}
}

func (c *collector) comparison(n *comparisonNode, alone bool) {
	switch {
	case n.op == cmpAnd:
		alone = false
	case n.op == cmpOr:
	case n.not || isHopType(n):
		c.complete = false
	case n.op == cmpEqual:
		c.literal(n, n.operand, alone)
	case n.op == cmpIn:
		for _, l := range n.set {
			c.literal(n, l, alone)
		}
	case n.op == cmpIsSubset:
		o := normalize(n.typ, n.operand.text)
		if o.Type != CIDR && o.Type != IPv4 && o.Type != IPv6 {
			c.complete = false
			return
		}
		c.add(o, alone)
	default:
		c.complete = false
	}
	for _, kid := range n.kids {
		c.comparison(kid, alone)
	}
}

// isHopType reports whether n asks for the type of the object behind a
// reference: its literal is no observable.
func isHopType(n *comparisonNode) bool {
	last := len(n.steps) - 1
	return last > 0 && n.steps[last].kind == stepKey && n.steps[last].key == "type"
}

// literal adds one literal, if it is something that can be looked up.
func (c *collector) literal(n *comparisonNode, l literal, alone bool) {
	switch {
	case l.kind == litString && l.text != "":
		c.add(normalizeAt(n, l.text), alone)
	case l.kind == litInt && l.num >= 0 && n.typ == "autonomous-system" && n.steps[0].key == "number":
		c.add(normalize(n.typ, strconv.FormatInt(l.num, 10)), alone)
	default:
		c.complete = false
	}
}

// normalizeAt is normalize for the literal of a comparison.
func normalizeAt(n *comparisonNode, text string) Observable {
	if last := len(n.steps) - 1; last > 0 && n.steps[last-1].key == "hashes" {
		return normalizeHash(n.typ, n.steps[last].key, text)
	}
	return normalize(n.typ, text)
}

// add adds one observable; one that is there already may become Alone.
func (c *collector) add(o Observable, alone bool) {
	if i, ok := c.find(o); ok {
		c.values[i].Alone = c.values[i].Alone || alone
		return
	}
	c.values = append(c.values, Value{Observable: o, Alone: alone})
	if c.seen != nil {
		c.seen[o] = len(c.values) - 1
	}
}

func (c *collector) find(o Observable) (int, bool) {
	if c.seen == nil && len(c.values) >= linearSearch {
		c.seen = make(map[Observable]int, 2*len(c.values))
		for i, v := range c.values {
			c.seen[v.Observable] = i
		}
	}
	if c.seen != nil {
		i, ok := c.seen[o]
		return i, ok
	}
	for i := range c.values {
		if c.values[i].Observable == o {
			return i, true
		}
	}
	return 0, false
}

// Several reports whether values speak of more than one thing: several that each satisfy the
// whole, and not all of them hashes of one file.
func Several(values []Value) bool {
	alone, hashes := 0, 0
	for _, v := range values {
		if !v.Alone {
			continue
		}
		alone++
		switch v.Observable.Type {
		case MD5, SHA1, SHA256, SHA512:
			hashes++
		}
	}
	return alone > 1 && hashes < alone
}
