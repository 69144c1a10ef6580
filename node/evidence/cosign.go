package evidence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/node/audit"
	"tocsin/node/once"
	"tocsin/node/p2p"
	"tocsin/node/tlog"
	"tocsin/protocol"
)

// How checkpoints are shown to witnesses (EVD-11).
const (
	witnessesWanted = 2
	witnessEvery    = 5 * time.Minute
	witnessTick     = 30 * time.Second
	// askTimeout bounds one witness: it is asked twice when it saw another size last.
	askTimeout = 20 * time.Second
)

// CosignerDeps are how witnesses are reached.
type CosignerDeps struct {
	// Witnesses lists connected peers of other listed organisations, one of each.
	Witnesses func() map[protocol.OrgID]string
	Ask       func(ctx context.Context, peer string, q p2p.WitnessRequest) (p2p.WitnessAnswer, error)
	Chains    func() *protocol.Chains
}

// Cosigner signs checkpoints of the audit log and has them cosigned. All methods may be called concurrently.
type Cosigner struct {
	checkpoints *audit.Checkpoints
	log         *audit.Log
	deps        CosignerDeps
	made        chan struct{} // a checkpoint was signed

	mu    sync.Mutex // guards what follows
	asked map[protocol.OrgID]time.Time
	seen  map[protocol.OrgID]uint64 // what each witness saw last, as far as is known
	// busy is held while a witness is asked, by sending to it: answers to two requests at once would come in any order.
	busy map[protocol.OrgID]chan struct{}
}

// NewCosigner wires a cosigner; it starts nothing.
func NewCosigner(c *audit.Checkpoints, l *audit.Log, d CosignerDeps) *Cosigner {
	return &Cosigner{checkpoints: c, log: l, deps: d, made: make(chan struct{}, 1),
		asked: map[protocol.OrgID]time.Time{}, seen: map[protocol.OrgID]uint64{}, busy: map[protocol.OrgID]chan struct{}{}}
}

// Run signs checkpoints and has them cosigned until ctx ends.
func (c *Cosigner) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return c.checkpoints.Run(ctx, func() {
			select {
			case c.made <- struct{}{}:
			default:
			}
		})
	})
	g.Go(func() error { return c.runAsking(ctx) })
	return g.Wait()
}

// runAsking asks when there is a new checkpoint, and again while it lacks witnesses: peers come later.
func (c *Cosigner) runAsking(ctx context.Context) error {
	tick := time.NewTicker(witnessTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.made:
		case <-tick.C:
		}
		if newest, ok := c.checkpoints.Newest(); ok {
			c.ask(ctx, newest, time.Now().Add(-witnessEvery))
		}
	}
}

// Now signs a checkpoint of the log as it stands and asks witnesses at once, those too that were asked lately.
// Without witnesses it stands alone.
func (c *Cosigner) Now(ctx context.Context) (*tlog.Signed, error) {
	if err := once.Mark(ctx); err != nil {
		return nil, err
	}
	made, err := c.checkpoints.Make()
	if err != nil {
		once.Unmark(ctx) // it is not kept, and nobody was asked
		return nil, err
	}
	c.ask(ctx, made, time.Now())
	if newest, ok := c.checkpoints.Newest(); ok && newest.Checkpoint == made.Checkpoint {
		made = newest
	}
	return tlog.OpenKnown(made.Note, c.deps.Chains())
}

// ask asks witnesses that were not asked since a time until the checkpoint has enough of them.
func (c *Cosigner) ask(ctx context.Context, made audit.Held, since time.Time) {
	cp, err := tlog.OpenKnown(made.Note, c.deps.Chains())
	if err != nil {
		log.Errorw("our own checkpoint does not verify", "err", err)
		return
	}
	have := map[protocol.OrgID]bool{}
	for _, s := range cp.Cosignatures {
		have[s.Org] = true
	}
	for org, peer := range c.deps.Witnesses() { // in the order of chance
		if len(have) >= witnessesWanted || ctx.Err() != nil {
			return
		}
		if have[org] || !c.take(org, since) {
			continue
		}
		if err := c.askAlone(ctx, cp, org, peer); err != nil {
			log.Debugw("a witness did not cosign", "org", org, "peer", peer, "err", err)
			continue
		}
		have[org] = true
	}
}

