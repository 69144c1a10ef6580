package trust

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// terms lists the voices, counted ones first, the strongest first.
func (t *tally) terms() []Term {
	order := make([]*voice, len(t.voices))
	for i := range t.voices {
		order[i] = &t.voices[i]
	}
	slices.SortFunc(order, func(a, b *voice) int {
		if (a.why == counts) != (b.why == counts) {
			if a.why == counts {
				return -1
			}
			return 1
		}
		return t.strength(a, b)
	})
	terms := make([]Term, len(order))
	for i, v := range order {
		c := &t.claims[v.claim]
		terms[i] = Term{
			Claim: *c, Petname: t.list.Petname(c.Org), Level: v.level, Group: t.groupName(v),
			Weight: int(v.weight), Q: int(v.q), Claimed: int(v.claimed), Decay: int(v.decay), V: int(v.v),
			Counted: v.why == counts, Why: v.reasons(c),
		}
	}
	return terms
}

// strength orders the stronger voice first; equal ones by what they say, so
// that the order of claims never shows.
func (t *tally) strength(v, w *voice) int {
	if v.v != w.v {
		return cmp.Compare(w.v, v.v)
	}
	a, b := &t.claims[v.claim], &t.claims[w.claim]
	if c := bytes.Compare(a.Org[:], b.Org[:]); c != 0 {
		return c
	}
	if c := strings.Compare(a.Object, b.Object); c != 0 {
		return c
	}
	if c := bytes.Compare(a.Record[:], b.Record[:]); c != 0 {
		return c
	}
	return compareRest(a, b)
}

func compareRest(a, b *Claim) int {
	return cmp.Or(
		strings.Compare(a.Topic, b.Topic),
		strings.Compare(a.Upstream, b.Upstream),
		strings.Compare(string(a.Kind), string(b.Kind)),
		strings.Compare(string(a.Barred), string(b.Barred)),
		cmp.Compare(flags(a), flags(b)),
		cmp.Compare(a.Claimed, b.Claimed),
		cmp.Compare(a.Q, b.Q),
		a.Since.Compare(b.Since),
		a.Seen.Compare(b.Seen),
		a.ValidFrom.Compare(b.ValidFrom),
		a.ValidUntil.Compare(b.ValidUntil),
	)
}

func flags(c *Claim) int {
	n := 0
	for i, set := range []bool{c.Own, c.Held, c.Refutes, c.Absent} {
		if set {
			n |= 1 << i
		}
	}
	return n
}
