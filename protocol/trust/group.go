package trust

import (
	"slices"

	"tocsin/protocol"
)

// seat is an organisation, by its home, within one part of the formula.
type seat struct {
	class class
	home  int32
}

// label settles which voices count as one. At first each is at home: in the group
// rule that names its organisation, or by itself; a vouched one in its voucher's home.
//
// Then organisations move from home into the group of their upstream label.
// The label is the publisher's own word: it may merge the voices of several organisations
// but never split the voice of one. So an organisation that states more than one
// (or one, and none) stays at home with all it says, and in each part of the formula it
// has one group at most; those it vouched for are one with it in this, so that no crowd of
// them can spread over labels; in the pool they stay at home, where their voucher finds them. What is held or not in force has no say in this, else a stolen
// key would move voices that count; what has faded has, else groups would change
// at times that next does not foresee. An organisation that a group rule names
// stays there. Never a union of groups: one shared label must not chain unrelated ones.
func (t *tally) label() {
	for i := range t.voices {
		t.voices[i].group = t.voices[i].home
	}
	if len(t.upstreams) == 0 {
		return
	}
	labels := map[seat]string{}
	mixed := map[seat]bool{}
	for i := range t.voices {
		v := &t.voices[i]
		if !t.movable(v) || !v.present() {
			continue
		}
		at, stated := seat{v.class, v.home}, t.claims[i].Upstream
		if v.vouched && v.class == observing {
			mixed[at] = true
		}
		if have, ok := labels[at]; ok && have != stated {
			mixed[at] = true
		}
		labels[at] = stated
	}
	for i := range t.voices {
		v := &t.voices[i]
		at := seat{v.class, v.home}
		if t.movable(v) && labels[at] != "" && !mixed[at] {
			v.group = t.upstream(labels[at])
		}
	}
}

// present reports whether a voice has a say in how voices group.
func (v *voice) present() bool { return v.why == counts || v.why == isFaded }

// movable reports whether a label may say what group a voice is in.
func (t *tally) movable(v *voice) bool {
	return v.level != Unknown && int(v.home) >= len(t.list.groups)
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

// vouchedSeat is a vouched organisation within one part of the formula.
type vouchedSeat struct {
	class class
	org   protocol.OrgID
}

// settle gives an organisation that several others vouched for one home in each part of the
// formula, the first of theirs: it is one voice, however many introduced it on however many topics.
func (t *tally) settle() {
	if len(t.list.vouched) == 0 {
		return
	}
	homes := map[vouchedSeat]int32{}
	for i := range t.voices {
		v := &t.voices[i]
		if !v.vouched || !v.present() {
			continue
		}
		at := vouchedSeat{v.class, t.claims[i].Org}
		if home, ok := homes[at]; !ok || v.home < home {
			homes[at] = v.home
		}
	}
	for i := range t.voices {
		v := &t.voices[i]
		if home, ok := homes[vouchedSeat{v.class, t.claims[i].Org}]; v.vouched && ok {
			v.home = home
		}
	}
}

// stand makes a voucher that counts and those it vouched for who are only in the pool one
// voice in the shown score: it is theirs or its own, whichever comes to more. Mostly
// the voucher stands for them. Where it says less than they do, the shown score is worked out without it (instead
// says with what), and the gate score with it; else it could silence them by a whisper.
func (t *tally) stand() {
	if len(t.list.vouched) == 0 {
		return
	}
	crowds := map[int32]*voice{} // by home
	for _, k := range t.order {
		if v := &t.voices[k.voice()]; v.vouched && v.class == observing && v.why == counts {
			crowds[v.home] = v
		}
	}
	for rest := t.order; len(rest) > 0; {
		n := run(rest)
		t.pair(rest[:n], crowds)
		rest = rest[n:]
	}
}

// pair joins the one that leads a group with the crowd it vouched for, if any.
func (t *tally) pair(group []key, crowds map[int32]*voice) {
	if t.voices[group[0].voice()].class != supporting {
		return
	}
	at := slices.IndexFunc(group, func(k key) bool { return t.voices[k.voice()].why == counts })
	voucher := &t.voices[group[at].voice()]
	crowd := crowds[voucher.home]
	if crowd == nil {
		return
	}
	next := int32(0) // who would lead the group without the voucher
	for _, k := range group {
		if v := &t.voices[k.voice()]; v.home != voucher.home {
			next = max(next, v.v)
		}
	}
	if (one-voucher.v)*one <= (one-next)*(one-crowd.v) {
		crowd.why = weaker
		return
	}
	if t.instead == nil {
		t.instead = map[int]int32{}
	}
	t.instead[group[at].voice()] = next
}

// groupName is the group as explanations show it.
func (t *tally) groupName(v *voice) string {
	rules, entries := len(t.list.groups), len(t.list.entries)
	switch g := int(v.group); {
	case v.level == Unknown:
		return "strangers"
	case g < rules:
		return "group:" + t.list.groups[g].Name
	case g > rules+entries:
		return "upstream:" + t.upstreams[g-rules-entries-1]
	case g == rules+entries:
		return "own"
	default:
		return t.list.entries[g-rules].Org.String()
	}
}
