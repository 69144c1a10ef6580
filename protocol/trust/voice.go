package trust

import (
	"time"

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

// voice is a claim with its factors. It holds no pointer: a thousand of them are
// nothing to the garbage collector.
type voice struct {
	claim int32 // index into tally.claims
	// home is the group of the organisation by itself, group the one it counts in; see
	// tally.label. Strangers have none.
	home, group                  int32
	weight, q, claimed, decay, v int32
	level                        Level
	class                        class
	why                          cause
	// vouched marks a voice whose level comes from a vouch: it never leaves its voucher's home.
	vouched bool
}

func (v *voice) sameGroup(w *voice) bool { return v.class == w.class && v.group == w.group }

// start is when the age of a claim begins: a sighting makes what supports fresh
// again, never what refutes.
func (c *Claim) start() int64 {
	if !c.Refutes && c.Seen.After(c.Since) {
		return c.Seen.Unix()
	}
	return c.Since.Unix()
}

// weigh computes a voice's factors: v = weight * q * claimed * decay, one
// rounding, half up.
func (t *tally) weigh(v *voice, c *Claim) {
	natural := t.place(v, c)
	v.level = natural
	if c.Barred != "" {
		v.level = min(natural, Observed)
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
	if over(c, t.now) {
		v.class, v.why = t.classify(v, c, natural)
		return
	}
	v.decay = int32(decay(t.second-c.start(), halfLife(c.Kind)))
	v.v = v.at(v.decay)
	v.class, v.why = t.classify(v, c, natural)
}

// over reports whether a claim is past its end.
func over(c *Claim, now time.Time) bool { return !c.ValidUntil.IsZero() && !now.Before(c.ValidUntil) }

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
	if v.class == supporting || v.class == refuting || len(t.list.vouched) > 0 && t.list.mayRise(c) {
		t.gate = append(t.gate, v.claim)
	}
	if c.Refutes || c.Held || c.Absent || v.why == isBlocked {
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
// observed ones, who are held as a matter of course, enter their pools. natural is the
// voice's level before it was barred: being barred gives held content no weight.
func (t *tally) classify(v *voice, c *Claim, natural Level) (class, cause) {
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
	case over(c, t.now):
		return cl, isExpired
	case t.now.Before(c.ValidFrom):
		return cl, isEarly
	case v.v == 0:
		return cl, isFaded
	}
	return cl, counts
}
