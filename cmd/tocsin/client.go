package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
)

// withNode runs do against the node, once it is ready, within --timeout.
func (g *globals) withNode(ctx context.Context, do func(context.Context, *api.Client) error) error {
	return g.withNodeOpen(ctx, func(ctx context.Context, c *api.Client) error {
		ctx, cancel := context.WithTimeout(ctx, g.timeout)
		defer cancel()
		return do(ctx, c)
	})
}

// withNodeGiven is withNodeOpen, but within --timeout when that was given: the default is not meant for long work.
func (g *globals) withNodeGiven(cmd *cobra.Command, do func(context.Context, *api.Client) error) error {
	if cmd.Flags().Changed("timeout") {
		return g.withNode(cmd.Context(), do)
	}
	return g.withNodeOpen(cmd.Context(), do)
}

// withNodeOpen is withNode for work that takes as long as it takes: only the
// wait for a starting node is bounded by --timeout.
func (g *globals) withNodeOpen(ctx context.Context, do func(context.Context, *api.Client) error) error {
	socket, err := g.socket()
	if err != nil {
		return err
	}
	c := api.NewClient(socket)
	defer c.Close()
	wait, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	s, err := g.firstStatus(wait, c)
	if err == nil && s.State == api.StateStarting {
		err = c.Ready(wait)
	}
	if err != nil {
		return err
	}
	return do(ctx, c)
}

// firstStatus asks how the node is, which a node says at once: whoever waits longer for that is told so, and what to do.
func (g *globals) firstStatus(ctx context.Context, c *api.Client) (s *api.Status, err error) {
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s, err = c.Status(ctx)
	}()
	late := time.NewTimer(answerSoon)
	defer late.Stop()
	select {
	case <-answered:
	case <-late.C:
		g.hint("The node does not answer: it hangs or was stopped, or has very much to do; waiting for up to %v (--timeout; Ctrl-C ends it).\nIf it stays so: %s.", g.timeout, api.Wake)
		<-answered
	}
	return s, err
}
