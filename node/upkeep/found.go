package upkeep

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"tocsin/node/audit"
	"tocsin/node/pledges"
	"tocsin/node/policy"
	"tocsin/node/review"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// What others of the node find and the keeper sees to. Each of the methods returns at
// once and may be called from anywhere.

const (
	// strangersProofs is how many proofs of strangers' forks this node publishes in strangersEvery at most: a
	// stranger makes keys for nothing, and each proof spends this node's budget in the mesh.
	strangersProofs = 3
	strangersEvery  = time.Hour
)

// Equivocated publishes the proof that a key signed two records for one place. Who was not
// listed may have to wait for another node to do so.
func (k *Keeper) Equivocated(f *protocol.ForkProof, body []byte) {
	if !k.known(f.Org) && !k.strangers.take(time.Now()) {
		log.Debugw("proof of a stranger's fork is not published: enough of them were", "org", f.Org, "key", f.Key)
		return
	}
	k.do("publish the proof of a fork", func(ctx context.Context) error {
		r, err := k.d.Outbox.Pledge(ctx, protocol.KindFork, body)
		if err == nil {
			log.Warnw("published the proof of a fork", "record", r.ID(), "org", f.Org, "key", f.Key)
		}
		return err
	})
}

// known reports whether an organisation is this node's own or no stranger.
func (k *Keeper) known(org protocol.OrgID) bool {
	return org == k.d.Own || k.d.Policy.List().Known(org, time.Now())
}

// allowance is how much of something happened since its window began.
type allowance struct {
	mu    sync.Mutex // guards both
	since time.Time
	used  int
}

// take reports whether one more fits, and counts it.
func (a *allowance) take(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.since) >= strangersEvery {
		a.since, a.used = now, 0
	}
	if a.used >= strangersProofs {
		return false
	}
	a.used++
	return true
}

// Forked writes down that a key is held for a fork. Of strangers it does not: they could grow
// the audit log without end, and what they say is held anyway.
func (k *Keeper) Forked(f *protocol.ForkProof) {
	if !k.known(f.Org) {
		return
	}
	k.do("write down a fork", func(ctx context.Context) error {
		return k.noteFork(ctx, f.Org, f.Key, f.Topic.String(), f.Sequence, map[string]string{"record": f.Records[0].String(), "other": f.Records[1].String()})
	})
}

// noteFork writes a fork into the audit log; more is what else is known of it.
func (k *Keeper) noteFork(ctx context.Context, org protocol.OrgID, key protocol.KeyID, topic string, sequence uint64, more map[string]string) error {
	d := map[string]string{"key": key.String(), "topic": topic, "sequence": strconv.FormatUint(sequence, 10)}
	maps.Copy(d, more)
	_, err := k.d.Audit.Append(ctx, audit.Event{
		Action: forkSeen, Target: org.String(), Reason: "its key signed two records for one place", Detail: d,
	})
	return err
}

// What the audit log calls what is reconciled at start.
const (
	forkSeen    = "fork.seen"
	breakerTrip = "breaker.trip"
)

// Tripped lowers the organisation of a breaker that opened by one level on that topic and writes it
// down. The breaker is in force already: to hold comes first.
func (k *Keeper) Tripped(t standing.Trip) {
	k.do("lower an organisation whose breaker tripped", func(ctx context.Context) error { return k.lower(ctx, t) })
}

// lower does the work of Tripped, once for each trip: the demotion comes first, and the entry
// of the trip says that it is done.
func (k *Keeper) lower(ctx context.Context, t standing.Trip) error {
	topic, err := protocol.ParseTopic(t.Topic)
	if err != nil {
		return err
	}
	done := slices.ContainsFunc(k.d.Policy.Demotions(t.Org), func(d policy.Demotion) bool { return d.Topic == t.Topic && !d.At.Before(t.At) })
	if !done {
		if err := k.d.Policy.Demote(ctx, t.Org, topic, "circuit breaker: "+t.Why); err != nil {
			return err
		}
	}
	_, err = k.d.Audit.Append(ctx, audit.Event{
		Action: breakerTrip, Target: t.Org.String(), Reason: t.Why, Detail: map[string]string{"topic": t.Topic},
	})
	return err
}

// maxReconciled is how many of the newest entries of each kind are looked through at start.
const maxReconciled = 20_000

// reconcile does what was found before the node stopped and not seen to: the standing keeps
// trips and forks durably, what follows from them waits in memory.
func (k *Keeper) reconcile(ctx context.Context) error {
	trips, err := k.d.Audit.Last(maxReconciled, audit.Filter{Action: breakerTrip})
	if err != nil {
		return err
	}
	for _, t := range k.trips {
		if !slices.ContainsFunc(trips, func(e audit.Entry) bool {
			return e.Target == t.Org.String() && e.Detail["topic"] == t.Topic && !e.At.Before(t.At.Truncate(time.Second))
		}) {
			if err := k.lower(ctx, t); err != nil {
				return err
			}
		}
	}
	entries, err := k.d.Audit.Last(maxReconciled, audit.Filter{Action: forkSeen})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, e := range entries {
		seen[e.Target+e.Detail["key"]] = true
	}
	for _, f := range k.forks {
		if k.known(f.Org) && !seen[f.Org.String()+f.Key.String()] {
			if err := k.noteFork(ctx, f.Org, f.Key, f.Topic, f.Sequence, nil); err != nil {
				return err
			}
		}
	}
	return nil
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
