package node

import (
	"context"
	"path/filepath"

	"tocsin/node/belief"
	"tocsin/node/scores"
	"tocsin/protocol"
)

// openDesk opens the ledger and wires the desk that judges by it.
func (n *Node) openDesk(paths Paths) (err error) {
	n.scores, err = scores.Open(filepath.Join(paths.State(), "scores.json"), scores.Deps{
		Store: n.Store, Policy: n.Policy, Standing: n.Standing, Own: n.own,
		Hooks: scores.Hooks{Refuted: n.refuted, Demote: n.demote},
	})
	if err != nil {
		return err
	}
	n.Desk = belief.New(belief.Deps{Store: n.Store, Policy: n.Policy, Standing: n.Standing, Warnings: n.warnings, Scores: n.scores, Own: n.own})
	return nil
}

// refuted feeds the circuit breaker.
func (n *Node) refuted(org protocol.OrgID, topic string, records int) {
	if err := n.breakers.Refuted(org, topic, records); err != nil {
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
