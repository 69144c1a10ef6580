package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/node"
	"tocsin/node/admin/api"
	"tocsin/node/cputime"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/stix"
)

const (
	eventsEvery     = 20 * time.Millisecond // 50 a second
	eventsFollowers = 32
	eventsFor       = 15 * time.Second
)

// reportEvents measures what 32 followers of 50 events a second cost a node: CPU time of its process with them, less
// that without. The followers are another process, whose cost is shown beside.
func reportEvents(ctx context.Context, rounds int) (err error) {
	dir, err := os.MkdirTemp("", "tocsin-bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	paths := node.Paths{Config: dir, Data: dir, Runtime: filepath.Join(dir, "run")}
	cfg := node.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Network: network, Admin: []string{"off"}}
	if _, err := node.Init(paths, cfg, node.Profile{Name: "Bench CERT", Country: "PT"}); err != nil {
		return err
	}
	fmt.Printf("\nevents: %d a second to %d followers over the socket, %v each, CPU of the node's process\n", time.Second/eventsEvery, eventsFollowers, eventsFor)
	return whileRunning(ctx, paths, cfg, node.Options{Version: "bench"}, func(ctx context.Context, n *node.Node) error {
		for _, shape := range []struct {
			name string
			p    api.EventParams
		}{
			{"objects", api.EventParams{}},
			{"all kinds", api.EventParams{Kinds: []string{"object", "peer", "mesh", "review", "sync", "audit"}}},
			{"objects, filtered by score and type", api.EventParams{EventFilter: api.EventFilter{MinScore: 1, Type: "indicator"}}},
		} {
			if err := eventsShape(ctx, n, paths.Socket(), rounds, shape.name, shape.p); err != nil {
				return err
			}
		}
		return nil
	})
}

// eventsShape compares rounds with and without followers of one kind.
func eventsShape(ctx context.Context, n *node.Node, socket string, rounds int, name string, p api.EventParams) error {
	var with, theirs []time.Duration
	seen := 0
	for range rounds {
		alone, err := publishing(ctx, n, func(context.Context) error { return nil })
		if err != nil {
			return err
		}
		var outside time.Duration
		followed, err := publishing(ctx, n, func(ctx context.Context) (err error) {
			seen, outside, err = outsideFollowers(ctx, socket, p)
			return err
		})
		if err != nil {
			return err
		}
		with, theirs = append(with, followed-alone), append(theirs, outside)
	}
	s := spreadOf(with)
	fmt.Printf("  %-40s %5.1f %% of a core (%.1f to %.1f; aim 10), the followers themselves %.1f %%, %d events reached them in the last round\n",
		name, share(s.median), share(s.low), share(s.high), share(spreadOf(theirs).median), seen)
	return nil
}

// share is CPU time in a round as percent of a core.
func share(d time.Duration) float64 { return 100 * float64(d) / float64(eventsFor) }

// publishing publishes for a round beside f and gives the CPU time that it took.
func publishing(ctx context.Context, n *node.Node, f func(context.Context) error) (time.Duration, error) {
	topic, err := protocol.ParseTopic("malicious-code")
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, eventsFor)
	defer cancel()
	start := cputime.Used()
	var beside errgroup.Group
	beside.Go(func() error { return f(ctx) })
	tick := time.NewTicker(eventsEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		i := time.Now().UnixMilli() // no two within a millisecond
		_, err := n.Outbox.Publish(ctx, outbox.Request{Topic: topic, TLP: stix.Green, Confidence: 80, Data: fmt.Appendf(nil, `{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012x",`+
			`"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'n%d.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`, i, i)})
		if err != nil && ctx.Err() == nil {
			cancel()
			return 0, errors.Join(err, beside.Wait())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	err = beside.Wait()
	return cputime.Used() - start, err
}

// outsideFollowers runs the followers in a process of their own until ctx ends, and gives how many events they got and the CPU time
// that they took.
func outsideFollowers(ctx context.Context, socket string, p api.EventParams) (int, time.Duration, error) {
	params, err := json.Marshal(p)
	if err != nil {
		return 0, 0, err
	}
	child := exec.CommandContext(ctx, os.Args[0], "-follow", socket, string(params))
	child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
	child.WaitDelay = 10 * time.Second
	child.Stderr = os.Stderr
	said, err := child.Output()
	if state := child.ProcessState; state == nil || !state.Success() {
		return 0, 0, fmt.Errorf("followers: %w", err)
	}
	got, err := strconv.Atoi(string(bytes.TrimSpace(said)))
	return got, child.ProcessState.UserTime() + child.ProcessState.SystemTime(), err
}

// follow is that process: it follows until ctx ends and prints how many events came.
func follow(ctx context.Context, socket, params string) error {
	var p api.EventParams
	if err := json.Unmarshal([]byte(params), &p); err != nil {
		return err
	}
	var got atomic.Int64
	var following errgroup.Group
	for range eventsFollowers {
		following.Go(func() error {
			c := api.NewClient(socket)
			defer c.Close()
			_, err := c.Follow(ctx, p, func(api.Happening) error { got.Add(1); return nil })
			if ctx.Err() != nil {
				return nil
			}
			return errors.Join(err, errors.New("the stream ended early"))
		})
	}
	err := following.Wait()
	fmt.Println(got.Load())
	return err
}
