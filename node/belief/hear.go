package belief

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/protocol/warn"
	"tocsin/storage"
)

// session is one round of questions: the inputs and the time are the same for all.
type session struct {
	*Desk
	in  Inputs
	now time.Time
	// admits lets records count that wait in quarantine only because their author was not listed, where
	// the list names him: for asking what a list would change.
	admits bool
	// bearings remembers what ledger and standing said.
	bearings map[bearer]bearing
	low      *api.Automation
}

// bearer is an organisation on a topic, bearing what is held for and against it.
type bearer struct {
	org   protocol.OrgID
	topic protocol.Topic
}

type bearing struct {
	q      int
	barred reason.Code
}

func (d *Desk) session(in Inputs, now time.Time) *session {
	return &session{Desk: d, in: in, now: now, bearings: map[bearer]bearing{}, low: tooLow()}
}

// known tells who is no stranger, for look-ups.
func (s *session) known(org protocol.OrgID) bool { return s.in.List.Known(org, s.now) }

// bearing asks the ledger and the standing, once a session.
func (s *session) bearing(org protocol.OrgID, topic protocol.Topic) bearing {
	if s.in.Q == nil && s.in.Barred == nil {
		return bearing{}
	}
	at := bearer{org, topic}
	b, ok := s.bearings[at]
	if ok {
		return b
	}
	if s.in.Q != nil && org != s.Own {
		b.q = s.in.Q(org, topic.String(), s.now)
	}
	if s.in.Barred != nil {
		b.barred = s.in.Barred(org, topic, s.now)
	}
	s.bearings[at] = b
	return b
}

// hearing is what all objects together say about one value.
type hearing struct {
	value  pattern.Observable
	voices []voice
	// answers are the opinions and sightings about what the voices say.
	answers []answer
	claims  []trust.Claim
	// omitted counts the strangers' objects that were not looked at.
	omitted int
	// list is the one in force when they were heard.
	list *trust.List
	// warning is the strongest warning list that names the value.
	warning warn.Hit
	warned  bool
	// single is room for the usual one subject.
	single [1]*voice
}

// voice is one hit with what this node makes of it.
type voice struct {
	*storage.Hit
	level   trust.Level
	petname string
	state   string
	kind    pattern.Type
	// inQuarantine is true for held content, whatever its state.
	inQuarantine bool
	barred       reason.Code
}

// hear looks a value up and hears what is said of it.
func (s *session) hear(o pattern.Observable) (*hearing, error) {
	hits, omitted, err := s.Store.Lookup(o, s.known)
	if err != nil || len(hits) == 0 {
		return &hearing{value: o, omitted: omitted, list: s.in.List}, err
	}
	h := s.consider(o, hits)
	h.omitted = omitted
	return h, s.answers(h)
}

// consider settles the state of each hit and turns those that claim something
// about the value into claims. The store has already picked the version that counts
// of each organisation and object.
func (s *session) consider(o pattern.Observable, hits []storage.Hit) *hearing {
	h := &hearing{value: o, voices: make([]voice, len(hits)), list: s.in.List}
	if s.in.Warnings != nil {
		h.warning, h.warned = s.in.Warnings.Match(o)
	}
	for i := range hits {
		v := &h.voices[i]
		*v = s.voice(&hits[i], matched(o, &hits[i]))
		if v.claiming() {
			h.claims = append(h.claims, s.claim(v))
		}
	}
	slices.SortStableFunc(h.voices, func(a, b voice) int {
		return cmp.Or(rank(&a)-rank(&b), int(b.level)-int(a.level)) // then newest first, as they came
	})
	return h
}

// voice settles whose word a hit is, and its state.
func (s *session) voice(h *storage.Hit, kind pattern.Type) voice {
	v := voice{Hit: h, level: trust.Own, petname: s.in.List.Petname(h.Org), kind: kind}
	if h.Org != s.Own {
		v.level = s.in.List.Level(h.Org, h.Topic.String(), kind, s.now)
	}
	v.inQuarantine = h.State == storage.Held || h.RecordHeld && !s.admitted(h, v.level)
	v.barred = s.bearing(h.Org, h.Topic).barred
	v.state = v.settle(s.now)
	return v
}

// admitted reports whether a held record would be let out of quarantine under this list.
func (s *session) admitted(h *storage.Hit, level trust.Level) bool {
	return s.admits && h.RecordReason == reason.TrustUnknown && level >= trust.Observed
}

// claim is a voice as the arithmetic takes it.
func (s *session) claim(v *voice) trust.Claim {
	return trust.Claim{
		Org: v.Org, Topic: v.Topic.String(), Upstream: v.Upstream, Kind: v.kind,
		Own: v.level == trust.Own, Held: v.inQuarantine, Claimed: v.Confidence,
		Q: s.bearing(v.Org, v.Topic).q, Barred: v.barred,
		Since: v.First, ValidFrom: v.ValidFrom, ValidUntil: v.ValidUntil,
		Object: v.Object, Record: v.Record,
	}
}

// matched is the kind of observable that a hit names: for an address found
// through a network around it, the network.
func matched(o pattern.Observable, h *storage.Hit) pattern.Type {
	if o.Type != pattern.IPv4 && o.Type != pattern.IPv6 {
		return o.Type
	}
	if slices.ContainsFunc(h.Values, func(v pattern.Value) bool { return v.Observable == o }) {
		return o.Type
	}
	return pattern.CIDR
}

// settle gives a hit's state. What an organisation said before it was blocked
// counts as refused.
func (v *voice) settle(now time.Time) string {
	switch {
	case v.State == storage.Refused || v.level == trust.Blocked:
		return refused
	case v.Revoked:
		return withdrawn
	case v.inQuarantine:
		return held
	case !v.judged():
		return notEvaluated
	case v.Claim && !v.ValidUntil.IsZero() && !now.Before(v.ValidUntil):
		return expired
	}
	return accepted
}

// judged reports whether the value alone satisfies what the object says. An
// object that claims nothing is only found by the value.
func (v *voice) judged() bool { return !v.Claim || v.Alone }

// claiming reports whether a hit is a voice for badness. A blocked one is, so
// that the explanation can show that it weighs nothing.
func (v *voice) claiming() bool {
	return v.Claim && v.Alone && !v.Revoked && v.State != storage.Refused
}

// counts reports whether a voice may enter the gate score: partner, anchor or own, in good
// standing, not held.
func (v *voice) counts() bool {
	return v.level >= trust.Partner && v.barred == "" && !v.inQuarantine
}

// rank orders states from the one that decides to the one that matters least. A
// withdrawal that is itself in quarantine decides less than what else is held:
// else a stranger could make a value look withdrawn.
func rank(v *voice) int {
	switch v.state {
	case accepted:
		return 1
	case expired:
		return 2
	case notEvaluated:
		return 3
	case withdrawn:
		if v.inQuarantine {
			return 6
		}
		return 4
	case held:
		return 5
	}
	return 7
}

// trusted orders voices by how far they are trusted, then by what they are, so that the order of
// arrival never shows.
func trusted(a, b *voice) int {
	return cmp.Or(int(b.level)-int(a.level), bytes.Compare(a.Org[:], b.Org[:]), cmp.Compare(a.Object, b.Object),
		bytes.Compare(a.Record[:], b.Record[:]), cmp.Compare(a.Index, b.Index))
}
