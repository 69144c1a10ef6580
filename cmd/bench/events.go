package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/node"
	"tocsin/node/admin/api"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/stix"
)

const (
	eventsEvery     = 20 * time.Millisecond // 50 a second
	eventsFollowers = 32
	eventsFor       = 15 * time.Second
)

// reportEvents measures what 32 followers of 50 events a second cost a node: CPU time of the whole process with them, less
// that without. The followers live in the same process, so what they cost themselves is in it.
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
	n, err := node.New(paths, cfg, node.Options{Version: "bench"})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	ready := make(chan struct{})
	var run errgroup.Group
	run.Go(func() error { return n.Run(ctx, func() { close(ready) }) })
	defer func() { stop(); err = errors.Join(err, run.Wait(), n.Close()) }()
	select {
	case <-ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	fmt.Printf("\nevents: %d a second to %d followers over the socket, %v each, whole process (followers included)\n", time.Second/eventsEvery, eventsFollowers, eventsFor)
	for _, shape := range []struct {
		name string
		p    api.EventParams
	}{
		{"objects", api.EventParams{}},
		{"all kinds", api.EventParams{Kinds: []string{"object", "peer", "mesh", "review", "sync", "audit"}}},
		{"objects, filtered by score and type", api.EventParams{EventFilter: api.EventFilter{MinScore: 1, Type: "indicator"}}},
	} {
		var with []time.Duration
		seen := 0
		for range rounds {
			alone, _, err := eventsRound(ctx, n, paths.Socket(), 0, shape.p)
			if err != nil {
				return err
			}
			followed, got, err := eventsRound(ctx, n, paths.Socket(), eventsFollowers, shape.p)
			if err != nil {
				return err
			}
			with, seen = append(with, followed-alone), got
		}
		s := spreadOf(with)
		fmt.Printf("  %-40s %5.1f %% of a core (%.1f to %.1f; aim 10), %d events reached followers in the last round\n", shape.name, share(s.median), share(s.low), share(s.high), seen)
	}
	return nil
}

// share is CPU time in a round as percent of a core.
func share(d time.Duration) float64 { return 100 * float64(d) / float64(eventsFor) }

// eventsRound publishes for a while with so many followers and gives the CPU time that it took, and how many events they got.
func eventsRound(ctx context.Context, n *node.Node, socket string, followers int, p api.EventParams) (time.Duration, int, error) {
	ctx, cancel := context.WithTimeout(ctx, eventsFor)
	defer cancel()
	topic, err := protocol.ParseTopic("malicious-code")
	if err != nil {
		return 0, 0, err
	}
	var got atomic.Int64
	var following errgroup.Group
	start := cpuTime()
	for range followers {
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
	tick := time.NewTicker(eventsEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		i := time.Now().UnixMilli() // no two within a millisecond
		_, err := n.Outbox.Publish(ctx, outbox.Request{Topic: topic, TLP: stix.Green, Confidence: 80, Data: fmt.Appendf(nil, `{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012x",`+
			`"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'n%d.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`, i, i)})
		if err != nil && ctx.Err() == nil {
			return 0, 0, errors.Join(err, following.Wait())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	err = following.Wait()
	return cpuTime() - start, int(got.Load()), err
}
