package trust

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"
)

// The caps of the arithmetic, in 1/10,000: how much all observed organisations
// together may support a value, and the shown score that pools never lift over.
const (
	poolCap  = 3000
	shownCap = 7900
)

// What is claimed without a number, and the most that a claim counts.
const (
	silentClaim = 50
	mostClaim   = 95
)

// class is the part of the formula that a voice enters.
type class uint8

const (
	supporting class = iota // partner, anchor, own
	refuting                // partner, anchor, own
	observing               // the pool of observed organisations
	strange                 // the pool of unknown ones
	silent                  // nothing: blocked, or a refutation that has no weight
)

// cause is why a voice does not count.
type cause uint8

const (
	counts cause = iota
	isBlocked
	isHeld
	isExpired
	isEarly
	isFaded
	noRefuter
	weaker
	weakerStranger
)

// String gives the sentence for Term.Why.
func (c cause) String() string {
	switch c {
	case isBlocked:
		return "the organisation is blocked"
	case isHeld:
		return "held in quarantine"
	case isExpired:
		return "past its valid_until"
	case isEarly:
		return "before its valid_from"
	case isFaded:
		return "too old or too small to weigh anything"
	case noRefuter:
		return "only partner, anchor and own voices can refute"
	case weaker:
		return "a stronger voice of the same group stands for it"
	case weakerStranger:
		return "only the strongest stranger counts"
	}
	return ""
}

// voice is a claim with its factors. It holds no pointer: a thousand of them are
// nothing to the garbage collector.
type voice struct {
	claim int32 // index into tally.claims
	// order sorts by class, then group, then falling v.
	order uint64
	// group numbers what counts as one voice; see tally.label. Strangers have none.
	group                        int32
	weight, q, claimed, decay, v int32
	level                        Level
	class                        class
	why                          cause
}

// tally is one assessment under way.
type tally struct {
	list   *List
	now    time.Time
	claims []Claim
	// upstreams are the labels stated in claims, ordered, so that their numbers do not
	// depend on the order of claims.
	upstreams []string
	voices    []voice
	// gate holds the voices (by index) that enter the gate score or may later.
	gate []int32
	// past and live tell whether there are supporting claims past their end, and others.
	past, live bool
	// order holds the active voices (by index) of listed organisations by class, group
	// and strength, then the strongest stranger.
	order []int32
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
	t := &tally{list: l, now: now, claims: claims, voices: make([]voice, len(claims))}
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
	t.label()
	t.arrange()
	return t
}

// arrange puts the voices in order and leaves of each group, and of the
// strangers, the strongest one.
func (t *tally) arrange() {
	stranger := int32(-1)
	for i := range t.voices {
		v := &t.voices[i]
		v.order = uint64(v.class)<<56 | uint64(v.group)<<16 | uint64(one-v.v)
		switch {
		case v.why != counts:
		case v.class != strange:
			t.order = append(t.order, int32(i))
		case stranger < 0 || t.strength(v, &t.voices[stranger]) < 0:
			if stranger >= 0 {
				t.voices[stranger].why = weakerStranger
			}
			stranger = int32(i)
		default:
			v.why = weakerStranger
		}
	}
	slices.SortFunc(t.order, func(i, j int32) int {
		a, b := &t.voices[i], &t.voices[j]
		if a.order != b.order {
			return cmp.Compare(a.order, b.order)
		}
		return t.strength(a, b)
	})
	for i := 1; i < len(t.order); i++ {
		if v := &t.voices[t.order[i]]; v.sameGroup(&t.voices[t.order[i-1]]) {
			v.why = weaker
		}
	}
	if stranger >= 0 {
		t.order = append(t.order, stranger)
	}
}

func (v *voice) sameGroup(w *voice) bool { return v.class == w.class && v.group == w.group }

// weigh computes a voice's factors: v = weight * q * claimed * decay, one
// rounding, half up.
func (t *tally) weigh(v *voice, c *Claim) {
	v.level = Own
	entry := -1
	if !c.Own {
		v.level = Unknown
		if entry = t.list.position(&c.Org); entry >= 0 {
			v.level = t.list.entries[entry].level(c.Topic, c.Kind, t.now)
		}
	}
	if v.level != Unknown {
		v.group = t.home(c, entry)
	}
	v.weight = int32(v.level.weight())
	v.q = one
	if c.Q != 0 {
		v.q = int32(min(max(c.Q, 0), one))
	}
	v.claimed = silentClaim * 100
	if c.Claimed >= 0 {
		v.claimed = int32(min(c.Claimed, mostClaim)) * 100
	}
	if c.ValidUntil.IsZero() || t.now.Before(c.ValidUntil) {
		v.decay = int32(decay(t.now.Unix()-c.Since.Unix(), halfLife(c.Kind)))
	}
	v.v = v.at(v.decay)
	v.class, v.why = t.classify(v, c)
}

