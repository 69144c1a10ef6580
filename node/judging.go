package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"tocsin/node/admin"
	"tocsin/node/audit"
	"tocsin/node/belief"
	"tocsin/node/review"
	"tocsin/node/scores"
	"tocsin/protocol"
	"tocsin/protocol/trust"
)

// scoresFile is where the ledger is kept.
func scoresFile(paths Paths) string { return filepath.Join(paths.State(), "scores.json") }

// openDesk opens the ledger and wires the desk that judges by it.
func (n *Node) openDesk(paths Paths) (err error) {
	n.scores, err = scores.Open(scoresFile(paths), scores.Deps{
		Store: n.Store, Policy: n.Policy, Standing: n.Standing, Own: n.own,
		Hooks: scores.Hooks{Refuted: n.refuted, Demote: n.demote, Propose: n.propose, Pledge: n.pledged},
	})
	if err != nil {
		return err
	}
	n.Desk = belief.New(belief.Deps{Store: n.Store, Policy: n.Policy, Standing: n.Standing, Warnings: n.warnings, Scores: n.scores, Own: n.own})
	return nil
}

// refuted feeds the circuit breaker.
func (n *Node) refuted(org protocol.OrgID, topic string, came []time.Time) {
	if err := n.breakers.Refuted(org, topic, came); err != nil {
		log.Errorw("breaker was not fed", "org", org, "topic", topic, "err", err)
	}
}

// demote lowers an organisation by a level on a topic: machines may take trust away, never give it.
func (n *Node) demote(org protocol.OrgID, topic, why string) {
	t, err := protocol.ParseTopic(topic)
	if err == nil {
		err = n.Policy.Demote(context.Background(), org, t, why)
	}
	if err != nil {
		log.Errorw("organisation was not demoted", "org", org, "topic", topic, "why", why, "err", err)
	}
}

// promotionLife is how long a proposal waits: the evidence is of its day.
const promotionLife = 90 * 24 * time.Hour

// propose queues a promotion: the machine proposes, a person decides.
func (n *Node) propose(org protocol.OrgID, topic, evidence string) {
	now := time.Now()
	from, next := n.Policy.List().Level(org, topic, "", now), trust.Partner
	if from >= trust.Partner {
		next = trust.Anchor
	}
	payload, err := json.Marshal(admin.Proposal{From: from.String(), Level: next.String(), Topic: topic})
	if err == nil {
		_, _, err = n.review.Add(review.Item{
			Kind: review.Promotion, Org: org, By: audit.Node(), Created: now, Expires: now.Add(promotionLife), Payload: payload,
			Title:  fmt.Sprintf("%s has earned the level %s on %s", cmp.Or(n.Policy.List().Petname(org), org.String()), next, topic),
			Detail: []string{evidence},
		})
	}
	if err != nil {
		log.Errorw("promotion was not queued", "org", org, "topic", topic, "err", err)
	}
}

// pledged is the time within which an organisation promised to take back what proved wrong.
func (n *Node) pledged(org protocol.OrgID) (time.Duration, bool) {
	c, ok := n.pledges.Commitment(org, time.Now())
	return c.Retraction, ok
}
