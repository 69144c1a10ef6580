package trust

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// MaxLife is how far ahead an entry may expire: trust that nobody looks at once
// a year is no trust.
const MaxLife = 365 * 24 * time.Hour

// List is a trust list: immutable, safe for concurrent use.
type List struct {
	entries []Entry // ordered by Org
	groups  []GroupRule
	// approvers is what the list says of itself: anchors need two approvers.
	approvers bool
	// slots is a hash table that finds an entry by its organisation: the entry's index
	// plus 1, 0 for none. Its length is a power of two.
	slots []int32
	// glances holds of each entry what the arithmetic looks at, side by side.
	glances []glance
	// byOrg and byUpstream find a group rule.
	byOrg      map[protocol.OrgID]int
	byUpstream map[string]int
	// places says where an entry was read; it is no part of what the list says.
	places map[protocol.OrgID]string
	// facts are the vouches to apply, vouched what comes of them, queues the ends of each
	// voucher's vouches in their order; see WithVouches.
	facts   []VouchFact
	vouched map[protocol.OrgID][]introduction
	queues  map[int][]int64
}

// glance is the part of an entry that is looked at a thousand times in one assessment.
type glance struct {
	org protocol.OrgID
	end int64 // Unix seconds
	// rule is the group rule that names the organisation, or -1.
	rule   int32
	level  Level
	scoped bool
}

// Empty is a list without entries.
func Empty() *List { return build(nil, nil, nil) }

// build makes a list and owns what it is given. Of several entries of one
// organisation, or rules of one name, the last stands.
func build(entries []Entry, groups []GroupRule, places map[protocol.OrgID]string) *List {
	l := &List{byOrg: map[protocol.OrgID]int{}, byUpstream: map[string]int{}, places: places}
	l.entries = lastOf(entries, func(a, b Entry) int { return bytes.Compare(a.Org[:], b.Org[:]) })
	l.groups = lastOf(groups, func(a, b GroupRule) int { return cmp.Compare(a.Name, b.Name) })
	for i, g := range l.groups {
		for _, org := range g.Orgs {
			if _, ok := l.byOrg[org]; !ok {
				l.byOrg[org] = i
			}
		}
		if _, ok := l.byUpstream[g.Upstream]; !ok && g.Upstream != "" {
			l.byUpstream[g.Upstream] = i
		}
	}
	size := 1
	for size < 2*len(l.entries) {
		size *= 2
	}
	l.slots = make([]int32, size)
	l.glances = make([]glance, len(l.entries))
	for i := range l.entries {
		l.enter(i)
	}
	return l
}

// enter makes the i-th entry quick to find and to read.
func (l *List) enter(i int) {
	e := &l.entries[i]
	g := glance{org: e.Org, end: e.end().Unix(), rule: -1, level: e.Level, scoped: len(e.Scopes) > 0}
	if rule, ok := l.byOrg[e.Org]; ok {
		g.rule = int32(rule)
	}
	l.glances[i] = g
	slot := l.slot(&e.Org)
	for l.slots[slot] != 0 {
		slot = (slot + 1) & (len(l.slots) - 1)
	}
	l.slots[slot] = int32(i + 1)
}

// slot is where the search for an organisation begins: the upper bits of its first 8
// bytes times a large odd number, which spreads ids that are alike too.
func (l *List) slot(org *protocol.OrgID) int {
	const spread = 0x9e3779b97f4a7c15
	return int(binary.BigEndian.Uint64(org[:8]) * spread >> (64 - bits.TrailingZeros(uint(len(l.slots)))))
}

// lastOf sorts s and keeps the last of equal elements.
func lastOf[T any](s []T, order func(a, b T) int) []T {
	slices.Reverse(s)
	slices.SortStableFunc(s, order)
	return slices.CompactFunc(s, func(a, b T) bool { return order(a, b) == 0 })
}

