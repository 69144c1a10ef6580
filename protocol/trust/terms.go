package trust

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// terms lists the voices, counted ones first, the strongest first.
func (t *tally) terms() []Term {
	t.name()
	order := make([]key, len(t.voices))
	for i := range t.voices {
		v := &t.voices[i]
		order[i] = key(one-v.v)<<voiceBits | key(i)
		if v.why != counts {
			order[i] |= 1 << (voiceBits + groupBits)
		}
	}
	order = ordered(order)
	for rest := order; len(rest) > 0; {
		n := run(rest)
		slices.SortFunc(rest[:n], func(a, b key) int { return t.strength(a.voice(), b.voice()) })
		rest = rest[n:]
	}
	terms := make([]Term, len(order))
	for at, k := range order {
		i := k.voice()
		t.explain(&terms[at], &t.voices[i], &t.claims[i])
	}
	return terms
}

// explain writes a voice out with all its factors.
func (t *tally) explain(to *Term, v *voice, c *Claim) {
	f := factorsOf(v.level, c)
	to.Claim, to.Petname, to.Level, to.Group = *c, t.list.Petname(c.Org), v.level, t.groupName(v)
	to.Weight, to.Q, to.Claimed, to.V = f.weight, f.q, f.claimed, int(v.v)
	if !c.over(t.now) {
		to.Decay = decay(t.second-c.start(), t.half(c.Kind))
	}
	to.Counted, to.Why = v.why == counts, v.reasons(c)
}

// strength orders the stronger voice first; equal ones by what they say, so
// that the order of claims never shows.
func (t *tally) strength(i, j int) int {
	if v, w := t.voices[i].v, t.voices[j].v; v != w {
		return cmp.Compare(w, v)
	}
	a, b := &t.claims[i], &t.claims[j]
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
