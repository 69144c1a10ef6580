package trust

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
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
	// index finds the first entry whose organisation begins with 8 bytes (which
	// hash faster than 32; ids are digests, so more than one is hardly ever there).
	index map[uint64]int
	// byOrg and byUpstream find a group rule; rules[i] is the one that names entry i, or -1.
	byOrg      map[protocol.OrgID]int
	byUpstream map[string]int
	rules      []int
	// places says where an entry was read; it is no part of what the list says.
	places map[protocol.OrgID]string
}

// Empty is a list without entries.
func Empty() *List { return build(nil, nil, nil) }

// build makes a list and owns what it is given. Of several entries of one
// organisation, or rules of one name, the last stands.
func build(entries []Entry, groups []GroupRule, places map[protocol.OrgID]string) *List {
	l := &List{
		index:      make(map[uint64]int, len(entries)),
		byOrg:      map[protocol.OrgID]int{},
		byUpstream: map[string]int{},
		places:     places,
	}
	l.entries = lastOf(entries, func(a, b Entry) int { return bytes.Compare(a.Org[:], b.Org[:]) })
	l.groups = lastOf(groups, func(a, b GroupRule) int { return cmp.Compare(a.Name, b.Name) })
	for i, e := range slices.Backward(l.entries) {
		l.index[head(e.Org)] = i
	}
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
	l.rules = make([]int, len(l.entries))
	for i, e := range l.entries {
		l.rules[i] = -1
		if g, ok := l.byOrg[e.Org]; ok {
			l.rules[i] = g
		}
	}
	return l
}

// lastOf sorts s and keeps the last of equal elements.
func lastOf[T any](s []T, order func(a, b T) int) []T {
	slices.Reverse(s)
	slices.SortStableFunc(s, order)
	return slices.CompactFunc(s, func(a, b T) bool { return order(a, b) == 0 })
}

// Merge lays over's entries over l's (by organisation) and joins group rules: of
// two rules with one name over's stands.
func (l *List) Merge(over *List) *List {
	places := make(map[protocol.OrgID]string, len(l.places)+len(over.places))
	for _, from := range []*List{l, over} {
		for _, e := range from.entries {
			places[e.Org] = from.places[e.Org]
		}
	}
	return build(slices.Concat(l.entries, over.entries), slices.Concat(l.groups, over.groups), places)
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
	return build(entries, slices.Clone(l.groups), l.places)
}

// Entries returns the entries ordered by OrgID. The caller owns the slice.
func (l *List) Entries() []Entry {
	out := make([]Entry, len(l.entries))
	for i, e := range l.entries {
		out[i] = e.clone()
	}
	return out
}

// Listed reports whether the list names org, other than to block it: everybody
// else is a stranger or treated like one.
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

// position is the index of org's entry, or -1. Entries are ordered, so those
// that begin alike stand side by side.
func (l *List) position(org *protocol.OrgID) int {
	i, ok := l.index[head(*org)]
	for ; ok && i < len(l.entries) && head(l.entries[i].Org) == head(*org); i++ {
		if l.entries[i].Org == *org {
			return i
		}
	}
	return -1
}

func head(org protocol.OrgID) uint64 { return binary.BigEndian.Uint64(org[:8]) }

// Digest identifies the list's contents for audits and explanations.
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
// which match counts as observed at most. topic or kind "" means any.
func (l *List) Level(org protocol.OrgID, topic string, kind pattern.Type, now time.Time) Level {
	e := l.find(org)
	if e == nil {
		return Unknown
	}
	return e.level(topic, kind, now)
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
