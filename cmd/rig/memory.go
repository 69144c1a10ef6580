package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tocsin/protocol"
)

const (
	// memoryLimit is what a whole catch-up must pass under, the pages of its files included.
	memoryLimit = 256 << 20
	// perCall is how many objects one publication holds.
	perCall = 100
	// catchUpWithin is how long it may take by far.
	catchUpWithin = 10 * time.Minute

	memoryGroups = "/sys/fs/cgroup/memory"
)

// runMemory lets an empty node under a memory limit catch up with one that has everything.
func runMemory(ctx context.Context, r *run) error {
	group, err := r.memoryGroup(memoryLimit)
	if err != nil {
		return err
	}
	full, err := r.newProgram(r.bin, filepath.Join(r.dir, "full"), "Full")
	if err != nil {
		return err
	}
	empty, err := r.newProgram(r.bin, filepath.Join(r.dir, "empty"), "Empty")
	if err != nil {
		return err
	}
	for _, n := range []*program{full, empty} {
		if _, err := n.start(ctx); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(empty.cmd.Process.Pid)), 0o600); err != nil {
		return fmt.Errorf("put the node into its group: %w", err)
	}
	if err := befriend(ctx, full, empty); err != nil {
		return err
	}
	l := newLoad(r.rand.Uint32())
	for l.next < uint64(r.records) {
		if _, err := l.publish(ctx, full.client, topics[0], perCall); err != nil {
			return err
		}
	}
	r.progress("%d objects published", r.records)
	wait(ctx, 6*time.Second) // a record of the last five seconds is gossip's
	began := time.Now()
	if err := connect(ctx, full, empty); err != nil {
		return err
	}
	if err := r.fill(ctx, empty, group); err != nil {
		return err
	}
	took := time.Since(began)
	peak, err := number(filepath.Join(group, "memory.max_usage_in_bytes"))
	if err != nil {
		return err
	}
	r.figure("%d objects in %d records in %.1f s under %d MB, peak %d MB with the pages of files", r.records, l.acknowledged(), took.Seconds(), memoryLimit>>20, peak>>20)
	if err := errors.Join(empty.stop(), full.stop()); err != nil {
		return err
	}
	g := ledger{at: map[place]protocol.RecordID{}}
	_, err = g.inspect(r, empty.dir, l, l.snapshot())
	return err
}

// fill waits until the node has all objects, and holds against it when it dies.
func (r *run) fill(ctx context.Context, n *program, group string) error {
	for began := time.Now(); ; wait(ctx, 200*time.Millisecond) {
		if !n.alive() {
			fails, _ := number(filepath.Join(group, "memory.failcnt")) // for the message only
			return fmt.Errorf("the node died under its memory limit, which it met %d times: %s", fails, n.stderr.String())
		}
		s, err := n.client.Status(ctx)
		if err != nil {
			return err
		}
		if s.Objects >= r.records {
			return nil
		}
		if time.Since(began) > catchUpWithin {
			return fmt.Errorf("after %v there are %d of %d objects", catchUpWithin, s.Objects, r.records)
		}
	}
}

// memoryGroup makes a control group with a limit, which goes with the run.
func (r *run) memoryGroup(limit int) (string, error) {
	group := filepath.Join(memoryGroups, filepath.Base(r.dir))
	if err := os.Mkdir(group, 0o755); err != nil {
		return "", skipped("needs to make control groups (v1) in " + memoryGroups)
	}
	r.atEnd(func() error { // the processes have been killed: what is undone last was begun first
		err := os.Remove(group)
		for range 50 {
			if !errors.Is(err, syscall.EBUSY) {
				break
			}
			wait(context.Background(), 20*time.Millisecond)
			err = os.Remove(group)
		}
		return err
	})
	if err := os.WriteFile(filepath.Join(group, "memory.limit_in_bytes"), []byte(strconv.Itoa(limit)), 0o600); err != nil {
		return "", skipped("needs to limit memory in " + group)
	}
	return group, nil
}

func number(path string) (int64, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
}
