package trust

import (
	"time"

	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
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
	silent                  // nothing: blocked, not seen, or a refutation that has no weight
)

// cause is why a voice does not count.
type cause uint8

const (
	counts cause = iota
	isBlocked
	isAbsent
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
	case isAbsent:
		return "looked for and not seen: shown, and weighs nothing"
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

// barredWhy says in words why a voice counts as an observed one at most.
func barredWhy(code reason.Code) string {
	why := "it is out of automation [" + string(code) + "]"
	switch code {
	case reason.OrgStale:
		why = "its status has expired"
	case reason.OrgDisputed:
		why = "its identity is disputed"
	case reason.OrgTripped:
		why = "its circuit breaker has tripped"
	}
	return "the organisation counts as observed at most: " + why
}

// reasons is the sentence for Term.Why: why the voice does not count, then why it
// counts no further.
func (v *voice) reasons(c *Claim) string {
	text := v.why.String()
	if c.Barred == "" || v.why == isBlocked {
		return text
	}
	if text != "" {
		text += "; "
	}
	return text + barredWhy(c.Barred)
}

// voice is a claim as the formula sees it: 16 bytes without a pointer, so that a thousand
// of them are cheap to make and nothing to the garbage collector.
type voice struct {
	// home is the group of the organisation by itself, group the one it counts in; see
	// tally.label. Strangers have none.
	home, group int32
	v           int32
	level       Level
	class       class
	why         cause
	// vouched marks a voice whose level comes from a vouch: it never leaves its voucher's home.
	vouched bool
}

func (v *voice) sameGroup(w *voice) bool { return v.class == w.class && v.group == w.group }

// factors are what a voice consists of, in 1/10,000: v = weight * q * claimed * decay.
type factors struct{ weight, q, claimed int }

func factorsOf(level Level, c *Claim) factors {
	f := factors{weight: level.weight(), q: one, claimed: silentClaim * 100}
	if c.Q != 0 {
		f.q = min(max(c.Q, 0), one)
	}
	if c.Claimed >= 0 {
		f.claimed = min(c.Claimed, mostClaim) * 100
	}
	return f
}

// v multiplies the factors with a decay; one rounding, half up.
func (f factors) v(decay int) int32 {
	const unit = one * one * one
	return int32((int64(f.weight*f.q)*int64(f.claimed*decay) + unit/2) / unit)
}

// start is when the age of a claim begins: a sighting makes what supports fresh
// again, never what refutes.
func (c *Claim) start() int64 {
	since := c.Since.Unix()
	if c.Seen.IsZero() || c.Refutes {
		return since
	}
	return max(since, c.Seen.Unix())
}

// over reports whether a claim is past its end.
func (c *Claim) over(now time.Time) bool { return !c.ValidUntil.IsZero() && !now.Before(c.ValidUntil) }

// early reports whether a claim has not begun.
func (c *Claim) early(now time.Time) bool { return !c.ValidFrom.IsZero() && now.Before(c.ValidFrom) }

// weigh computes v and settles which part of the formula a voice enters.
func (t *tally) weigh(v *voice, c *Claim) {
	natural := t.place(v, c)
	v.level = natural
	if c.Barred != "" {
		v.level = min(natural, Observed)
	}
	ended := c.over(t.now)
	if !ended {
		v.v = factorsOf(v.level, c).v(decay(t.second-c.start(), t.half(c.Kind)))
	}
	v.class, v.why = t.classify(v, c, natural, ended)
}

// half is the half-life of a kind. All claims about one value are of one or two kinds, so
// the last one is kept.
func (t *tally) half(kind pattern.Type) int64 {
	if kind != t.last.kind || t.last.half == 0 {
		t.last.kind, t.last.half = kind, halfLife(kind)
	}
	return t.last.half
}

// place finds the level and the home of a voice.
func (t *tally) place(v *voice, c *Claim) Level {
	l := t.list
	rules, entries := int32(len(l.groups)), int32(len(l.entries))
	if c.Own {
		v.home = rules + entries
		if g, ok := l.byOrg[c.Org]; ok {
			v.home = int32(g)
		}
		return Own
	}
	level, at := Unknown, l.position(&c.Org)
	if at >= 0 {
		if level = l.glances[at].level; l.glances[at].scoped || t.second >= l.glances[at].end {
			level = l.entries[at].level(c.Topic, c.Kind, t.now)
		}
	} else if len(l.vouched) > 0 {
		level, at = l.introduced(c.Org, c.Topic, c.Kind, t.now)
		v.vouched = level != Unknown
	}
	if level == Unknown {
		return Unknown
	}
	if v.home = l.glances[at].rule; v.home < 0 {
		v.home = rules + int32(at)
	}
	return level
}

// note keeps what is asked of all voices later.
func (t *tally) note(v *voice, c *Claim) {
	if c.Refutes || c.Held || c.Absent || v.why == isBlocked {
		return
	}
	t.past = t.past || v.why == isExpired
	t.live = t.live || v.why != isExpired
}

// classify says which part of the formula a voice enters, and why not when it
// does not. Held content of listed organisations weighs nothing: only strangers and
// observed ones, who are held as a matter of course, enter their pools. natural is the
// voice's level before it was barred: being barred gives held content no weight.
func (t *tally) classify(v *voice, c *Claim, natural Level, ended bool) (class, cause) {
	cl := silent
	switch {
	case v.level == Blocked:
		return silent, isBlocked
	case c.Absent:
		return silent, isAbsent
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
	case c.Held && natural >= Partner:
		return cl, isHeld
	case ended:
		return cl, isExpired
	case c.early(t.now):
		return cl, isEarly
	case v.v == 0:
		return cl, isFaded
	}
	return cl, counts
}
