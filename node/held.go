package node

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"tocsin/node/audit"
	"tocsin/node/breaker"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/p2p"
	"tocsin/node/pledges"
	"tocsin/node/review"
	"tocsin/node/standing"
	"tocsin/node/upkeep"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// What decides whether a record is relayed, stored or held, as the parts of the node
// ask each other.

// openStanding opens what is known of whose word stands, and tells it of the node around it.
func (n *Node) openStanding(paths Paths, chains *identity.Book) error {
	b, err := standing.Open(filepath.Join(paths.State(), "standing.json"), chains.Chains)
	if err != nil {
		return err
	}
	b.Attach(standing.Surroundings{
		Own:    n.own,
		Listed: func(org protocol.OrgID) bool { return org == n.own || n.Policy.List().Known(org, time.Now()) },
		Heads:  n.heads,
	})
	chains.Notify(b.Learned)
	n.Standing = b
	n.breakers = breaker.Open(filepath.Join(paths.State(), "breakers.json"), b, func(t standing.Trip) { n.keeper.Tripped(t) })
	return nil
}

// openIntake wires the way in.
func (n *Node) openIntake(paths Paths, cfg Config, chains *identity.Book) error {
	if err := n.openStanding(paths, chains); err != nil {
		return err
	}
	var err error
	if n.warnings, err = openWarnings(paths, cfg); err != nil {
		return err
	}
	if err := n.openReview(paths); err != nil {
		return err
	}
	n.pledges = pledges.New(n.Store, chains.Chains)
	n.intake = intake.New(intake.Deps{
		Store: n.Store, Policy: n.Policy, Identity: chains, Standing: n.Standing, Warnings: n.warnings, Breakers: n.breakers, Own: n.own,
		Quarantine: quarantineBytes(cfg, paths), Room: n.room, Told: n.told(),
	})
	return nil
}

// openReview opens the queue; that an unreadable one was moved aside is written down.
func (n *Node) openReview(paths Paths) (err error) {
	if n.review, err = review.Open(filepath.Join(paths.State(), "review.json")); err != nil {
		return err
	}
	if aside := n.review.Aside(); aside != "" {
		if _, err := n.Audit.Append(context.Background(), audit.Event{Action: "review.unreadable", Target: aside}); err != nil {
			log.Errorw("not in the audit log", "action", "review.unreadable", "err", err)
		}
	}
	return nil
}

// protect brings the chains within their bound, with vouches in force: a flood of new
// organisations must not drive out the revocations of one that is vouched for.
func (n *Node) protect(chains *identity.Book) error {
	now := pledges.New(n.Store, chains.Chains) // the keeper's own has yet to tell who waits for it
	if _, err := now.Refresh(); err != nil {
		return err
	}
	n.Policy.SetVouches(now.Vouches())
	chains.Protect(n.lasting)
	return nil
}

// lasting reports whether the chain of an organisation is never forgotten: an entry names it, to
// block it too, or a vouch gives it a level.
func (n *Node) lasting(org protocol.OrgID) bool {
	list := n.Policy.List()
	_, listed := list.Entry(org)
	return listed || list.Known(org, time.Now())
}

const (
	// quarantineShare is the part of the disk that the quarantine has when nobody says
	// otherwise: a fiftieth.
	quarantineShare = 50
	// minQuarantine is what it has at least, and where nobody can say how large the disk is.
	minQuarantine = 64 << 20
)

// quarantineBytes is how much of strangers is kept.
func quarantineBytes(cfg Config, paths Paths) int64 {
	if cfg.QuarantineMB > 0 {
		return int64(cfg.QuarantineMB) << 20
	}
	return max(diskBytes(paths.Data)/quarantineShare, minQuarantine)
}

// newKeeper wires the regular duties.
func (n *Node) newKeeper(cfg Config, chains *identity.Book) *upkeep.Keeper {
	return upkeep.New(upkeep.Deps{
		Store: n.Store, Intake: n.intake, Outbox: n.Outbox, Own: n.own,
		QuarantineAge: time.Duration(cfg.QuarantineDays) * 24 * time.Hour,
		Vacuumed:      n.metrics.Vacuumed,
		Books: upkeep.Books{
			Policy: n.Policy, Identity: chains, Standing: n.Standing, Breakers: n.breakers,
			Pledges: n.pledges, Review: n.review, Audit: n.Audit,
		},
	})
}

// told passes on what the way in finds.
func (n *Node) told() intake.Told {
	return intake.Told{
		Equivocated: func(f *protocol.ForkProof, body []byte) { n.keeper.Equivocated(f, body) },
		Forked: func(f *protocol.ForkProof) {
			n.Outbox.SawFork(f)
			n.keeper.Forked(f)
		},
		Pledged:  func() { n.keeper.Pledged() },
		Received: n.arrived,
	}
}

// known is the validator's memory: no I/O. What it refuses is not relayed.
func (n *Node) known(r *protocol.Record) error {
	if n.Store.Has(r.ID()) && !n.Store.Lacks(r.ID()) { // of a part the rest may come by gossip too
		return reason.New(reason.DupHeld, "record "+r.ID().String()+" is already held")
	}
	// FRK-06: of a key's forks the first is passed on; more of them tell nobody anything.
	if f := r.Fork(); f != nil && n.Standing.HeldKey(f.Org, f.Key) {
		return reason.New(reason.DupHeld, "record "+r.ID().String()+" proves a fork of key "+f.Key.String()+", which is held already")
	}
	// Somebody else writes this node's log: it must not sign before that is dealt with.
	n.Outbox.Saw(r)
	h := r.Header()
	if other, ok := n.Store.At(r.Org(), r.Key(), h.Topic, h.Sequence); ok && other != r.ID() {
		return reason.New(reason.LogFork, fmt.Sprintf("record %s: %s stands at %s %d of its key log", r.ID(), other, h.Topic, h.Sequence))
	}
	// A revoked key is void for everybody who knows the chain, so nobody carries it further. What else
	// does not stand here (rollbacks, breakers, forks) is relayed and held.
	if err := n.Standing.Record(r); reason.Of(err) == reason.KeyRevoked && h.Kind != protocol.KindIdentity {
		return err
	}
	return nil
}

// second keeps a second record at one place for the way in, which makes the proof: it is
// neither relayed nor stored, and comes this way perhaps never again. One of a key that
// is held already proves nothing new.
func (n *Node) second(r *protocol.Record) {
	if n.Standing.HeldKey(r.Org(), r.Key()) {
		return
	}
	select {
	case n.seconds <- r:
	default: // many at once: the first of them suffice
	}
}

// maxSeconds is how many second records wait; each is at most as large as gossip takes.
const maxSeconds = 32

// proveForks takes in what second kept, until ctx ends.
func (n *Node) proveForks(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-n.seconds:
			n.receive(ctx, p2p.Incoming{Record: r})
		}
	}
}

func (n *Node) receive(ctx context.Context, in p2p.Incoming) {
	_, err := n.intake.Receive(ctx, in.Record, in.From)
	switch {
	case err == nil:
		n.lookBehind(in.Record)
	case reason.Of(err) == reason.DupHeld, ctx.Err() != nil:
	case reason.Of(err) == reason.QuarantineFull: // intake says so now and then
	case reason.Of(err) == reason.StoreFull: // the keeper of space says so; catch-up brings it later
	case reason.Of(err) == reason.LogFork:
		log.Warnw("key log forks: its key signed two records for one place", "record", in.Record.ID(), "org", in.Record.Org(), "err", err)
	default:
		log.Errorw("record was not stored", "record", in.Record.ID(), "err", err)
	}
}
