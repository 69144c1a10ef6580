package pattern

import "time"

// observationOp is the kind of an observation node.
type observationOp uint8

const (
	obsLeaf observationOp = iota
	obsAnd
	obsOr
	obsFollowedBy
	obsWithin
	obsRepeats
	obsStartStop
)

// observationNode is an observation expression: a bracket (obsLeaf), a
// left-associative chain of an operator, or a qualifier on its only kid.
type observationNode struct {
	op   observationOp
	kids []*observationNode
	leaf *comparisonNode
	// The qualifiers: within (WITHIN), times (REPEATS), start and stop (START
	// STOP, as written).
	within      time.Duration
	times       int64
	start, stop string
}

// comparisonOp is the kind of a comparison node.
type comparisonOp uint8

const (
	cmpAnd comparisonOp = iota
	cmpOr
	cmpEqual
	cmpUnequal
	cmpLess
	cmpLessEqual
	cmpGreater
	cmpGreaterEqual
	cmpIn
	cmpLike
	cmpMatches
	cmpIsSubset
	cmpIsSuperset
	cmpExists
)

// comparisonNode is a comparison expression: a chain of AND or OR over kids,
// or one test of the object path.
type comparisonNode struct {
	op   comparisonOp
	kids []*comparisonNode
	// One test: [NOT] path op operand, or path op set.
	not     bool
	typ     string
	steps   []step
	operand literal
	set     []literal
}

// step is one step of an object path after the type.
type step struct {
	kind  stepKind
	key   string
	index int
}

type stepKind uint8

const (
	stepKey stepKind = iota
	stepIndex
	stepAny
)

// literal is a constant of a pattern.
type literal struct {
	// text is a string's content, a binary's bytes, or a timestamp as written.
	text string
	// composed is a string's content in NFC, which is what values compare with;
	// overlong says that there is none (see compose).
	composed string
	// num and real hold a number; an integer beyond 64 bits is a real.
	num  int64
	real float64

	kind     literalKind
	yes      bool
	overlong bool
}

type literalKind uint8

const (
	litString literalKind = iota
	litInt
	litFloat
	litBool
	litBinary
	litTime
)

// sameSet reports whether two literals may stand in one set.
func (l literal) sameSet(other literal) bool {
	if l.isNumber() && other.isNumber() {
		return true
	}
	return l.kind == other.kind
}

func (l literal) isNumber() bool { return l.kind == litInt || l.kind == litFloat }

// types collects the object types that a comparison can be satisfied with; nil
// when none can, because AND joins different types.
func (n *comparisonNode) types() map[string]bool {
	switch n.op {
	case cmpOr:
		all := map[string]bool{}
		for _, kid := range n.kids {
			for t := range kid.types() {
				all[t] = true
			}
		}
		return all
	case cmpAnd:
		common := n.kids[0].types()
		for _, kid := range n.kids[1:] {
			other := kid.types()
			for t := range common {
				if !other[t] {
					delete(common, t)
				}
			}
		}
		return common
	}
	return map[string]bool{n.typ: true}
}

// mixesTypes reports whether an AND in n joins comparisons that no one object
// can satisfy.
func (n *comparisonNode) mixesTypes() bool {
	if n.op == cmpAnd && len(n.types()) == 0 {
		return true
	}
	for _, kid := range n.kids {
		if kid.mixesTypes() {
			return true
		}
	}
	return false
}
