package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"tocsin/protocol"
)

const (
	// imageMB is the size of the file system that loses power. It is sparse.
	imageMB = 512
	// mountOptions let the file system write as little as it may by itself: what is on the disk was synced by the node.
	mountOptions = "commit=300"
)

// cutter is the state of the power cut rig.
type cutter struct {
	*run
	folder  string // where images lie, in memory
	load    *load
	ledger  ledger
	slowest time.Duration
}

// runPowercut lets a node write on a loop-mounted ext4, takes the raw image in the middle as a power cut would leave it, and
// goes on from there. The process is stopped first, outside of any system call: what it had not synced is only in the
// kernel's memory and not in the image.
func runPowercut(ctx context.Context, r *run) error {
	if err := needRoot(); err != nil {
		return err
	}
	folder, err := r.memoryDir()
	if err != nil {
		return err
	}
	c := &cutter{run: r, folder: folder, load: newLoad(r.rand.Uint32()), ledger: ledger{at: map[place]protocol.RecordID{}}}
	image, err := c.found()
	if err != nil {
		return err
	}
	for n := range r.cycles {
		if image, err = c.cycle(ctx, n, image); err != nil {
			return fmt.Errorf("cut %d: %w", n, err)
		}
		if (n+1)%25 == 0 {
			r.progress("%d cuts, %d records acknowledged; last refusal: %v", n+1, c.load.acknowledged(), c.load.refused)
		}
	}
	if err := c.conclude(ctx, image); err != nil {
		return fmt.Errorf("after the last cut: %w", err)
	}
	r.figure("%d power cuts, %d records acknowledged before them", r.cycles, c.load.acknowledged())
	r.figure("slowest start %d ms", c.slowest.Milliseconds())
	return nil
}

// found makes the first image with a node on it.
func (c *cutter) found() (image string, err error) {
	image = filepath.Join(c.folder, "first.img")
	if err := makeImage(image, imageMB); err != nil {
		return "", err
	}
	mounted, err := c.mountImage(image, "")
	if err != nil {
		return "", err
	}
	if _, err := c.newProgram(c.bin, filepath.Join(mounted, "n"), "Cut off"); err != nil {
		return "", err
	}
	return image, unmount(mounted)
}

// cycle runs the node on an image until its power is cut, and checks what is left. It returns the image that was left.
func (c *cutter) cycle(ctx context.Context, n int, image string) (after string, err error) {
	mounted, err := c.mountImage(image, mountOptions)
	if err != nil {
		return "", err
	}
	node := &program{r: c.run, bin: c.bin, dir: filepath.Join(mounted, "n")}
	defer func() { err = errors.Join(err, node.kill(), unmount(mounted)) }()
	took, err := node.start(ctx)
	if err != nil {
		return "", err
	}
	c.slowest = max(c.slowest, took)
	if took > opensWithin {
		c.breach("cut %d: the node took %v to open", n, took)
	}
	c.verifyAudit(node)
	loadCtx, stop := context.WithCancel(ctx)
	var loading sync.WaitGroup
	loading.Go(func() { c.load.pump(loadCtx, node.client, 4, 0) })
	c.load.awaitMore(ctx, c.rand.IntN(100), time.Second)
	wait(ctx, upTo(c.rand, 10*time.Millisecond))
	if err := freeze(ctx, node); err != nil {
		stop()
		return "", errors.Join(err, node.kill())
	}
	acked := c.load.snapshot() // answers under way are not counted; what counts was synced before
	after = filepath.Join(c.folder, fmt.Sprintf("%d.img", n%2))
	err = copySparse(after, image)
	stop()
	err = errors.Join(err, node.kill())
	loading.Wait()
	c.load.forget(acked)
	if err == nil {
		err = errors.Join(unmount(mounted), os.Remove(image))
	}
	if err != nil {
		return "", err
	}
	return after, c.check(n, after, acked)
}

// conclude starts the node on what is left and stops it as an operator would.
func (c *cutter) conclude(ctx context.Context, image string) error {
	mounted, err := c.mountImage(image, "")
	if err != nil {
		return err
	}
	node := &program{r: c.run, bin: c.bin, dir: filepath.Join(mounted, "n")}
	if _, err := node.start(ctx); err != nil {
		return errors.Join(err, unmount(mounted))
	}
	c.verifyAudit(node)
	if _, failed := c.load.publish(ctx, node.client, topics[0], 1); failed != nil {
		err = errors.Join(err, fmt.Errorf("publish: %w", failed))
	}
	return errors.Join(err, node.stop(), sound(c.run, node.dir), unmount(mounted))
}

// verifyAudit holds the audit log of a node that runs against its own chain. A last line that was being written at the cut may have been
// torn: the node has put it aside.
func (c *cutter) verifyAudit(node *program) {
	if said, err := node.tool("audit", "verify", "-o", "json"); err != nil {
		c.breach("the audit log is not sound: %s %v", said, err)
	}
}

// freeze stops the node and waits until all of its threads stand still.
func freeze(ctx context.Context, node *program) error {
	if err := node.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for began := time.Now(); !node.frozen(); wait(ctx, time.Millisecond) {
		if time.Since(began) > 10*time.Second || ctx.Err() != nil {
			return errors.New("the node does not stand still")
		}
	}
	return nil
}

// check mounts what is left, which replays the file system's journal, and looks at the store before the node runs again.
func (c *cutter) check(n int, image string, acked map[protocol.RecordID]string) error {
	mounted, err := c.mountImage(image, "")
	if err != nil {
		return err
	}
	dir := filepath.Join(mounted, "n")
	all, err := c.ledger.inspect(c.run, dir, c.load, acked)
	if err != nil {
		return errors.Join(err, unmount(mounted))
	}
	for _, id := range c.ledger.at {
		if _, ok := all[id]; !ok {
			c.breach("cut %d: %s was in the store when the node started and is gone", n, id)
		}
	}
	if (n+1)%inspectEvery == 0 {
		err = sound(c.run, dir)
	}
	return errors.Join(err, unmount(mounted))
}

// forget takes back what was acknowledged after a cut: that world is gone.
func (l *load) forget(but map[protocol.RecordID]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.acked {
		if _, ok := but[id]; !ok {
			delete(l.acked, id)
		}
	}
}

// copySparse copies a file and leaves its holes holes.
func copySparse(to, from string) (err error) {
	const seekData, seekHole = 3, 4
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := out.Truncate(info.Size()); err != nil {
		return err
	}
	for at := int64(0); ; {
		start, err := in.Seek(at, seekData)
		if errors.Is(err, syscall.ENXIO) {
			return nil // only a hole is left
		} else if err != nil {
			return err
		}
		if at, err = in.Seek(start, seekHole); err != nil {
			return err
		}
		if _, err := in.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(out, start), io.LimitReader(in, at-start)); err != nil {
			return err
		}
	}
}