// note keeps what is asked of all voices later.
func (t *tally) note(v *voice, c *Claim) {
	if v.class == supporting || v.class == refuting {
		t.gate = append(t.gate, v.claim)
	}
	if c.Refutes || c.Held || v.why == isBlocked {
		return
	}
	t.past = t.past || v.why == isExpired
	t.live = t.live || v.why != isExpired
}

// at is the voice's v with another decay.
func (v *voice) at(decay int32) int32 {
	const unit = one * one * one
	return int32((int64(v.weight)*int64(v.q)*int64(v.claimed)*int64(decay) + unit/2) / unit)
}

// classify says which part of the formula a voice enters, and why not when it
// does not. Held content of listed organisations weighs nothing: only strangers and
// observed ones, who are held as a matter of course, enter their pools.
func (t *tally) classify(v *voice, c *Claim) (class, cause) {
	cl := silent
	switch {
	case v.level == Blocked:
		return silent, isBlocked
	case c.Refutes && v.level < Partner:
		return silent, noRefuter
	case c.Refutes:
		cl = refuting
	case v.level == Unknown:
		cl = strange
	case v.level == Observed:
		cl = observing
	default:
		cl = supporting
	}
	switch {
	case c.Held && v.level >= Partner:
		return cl, isHeld
	case !c.ValidUntil.IsZero() && !t.now.Before(c.ValidUntil):
		return cl, isExpired
	case t.now.Before(c.ValidFrom):
		return cl, isEarly
	case v.v == 0:
		return cl, isFaded
	}
	return cl, counts
}

// home numbers the group of an organisation by itself: the group rule that names
// it, or its own.
func (t *tally) home(c *Claim, entry int) int32 {
	rules, entries := len(t.list.groups), len(t.list.entries)
	if entry >= 0 {
		if g := t.list.rules[entry]; g >= 0 {
			return int32(g)
		}
	} else if g, ok := t.list.byOrg[c.Org]; ok {
		return int32(g)
	}
	if c.Own {
		return int32(rules + entries)
	}
	return int32(rules + entry)
}

// seat is an organisation, by its home, within one part of the formula.
type seat struct {
	class class
	home  int32
}

// label moves organisations from home into the group of their upstream label.
// The label is the publisher's own word: it may merge the voices of several organisations
// but never split the voice of one. So an organisation that states more than one
// (or one, and none) stays at home with all it says, and in each part of the formula it
// has one group at most. What is held or not in force has no say in this, else a stolen
// key would move voices that count; what has faded has, else groups would change
// at times that next does not foresee. An organisation that a group rule names
// stays there. Never a union of groups: one shared label must not chain unrelated ones.
func (t *tally) label() {
	if len(t.upstreams) == 0 {
		return
	}
	labels := map[seat]string{}
	mixed := map[seat]bool{}
	for i := range t.voices {
		v := &t.voices[i]
		if !t.movable(v) || v.why != counts && v.why != isFaded {
			continue
		}
		at, stated := seat{v.class, v.group}, t.claims[i].Upstream
		if have, ok := labels[at]; ok && have != stated {
			mixed[at] = true
		}
		labels[at] = stated
	}
	for i := range t.voices {
		v := &t.voices[i]
		at := seat{v.class, v.group}
		if t.movable(v) && labels[at] != "" && !mixed[at] {
			v.group = t.upstream(labels[at])
		}
	}
}

// movable reports whether a label may say what group a voice is in.
func (t *tally) movable(v *voice) bool {
	return v.level != Unknown && int(v.group) >= len(t.list.groups)
}

// upstream numbers the group of a label: the rule that names it, or its own.
func (t *tally) upstream(label string) int32 {
	rules, entries := len(t.list.groups), len(t.list.entries)
	if g, ok := t.list.byUpstream[label]; ok {
		return int32(g)
	}
	i, _ := slices.BinarySearch(t.upstreams, label)
	return int32(rules + entries + 1 + i)
}

// groupName is the group as explanations show it.
func (t *tally) groupName(v *voice) string {
	rules, entries := len(t.list.groups), len(t.list.entries)
	switch g := int(v.group); {
	case v.level == Unknown:
		return "strangers"
	case g >= 0 && g < rules:
		return "group:" + t.list.groups[g].Name
	case g > rules+entries:
		return "upstream:" + t.upstreams[g-rules-entries-1]
	case t.claims[v.claim].Own:
		return "own"
	}
	return t.claims[v.claim].Org.String()
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
	for _, i := range t.order {
		v := &t.voices[i]
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
			Counted: v.why == counts, Why: v.why.String(),
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
		cmp.Compare(flags(a), flags(b)),
		cmp.Compare(a.Claimed, b.Claimed),
		cmp.Compare(a.Q, b.Q),
		a.Since.Compare(b.Since),
		a.ValidFrom.Compare(b.ValidFrom),
		a.ValidUntil.Compare(b.ValidUntil),
	)
}

func flags(c *Claim) int {
	n := 0
	for i, set := range []bool{c.Own, c.Held, c.Refutes} {
		if set {
			n |= 1 << i
		}
	}
	return n
}
