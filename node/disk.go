package node

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"tocsin/node/admin/api"
	"tocsin/node/space"
	"tocsin/protocol"
	"tocsin/storage"
)

// ErrReopen is returned by Run of a node that ran without its store when there is room for it again.
var ErrReopen = errors.New("there is room for the store again: the node has to be opened anew")

// disk is what keeps the node from dying of a full disk.
type disk struct {
	// keeper watches the disk; nil for a store in memory.
	keeper *space.Keeper
	// lack says why the node runs without its store, nil when it does not. An empty store in memory stands in then, which
	// refuses every write; nothing is signed, since it says nothing about how far the key logs are.
	lack error
	// store is the folder of the store, "" for one in memory.
	store string
	// chains are for what a repair left to be taken in anew.
	chains func() *protocol.Chains
}

// openSpace begins to watch the disk, before anything is written.
func (n *Node) openSpace(paths Paths, cfg Config, o Options) (err error) {
	if o.Memory {
		return nil
	}
	n.disk.keeper, err = space.Open(space.Config{
		Dir:     paths.Data,
		Floor:   int64(cfg.FloorMB) << 20,
		Ballast: int64(cfg.BallastMB) << 20,
		Need:    func() int64 { return storage.Need(paths.Store()) },
	})
	return err
}

// openStore opens the store if the disk has room for what opening it writes.
func (n *Node) openStore(paths Paths, cfg Config, o Options) (err error) {
	opts := storage.Options{Memory: o.Memory, Network: cfg.Network}
	if k := n.disk.keeper; k != nil {
		opts.Guard = k.Guard
		// The first look gave up the ballast, which may be what was missing.
		if s := k.Status(); s.Level == space.Stop && s.Disk.Free < storage.Need(paths.Store()) {
			_, n.disk.lack = k.Guard()
		}
	}
	if n.disk.store = paths.Store(); o.Memory {
		n.disk.store = ""
	}
	if n.disk.lack != nil {
		lack := n.disk.lack
		log.Errorw("the store stays closed: the node runs without it", "err", lack)
		opts.Memory, opts.Guard = true, func() (bool, error) { return true, lack }
	}
	n.Store, err = storage.Open(paths.Store(), opts)
	return err
}

// room is asked by the way in, for a record of somebody listed or not.
func (n *Node) room(listed bool) error {
	switch {
	case n.disk.lack != nil:
		return n.disk.lack
	case n.disk.keeper == nil:
		return nil
	case !listed:
		return n.disk.keeper.Strangers()
	}
	_, err := n.disk.keeper.Guard()
	return err
}

// spaceLeft is what the admin port shows; nil for a store in memory.
func (n *Node) spaceLeft() *api.Space {
	if n.disk.keeper == nil {
		return nil
	}
	s := n.disk.keeper.Status()
	out := &api.Space{
		Level: s.Level.String(), Why: s.Why, Since: s.Since,
		Free: s.Disk.Free, Total: s.Disk.Total, Floor: s.Floor, Ballast: s.Ballast,
	}
	if n.disk.lack != nil {
		out.Degraded = n.disk.lack.Error()
	}
	return out
}

func (n *Node) watchSpace(ctx context.Context) error {
	if n.disk.keeper == nil {
		return nil
	}
	return n.disk.keeper.Run(ctx)
}

// runDegraded serves without the store: the admin port says what is wrong, and the mesh relays. It ends with ErrReopen
// when there is room.
func (n *Node) runDegraded(ctx context.Context, ready func()) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.Host.Run(ctx) })
	g.Go(func() error { return n.watchSpace(ctx) })
	g.Go(func() error { return n.Policy.Watch(ctx) })
	g.Go(func() error { return n.warnings.Watch(ctx) })
	g.Go(func() error { return n.proveForks(ctx) })
	if n.admin != nil {
		g.Go(func() error { return n.admin.Run(ctx) })
	}
	g.Go(func() error {
		for {
			changed := n.disk.keeper.Changed() // asked for first, so that no change is missed
			if n.disk.keeper.Status().Level != space.Stop {
				return ErrReopen
			}
			select {
			case <-ctx.Done():
				return nil
			case <-changed:
			}
		}
	})
	n.running.Store(true)
	log.Warnw("node runs without its store", "org", n.own, "peer", n.Host.PeerID(), "why", n.disk.lack)
	if ready != nil {
		ready()
	}
	return g.Wait()
}
