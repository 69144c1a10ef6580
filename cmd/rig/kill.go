package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"tocsin/protocol"
)

const (
	// opensWithin is how long a node may take from its start to its ready line after a kill.
	opensWithin = 5 * time.Second
	// inspectEvery is after how many kills the whole store is looked at; after each other one only what the last cycle
	// acknowledged is asked for.
	inspectEvery = 20
)

// killer is the state of the kill rig.
type killer struct {
	*run
	node, witness *program
	own           string // the organisation of the node
	load          *load
	ledger        ledger
	slowest       time.Duration
	starts        int // kills before the node was ready
}

// runKill kills a whole node under publish load at random points, before it is ready too, and starts it again. A peer that is
// never killed keeps what left the node.
func runKill(ctx context.Context, r *run) error {
	k := &killer{run: r, load: newLoad(r.rand.Uint32()), ledger: ledger{at: map[place]protocol.RecordID{}}}
	if err := k.setUp(ctx); err != nil {
		return err
	}
	for cycle := range r.cycles {
		if err := k.cycle(ctx, cycle); err != nil {
			return fmt.Errorf("cycle %d: %w", cycle, err)
		}
		if (cycle+1)%inspectEvery == 0 {
			if _, err := k.ledger.inspect(r, k.node.dir, k.load, k.load.snapshot()); err != nil {
				return fmt.Errorf("cycle %d: %w", cycle, err)
			}
		}
		if (cycle+1)%100 == 0 {
			r.progress("%d kills, %d records acknowledged; last refusal: %v", cycle+1, k.load.acknowledged(), k.load.refused)
		}
	}
	return k.conclude(ctx)
}

func (k *killer) setUp(ctx context.Context) (err error) {
	if k.witness, err = k.newProgram(k.bin, filepath.Join(k.dir, "w"), "Witness"); err != nil {
		return err
	}
	if _, err := k.witness.start(ctx); err != nil {
		return err
	}
	if k.node, err = k.newProgram(k.bin, filepath.Join(k.dir, "n"), "Killed"); err != nil {
		return err
	}
	if _, err := k.node.start(ctx); err != nil {
		return err
	}
	if _, err := k.node.client.AddPeer(ctx, k.witness.addr); err != nil {
		return fmt.Errorf("connect with the witness: %w", err)
	}
	s, err := k.node.client.Status(ctx)
	if err != nil {
		return err
	}
	k.own = s.Org
	return k.node.kill()
}

// cycle starts the node, asks for what the cycle before acknowledged, publishes and kills.
func (k *killer) cycle(ctx context.Context, n int) error {
	last := k.load.take()
	if n%4 == 3 { // before it is ready, often enough
		if _, err := k.node.launch(); err != nil {
			return err
		}
		wait(ctx, upTo(k.rand, 100*time.Millisecond))
		k.starts++
		if err := k.node.kill(); err != nil {
			return err
		}
	}
	took, err := k.node.start(ctx)
	if err != nil {
		return err
	}
	k.slowest = max(k.slowest, took)
	if took > opensWithin {
		k.breach("cycle %d: the node took %v to open", n, took)
	}
	for _, id := range last {
		rec, err := k.node.client.Record(ctx, id.String())
		if err != nil {
			k.breach("cycle %d: %s was acknowledged before the kill and is lost: %v", n, id, err)
			continue
		}
		if err := k.note(rec.Key, rec.Topic, rec.Sequence, id); err != nil {
			return err
		}
	}
	var loading sync.WaitGroup
	loading.Go(func() { k.load.pump(ctx, k.node.client, 4, 0) })
	k.load.awaitMore(ctx, k.rand.IntN(40), time.Second)
	wait(ctx, upTo(k.rand, 10*time.Millisecond))
	err = k.node.kill()
	loading.Wait()
	return err
}

func (k *killer) note(key, topic string, sequence uint64, id protocol.RecordID) error {
	keyID, err := protocol.ParseKeyID(key)
	if err != nil {
		return err
	}
	on, err := protocol.ParseTopic(topic)
	if err != nil {
		return err
	}
	k.ledger.see(k.run, place{keyID, on, sequence}, id)
	return nil
}

// conclude looks at everything, at the witness as well: what left the node is in its store.
func (k *killer) conclude(ctx context.Context) error {
	if _, err := k.ledger.inspect(k.run, k.node.dir, k.load, k.load.snapshot()); err != nil {
		return err
	}
	if err := sound(k.run, k.node.dir); err != nil {
		return err
	}
	if _, err := k.node.start(ctx); err != nil {
		return err
	}
	if _, err := k.load.publish(ctx, k.node.client, topics[0], 1); err != nil {
		return fmt.Errorf("publish after all kills: %w", err)
	}
	if err := k.node.stop(); err != nil {
		return err
	}
	all, err := k.ledger.inspect(k.run, k.node.dir, k.load, k.load.snapshot())
	if err != nil {
		return err
	}
	if err := k.witness.stop(); err != nil {
		return err
	}
	seen, err := k.ledger.inspect(k.run, k.witness.dir, k.load, nil)
	if err != nil {
		return err
	}
	for id, org := range seen {
		if _, ok := all[id]; !ok && org.String() == k.own {
			k.breach("%s left the node and is not in its store", id)
		}
	}
	k.figure("%d kills of a whole node, %d of them before it was ready", k.cycles+k.starts, k.starts)
	k.figure("%d records acknowledged, %d kept, %d seen by a peer", k.load.acknowledged(), len(all), len(seen))
	k.figure("slowest start %d ms", k.slowest.Milliseconds())
	return nil
}

// upTo draws a duration.
func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
