package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tocsin/cmd/tocsin/internal/top"
	"tocsin/node/admin/api"
)

// topReplay is how far back the list of changes begins.
const topReplay = 10 * time.Minute

func newTopCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "top",
		Short: "Watch the node on one screen",
		Long: `Watch the node on one screen: how it fares, its topics and peers, and what comes in. It needs a terminal of at least
40 by 10. When the node goes away the screen says so and why, and goes on when the node is back.

Keys: q quits, Tab changes the pane, j and k the row, Enter shows all that is known of it, s sorts, f filters, p holds
the screen, ? helps. -o json prints one screen's data, and ends.

Exit codes: 0 quit, 2 no terminal, 4 no node runs (with -o json).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if g.format != "text" {
				return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
					s, err := g.lookAt(ctx, c)
					if err != nil {
						return err
					}
					return g.emit(s, func(io.Writer) {})
				})
			}
			if !isTerminal(g.in) || !isTerminal(g.out) {
				return usagef("top: there is no terminal to draw on; tocsin status and tocsin tail do without, and so does -o json")
			}
			return g.top(cmd.Context())
		},
	}
}

// top draws until somebody quits.
func (g *globals) top(ctx context.Context) error {
	socket, err := g.socket()
	if err != nil {
		return err
	}
	c := api.NewClient(socket)
	defer c.Close()
	src := top.Source{
		Look: func(ctx context.Context) (*top.Snapshot, error) {
			s, err := g.lookAt(ctx, c)
			if err != nil {
				return nil, errors.New(cause(err))
			}
			return s, nil
		},
		Follow: func(ctx context.Context, after string, opened func(), each func(api.Event) error) (string, error) {
			p := api.EventParams{After: after, Opened: opened}
			if after == "" {
				p.Replay = topReplay
			}
			last, err := c.Follow(ctx, p, func(h api.Happening) error {
				var e api.Event
				if err := json.Unmarshal(h.Data, &e); err != nil {
					return fmt.Errorf("read an event: %w", err)
				}
				return each(e)
			})
			if err != nil {
				err = errors.New(cause(err))
			}
			return last, err
		},
	}
	zone := time.Local
	if g.utc {
		zone = time.UTC
	}
	err = top.Run(ctx, src, top.Options{Clean: clean, Color: g.colored(), Zone: zone}, g.in, terminal(g.out))
	if ctx.Err() != nil {
		return exitWith(exitInterrupted)
	}
	if err != nil {
		return fmt.Errorf("draw the screen: %w", err)
	}
	return nil
}

// cause is why the node gave no answer, and what to do, on one line.
func cause(err error) string {
	p := api.ProblemOf(err)
	if p.Fix == "" {
		return p.Detail
	}
	return p.Detail + ": " + p.Fix
}

// terminal is the stream behind the sink: who draws asks it for its size.
func terminal(w io.Writer) io.Writer {
	if s, ok := w.(*sink); ok {
		return s.w
	}
	return w
}

// lookAt asks for what one screen shows. A node that still starts has nothing but its status.
func (g *globals) lookAt(ctx context.Context, c *api.Client) (*top.Snapshot, error) {
	status, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	s := &top.Snapshot{Status: status, Peers: []api.Peer{}, Topics: []api.Topic{}}
	if status.State == api.StateStarting {
		return s, nil
	}
	if status.Sync != nil {
		s.CaughtUp = g.syncLine(status.Sync, status.Peers)
	}
	peers, err := c.Peers(ctx)
	if err != nil {
		return nil, err
	}
	topics, err := c.Topics(ctx)
	if err != nil {
		return nil, err
	}
	s.Peers, s.Topics = peers.Items, topics.Items
	return s, nil
}