// Merge lays over's entries over l's (by organisation) and joins group rules: of
// two rules with one name over's stands. What one of the two asks of approvers the result
// asks, and it applies the vouches of both.
func (l *List) Merge(over *List) *List {
	places := make(map[protocol.OrgID]string, len(l.places)+len(over.places))
	for _, from := range []*List{l, over} {
		for _, e := range from.entries {
			places[e.Org] = from.places[e.Org]
		}
	}
	out := build(slices.Concat(l.entries, over.entries), slices.Concat(l.groups, over.groups), places)
	out.approvers = l.approvers || over.approvers
	return out.WithVouches(slices.Concat(l.facts, over.facts))
}

// With returns a list in which e stands, in place of an earlier entry of that
// organisation. A faulty entry gives usage.invalid, a petname that another
// entry bears gives conflict.
func (l *List) With(e Entry) (*List, error) {
	e = e.clone()
	if p := e.check(); p != nil {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("trust entry %s: %s: %s", e.Org, p.path, p.text))
	}
	if other, ok := l.named(e.Petname); ok && other != e.Org {
		return nil, reason.New(reason.Conflict, fmt.Sprintf("trust entry %s: petname %q is taken by %s; choose another", e.Org, e.Petname, other))
	}
	over := build([]Entry{e}, nil, nil)
	return l.Merge(over), nil
}

// named finds the organisation that bears a petname.
func (l *List) named(petname string) (protocol.OrgID, bool) {
	for _, e := range l.entries {
		if petname != "" && e.Petname == petname {
			return e.Org, true
		}
	}
	return protocol.OrgID{}, false
}

// Without returns a list that does not name org.
func (l *List) Without(org protocol.OrgID) *List {
	entries := slices.Clone(l.entries)
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Org == org })
	out := build(entries, slices.Clone(l.groups), l.places)
	out.approvers = l.approvers
	return out.WithVouches(l.facts)
}

// TwoApprovers reports whether the list asks for a second person before an
// organisation becomes an anchor or an anchor's entry changes.
func (l *List) TwoApprovers() bool { return l.approvers }

// Entries returns the entries ordered by OrgID. The caller owns the slice.
func (l *List) Entries() []Entry {
	out := make([]Entry, len(l.entries))
	for i, e := range l.entries {
		out[i] = e.clone()
	}
	return out
}

// Listed reports whether an entry names org, other than to block it. Who keeps
// strangers apart asks Known, which sees vouches too.
func (l *List) Listed(org protocol.OrgID) bool {
	e := l.find(org)
	return e != nil && e.Level != Blocked
}

// Entry returns what the list says of org.
func (l *List) Entry(org protocol.OrgID) (Entry, bool) {
	if e := l.find(org); e != nil {
		return e.clone(), true
	}
	return Entry{}, false
}

// Petname returns the local name of org, or "" for an organisation that is not listed.
func (l *List) Petname(org protocol.OrgID) string {
	if e := l.find(org); e != nil {
		return e.Petname
	}
	return ""
}

// Groups returns the group rules ordered by name. The caller owns the slice.
func (l *List) Groups() []GroupRule {
	out := slices.Clone(l.groups)
	for i := range out {
		out[i].Orgs = slices.Clone(out[i].Orgs)
	}
	return out
}

func (l *List) find(org protocol.OrgID) *Entry {
	if i := l.position(&org); i >= 0 {
		return &l.entries[i]
	}
	return nil
}

// position is the index of org's entry, or -1.
func (l *List) position(org *protocol.OrgID) int {
	for slot := l.slot(org); l.slots[slot] != 0; slot = (slot + 1) & (len(l.slots) - 1) {
		if i := int(l.slots[slot] - 1); l.glances[i].org == *org {
			return i
		}
	}
	return -1
}

// Digest identifies the list's contents for audits and explanations. Vouches are
// records, not contents.
func (l *List) Digest() protocol.Digest {
	return sha256.Sum256(append([]byte("tocsin/trust/1\x00"), l.Encode()...))
}

