package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

func newTailCommand(g *globals) *cobra.Command {
	var after uint64
	var limit int
	var once bool
	c := &cobra.Command{
		Use:   "tail",
		Short: "Follow what comes in, as it comes",
		Long: `Follow the node's change sequence: what was accepted, held, released, rejected or
expired. It begins with the next change, or behind number --after: the numbers
have no gaps and survive restarts, so a reader that keeps the last one misses nothing.
-o jsonl prints one change a line; -o json prints those that are there, and ends.
When the node stops, tail ends with exit code 4 and says where to go on.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if g.format == "json" || once {
				return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
					return g.changes(ctx, c, after, limit)
				})
			}
			var from *uint64
			if cmd.Flags().Changed("after") {
				from = &after
			}
			return g.withNodeOpen(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				return g.follow(ctx, c, from, limit)
			})
		},
	}
	c.Flags().Uint64Var(&after, "after", 0, "begin behind this change")
	c.Flags().IntVar(&limit, "limit", 0, "end after this many changes")
	c.Flags().BoolVar(&once, "once", false, "print what is there, and end")
	return c
}

// changes prints what is there behind a number, page by page.
func (g *globals) changes(ctx context.Context, c *api.Client, after uint64, limit int) error {
	all := api.List[api.Event]{}
	for {
		want := api.MaxPage
		if limit > 0 {
			want = min(want, limit-len(all.Items))
		}
		page, err := c.Changes(ctx, after, want)
		if err != nil {
			return err
		}
		all.Items, all.Next = append(all.Items, page.Items...), page.Next
		if len(page.Items) < want || len(all.Items) == limit {
			break
		}
		if after, err = strconv.ParseUint(page.Next, 10, 64); err != nil {
			return err
		}
	}
	return emitList(g, all, func(w io.Writer) {
		for _, e := range all.Items {
			g.showEvent(w, e)
		}
	})
}

// errEnough ends a stream that has given what was asked for.
var errEnough = errors.New("enough")

func (g *globals) follow(ctx context.Context, c *api.Client, after *uint64, limit int) error {
	n := 0
	var last uint64
	err := c.Events(ctx, after, func(e api.Event) error {
		n++
		last = e.Seq
		if g.format == "jsonl" {
			if err := writeJSON(g.out, e); err != nil {
				return err
			}
		} else {
			g.showEvent(g.out, e)
		}
		if n == limit {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case ctx.Err() != nil:
		return exitWith(exitInterrupted) // Ctrl-C is how people end it: nothing to report
	case err == nil:
		return nodeGone(after, last)
	}
	return err
}

// nodeGone tells whoever follows that there is nobody to follow any more, and where to go on.
func nodeGone(after *uint64, last uint64) error {
	resume := "tocsin tail"
	switch {
	case last > 0:
		resume = fmt.Sprintf("tocsin tail --after %d", last)
	case after != nil:
		resume = fmt.Sprintf("tocsin tail --after %d", *after)
	}
	return api.NewProblem(reason.NodeNotFound, "follow changes: the node has stopped").
		WithFix(fmt.Sprintf("Go on with '%s' once it runs again.", resume))
}

func (g *globals) showEvent(w io.Writer, e api.Event) {
	color := map[string]string{"accepted": colorGood, "released": colorGood, "held": colorWarn, "rejected": colorBad}[e.Kind]
	fmt.Fprintf(w, "%s  %s  %s  %s on %s  %s", g.stamp(e.At), g.paint(fmt.Sprintf("%-8s", clean(e.Kind)), color),
		count(e.Objects, "object"), clean(cmp.Or(e.Petname, short(e.Org))), clean(e.Topic), short(e.Record))
	if e.Reason != "" {
		fmt.Fprintf(w, "  %s", clean(e.Reason))
	}
	fmt.Fprintln(w)
}
