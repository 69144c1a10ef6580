package upkeep

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"tocsin/node/audit"
	"tocsin/node/pledges"
	"tocsin/node/review"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// What others of the node find and the keeper sees to. Each of the methods returns at
// once and may be called from anywhere.

// Equivocated publishes the proof that a key signed two records for one place.
func (k *Keeper) Equivocated(f *protocol.ForkProof, body []byte) {
	k.do("publish the proof of a fork", func(ctx context.Context) error {
		r, err := k.d.Outbox.Pledge(ctx, protocol.KindFork, body)
		if err == nil {
			log.Warnw("published the proof of a fork", "record", r.ID(), "org", f.Org, "key", f.Key)
		}
		return err
	})
}

// Forked writes down that a key is held for a fork.
func (k *Keeper) Forked(f *protocol.ForkProof) {
	k.do("write down a fork", func(ctx context.Context) error {
		_, err := k.d.Audit.Append(ctx, audit.Event{
			Action: "fork.seen", Target: f.Org.String(), Reason: "its key signed two records for one place",
			Detail: map[string]string{
				"key": f.Key.String(), "topic": f.Topic.String(), "sequence": strconv.FormatUint(f.Sequence, 10),
				"record": f.Records[0].String(), "other": f.Records[1].String(),
			},
		})
		return err
	})
}

// Tripped writes down that a breaker opened and lowers the organisation by one level on that topic. The
// breaker is in force already: to hold comes first.
func (k *Keeper) Tripped(t standing.Trip) {
	k.do("lower an organisation whose breaker tripped", func(ctx context.Context) error {
		_, err := k.d.Audit.Append(ctx, audit.Event{
			Action: "breaker.trip", Target: t.Org.String(), Reason: t.Why, Detail: map[string]string{"topic": t.Topic},
		})
		if err != nil {
			return err
		}
		topic, err := protocol.ParseTopic(t.Topic)
		if err != nil {
			return err
		}
		return k.d.Policy.Demote(ctx, t.Org, topic, "circuit breaker: "+t.Why)
	})
}

// Pledged looks at vouches, commitments and advisories again.
func (k *Keeper) Pledged() { k.d.Pledges.Changed() }

// applyPledges puts vouches in force and queues advisories for people.
func (k *Keeper) applyPledges(ctx context.Context) {
	k.d.Policy.SetVouches(k.d.Pledges.Vouches())
	now := time.Now()
	for _, a := range k.d.Pledges.Advisories(now) {
		if ctx.Err() != nil {
			return
		}
		if k.d.Policy.List().Level(a.Author, protocol.TopicControl.String(), "", now) < trust.Partner {
			continue
		}
		if _, _, err := k.d.Review.Add(advisoryItem(a, k.d.Policy.List())); err != nil {
			log.Errorw("advisory was not queued for review", "record", a.Record, "err", err)
		}
	}
}

// advisoryItem is what a person sees of an advisory. Its title makes it the same
// matter when it comes again, so that it holds the record's id.
func advisoryItem(a pledges.Advisory, list *trust.List) review.Item {
	detail := []string{a.Text}
	for _, id := range a.Evidence {
		detail = append(detail, "evidence: "+id.String())
	}
	return review.Item{
		Kind: review.Advisory, Org: a.Subject, Author: a.Author, By: audit.Node(), Created: a.Made, Expires: a.Until, Detail: detail,
		Title: fmt.Sprintf("%s warns of %s (record %s)", name(list, a.Author), name(list, a.Subject), a.Record),
	}
}

// name is the petname of the own trust list, or the id: never what a record says.
func name(list *trust.List, org protocol.OrgID) string {
	if p := list.Petname(org); p != "" {
		return p
	}
	return org.String()
}
