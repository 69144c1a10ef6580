package trust

import (
	"slices"
	"time"

	"tocsin/protocol/pattern"
)

// The caps of the arithmetic, in 1/10,000: how much all observed organisations
// together may support a value, and the shown score that pools never lift over.
const (
	poolCap  = 3000
	shownCap = 7900
)

// tally is one assessment under way.
type tally struct {
	list   *List
	now    time.Time
	second int64 // now in Unix seconds
	// last is the kind of observable last asked for and its half-life.
	last struct {
		kind pattern.Type
		half int64
	}
	claims []Claim
	// upstreams are the labels stated in claims, ordered, so that their numbers do not
	// depend on the order of claims.
	upstreams []string
	voices    []voice
	// past and live tell whether there are supporting claims past their end, and others.
	past, live bool
	// order holds the active voices of listed organisations by class and group; stranger is
	// the strongest v of unlisted ones.
	order    []key
	stranger int32
	// instead has what counts in the shown score in place of a voice (by index); see stand.
	instead map[int]int32
}

// Assess judges the claims about one value. warn is the weight in 1/10,000 of
// a warning list hit (9500 hard, 5000 soft, 0 none), which refutes. The order of claims does
// not matter.
func (l *List) Assess(claims []Claim, warn int, now time.Time) Assessment {
	t := l.tally(claims, now)
	a := t.result(warn)
	a.Terms = t.terms()
	a.Next = t.next(clampWarn(warn), a.Gate)
	return a
}

// Score is Assess without the terms and the next change: for who needs the numbers
// of many values and explains none of them.
func (l *List) Score(claims []Claim, warn int, now time.Time) Assessment {
	return l.tally(claims, now).result(warn)
}

// tally weighs every claim and settles which voices count.
func (l *List) tally(claims []Claim, now time.Time) *tally {
	claims = claims[:min(len(claims), 1<<voiceBits)]
	t := &tally{list: l, now: now, second: now.Unix(), claims: claims, voices: make([]voice, len(claims))}
	for i := range claims {
		v, c := &t.voices[i], &claims[i]
		t.weigh(v, c)
		t.note(v, c)
		if c.Upstream != "" {
			t.upstreams = append(t.upstreams, c.Upstream)
		}
	}
	slices.Sort(t.upstreams)
	t.upstreams = slices.Compact(t.upstreams)
	t.settle()
	t.label()
	t.arrange()
	t.stand()
	return t
}

// odds multiplies up the chance that every voice is wrong, in 1/10^12, rounded
// half up at each step. Voices come in the order of their group numbers, so the
// result is the same however the claims came. The steps' rounding cannot turn an order
// of results around: one more 1/10,000 in any v changes the product by at
// least 10^-4 of itself, a thousand steps round by 10^-9 at most, and where the product is
// too small for that margin its result rounds to 1 anyway.
type odds int64

const certain odds = 1_000_000_000_000

func (o odds) and(v int32) odds { return (o*odds(one-v) + one/2) / one }

// any is the chance that at least one voice is right, in 1/10,000, rounded half up.
func (o odds) any() int {
	const unit = certain / one
	return int((certain - o + unit/2) / unit)
}

// score is 100 * S * (1-R) in 1/10,000 of 100 points, rounded half up.
func score(s, r int) int { return (s*(one-r) + one/2) / one }

// result applies the formula to the voices that count.
func (t *tally) result(warn int) Assessment {
	support, refute, shown := certain, certain.and(int32(clampWarn(warn))), certain
	var a Assessment
	for _, k := range t.order {
		v := &t.voices[k.voice()]
		if v.why != counts {
			continue
		}
		switch v.class {
		case supporting:
			support = support.and(v.v)
			if less, ok := t.instead[k.voice()]; ok {
				shown = shown.and(less)
			} else {
				shown = shown.and(v.v)
			}
		case refuting:
			refute = refute.and(v.v)
			a.Disputed = true
		case observing:
			shown = shown.and(v.v)
		}
	}
	a.Refute = refute.any()
	a.Gate = score(support.any(), a.Refute)
	// the pool adds poolCap at most
	a.Support = max(shown, support.and(poolCap)).and(t.stranger).any()
	a.Shown = score(a.Support, a.Refute)
	if a.Shown > shownCap {
		a.Shown = max(a.Gate, shownCap)
	}
	a.Expired = t.past && !t.live
	return a
}

// clampWarn keeps the weight of a warning list hit within 0 and 1.
func clampWarn(warn int) int { return min(max(warn, 0), one) }
