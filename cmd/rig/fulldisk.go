package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

const (
	// smallDiskMB is the disk that is filled up: what a store needs, a little data and a ballast.
	smallDiskMB = 256
	// resumesWithin is how long a node may take to store again after space has returned.
	resumesWithin = 10 * time.Second
	// fullStarts is how many starts on a full disk there are for each fifty episodes, and one at least.
	fullStarts = 5
)

// filler is the state of the full disk rig.
type filler struct {
	*run
	disk    string
	node    *program
	load    *load
	slowest time.Duration // until something was stored again
	refused int
}

// runFulldisk fills the disk of a node that publishes, again and again, and starts it on a full disk. The process
// must never die, lose nothing that it acknowledged, and go on by itself.
func runFulldisk(ctx context.Context, r *run) error {
	if err := needRoot(); err != nil {
		return err
	}
	disk, err := r.mountMemory(smallDiskMB)
	if err != nil {
		return err
	}
	f := &filler{run: r, disk: disk, load: newLoad(r.rand.Uint32())}
	if f.node, err = r.newProgram(r.bin, filepath.Join(disk, "n"), "Full up"); err != nil {
		return err
	}
	if _, err := f.node.start(ctx); err != nil {
		return err
	}
	if err := f.episodes(ctx); err != nil {
		return err
	}
	for n := range max(1, r.cycles/fullStarts) {
		if err := f.fullStart(ctx, n); err != nil {
			return fmt.Errorf("start %d on a full disk: %w", n, err)
		}
	}
	if err := f.node.stop(); err != nil {
		r.breach("the node did not stop well: %v", err)
	}
	g := ledger{at: map[place]protocol.RecordID{}}
	if _, err := g.inspect(r, f.node.dir, f.load, f.load.snapshot()); err != nil {
		return err
	}
	r.figure("%d times full while publishing, %d starts on a full disk, %d records acknowledged, %d publications refused",
		r.cycles, max(1, r.cycles/fullStarts), f.load.acknowledged(), f.refused)
	r.figure("slowest to go on after space returned: %d ms", f.slowest.Milliseconds())
	return sound(r, f.node.dir)
}

// episodes fills the disk while several callers publish, waits, and makes room again.
func (f *filler) episodes(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var callers sync.WaitGroup
	defer callers.Wait()
	defer stop()
	refusals := make([]int, 3)
	for i := range refusals {
		callers.Go(func() { refusals[i] = f.keepPublishing(ctx, i) })
	}
	for n := range f.cycles {
		wait(ctx, upTo(f.rand, 300*time.Millisecond))
		if err := f.fill(ctx, upTo(f.rand, 8*time.Millisecond)); err != nil {
			return err
		}
		wait(ctx, upTo(f.rand, 1500*time.Millisecond))
		if !f.node.alive() {
			return fmt.Errorf("episode %d: the process died: %s", n, f.node.stderr.String())
		}
		if _, err := f.node.client.Status(ctx); err != nil {
			f.breach("episode %d: the admin port does not answer on a full disk: %v", n, err)
		}
		if err := f.resume(ctx); err != nil {
			return fmt.Errorf("episode %d: %w", n, err)
		}
	}
	stop()
	callers.Wait()
	for _, n := range refusals {
		f.refused += n
	}
	return nil
}

// keepPublishing offers objects, few and many at a time, until ctx ends; it returns how often there was no room.
func (f *filler) keepPublishing(ctx context.Context, caller int) (refused int) {
	sizes := [...]int{1, 7, 3, 120, 1, 40, 450}
	for n := caller; ctx.Err() == nil; n++ {
		_, err := f.load.publish(ctx, f.node.client, topics[n%len(topics)], sizes[n%len(sizes)])
		switch {
		case ctx.Err() != nil:
		case codeOf(err) == reason.StoreFull:
			refused++
			wait(ctx, 20*time.Millisecond)
		case err != nil:
			f.breach("publish: %v", err)
			wait(ctx, time.Second)
		default:
			wait(ctx, 10*time.Millisecond)
		}
	}
	return refused
}

// codeOf is the reason that the admin port gave.
func codeOf(err error) reason.Code {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return reason.Code(p.Code)
	}
	return ""
}

func (f *filler) fillPath() string { return filepath.Join(f.disk, "fill") }

// fill takes all room there is, in pieces with a pause between them.
func (f *filler) fill(ctx context.Context, pause time.Duration) error {
	out, err := os.OpenFile(f.fillPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	piece := make([]byte, 2<<20)
	for size := len(piece); size > 0; {
		if _, err := out.Write(piece[:size]); errors.Is(err, syscall.ENOSPC) {
			size /= 4
		} else if err != nil {
			return errors.Join(err, out.Close())
		}
		wait(ctx, pause)
	}
	return out.Close()
}

// resume makes room, and measures how long it takes until something is stored.
func (f *filler) resume(ctx context.Context) error {
	if err := os.Remove(f.fillPath()); err != nil {
		return err
	}
	for began := time.Now(); ; wait(ctx, 50*time.Millisecond) {
		_, err := f.load.publish(ctx, f.node.client, topics[0], 1)
		took := time.Since(began)
		if err == nil {
			if f.slowest = max(f.slowest, took); took > resumesWithin {
				f.breach("it took %v until something was stored again", took)
			}
			return nil
		}
		if took > 2*resumesWithin || ctx.Err() != nil || !f.node.alive() {
			return fmt.Errorf("nothing is stored although there is room: %w: %s", err, f.node.stderr.String())
		}
	}
}

// fullStart starts the node on a disk without a free byte.
func (f *filler) fullStart(ctx context.Context, n int) error {
	if n%2 == 0 {
		if err := f.node.stop(); err != nil {
			f.progress("not stopped in time: %v", err) // what that leaves behind is what a kill does
		}
	}
	if err := errors.Join(f.node.kill(), f.fill(ctx, 0)); err != nil {
		return err
	}
	// The last ballast goes to the filler as well.
	if err := errors.Join(os.RemoveAll(filepath.Join(f.node.dir, "ballast")), f.fill(ctx, 0)); err != nil {
		return err
	}
	if _, err := f.node.start(ctx); err != nil {
		return err
	}
	s, err := f.node.client.Status(ctx)
	if err != nil || s.State != api.StateDegraded || s.Space == nil || s.Space.Degraded == "" {
		f.breach("on a full disk the node does not say that it runs without its store: %+v, %v", s, err)
	}
	if _, err := f.load.publish(ctx, f.node.client, topics[0], 1); codeOf(err) != reason.StoreFull {
		f.breach("published on a full disk: %v", err)
	}
	wait(ctx, upTo(f.rand, time.Second))
	if !f.node.alive() {
		return fmt.Errorf("the process died: %s", f.node.stderr.String())
	}
	return f.resume(ctx)
}
