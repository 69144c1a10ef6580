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
	// If, which may be nil, is asked with the list in force while nobody else changes it; its error refuses the edit.
	If func(*trust.List) error
	// Start, which may be nil, is the entry as Stated gave it that Entry was made from: state.changed when it is another one by now.
	Start *trust.Entry
}

// Apply puts an entry in force, durably, on behalf of the actor of ctx, and writes to the
// audit log first: what cannot be written there is not done. An entry of the operator's
// file is overlaid. What a lowered level cannot have (automation,
// vouching, a direct connection, scopes of a blocked organisation) goes with the
// level; demotions of the organisation are lifted: a person has decided. Errors are usage.invalid for a faulty entry, conflict for a petname that is
// taken, state.changed as Start says, and approval.needed when the list asks for two people and only one agreed.
func (b *Book) Apply(ctx context.Context, ed Edit) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ed.If != nil {
		if err := ed.If(b.List()); err != nil {
			return err
		}
	}
	now := time.Now()
	e := ed.Entry
	before, _ := b.List().Entry(e.Org)
	stated, listed := b.stated(e.Org)
	if ed.Start != nil && !reflect.DeepEqual(stated, *ed.Start) {
		return reason.New(reason.StateChanged, fmt.Sprintf("change the entry of %s: somebody changed it at the same time", e.Org))
	}
	if listed {
		e = lowered(stated, e)
	}
	if err := checkDay(e, now); err != nil {
		return err
	}
	if _, err := b.List().With(e); err != nil {
		return err
	}
	overlay, err := b.overlay.With(e)
	if err != nil {
		return err
	}
	if needsTwo(before, e) && b.List().TwoApprovers() {
		if err := second(ctx, "list "+e.Org.String()+" as anchor", ed.Approver); err != nil {
			return err
		}
	}
	return b.replace(ctx, change{overlay, b.lifted(func(org protocol.OrgID) bool { return org == e.Org })}, ed.Approver, audit.Event{
		Action: "trust.set", Target: e.Org.String(), Reason: ed.Why,
	})
}

// second checks that another person than the actor of ctx agreed.
func second(ctx context.Context, what string, approver *audit.Actor) error {
	if approver == nil {
		return reason.New(reason.ApprovalNeeded, what+": this list asks for two people; the change waits in the review queue for the second one")
	}
	if approver.UID == audit.ActorOf(ctx).UID {
		return reason.New(reason.ApprovalNeeded, what+": whoever asked cannot be the second person; somebody else must accept it")
	}
	return nil
}

// regroupsAnchor reports whether a list changes a group that an anchor is in: to split one
// makes of one voice two that open the gate.
func regroupsAnchor(before, list *trust.List) bool {
	for _, rule := range list.Groups() {
		was := trust.GroupRule{}
		if i := slices.IndexFunc(before.Groups(), func(g trust.GroupRule) bool { return g.Name == rule.Name }); i >= 0 {
			was = before.Groups()[i]
		}
		if !reflect.DeepEqual(was, rule) && slices.ContainsFunc(slices.Concat(was.Orgs, rule.Orgs), func(org protocol.OrgID) bool {
			e, ok := before.Entry(org)
			return ok && isAnchor(e)
		}) {
			return true
		}
	}
	return false
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
	return b.ImportIf(ctx, list, why, approver, func(*trust.List) error { return nil })
}

// ImportIf is Import where the list in force is as the caller expects: see RemoveIf.
func (b *Book) ImportIf(ctx context.Context, list *trust.List, why string, approver *audit.Actor, seen func(*trust.List) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := seen(b.List()); err != nil {
		return err
	}
	now := time.Now()
	for _, e := range list.Entries() {
		if err := checkDay(e, now); err != nil {
			return err
		}
		before, _ := b.List().Entry(e.Org)
		if needsTwo(before, e) && b.List().TwoApprovers() {
			if err := second(ctx, "list "+e.Org.String()+" as anchor", approver); err != nil {
				return err
			}
		}
	}
	if b.List().TwoApprovers() && regroupsAnchor(b.List(), list) {
		if err := second(ctx, "change the group of an anchor", approver); err != nil {
			return err
		}
	}
	named := func(org protocol.OrgID) bool { _, ok := list.Entry(org); return ok }
	return b.replace(ctx, change{b.overlay.Merge(list), b.lifted(named)}, approver, audit.Event{Action: "trust.import", Reason: why})
}

// SetVouches lays vouches over the list in force (trust.WithVouches). They are
// no part of any file: they stand as long as their records do. The same again changes nothing:
// a new edition has everything judged again.
func (b *Book) SetVouches(facts []trust.VouchFact) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.EqualFunc(facts, b.vouches, func(x, y trust.VouchFact) bool { return reflect.DeepEqual(x, y) }) {
		return
	}
	b.vouches = slices.Clone(facts)
	b.swap(capped(b.operator.Merge(b.overlay), b.demotions))
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
