package policy

import (
	"context"
	"slices"
	"strings"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// Demotion is a ceiling that a machine put over an organisation on a topic: whatever the
// files say, it has no more there, until a person names the organisation in a
// change. It is no copy of the entry, so that what people change meanwhile holds.
type Demotion struct {
	Org   protocol.OrgID
	Topic string
	// Level is the most it has: partner or observed.
	Level trust.Level
	Why   string
	At    time.Time
}

const (
	// maxDemotions bounds the file; maxWhy bounds one reason in it.
	maxDemotions = 10_000
	maxWhy       = 256
)

// Demote lowers an organisation by one level on a topic because a machine saw
// reason to: anchor to partner, partner to observed. Only a person raises it again, with
// 'tocsin trust set'. It does nothing for an organisation that is observed or less there.
func (b *Book) Demote(ctx context.Context, org protocol.OrgID, topic protocol.Topic, why string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	e, listed := b.List().Entry(org)
	if !listed {
		return nil
	}
	level := highest(e, topic.String())
	if level < trust.Partner || !now.Before(e.Expires.Add(24*time.Hour)) {
		return nil
	}
	next := slices.DeleteFunc(slices.Clone(b.demotions), func(d Demotion) bool { return d.Org == org && d.Topic == topic.String() })
	if len(next) >= maxDemotions {
		return reason.New(reason.Conflict, "demote "+org.String()+": too many demotions are in force; lift some with 'tocsin trust set'")
	}
	next = append(next, Demotion{Org: org, Topic: topic.String(), Level: level - 1, Why: clip(why), At: now.UTC().Round(0)})
	list := capped(b.operator.Merge(b.overlay), next)
	if err := b.write(ctx, audit.Event{
		Action: "trust.demote", Target: org.String(), Reason: why, Detail: detail(b.List(), list, nil),
	}); err != nil {
		return err
	}
	if err := writeDemotions(b.demotionsFile, next); err != nil {
		return err
	}
	log.Warnw("organisation demoted", "org", org, "topic", topic, "to", level-1, "why", why)
	b.demotions = next
	b.swap(list)
	return nil
}

// Demotions returns the ceilings over an organisation, ordered by topic.
func (b *Book) Demotions(org protocol.OrgID) []Demotion {
	b.mu.Lock()
	defer b.mu.Unlock()
	return over(b.demotions, org)
}

// Stated returns an entry as people wrote it, in either file, without ceilings: what a change
// of it starts from.
func (b *Book) Stated(org protocol.OrgID) (trust.Entry, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stated(org)
}

// stated is Stated for a caller that holds mu.
func (b *Book) stated(org protocol.OrgID) (trust.Entry, bool) {
	if e, ok := b.overlay.Entry(org); ok {
		return e, true
	}
	return b.operator.Entry(org)
}

// lifted are the demotions without those of the organisations that a person decided on. The
// caller holds mu.
func (b *Book) lifted(named func(protocol.OrgID) bool) []Demotion {
	return slices.DeleteFunc(slices.Clone(b.demotions), func(d Demotion) bool { return named(d.Org) })
}

// lift keeps fewer demotions. The caller holds mu.
func (b *Book) lift(left []Demotion) error {
	if len(left) == len(b.demotions) {
		return nil
	}
	if err := writeDemotions(b.demotionsFile, left); err != nil {
		return err
	}
	b.demotions = left
	return nil
}

func over(all []Demotion, org protocol.OrgID) []Demotion {
	var own []Demotion
	for _, d := range all {
		if d.Org == org {
			own = append(own, d)
		}
	}
	slices.SortFunc(own, func(x, y Demotion) int { return strings.Compare(x.Topic, y.Topic) })
	return own
}

// capped lays ceilings over a list.
func capped(list *trust.List, demotions []Demotion) *trust.List {
	of := map[protocol.OrgID][]Demotion{}
	for _, d := range demotions {
		of[d.Org] = append(of[d.Org], d)
	}
	var lowered []*trust.List
	for org, own := range of {
		e, listed := list.Entry(org)
		if !listed || e.Level == trust.Blocked {
			continue
		}
		alone, err := trust.Empty().With(under(e, over(own, org)))
		if err != nil {
			// More scopes than a list takes: rather too little trust than too much.
			log.Errorw("entry does not take its demotions: the organisation counts as observed", "org", org, "err", err)
			alone, err = trust.Empty().With(trust.Entry{Org: org, Petname: e.Petname, Level: trust.Observed, Expires: e.Expires})
		}
		if err == nil {
			lowered = append(lowered, alone)
		}
	}
	if len(lowered) == 0 {
		return list
	}
	return list.Merge(joined(lowered))
}

// joined merges lists that have no entry in common, by halves: one after the other
// would take the square of their number.
func joined(lists []*trust.List) *trust.List {
	if len(lists) == 1 {
		return lists[0]
	}
	half := len(lists) / 2
	return joined(lists[:half]).Merge(joined(lists[half:]))
}

// under is an entry under its ceilings.
func under(e trust.Entry, ceilings []Demotion) trust.Entry {
	for _, d := range ceilings {
		level := highest(e, d.Topic)
		if level <= d.Level {
			continue
		}
		e.Scopes = lowerScopes(e, d.Topic, d.Level)
		if level == trust.Anchor {
			e.Vouch = nil // who is believed less himself does not vouch for others
		}
	}
	return e
}

// highest is the most that an entry gives any kind of observable on topic.
func highest(e trust.Entry, topic string) trust.Level {
	scopes, whole := deciding(e, topic)
	level := trust.Blocked
	if !whole {
		level = min(e.Level, trust.Observed)
	}
	for _, s := range scopes {
		level = max(level, levelIn(e, s))
	}
	return level
}

// deciding are the scopes that decide for some kind on topic: the first that matches a kind
// does, those behind it do not. whole says that no kind is left over.
func deciding(e trust.Entry, topic string) (scopes []trust.Scope, whole bool) {
	var seen trust.Scope // its kinds are those that are decided
	for _, s := range scopesOf(e) {
		if !slices.Contains(s.Topics, topic) && !slices.Contains(s.Topics, "*") {
			continue
		}
		if len(s.Kinds) == 0 {
			return append(scopes, s), true
		}
		fresh := false
		for _, kind := range s.Kinds {
			if !slices.Contains(seen.Kinds, kind) {
				fresh, seen.Kinds = true, append(seen.Kinds, kind)
			}
		}
		if fresh {
			scopes = append(scopes, s)
		}
	}
	return scopes, false
}

// scopesOf are an entry's scopes; an entry without any counts everywhere.
func scopesOf(e trust.Entry) []trust.Scope {
	if len(e.Scopes) == 0 {
		return []trust.Scope{{Topics: []string{"*"}}}
	}
	return e.Scopes
}

func levelIn(e trust.Entry, s trust.Scope) trust.Level {
	if s.Level != nil {
		return *s.Level
	}
	return e.Level
}

// lowerScopes gives scopes under which no kind of observable on topic has more than
// ceiling, and everything else stands as it did.
func lowerScopes(e trust.Entry, topic string, ceiling trust.Level) []trust.Scope {
	var scopes []trust.Scope
	first, _ := deciding(e, topic)
	for _, s := range first {
		level := min(levelIn(e, s), ceiling)
		s.Topics, s.Level = []string{topic}, &level
		scopes = append(scopes, s)
	}
	for _, s := range scopesOf(e) {
		if !slices.Equal(s.Topics, []string{topic}) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

func clip(why string) string {
	if len(why) > maxWhy {
		return strings.ToValidUTF8(why[:maxWhy], "") + " …"
	}
	return why
}
