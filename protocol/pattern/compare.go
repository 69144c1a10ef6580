package pattern

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"strings"
)

// test holds one value against a comparison, its NOT included.
func (e *evaluator) test(n *comparisonNode, v any) truth {
	if _, is := v.(overlong); is || n.operand.overlong {
		e.unsure(tooManyMarks)
		return maybe
	}
	switch n.op {
	case cmpEqual:
		return e.equal(n.operand, v).negate(n.not)
	case cmpUnequal:
		return e.equal(n.operand, v).negate(!n.not)
	case cmpIn:
		best := no
		for _, l := range n.set {
			if !e.spend(1) {
				return maybe
			}
			if best = max(best, e.equal(l, v)); best == yes {
				break
			}
		}
		return best.negate(n.not)
	case cmpLike:
		return e.like(n.operand.composed, v).negate(n.not)
	case cmpMatches:
		return e.matches(n, v).negate(n.not)
	case cmpIsSubset:
		return e.subset(v, n.operand.text).negate(n.not)
	case cmpIsSuperset:
		return e.superset(v, n.operand.text).negate(n.not)
	}
	order, comparable := e.compare(n.operand, v)
	if comparable != yes {
		// Types that have no order against each other: false, also behind NOT.
		return comparable
	}
	return truthOf(inOrder(n.op, order)).negate(n.not)
}

// inOrder applies an order operator to the sign of value minus operand.
func inOrder(op comparisonOp, order int) bool {
	switch op {
	case cmpLess:
		return order < 0
	case cmpLessEqual:
		return order <= 0
	case cmpGreater:
		return order > 0
	}
	return order >= 0
}

// equal compares for equality; values of types that do not compare are unequal.
func (e *evaluator) equal(l literal, v any) truth {
	if l.kind == litBool {
		b, ok := v.(bool)
		return truthOf(ok && b == l.yes)
	}
	order, comparable := e.compare(l, v)
	if comparable != yes {
		return comparable
	}
	return truthOf(order == 0)
}

// compare gives the order of value v against a literal, and whether they
// compare at all. Strings compare by code point, in NFC; a string and a binary
// compare when the string has code points below 256 only, which are then bytes.
func (e *evaluator) compare(l literal, v any) (order int, comparable truth) {
	if l.overlong {
		e.unsure(tooManyMarks)
		return 0, maybe
	}
	switch v := v.(type) {
	case json.Number:
		if l.isNumber() {
			return compareNumbers(v, l), yes
		}
	case string:
		return e.compareText(l, v)
	case binary:
		switch l.kind {
		case litBinary:
			return strings.Compare(string(v), l.text), yes
		case litString:
			if b, ok := latin1(l.composed); ok {
				return strings.Compare(string(v), b), yes
			}
		}
	}
	return 0, no
}

// compareText compares a string value.
func (e *evaluator) compareText(l literal, v string) (order int, comparable truth) {
	switch l.kind {
	case litString:
		// UTF-8 keeps the order of code points.
		return strings.Compare(v, l.composed), yes
	case litBinary:
		if b, ok := latin1(v); ok {
			return strings.Compare(b, l.text), yes
		}
	case litTime:
		have, ok := parseTimestamp(v)
		want, okWant := parseTimestamp(l.text)
		if !ok || !okWant {
			e.unsure("a timestamp is compared with something that is none")
			return 0, maybe
		}
		return have.Compare(want), yes
	}
	return 0, no
}

// compareNumbers compares exactly where both are 64-bit integers.
func compareNumbers(v json.Number, l literal) int {
	if n, err := v.Int64(); err == nil && l.kind == litInt {
		return cmp.Compare(n, l.num)
	}
	f, _ := v.Float64()
	return cmp.Compare(f, l.real)
}

// latin1 turns code points into bytes; false when one is above 255.
func latin1(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return "", false
		}
		b = append(b, byte(r))
	}
	return string(b), true
}

// text gives a value as a string for LIKE and MATCHES; bytes become the code
// points of the same number.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case binary:
		runes := make([]rune, len(v))
		for i := range len(v) {
			runes[i] = rune(v[i])
		}
		return string(runes), true
	}
	return "", false
}

// subset reports whether the value, an address or a network, lies in network.
func (e *evaluator) subset(v any, network string) truth {
	s, ok := v.(string)
	if !ok {
		return no
	}
	outer, ok := asNetwork(network)
	if !ok {
		e.unsure("ISSUBSET compares with something that is no network")
		return maybe
	}
	inner, ok := asNetwork(s)
	return truthOf(ok && contains(outer, inner))
}

// superset reports whether the network that the value is holds address.
func (e *evaluator) superset(v any, address string) truth {
	s, ok := v.(string)
	if !ok {
		return no
	}
	inner, ok := asNetwork(address)
	if !ok {
		e.unsure("ISSUPERSET compares with something that is no address or network")
		return maybe
	}
	outer, ok := asNetwork(s)
	return truthOf(ok && contains(outer, inner))
}

// asNetwork reads an address or a network; an address is a network of one.
func asNetwork(s string) (netip.Prefix, bool) {
	if host, bits, ok := strings.Cut(s, "/"); ok {
		return parseNetwork(host, bits)
	}
	a, ok := parseAddress(s)
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

func contains(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}
