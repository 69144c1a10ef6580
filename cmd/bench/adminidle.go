package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"tocsin/node"
	"tocsin/node/admin/api"
)

const (
	idleAimMiB = 10
	idleRounds = 3
	// idleFor is how long a node is left alone before its memory is read.
	idleFor = 6 * time.Second
)

// The shapes of a node.
const (
	shapeBare   = "no admin port at all"
	shapeSocket = "sockets only"
	shapePort   = "sockets, TCP port, feed and metrics"
	shapeUsed   = "the same, each list asked for once, scraped"
)

// reportIdle compares what an idle node takes of memory with more and less of the admin port.
func reportIdle(ctx context.Context, dir string) error {
	shapes := []string{shapeBare, shapeSocket, shapePort, shapeUsed}
	anon, resident := make([][]int, len(shapes)), make([][]int, len(shapes))
	for round := range idleRounds {
		for i, shape := range shapes {
			a, r, err := idleRound(ctx, filepath.Join(dir, fmt.Sprintf("idle%d-%d", round, i)), shape)
			if err != nil {
				return fmt.Errorf("idle node with %s: %w", shape, err)
			}
			anon[i], resident[i] = append(anon[i], a), append(resident[i], r)
		}
	}
	fmt.Printf("\nidle node: memory of the process after %v, median of %d (least to most), MiB\n", idleFor, idleRounds)
	base := middleOf(resident[1])
	for i, shape := range shapes {
		slices.Sort(resident[i])
		fmt.Printf("  %-46s resident %6.1f (%.1f to %.1f), anonymous of it %6.1f, beside sockets only %+5.1f (aim %d)\n", shape,
			mib(middleOf(resident[i])), mib(resident[i][0]), mib(resident[i][idleRounds-1]), mib(middleOf(anon[i])), mib(middleOf(resident[i])-base), idleAimMiB)
	}
	return nil
}

func mib(kib int) float64 { return float64(kib) / 1024 }

func middleOf(all []int) int { return slices.Sorted(slices.Values(all))[len(all)/2] }

// idleRound runs one node in a process of its own and gives its anonymous and its resident KiB.
func idleRound(ctx context.Context, dir, shape string) (anon, resident int, err error) {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	child := exec.CommandContext(ctx, os.Args[0], "-idle", dir, shape)
	child.Stderr = os.Stderr
	said, err := child.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := child.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		// Interrupted as an operator would; what it says then is not measured.
		err = errors.Join(err, child.Process.Signal(syscall.SIGINT), child.Wait())
	}()
	if _, err := said.Read(make([]byte, 64)); err != nil {
		return 0, 0, fmt.Errorf("wait until it runs: %w", err)
	}
	if shape == shapeUsed {
		if err := useAll(ctx, idlePaths(dir)); err != nil {
			return 0, 0, err
		}
	}
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(idleFor):
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	return statusKiB(raw, "RssAnon:"), statusKiB(raw, "VmRSS:"), nil
}

// statusKiB reads one figure of a process's status.
func statusKiB(raw []byte, name string) (kib int) {
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			_, _ = fmt.Sscanf(rest, "%d", &kib) // 0 where the kernel says something else
		}
	}
	return kib
}

// useAll asks for each list once over TCP, and for the metrics.
func useAll(ctx context.Context, paths node.Paths) error {
	doors, err := openDoors(ctx, paths)
	if err != nil {
		return err
	}
	tcp := doors[1]
	defer tcp.http.CloseIdleConnections()
	for _, list := range lists() {
		query, err := url.ParseQuery(list.query)
		if err != nil {
			return err
		}
		if _, _, err := tcp.get(ctx, api.Prefix+list.path, query); err != nil {
			return err
		}
	}
	_, _, err = tcp.get(ctx, "/metrics", nil)
	return err
}

func idlePaths(dir string) node.Paths {
	return node.Paths{Config: dir, Data: dir, Runtime: dir} // so that it takes a free port
}

// runIdle is such a node, until it is interrupted.
func runIdle(ctx context.Context, dir, shape string) error {
	paths, cfg := idlePaths(dir), node.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Network: network}
	if shape == shapeSocket {
		cfg.Admin = []string{"off"}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := node.Init(paths, cfg, node.Profile{Name: "Bench CERT", Country: "PT"}); err != nil {
		return err
	}
	return whileRunning(ctx, paths, cfg, node.Options{Version: "bench", NoAdmin: shape == shapeBare}, func(ctx context.Context, _ *node.Node) error {
		fmt.Println("runs")
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				debug.FreeOSMemory() // what the runtime gives back by itself in some minutes
			}
		}
	})
}
