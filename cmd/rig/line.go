package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/storage"
)

// convergeWithin is how long stores may differ after the last disturbance.
const convergeWithin = 60 * time.Second

// trio is three nodes in a line: what goes from one end to the other goes through the middle.
type trio struct {
	*run
	nodes [3]*program
	load  *load
}

// runLine lets both ends of a line of three publish, kills the middle for a while, then stops it through a burst of the
// first one, and waits until all stores are alike. Nobody is started anew for that.
func runLine(ctx context.Context, r *run) error {
	l := &trio{run: r, load: newLoad(r.rand.Uint32())}
	for i, name := range []string{"A", "B", "C"} {
		var err error
		if l.nodes[i], err = r.newProgram(r.bin, filepath.Join(r.dir, name), "Line "+name); err != nil {
			return err
		}
		if _, err := l.nodes[i].start(ctx); err != nil {
			return err
		}
	}
	a, b, c := l.nodes[0], l.nodes[1], l.nodes[2]
	err := errors.Join(befriend(ctx, a, b, c), connect(ctx, b, a), connect(ctx, b, c))
	if err != nil {
		return err
	}
	for n := range r.cycles {
		if err := l.disturb(ctx, n); err != nil {
			return fmt.Errorf("round %d: %w", n, err)
		}
	}
	if err := l.verify(ctx); err != nil {
		return err
	}
	return l.compare()
}

// verify asks the middle what an operator would ask: whether its digests of all topics are those of its peers.
func (l *trio) verify(ctx context.Context) error {
	digests, err := l.nodes[1].client.SyncVerify(ctx, 2)
	if err != nil {
		return err
	}
	for _, d := range digests.Items {
		if d.Equal != 2 || len(d.Peers) != 2 {
			l.breach("sync verify of %s: %d of %d peers are equal", d.Topic, d.Equal, len(d.Peers))
		}
		if d.Topic == topics[0] {
			l.figure("digest of %s: %.18s, equal with %d peers", d.Topic, d.Digest, d.Equal)
		}
	}
	return nil
}

// disturb kills and stops the middle once, and waits until all have everything.
func (l *trio) disturb(ctx context.Context, n int) error {
	a, b, c := l.nodes[0], l.nodes[1], l.nodes[2]
	loadCtx, stop := context.WithCancel(ctx)
	defer stop()
	var loading sync.WaitGroup
	loading.Go(func() { l.load.pump(loadCtx, a.client, 1, 20*time.Millisecond) })
	loading.Go(func() { l.load.pump(loadCtx, c.client, 1, 20*time.Millisecond) })
	away := time.Second + upTo(l.rand, time.Second)
	wait(ctx, 300*time.Millisecond)
	if err := b.kill(); err != nil {
		return err
	}
	wait(ctx, away)
	if _, err := b.start(ctx); err != nil {
		return err
	}
	wait(ctx, away/2)
	stop()
	loading.Wait()
	killed, err := l.converge(ctx)
	if err != nil {
		return fmt.Errorf("after the middle was killed: %w", err)
	}
	if err := b.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	began := time.Now()
	for range l.records {
		if _, err := l.load.publish(ctx, a.client, topics[0], 1); err != nil {
			return errors.Join(err, b.signal(syscall.SIGCONT))
		}
	}
	burst := time.Since(began)
	if err := b.signal(syscall.SIGCONT); err != nil {
		return err
	}
	stopped, err := l.converge(ctx)
	if err != nil {
		return fmt.Errorf("after the middle stood still: %w", err)
	}
	l.figure("round %d: alike %.1f s after %.1f s without the middle, %.1f s after a burst of %d records in %.1f s that it stood still through",
		n+1, killed.Seconds(), away.Seconds(), stopped.Seconds(), l.records, burst.Seconds())
	return nil
}

// converge waits until every node holds as many accepted records as were acknowledged, and all the same number.
func (l *trio) converge(ctx context.Context) (took time.Duration, err error) {
	began := time.Now()
	for {
		var counts [3]int
		for i, n := range l.nodes {
			s, err := n.client.Status(ctx)
			if err != nil {
				return 0, err
			}
			counts[i] = s.Records
		}
		if counts[0] == counts[1] && counts[1] == counts[2] && counts[0] >= l.load.acknowledged() {
			return time.Since(began), nil
		}
		if time.Since(began) > convergeWithin || ctx.Err() != nil {
			l.breach("after %v the nodes hold %v records, %d were acknowledged", convergeWithin, counts, l.load.acknowledged())
			for _, n := range l.nodes {
				l.progress("the end of what %s says:\n%s", filepath.Base(n.dir), n.stderr.String())
				states := map[string]int{}
				for id := range l.load.snapshot() {
					rec, err := n.client.Record(ctx, id.String())
					if err != nil {
						states[err.Error()[:20]]++
					} else {
						states[rec.State+" "+rec.Petname]++
					}
				}
				l.progress("%v", states)
			}
			return time.Since(began), ctx.Err()
		}
		wait(ctx, 100*time.Millisecond)
	}
}

// compare stops the nodes and holds their stores against each other, record by record.
func (l *trio) compare() error {
	var sets [3]map[protocol.RecordID]bool
	for i, n := range l.nodes {
		if err := n.stop(); err != nil {
			return err
		}
		s, err := storage.Open(filepath.Join(n.dir, "store"), storage.Options{Network: "main"})
		if err != nil {
			return err
		}
		sets[i] = map[protocol.RecordID]bool{}
		logs, places := s.Inventory()
		for _, p := range places {
			if logs[p.Log].Topic != protocol.TopicControl { // on control each holds the newest of each organisation that it met
				sets[i][p.ID] = true
			}
		}
		for id := range l.load.snapshot() {
			if _, state, err := s.Record(id); err != nil || state != storage.Accepted {
				l.breach("node %s: %s was acknowledged and is %s, %v", filepath.Base(n.dir), id, state, err)
			}
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	if !maps.Equal(sets[0], sets[1]) || !maps.Equal(sets[1], sets[2]) {
		l.breach("the stores differ: %d, %d and %d records", len(sets[0]), len(sets[1]), len(sets[2]))
	}
	l.figure("%d records in each store", len(sets[0]))
	return nil
}

// befriend puts every node's organisation on every other's trust list.
func befriend(ctx context.Context, nodes ...*program) error {
	for _, n := range nodes {
		s, err := n.client.Status(ctx)
		if err != nil {
			return err
		}
		for _, other := range nodes {
			if other == n {
				continue
			}
			entry := api.TrustEntry{
				Org: s.Org, Petname: filepath.Base(n.dir), Level: "anchor", Reason: "rig",
				Expires: time.Now().AddDate(0, 3, 0).UTC().Format(time.DateOnly),
			}
			if _, err := other.client.AddTrust(ctx, entry); err != nil {
				return fmt.Errorf("list %s: %w", s.Org, err)
			}
		}
	}
	return nil
}

// connect keeps one node connected with another.
func connect(ctx context.Context, from, to *program) error {
	if _, err := from.client.AddPeer(ctx, to.addr); err != nil {
		return fmt.Errorf("connect %s with %s: %w", filepath.Base(from.dir), filepath.Base(to.dir), err)
	}
	return nil
}
