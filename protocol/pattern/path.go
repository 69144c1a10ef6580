package pattern

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// cell is one value on the way along a path. ref says that a string in it (or
// in the list it is) refers to an object, as its property's name ends in _ref or _refs.
type cell struct {
	v   any
	ref bool
}

// binary is the decoded value of a property whose name ends in _bin or _hex.
type binary string

// follow gives the values that the path of n selects in o.
func (e *evaluator) follow(seen *observation, o object, n *comparisonNode) []cell {
	cells := []cell{{v: o}}
	for _, s := range n.steps {
		var next []cell
		for _, c := range cells {
			if !e.spend(1) {
				return nil
			}
			next = e.step(next, seen, c, s)
		}
		if cells = next; len(cells) == 0 {
			return nil
		}
	}
	return cells
}

// step takes one step from one value and appends what it leads to.
func (e *evaluator) step(to []cell, seen *observation, from cell, s step) []cell {
	switch s.kind {
	case stepIndex:
		if list, ok := from.v.([]any); ok && s.index < len(list) {
			return append(to, cell{list[s.index], from.ref})
		}
	case stepAny:
		// The standard gives [*] to lists; on a dictionary (hashes[*]) it is
		// written too, and can only mean any of its values.
		switch v := from.v.(type) {
		case []any:
			if !e.spend(len(v)) {
				return to
			}
			for _, item := range v {
				to = append(to, cell{item, from.ref})
			}
		case object:
			if !e.spend(len(v)) {
				return to
			}
			for _, key := range sortedKeys(v) {
				to = append(to, cell{v: v[key]})
			}
		}
	case stepKey:
		o, ok := from.v.(object)
		if id, isText := identifier(from.v); isText && from.ref {
			if o, ok = seen.byID[id]; !ok {
				e.unsure("object " + id + " is referred to but not at hand")
			}
		}
		if v, has := o[s.key]; ok && has {
			return append(to, e.property(s.key, v))
		}
	}
	return to
}

// property reads the value of a property as its name says.
func (e *evaluator) property(name string, v any) cell {
	text, isText := v.(string)
	switch {
	case strings.HasSuffix(name, "_ref"), strings.HasSuffix(name, "_refs"):
		return cell{v: v, ref: true}
	case isText && strings.HasSuffix(name, "_hex"):
		b, err := hex.DecodeString(text)
		if err != nil {
			e.unsure(name + " does not hold hex")
		}
		return cell{v: binary(b)}
	case isText && strings.HasSuffix(name, "_bin"):
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			e.unsure(name + " does not hold base64")
		}
		return cell{v: binary(b)}
	}
	return cell{v: v}
}
