package pattern

import (
	"math"
	"slices"
	"time"
)

// A pattern over several observations holds when each of its brackets can be
// bound to a sighting of its own, so that all qualifiers hold. An observed-data
// object stands for number_observed sightings between its two times, and each
// may have happened at any time between. So the search picks sightings, and
// asks whether times exist for them.

// The bounds of the search. Beyond them the answer is Unknown.
const (
	maxPlans = 256 // ways through the ORs of a pattern
	maxSlots = 256 // brackets to bind in one of them, repetitions included
)

// plan is one way to satisfy a pattern: slots to bind, and what must hold of their times.
type plan struct {
	slots []slot
	rules []rule
}

// slot is one bracket to bind to a sighting.
type slot struct {
	// fits lists the observations that satisfy the bracket.
	fits []int
	// from and to bound the time of the sighting (START, STOP); zero is no bound.
	from, to time.Time
	// twin is the same slot in the repetition before this one, or -1. Twins
	// can be swapped, so only one order of them is tried.
	twin int
}

// rule relates the times of slots: with before, no slot of a comes after one
// of b; else all slots of a lie within span.
type rule struct {
	before bool
	a, b   []int
	span   time.Duration
}

// binder turns a pattern into plans and looks for one that holds.
type binder struct {
	e      *evaluator
	seen   []*observation
	leaves map[*observationNode][]truth
	// hopeful takes what is in doubt as true; gaveUp says that a bound was hit.
	hopeful, gaveUp bool
}

// holds reports whether the pattern can be bound.
func (b *binder) holds(n *observationNode) bool {
	for _, p := range b.plans(n) {
		s := solver{plan: p, e: b.e, seen: b.seen, hopeful: b.hopeful}
		if s.solve() {
			return true
		}
	}
	return false
}

// plans lists the ways to satisfy n; none when it cannot be.
func (b *binder) plans(n *observationNode) []plan {
	switch n.op {
	case obsLeaf:
		return b.leafPlan(n)
	case obsOr:
		var all []plan
		for _, kid := range n.kids {
			all = b.either(all, b.plans(kid))
		}
		return all
	case obsAnd, obsFollowedBy:
		all := b.plans(n.kids[0])
		for _, kid := range n.kids[1:] {
			all = b.both(all, b.plans(kid), n.op == obsFollowedBy)
		}
		return all
	case obsRepeats:
		return b.repeat(b.plans(n.kids[0]), n.times)
	case obsWithin:
		all := b.plans(n.kids[0])
		for i := range all {
			if len(all[i].slots) > 1 && n.within < math.MaxInt64 {
				all[i].rules = append(slices.Clip(all[i].rules), rule{a: count(0, len(all[i].slots)), span: n.within})
			}
		}
		return all
	}
	return b.startStop(b.plans(n.kids[0]), n)
}

// leafPlan binds one bracket.
func (b *binder) leafPlan(n *observationNode) []plan {
	var fits []int
	for i, t := range b.leaves[n] {
		if t == yes || t == maybe && b.hopeful {
			fits = append(fits, i)
		}
	}
	if len(fits) == 0 {
		return nil
	}
	return []plan{{slots: []slot{{fits: fits, twin: -1}}}}
}

// either joins alternatives. Two alternatives of one free slot each are one
// slot that fits more.
func (b *binder) either(all, more []plan) []plan {
	for _, p := range more {
		if i := slices.IndexFunc(all, plan.free); i >= 0 && p.free() {
			merged := append(slices.Clone(all[i].slots[0].fits), p.slots[0].fits...)
			slices.Sort(merged)
			all[i] = plan{slots: []slot{{fits: slices.Compact(merged), twin: -1}}}
			continue
		}
		all = append(all, p)
	}
	return b.bounded(all)
}

// free reports whether the plan is one slot without any condition on its time.
func (p plan) free() bool {
	return len(p.slots) == 1 && p.slots[0].from.IsZero() && p.slots[0].to.IsZero()
}

