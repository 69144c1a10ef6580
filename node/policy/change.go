package policy

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// Edit is one change of the trust list.
type Edit struct {
	Entry trust.Entry
	// Why is the actor's word for the audit log.
	Why string
	// Approver is a second person who agreed, nil for none.
	Approver *audit.Actor
}

// Apply puts an entry in force, durably, on behalf of the actor of ctx, and writes to the
// audit log first: what cannot be written there is not done. An entry of the operator's
// file is overlaid. What a lowered level cannot have (automation,
// vouching, a direct connection, scopes of a blocked organisation) goes with the
// level. Errors are usage.invalid for a faulty entry, conflict for a petname that is
// taken, and approval.needed when the list asks for two people and only one agreed.
func (b *Book) Apply(ctx context.Context, ed Edit) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	e := ed.Entry
	before, listed := b.List().Entry(e.Org)
	if listed {
		e = lowered(before, e)
	}
	if err := checkDay(e, now); err != nil {
		return err
	}
	after, err := b.List().With(e)
	if err != nil {
		return err
	}
	overlay, err := b.overlay.With(e)
	if err != nil {
		return err
	}
	if needsTwo(before, e) && b.List().TwoApprovers() {
		if err := second(ctx, ed); err != nil {
			return err
		}
	}
	return b.replace(ctx, overlay, now, audit.Event{
		Action: "trust.set", Target: e.Org.String(), Reason: ed.Why, Detail: detail(b.List(), after, ed.Approver),
	})
}

// second checks that another person than the actor of ctx agreed.
func second(ctx context.Context, ed Edit) error {
	what := fmt.Sprintf("list %s as anchor", ed.Entry.Org)
	if ed.Approver == nil {
		return reason.New(reason.ApprovalNeeded, what+": this list asks for two people; the change waits in the review queue for the second one")
	}
	if ed.Approver.UID == audit.ActorOf(ctx).UID {
		return reason.New(reason.ApprovalNeeded, what+": whoever asked cannot be the second person; somebody else must accept it")
	}
	return nil
}

// needsTwo reports whether an edit makes an anchor, in any scope, or changes one. To lower
// one takes nobody else.
func needsTwo(before, after trust.Entry) bool {
	return isAnchor(after) && !reflect.DeepEqual(before, after)
}

func isAnchor(e trust.Entry) bool {
	return e.Level == trust.Anchor || slices.ContainsFunc(e.Scopes, func(s trust.Scope) bool {
		return s.Level != nil && *s.Level == trust.Anchor
	})
}

// Import lays every entry and group of a list over the one in force, on behalf of
// the actor of ctx. approver is as in Edit. Nothing is applied when anything is wrong.
func (b *Book) Import(ctx context.Context, list *trust.List, why string, approver *audit.Actor) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for _, e := range list.Entries() {
		if err := checkDay(e, now); err != nil {
			return err
		}
		before, _ := b.List().Entry(e.Org)
		if needsTwo(before, e) && b.List().TwoApprovers() {
			if err := second(ctx, Edit{Entry: e, Approver: approver}); err != nil {
				return err
			}
		}
	}
	overlay := b.overlay.Merge(list)
	after := b.operator.Merge(overlay)
	return b.replace(ctx, overlay, now, audit.Event{
		Action: "trust.import", Reason: why, Detail: detail(b.List(), after, approver),
	})
}

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
	e.Scopes = demoted(e, topic.String(), level-1)
	if e.Level < trust.Anchor || level == trust.Anchor {
		e.Vouch = nil // who is believed less himself does not vouch for others
	}
	after, err := b.List().With(e)
	if err != nil {
		return fmt.Errorf("demote %s: %w", org, err)
	}
	overlay, err := b.overlay.With(e)
	if err != nil {
		return fmt.Errorf("demote %s: %w", org, err)
	}
	log.Warnw("organisation demoted", "org", org, "topic", topic, "to", level-1, "why", why)
	return b.replace(ctx, overlay, now, audit.Event{
		Action: "trust.demote", Target: org.String(), Reason: why, Detail: detail(b.List(), after, nil),
	})
}

// highest is the most that an entry gives any kind of observable on topic.
func highest(e trust.Entry, topic string) trust.Level {
	if len(e.Scopes) == 0 {
		return e.Level
	}
	level := min(e.Level, trust.Observed)
	for _, s := range e.Scopes {
		if !slices.Contains(s.Topics, topic) && !slices.Contains(s.Topics, "*") {
			continue
		}
		if s.Level != nil {
			level = max(level, *s.Level)
		} else {
			level = max(level, e.Level)
		}
	}
	return level
}

// demoted gives scopes under which no kind of observable on topic has more than
// ceiling, and everything else stands as it did.
func demoted(e trust.Entry, topic string, ceiling trust.Level) []trust.Scope {
	old := e.Scopes
	if len(old) == 0 {
		old = []trust.Scope{{Topics: []string{"*"}}}
	}
	var scopes []trust.Scope
	for _, s := range old {
		if slices.Contains(s.Topics, topic) || slices.Contains(s.Topics, "*") {
			level := e.Level
			if s.Level != nil {
				level = *s.Level
			}
			level = min(level, ceiling)
			lowered := s
			lowered.Topics, lowered.Level = []string{topic}, &level
			scopes = append(scopes, lowered)
		}
		if !slices.Equal(s.Topics, []string{topic}) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// SetVouches lays vouches over the list in force (trust.WithVouches). They are
// no part of any file: they stand as long as their records do.
func (b *Book) SetVouches(facts []trust.VouchFact) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vouches = slices.Clone(facts)
	b.swap(b.operator.Merge(b.overlay))
}

// detail describes an edit for the audit log: what changes, and which lists these are.
func detail(before, after *trust.List, approver *audit.Actor) map[string]string {
	d := map[string]string{"list_before": before.Digest().String(), "list_after": after.Digest().String()}
	for _, c := range trust.Diff(before, after) {
		name := c.Name
		if name == "" {
			name = c.Org.String()
		}
		d[name+": "+c.Field] = strings.TrimSpace(c.Before) + " -> " + strings.TrimSpace(c.After)
	}
	if approver != nil {
		d["approved_by"] = fmt.Sprintf("%s (uid %d)", approver.User, approver.UID)
	}
	return d
}