// take reports whether an organisation may be asked, and remembers that it is.
func (c *Cosigner) take(org protocol.OrgID, since time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked[org].After(since) {
		return false
	}
	c.asked[org] = time.Now()
	return true
}

// askAlone asks a witness once nobody else is asking it.
func (c *Cosigner) askAlone(ctx context.Context, cp *tlog.Signed, org protocol.OrgID, peer string) error {
	c.mu.Lock()
	busy, ok := c.busy[org]
	if !ok {
		busy = make(chan struct{}, 1)
		c.busy[org] = busy
	}
	c.mu.Unlock()
	select {
	case busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-busy }()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return c.askOne(ctx, cp, org, peer)
}

// askOne shows a checkpoint to a witness; it returns nil when that has cosigned it, and in no other case. A witness that saw
// another size last than we think is asked once more.
func (c *Cosigner) askOne(ctx context.Context, cp *tlog.Signed, org protocol.OrgID, peer string) error {
	alone, err := cp.Alone()
	if err != nil {
		return err
	}
	c.mu.Lock()
	old := c.seen[org]
	c.mu.Unlock()
	if old > cp.Size {
		return fmt.Errorf("it cosigned %d entries meanwhile", old)
	}
	for range 2 {
		t := c.log.Tree()
		path, err := t.Consistency(old, cp.Size, t.Leaves)
		if err != nil {
			return err
		}
		a, err := c.deps.Ask(ctx, peer, p2p.WitnessRequest{Old: old, Proof: path, Checkpoint: alone})
		if err != nil {
			return err
		}
		switch a.Code {
		case p2p.WitnessCosigned:
			_, err := c.checkpoints.Cosigned(cp.Checkpoint, a.Bytes)
			if err == nil {
				c.remember(org, cp.Size)
			}
			return err
		case p2p.WitnessElsewhere, p2p.WitnessInconsistent:
			cut, err := c.contradicted(ctx, org, a)
			switch {
			case cut && a.Code == p2p.WitnessElsewhere: // EVD-16: it finds out that we cannot show it
				_, err := c.deps.Ask(ctx, peer, p2p.WitnessRequest{Old: a.Size, Checkpoint: alone})
				return errors.Join(fmt.Errorf("it holds %d entries that the log does not continue", a.Size), err)
			case err != nil:
				return err
			case cut || a.Code == p2p.WitnessInconsistent || a.Size > cp.Size:
				return fmt.Errorf("it holds %d entries and says code %d", a.Size, a.Code)
			}
			old = a.Size
			c.remember(org, old)
		default:
			return fmt.Errorf("it refused with code %d", a.Code)
		}
	}
	return fmt.Errorf("it changes what it saw last")
}

func (c *Cosigner) remember(org protocol.OrgID, size uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[org] = size
}

// contradicted looks at the checkpoint that a witness holds of this node's log. EVD-16: when our own key signed it and the
// log does not continue it, as it stands now, the log was cut or changed since.
func (c *Cosigner) contradicted(ctx context.Context, org protocol.OrgID, a p2p.WitnessAnswer) (cut bool, err error) {
	if len(a.Bytes) == 0 {
		return false, nil
	}
	theirs, err := tlog.Open(a.Bytes, c.deps.Chains())
	if err != nil {
		return false, fmt.Errorf("it shows a checkpoint that is none: %w", err)
	}
	if !c.checkpoints.Mine(theirs) {
		return false, fmt.Errorf("it shows a checkpoint of another log")
	}
	if theirs.Size != a.Size {
		return false, fmt.Errorf("it shows a checkpoint of another size than it says")
	}
	t := c.log.Tree() // anew: what it holds was in the log before we signed it
	root, err := t.RootAt(min(theirs.Size, t.Size()), t.Leaves)
	if err != nil {
		return false, err
	}
	if theirs.Size <= t.Size() && root == theirs.Root {
		return false, nil
	}
	return true, c.checkpoints.Contradicted(ctx, theirs, fmt.Sprintf("witness %s holds a checkpoint of %d entries that the log does not continue", org, theirs.Size))
}
