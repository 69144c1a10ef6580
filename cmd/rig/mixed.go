package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"tocsin/protocol"
)

// olderCommit is the last one whose nodes do not know catch-up.
const olderCommit = "c82857b"

// mixer is four nodes, two of this tree and two of an older one, in a ring of old and new; the new ones are
// connected with each other besides.
type mixer struct {
	*run
	nodes [4]*program // even ones are new
	load  *load
}

// runMixed lets nodes of two versions work together under load while each is started anew in turn, and at the end runs the
// new program on what an old one left.
func runMixed(ctx context.Context, r *run) error {
	if r.cycles == 0 {
		return skipped("builds an older version, which takes a minute; make soak does")
	}
	older, err := r.buildOlder(ctx)
	if err != nil {
		return err
	}
	m := &mixer{run: r, load: newLoad(r.rand.Uint32())}
	for i := range m.nodes {
		bin := r.bin
		if i%2 == 1 {
			bin = older
		}
		if m.nodes[i], err = r.newProgram(bin, filepath.Join(r.dir, string(rune('A'+i))), fmt.Sprintf("Mixed %d", i)); err != nil {
			return err
		}
		if _, err := m.nodes[i].start(ctx); err != nil {
			return err
		}
	}
	if err := befriend(ctx, m.nodes[:]...); err != nil {
		return err
	}
	for i, n := range m.nodes {
		if err := connect(ctx, n, m.nodes[(i+1)%4]); err != nil {
			return err
		}
	}
	if err := connect(ctx, m.nodes[0], m.nodes[2]); err != nil {
		return err
	}
	if err := m.settle(ctx); err != nil {
		return err
	}
	for cycle := range r.cycles {
		for i := range m.nodes {
			if err := m.restart(ctx, i); err != nil {
				return fmt.Errorf("cycle %d: start node %d anew: %w", cycle, i, err)
			}
		}
		if err := m.check(ctx); err != nil {
			return fmt.Errorf("cycle %d: %w", cycle, err)
		}
	}
	return m.upgrade(ctx)
}

// buildOlder builds the older version in a scratch folder.
func (r *run) buildOlder(ctx context.Context) (bin string, err error) {
	src := filepath.Join(r.dir, "older")
	if err := os.Mkdir(src, 0o755); err != nil {
		return "", err
	}
	archive := filepath.Join(r.dir, "older.tar")
	if err := exec.CommandContext(ctx, "git", "archive", "-o", archive, olderCommit).Run(); err != nil {
		return "", skipped("needs the repository with commit " + olderCommit)
	}
	if err := command1("tar", "-x", "-f", archive, "-C", src); err != nil {
		return "", err
	}
	bin = filepath.Join(r.dir, "tocsin-older")
	c := exec.CommandContext(ctx, "go", "build", "-o", bin, "./cmd/tocsin")
	c.Dir = src
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", olderCommit, err, out)
	}
	return bin, nil
}

// restart stops a node as an operator would, and starts it again, while two others publish.
func (m *mixer) restart(ctx context.Context, i int) error {
	loadCtx, stop := context.WithCancel(ctx)
	defer stop()
	var loading sync.WaitGroup
	for _, k := range []int{i + 1, i + 2} { // one old, one new
		loading.Go(func() { m.load.pump(loadCtx, m.nodes[k%4].client, 1, 20*time.Millisecond) })
	}
	wait(ctx, 200*time.Millisecond)
	err := m.nodes[i].stop()
	if err == nil {
		wait(ctx, upTo(m.rand, 500*time.Millisecond))
		_, err = m.nodes[i].start(ctx)
	}
	wait(ctx, 200*time.Millisecond)
	stop()
	loading.Wait()
	if err != nil {
		return err
	}
	return m.settle(ctx)
}

// settle waits until every node is connected again with its neighbours, and knows what they take part in. What an old node publishes while none of its
// neighbours is there is lost: it has nothing but gossip.
func (m *mixer) settle(ctx context.Context) error {
	for began := time.Now(); ; wait(ctx, 100*time.Millisecond) {
		settled := true
		for i, n := range m.nodes {
			peers, err := n.client.Peers(ctx)
			if err != nil {
				return err
			}
			near := 0
			for _, p := range peers.Items {
				if p.Connected && p.Topics > 0 {
					near++
				}
			}
			settled = settled && near >= 3-i%2 // the new ones are connected with each other besides
		}
		if settled {
			return nil
		}
		if time.Since(began) > convergeWithin || ctx.Err() != nil {
			m.breach("the nodes are not connected again after %v", convergeWithin)
			return ctx.Err()
		}
	}
}

// check waits until the new nodes have everything, publishes once on each node and waits until that is everywhere; and holds
// against each node what it thinks of the others.
func (m *mixer) check(ctx context.Context) error {
	for _, i := range []int{0, 2} {
		if err := m.await(ctx, i, m.load.snapshotIDs()); err != nil {
			return err
		}
	}
	m.load.take()
	for _, n := range m.nodes {
		if _, err := m.load.publish(ctx, n.client, topics[0], 1); err != nil {
			return err
		}
	}
	fresh := m.load.take()
	for i := range m.nodes {
		if err := m.await(ctx, i, fresh); err != nil {
			return err
		}
	}
	for i, n := range m.nodes {
		peers, err := n.client.Peers(ctx)
		if err != nil {
			return err
		}
		for _, p := range peers.Items {
			if p.Score < 0 || p.Rejected != 0 {
				m.breach("node %d punished %s: score %.1f, %d invalid", i, p.Petname, p.Score, p.Rejected)
			}
		}
	}
	return nil
}

// await waits until a node has records.
func (m *mixer) await(ctx context.Context, i int, ids []protocol.RecordID) error {
	began := time.Now()
	for _, id := range ids {
		for {
			_, err := m.nodes[i].client.Record(ctx, id.String())
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if time.Since(began) > convergeWithin {
				m.breach("node %d lacks %s after %v: %v", i, id, convergeWithin, err)
				return nil
			}
			wait(ctx, 50*time.Millisecond)
		}
	}
	return nil
}

// upgrade runs the new program on an old node's folder: it opens, and catches up with what it missed.
func (m *mixer) upgrade(ctx context.Context) error {
	n := m.nodes[1]
	if err := n.stop(); err != nil {
		return err
	}
	n.bin = m.bin
	if _, err := n.start(ctx); err != nil {
		return fmt.Errorf("the new program on an old node's folder: %w", err)
	}
	if err := m.await(ctx, 1, m.load.snapshotIDs()); err != nil {
		return err
	}
	m.figure("%d rolling restarts of 4 nodes, %d records, an old node goes on with the new program", m.cycles, m.load.acknowledged())
	var errs []error
	for _, n := range m.nodes {
		errs = append(errs, n.stop())
	}
	return errors.Join(errs...)
}
