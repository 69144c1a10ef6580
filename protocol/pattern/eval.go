package pattern

import "regexp"

// truth is the three-valued outcome of a test.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// negate turns yes and no around.
func (t truth) negate(not bool) truth {
	if not {
		return yes - t
	}
	return t
}

// maxWork is how many steps one match may take; a value, a path step and a try
// of the search each count. It ends references that go in circles through [*].
const maxWork = 1_000_000

// evaluator holds what one match needs. It belongs to one call.
type evaluator struct {
	left     int
	why      string
	doubtful bool
	regexps  map[*comparisonNode]*regexp.Regexp
}

// evaluate matches a pattern against observations.
func evaluate(root *observationNode, seen []*observation) (Result, string) {
	e := &evaluator{left: maxWork, regexps: map[*comparisonNode]*regexp.Regexp{}}
	leaves := map[*observationNode][]truth{}
	e.observe(root, seen, leaves)
	if e.left < 0 {
		return Unknown, e.why
	}
	b := binder{e: e, seen: seen, leaves: leaves}
	if b.holds(root) {
		return Match, ""
	}
	// What is in doubt is now taken as true: no match even so is no match.
	b.hopeful = true
	if b.holds(root) || e.left < 0 || b.gaveUp {
		if e.why == "" {
			e.why = "the observations have no times"
		}
		return Unknown, e.why
	}
	return NoMatch, ""
}

// spend takes steps from the budget; false when it is used up.
func (e *evaluator) spend(n int) bool {
	if e.left -= n; e.left < 0 {
		e.why = "the search grew too large"
		return false
	}
	return true
}

// unsure notes that the test under way can be answered neither way.
func (e *evaluator) unsure(why string) {
	e.doubtful = true
	if e.why == "" {
		e.why = why
	}
}

// observe tests every bracket of n against every observation.
func (e *evaluator) observe(n *observationNode, seen []*observation, leaves map[*observationNode][]truth) {
	if n.op == obsLeaf {
		mixed := n.leaf.mixesTypes()
		result := make([]truth, len(seen))
		for i, o := range seen {
			result[i] = e.bracket(n.leaf, o)
			if result[i] == no && mixed {
				result[i] = maybe
				e.unsure("AND in one bracket joins different object types, which no one object satisfies")
			}
		}
		leaves[n] = result
	}
	for _, kid := range n.kids {
		e.observe(kid, seen, leaves)
	}
}

// bracket tests one observation: one of its objects must satisfy the whole
// comparison expression.
func (e *evaluator) bracket(n *comparisonNode, seen *observation) truth {
	best := no
	for _, o := range seen.objects {
		if !e.spend(1) {
			return maybe
		}
		best = max(best, e.comparison(n, seen, o))
		if best == yes {
			return yes
		}
	}
	if len(seen.missing) > 0 {
		for typ := range n.types() {
			if seen.lacks(typ) {
				e.unsure("an object of type " + typ + " is referred to but not at hand")
				return maybe
			}
		}
	}
	return best
}

// comparison tests one object.
func (e *evaluator) comparison(n *comparisonNode, seen *observation, o object) truth {
	switch n.op {
	case cmpAnd:
		worst := yes
		for _, kid := range n.kids {
			if worst = min(worst, e.comparison(kid, seen, o)); worst == no {
				return no
			}
		}
		return worst
	case cmpOr:
		best := no
		for _, kid := range n.kids {
			if best = max(best, e.comparison(kid, seen, o)); best == yes {
				return yes
			}
		}
		return best
	}
	if o["type"] != n.typ {
		return no
	}
	e.doubtful = false
	best := e.values(n, e.follow(seen, o, n))
	if best == no && e.doubtful {
		return maybe
	}
	return best
}

// values tests what the path selected: one value that passes is enough.
func (e *evaluator) values(n *comparisonNode, cells []cell) truth {
	if n.op == cmpExists {
		if len(cells) == 0 && e.doubtful {
			return maybe
		}
		return truthOf((len(cells) > 0) != n.not)
	}
	best := no
	for _, c := range cells {
		if !e.spend(1) {
			return maybe
		}
		if best = max(best, e.test(n, c.v)); best == yes {
			return yes
		}
	}
	return best
}
