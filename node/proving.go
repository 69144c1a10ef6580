package node

import (
	"context"
	"errors"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"tocsin/node/audit"
	"tocsin/node/backup"
	"tocsin/node/evidence"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// proofs are what the node can show later: what it saw when, its audit log's checkpoints, what it witnessed of others.
type proofs struct {
	facts       *evidence.Book
	checkpoints *audit.Checkpoints
	witness     *evidence.Witness
	cosigner    *evidence.Cosigner
	evidence    *evidence.Desk
	// idle says that nothing is followed and signed by itself: with a store in memory there is nothing to show later.
	idle bool
}

// witnessFile is what was witnessed, in the state folder.
const witnessFile = "witness.json"

// Checkpoints is the file of the audit log's signed heads.
func (p Paths) Checkpoints() string { return p.State() + "/checkpoints" }

// openProofs opens facts, checkpoints and what was witnessed. The log is held against its checkpoints here, before
// anything is written to it.
func (n *Node) openProofs(paths Paths, cfg Config, o Options, keys *keystore.Keys, chains *identity.Book) (err error) {
	// Keys change while the node runs, and exist before its custody does.
	signer := func() protocol.Signer {
		if n.running.Load() {
			return n.Keys.Keys().Record
		}
		return keys.Record
	}
	n.checkpoints, err = audit.OpenCheckpoints(paths.Checkpoints(), n.Audit, audit.CheckpointDeps{
		Network: cfg.Network, Org: n.own, Signer: signer, Chains: chains.Chains,
	})
	if err != nil {
		return err
	}
	var followed *storage.Store
	if n.idle = o.Memory || n.disk.lack != nil; n.disk.lack == nil {
		followed = n.Store
	}
	if why := n.scores.Damage(); why != "" { // behind the comparison, which looks at the log as it was found
		n.Audit.NoteDamaged(scoresFile(paths), why)
	}
	if n.facts, err = evidence.Open(paths.State(), followed, n.Audit); err != nil {
		return err
	}
	n.witness, err = evidence.OpenWitness(filepath.Join(paths.State(), witnessFile), evidence.WitnessDeps{
		Network: cfg.Network, Own: n.own, Chains: chains.Chains, Signer: signer, Audit: n.Audit,
		Listed: func(org protocol.OrgID) bool { return n.level(org) >= trust.Observed },
	})
	if err != nil {
		return err
	}
	n.cosigner = evidence.NewCosigner(n.checkpoints, n.Audit, evidence.CosignerDeps{
		Chains:    chains.Chains,
		Witnesses: func() map[protocol.OrgID]string { return n.Host.Witnesses() },
		Ask: func(ctx context.Context, peer string, q p2p.WitnessRequest) (p2p.WitnessAnswer, error) {
			return n.Host.AskWitness(ctx, peer, q)
		},
	})
	n.evidence = evidence.NewDesk(evidence.DeskDeps{
		Network: cfg.Network, Own: n.own, Version: o.Version, Store: n.Store, Book: n.facts, Audit: n.Audit,
		Checkpoints: n.checkpoints, Cosigner: n.cosigner, Chains: chains.Chains, Signer: signer,
		Lists: func() (list, warnings protocol.Digest) { return n.Policy.List().Digest(), n.warnings.Digest() },
	})
	return nil
}

// restoredProofs makes a state folder from a backup such that it contradicts no earlier word of the node: its audit log
// goes on under another name, and nothing is cosigned with the key that may have cosigned more than the backup knows.
func restoredProofs(state string, paths Paths, m *backup.Manifest) error {
	l, err := audit.Open(filepath.Join(state, filepath.Base(paths.Audit())))
	if err != nil && reason.Of(err) != reason.AuditDamaged { // it goes on behind damage
		return err
	}
	_, err = l.Restored(m.ID, m.Created)
	return errors.Join(err, l.Close(), evidence.WitnessRestored(filepath.Join(state, witnessFile)))
}

// runProofs follows the store and signs checkpoints until ctx ends.
func (n *Node) runProofs(ctx context.Context) error {
	if n.idle {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.facts.Run(ctx) })
	g.Go(func() error { return n.cosigner.Run(ctx) })
	return g.Wait()
}

// stopped writes down that the node stopped, and signs the log's head over that.
func (n *Node) stopped(err error) {
	n.note("node.stop", err)
	if n.idle {
		return
	}
	if _, err := n.checkpoints.Make(); err != nil {
		log.Errorw("no checkpoint was signed at the stop", "err", err)
	}
}

// cosign answers a peer that wants a checkpoint cosigned.
func (n *Node) cosign(ctx context.Context, from []byte, q p2p.WitnessRequest) (p2p.WitnessAnswer, error) {
	if !n.running.Load() || n.disk.lack != nil {
		return p2p.WitnessAnswer{Code: p2p.WitnessRefused}, nil
	}
	return n.witness.Answer(ctx, from, q)
}
