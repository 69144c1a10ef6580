package evidence

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/node/audit"
	"tocsin/node/tlog"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// DeskDeps are what packs are made of.
type DeskDeps struct {
	Network string
	Own     protocol.OrgID
	// Version is the program's.
	Version string
	Store   *storage.Store
	Book    *Book
	Audit   *audit.Log
	// Checkpoints are the kept ones, Cosigner makes new ones.
	Checkpoints *audit.Checkpoints
	Cosigner    *Cosigner
	Chains      func() *protocol.Chains
	Signer      func() protocol.Signer
	// Lists gives the digests of the trust list and of the warning lists in force.
	Lists func() (trust, warnings protocol.Digest)
}

// Desk makes evidence packs. Its methods may be called concurrently.
type Desk struct{ deps DeskDeps }

// NewDesk wires a desk.
func NewDesk(d DeskDeps) *Desk { return &Desk{deps: d} }

// Pack puts together what proves an object and when this node first saw it. What is not committed to yet is, and what
// no checkpoint covers gets one, before it returns. not.found when the record's body is gone.
func (d *Desk) Pack(ctx context.Context, ref storage.Ref) ([]byte, error) {
	raw, err := d.pack(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("make evidence of %s#%d: %w", ref.Record, ref.Index, err)
	}
	return raw, nil
}

func (d *Desk) pack(ctx context.Context, ref storage.Ref) ([]byte, error) {
	chains := d.deps.Chains()
	raw, _, err := d.deps.Store.Record(ref.Record)
	if err != nil {
		return nil, err
	}
	r, err := protocol.VerifyOffline(raw, chains)
	if err != nil {
		return nil, err
	}
	proof, err := protocol.Prove(r, ref.Index)
	if err != nil {
		return nil, err
	}
	c := &contents{Version: 1, Network: d.deps.Network, Made: time.Now().UnixMilli(), Maker: d.deps.Own, Program: d.deps.Version, Told: [][]byte{}}
	c.TrustList, c.Warnings = d.deps.Lists()
	if err := d.seen(ctx, c, ref.Record); err != nil {
		return nil, err
	}
	cp, err := d.place(ctx, c, chains)
	if err != nil {
		return nil, err
	}
	orgs := []protocol.OrgID{r.Org(), d.deps.Own}
	for _, s := range cp.Cosignatures {
		orgs = append(orgs, s.Org)
	}
	if c.File, err = recordFile(chains, orgs, proof); err != nil {
		return nil, err
	}
	return d.seal(c)
}

// seal writes the cover sheet from what a verifier finds in the contents, and signs.
func (d *Desk) seal(c *contents) ([]byte, error) {
	found, steps := examine(c)
	for _, s := range steps {
		if !s.OK {
			return nil, reason.New(reason.Internal, fmt.Sprintf("%s: %s", s.Name, s.Text))
		}
	}
	return signPack(c, cover(found), d.deps.Signer())
}

// recordFile is the chains of some organisations, and a proof (PRF-05).
func recordFile(chains *protocol.Chains, orgs []protocol.OrgID, proof []byte) ([]byte, error) {
	var items []protocol.FileItem
	for i, org := range orgs {
		if slices.Contains(orgs[:i], org) {
			continue
		}
		for _, s := range chains.Chain(org) {
			items = append(items, protocol.FileItem{Statement: s})
		}
	}
	return protocol.AppendFile(nil, append(items, protocol.FileItem{Proof: proof})...)
}

// seen fills in the facts and the commitment.
func (d *Desk) seen(ctx context.Context, c *contents, id protocol.RecordID) error {
	b := d.deps.Book
	if err := b.see([]protocol.RecordID{id}); err != nil {
		return err
	}
	facts, place := b.ownFact(id)
	if len(facts) == 0 {
		return reason.New(reason.NotFound, "when this node first saw the record is not kept")
	}
	c.Fact = encodeFact(facts[0], false)
	for _, f := range b.toldFacts(id) {
		c.Told = append(c.Told, encodeFact(f, true))
	}
	e, size, err := b.commitment(ctx, place)
	if err != nil {
		return err
	}
	t := b.own.snapshot()
	c.Commit.Index, c.Commit.Size = place, size
	if c.Commit.Path, err = t.Inclusion(place, size, b.own.leaves); err != nil {
		return err
	}
	c.Commit.Line, err = d.deps.Audit.Line(e.Seq)
	return err
}

// commitment finds the earliest entry of the present log that commits to a fact, and makes one when there is none.
func (b *Book) commitment(ctx context.Context, place uint64) (audit.Entry, uint64, error) {
	t, tree := b.own.snapshot(), b.log.Tree()
	for after, more := max(tree.First, 1)-1, true; more; {
		entries, next, err := b.log.Read(after, 256, audit.Filter{Action: ActionCommit, Text: ActionCommit})
		if err != nil {
			return audit.Entry{}, 0, err
		}
		for _, e := range entries {
			size, root, err := readCommit(e)
			if err != nil || size <= place || size > t.Size() {
				continue
			}
			if found, err := t.RootAt(size, b.own.leaves); err == nil && found == root {
				return e, size, nil
			}
		}
		after, more = next, next != 0
	}
	e, err := b.Commit(ctx)
	if err != nil {
		return e, 0, err
	}
	size, _, err := readCommit(e)
	return e, size, err
}

// place fills in the place of the commitment in the log, below the earliest checkpoint that covers it and was cosigned;
// where there is none, one is made.
func (d *Desk) place(ctx context.Context, c *contents, chains *protocol.Chains) (*tlog.Signed, error) {
	e, err := audit.ParseLine(c.Commit.Line)
	if err != nil {
		return nil, err
	}
	t := d.deps.Audit.Tree()
	index := e.Seq - t.First
	cp := d.covering(index, t, chains, e.At)
	if cp == nil {
		if cp, err = d.deps.Cosigner.Now(ctx); err != nil {
			return nil, err
		}
		if cp, err = cp.Sound(chains, e.At); err != nil {
			return nil, err
		}
		t = d.deps.Audit.Tree()
	}
	c.Place.Index, c.Place.Checkpoint = index, cp.Note
	c.Place.Path, err = t.Inclusion(index, cp.Size, t.Leaves)
	return cp, err
}

// covering is the earliest kept checkpoint that covers an entry of a time and has a cosignature that counts; nil for none.
func (d *Desk) covering(index uint64, t audit.Tree, chains *protocol.Chains, at time.Time) *tlog.Signed {
	for _, h := range d.deps.Checkpoints.List() {
		if h.Size <= index || h.Size > t.Size() || h.Witness != "" {
			continue
		}
		cp, err := tlog.OpenKnown(h.Note, chains)
		if err == nil {
			cp, err = cp.Sound(chains, at)
		}
		if err != nil || len(cp.Cosignatures) == 0 || !d.deps.Checkpoints.Mine(cp) {
			continue
		}
		if root, err := t.RootAt(cp.Size, t.Leaves); err == nil && root == cp.Root {
			return cp
		}
	}
	return nil
}
