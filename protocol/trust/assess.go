package trust

import (
	"slices"
	"time"
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
	claims []Claim
	// upstreams are the labels stated in claims, ordered, so that their numbers do not
	// depend on the order of claims.
	upstreams []string
	voices    []voice
	// gate holds the voices (by index) that enter the gate score or may later.
	gate []int32
	// past and live tell whether there are supporting claims past their end, and others.
	past, live bool
	// order holds the active voices of listed organisations by class, group
	// and strength, then the strongest stranger.
	order []key
}

// key is a voice in its order: 2 bits of class, 24 of group, 14 of falling v, 24 of
// index. Whole numbers sort several times faster than voices do.
type key uint64

const (
	voiceBits = 24
	valueBits = 14
)

func (v *voice) key() key {
	return key(v.class)<<62 | key(v.group)<<(valueBits+voiceBits) | key(one-v.v)<<voiceBits | key(v.claim)
}

// voice is the index of the voice.
func (k key) voice() int { return int(k & (1<<voiceBits - 1)) }

// group is class and group.
func (k key) group() key { return k >> (valueBits + voiceBits) }

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
		if u := claims[i].Upstream; u != "" {
			t.upstreams = append(t.upstreams, u)
		}
	}
	slices.Sort(t.upstreams)
	t.upstreams = slices.Compact(t.upstreams)
	for i := range t.voices {
		v := &t.voices[i]
		v.claim = int32(i)
		t.weigh(v, &claims[i])
		t.note(v, &claims[i])
	}
	t.settle()
	t.label()
	t.arrange()
	t.stand()
	return t
}

// arrange puts the voices in order and leaves of each group, and of the
// strangers, the strongest one.
func (t *tally) arrange() {
	stranger := -1
	t.order = make([]key, 0, len(t.voices))
	for i := range t.voices {
		v := &t.voices[i]
		switch {
		case v.why != counts:
		case v.class != strange:
			t.order = append(t.order, v.key())
		case stranger < 0 || t.strength(v, &t.voices[stranger]) < 0:
			if stranger >= 0 {
				t.voices[stranger].why = weakerStranger
			}
			stranger = i
		default:
			v.why = weakerStranger
		}
	}
	slices.Sort(t.order)
	for rest := t.order; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].group() == rest[0].group() {
			n++
		}
		t.lead(rest[:n])
		rest = rest[n:]
	}
	if stranger >= 0 {
		t.order = append(t.order, t.voices[stranger].key())
	}
}

// lead leaves the strongest voice of a group; among voices of one strength what they
// say decides, not the order in which they came.
func (t *tally) lead(group []key) {
	best := &t.voices[group[0].voice()]
	for _, k := range group[1:] {
		v := &t.voices[k.voice()]
		if v.v == best.v && t.strength(v, best) < 0 {
			v, best = best, v
		}
		v.why = weaker
	}
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
	support, refute, pool, stranger := certain, certain.and(int32(clampWarn(warn))), certain, int32(0)
	var a Assessment
	for _, k := range t.order {
		v := &t.voices[k.voice()]
		if v.why != counts {
			continue
		}
		switch v.class {
		case supporting:
			support = support.and(v.v)
		case refuting:
			refute = refute.and(v.v)
			a.Disputed = true
		case observing:
			pool = pool.and(v.v)
		case strange:
			stranger = v.v
		}
	}
	a.Refute = refute.any()
	a.Gate = score(support.any(), a.Refute)
	a.Support = support.and(int32(min(poolCap, pool.any()))).and(stranger).any()
	a.Shown = score(a.Support, a.Refute)
	if a.Shown > shownCap {
		a.Shown = max(a.Gate, shownCap)
	}
	a.Expired = t.past && !t.live
	return a
}

// clampWarn keeps the weight of a warning list hit within 0 and 1.
func clampWarn(warn int) int { return min(max(warn, 0), one) }