// bounded cuts the plans to the bound, and notes it.
func (b *binder) bounded(all []plan) []plan {
	if len(all) > maxPlans {
		b.giveUp()
		return all[:maxPlans]
	}
	return all
}

func (b *binder) giveUp() {
	b.gaveUp = true
	b.e.unsure("the pattern can be satisfied in too many ways to try them all")
}

// both pairs every plan of the left with every one of the right.
func (b *binder) both(left, right []plan, followed bool) []plan {
	var all []plan
	for _, l := range left {
		for _, r := range right {
			if len(all) == maxPlans || len(l.slots)+len(r.slots) > maxSlots {
				b.giveUp()
				return all
			}
			p := join(l, r)
			if followed {
				p.rules = append(p.rules, rule{before: true, a: count(0, len(l.slots)), b: count(len(l.slots), len(p.slots))})
			}
			all = append(all, p)
		}
	}
	return all
}

// join puts the slots of r behind those of l.
func join(l, r plan) plan {
	shift := len(l.slots)
	p := plan{slots: slices.Concat(l.slots, r.slots), rules: slices.Clone(l.rules)}
	for i := shift; i < len(p.slots); i++ {
		if p.slots[i].twin >= 0 {
			p.slots[i].twin += shift
		}
	}
	for _, rl := range r.rules {
		p.rules = append(p.rules, rule{before: rl.before, a: shifted(rl.a, shift), b: shifted(rl.b, shift), span: rl.span})
	}
	return p
}

func shifted(slots []int, by int) []int {
	out := make([]int, len(slots))
	for i, s := range slots {
		out[i] = s + by
	}
	return out
}

// count lists from, from+1, ... to-1.
func count(from, to int) []int {
	out := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

// repeat satisfies the same plans several times, each time on other sightings.
func (b *binder) repeat(plans []plan, times int64) []plan {
	if !b.enough(plans, times) {
		return nil
	}
	if times > maxSlots {
		b.giveUp()
		return nil
	}
	// Each round extends a partial plan by an alternative not before its last
	// one: the order of repetitions means nothing.
	type partial struct {
		plan
		last, start int
	}
	round := make([]partial, 0, len(plans))
	for i, p := range plans {
		round = append(round, partial{plan: p, last: i})
	}
	for range times - 1 {
		var next []partial
		for _, have := range round {
			for i := have.last; i < len(plans); i++ {
				if len(next) == maxPlans || len(have.slots)+len(plans[i].slots) > maxSlots {
					b.giveUp()
					return nil
				}
				start := len(have.slots)
				p := join(have.plan, plans[i])
				if i == have.last {
					p.slots[start].twin = have.start
				}
				next = append(next, partial{plan: p, last: i, start: start})
			}
		}
		round = next
	}
	var all []plan
	for _, p := range round {
		all = append(all, p.plan)
	}
	return all
}

// enough reports whether there are as many sightings as repetitions at all.
func (b *binder) enough(plans []plan, times int64) bool {
	left := times
	used := map[int]bool{}
	for _, p := range plans {
		for _, s := range p.slots {
			for _, i := range s.fits {
				if !used[i] {
					used[i] = true
					left -= min(left, b.seen[i].count)
				}
			}
		}
	}
	return left == 0
}

// startStop bounds the times of all slots.
func (b *binder) startStop(plans []plan, n *observationNode) []plan {
	from, ok := parseTimestamp(n.start)
	to, okTo := parseTimestamp(n.stop)
	if !ok || !okTo {
		b.e.unsure("START or STOP names a day that there is not")
		if b.hopeful {
			return plans
		}
		return nil
	}
	to = to.Add(-time.Nanosecond) // STOP itself is outside
	for i := range plans {
		slots := slices.Clone(plans[i].slots)
		for j := range slots {
			if slots[j].from.IsZero() || slots[j].from.Before(from) {
				slots[j].from = from
			}
			if slots[j].to.IsZero() || slots[j].to.After(to) {
				slots[j].to = to
			}
		}
		plans[i].slots = slots
	}
	return plans
}