// Validate checks what Parse cannot know, because it has no clock and sees one
// file: no entry expires more than MaxLife after now, and no two entries of a
// merged list bear one petname. What holds now holds later too, so a list that
// was fine when it was written never turns invalid by waiting. Errors are
// trust.file and say where the entry stands.
func (l *List) Validate(now time.Time) error {
	names := make(map[string]protocol.OrgID, len(l.entries))
	latest := now.UTC().Add(MaxLife)
	for _, e := range l.entries {
		if e.Expires.After(latest) {
			return reason.New(reason.TrustFile, fmt.Sprintf("%sexpires %s is more than 365 days ahead: write %s or sooner",
				l.place(e.Org), e.Expires.Format(time.DateOnly), latest.Format(time.DateOnly)))
		}
		if other, ok := names[e.Petname]; ok && e.Petname != "" {
			return reason.New(reason.TrustFile, fmt.Sprintf("%spetname %q is also borne by %s: give each organisation its own",
				l.place(e.Org), e.Petname, other))
		}
		names[e.Petname] = e.Org
	}
	return nil
}

// place names an entry for messages, with its file and line when it was read from one.
func (l *List) place(org protocol.OrgID) string {
	if at := l.places[org]; at != "" {
		return at + ": "
	}
	return "trust entry " + org.String() + ": "
}

// Level is the effective level of org for a topic and kind of observable at now:
// expiry applied (anchor and partner become observed, observed unknown,
// blocked stays), the first matching scope applied. An entry with scopes none of
// which match counts as observed at most. topic or kind "" means any. Who has no
// entry has the level that a vouch gives, if any.
func (l *List) Level(org protocol.OrgID, topic string, kind pattern.Type, now time.Time) Level {
	if e := l.find(org); e != nil {
		return e.level(topic, kind, now)
	}
	level, _ := l.introduced(org, topic, kind, now)
	return level
}

func (e *Entry) level(topic string, kind pattern.Type, now time.Time) Level {
	level := e.Level
	if len(e.Scopes) > 0 {
		level = e.scoped(topic, kind)
	}
	if now.Before(e.end()) {
		return level
	}
	switch level {
	case Anchor, Partner:
		return Observed
	case Observed:
		return Unknown
	}
	return level
}

// scoped applies the first scope that matches.
func (e *Entry) scoped(topic string, kind pattern.Type) Level {
	for _, s := range e.Scopes {
		if !s.covers(topic, kind) {
			continue
		}
		if s.Level != nil {
			return *s.Level
		}
		return e.Level
	}
	return min(e.Level, Observed)
}

func (s *Scope) covers(topic string, kind pattern.Type) bool {
	if topic != "" && !slices.Contains(s.Topics, topic) && !slices.Contains(s.Topics, "*") {
		return false
	}
	return kind == "" || len(s.Kinds) == 0 || slices.Contains(s.Kinds, kind)
}

// end is the instant at which the entry stops to hold: when its last day is
// over. Days of UTC have 24 hours.
func (e *Entry) end() time.Time { return e.Expires.Add(24 * time.Hour) }

// clone copies an entry, so that nobody shares memory with a list, and brings it
// into the one form in which equal entries are equal: days at 00:00 UTC, empty
// slices nil.
func (e Entry) clone() Entry {
	e.Expires = day(e.Expires)
	e.Scopes = copied(e.Scopes)
	for i, s := range e.Scopes {
		e.Scopes[i].Topics = copied(s.Topics)
		e.Scopes[i].Kinds = copied(s.Kinds)
		if s.Level != nil {
			level := *s.Level
			e.Scopes[i].Level = &level
		}
	}
	e.Automation.Allow = copied(e.Automation.Allow)
	if e.Vouch != nil {
		v := *e.Vouch
		v.Scopes = copied(v.Scopes)
		e.Vouch = &v
	}
	if e.Verified != nil {
		v := *e.Verified
		v.By, v.On = copied(v.By), day(v.On)
		e.Verified = &v
	}
	return e
}

// copied clones a slice; an empty one becomes nil.
func copied[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}

// day cuts a time to its day in UTC.
func day(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}
