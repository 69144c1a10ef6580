package scores

import (
	"fmt"
	"time"

	"tocsin/protocol/trust"
)

// What an organisation must have shown on a topic before the next level is proposed, and
// the q below which the one that it has is lost (threat model 3.7). All in 1/10,000.
const (
	proposeQ = 9000
	demoteQ  = 5000
	// demoteRefuted is how many upheld claims it takes: one dispute is an opinion, not a record.
	demoteRefuted = 3
	day           = 24 * time.Hour
)

// promotion is one step up.
type promotion struct {
	from, to  trust.Level
	known     time.Duration
	confirmed int
	besides   string
}

func promotions() [2]promotion {
	return [2]promotion{
		{trust.Observed, trust.Partner, 30 * day, 20, "compare the eight words first"},
		{trust.Partner, trust.Anchor, 180 * day, 200, "it needs the fingerprint compared in person and two approvers"},
	}
}

// consider tells the hooks what a card has come to. Both are said once: a proposal until the
// level changes, a demotion until q has recovered.
func (b *Book) consider(look *eye, at seat) {
	level := b.level(look.list, at.org, at.topic, look.now)
	var promised pledge
	if b.Pledge != nil && (level == trust.Observed || level == trust.Partner) {
		promised.within, promised.given = b.Pledge(at.org)
	}
	b.mu.Lock()
	c, ok := b.totals.cards[at]
	if !ok || level == trust.Own {
		b.mu.Unlock()
		return
	}
	q := c.ledger(look.now).Q
	upheld := c.upheldQ(look.now)
	demote := level >= trust.Partner && upheld < demoteQ && !c.Demoted && c.Ledger.Upheld >= demoteRefuted
	if upheld >= demoteQ {
		c.Demoted = false
	}
	c.Demoted = c.Demoted || demote
	if c.Proposed == level.String() {
		c.Proposed = "" // a person gave it; should it be lost, it can be earned again
	}
	evidence := ""
	for _, p := range promotions() {
		if level != p.from || c.Proposed == p.to.String() {
			continue
		}
		if evidence = c.earned(p, promised, q, look.now); evidence != "" {
			c.Proposed = p.to.String()
		}
	}
	why := fmt.Sprintf("q is %.2f on %s, below 0.50, by what two independent voices or this node refuted: %d confirmed, %d refuted, %d of them so, %d withdrawn in all",
		float64(upheld)/10_000, at.topic, c.Ledger.Confirmed, c.Ledger.Refuted, c.Ledger.Upheld, c.Ledger.Withdrawn)
	b.mu.Unlock()
	if demote {
		log.Warnw("an organisation's ledger fell below a half", "org", at.org, "topic", at.topic, "q", upheld)
		if b.Demote != nil {
			b.Demote(at.org, at.topic, why)
		}
	}
	if evidence != "" && b.Propose != nil {
		b.Propose(at.org, at.topic, evidence)
	}
}

// pledge is what an organisation promised about withdrawals.
type pledge struct {
	within time.Duration
	given  bool
}

// earned gives the evidence for a promotion, or "".
func (c *card) earned(p promotion, promised pledge, q int, now time.Time) string {
	known := now.Sub(c.Work.First)
	if c.Work.First.IsZero() || known < p.known || c.Ledger.Confirmed < p.confirmed || q < proposeQ {
		return ""
	}
	if slowest := time.Duration(c.Retraction.Longest) * time.Second; !promised.given || slowest > promised.within {
		return ""
	}
	return fmt.Sprintf("%s to %s on %s: known for %d days, %d values confirmed independently, q %.2f, no withdrawal slower than the %s it promised; %s",
		p.from, p.to, c.Topic, int(known/day), c.Ledger.Confirmed, float64(q)/10_000, promised.within, p.besides)
}
