package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
)

func newReviewCommand(g *globals) *cobra.Command {
	return group("review", "Decide what only a person may decide", newReviewListCommand(g), newReviewShowCommand(g),
		newReviewDecideCommand(g, "accept", "Carry out what an item asks for", true),
		newReviewDecideCommand(g, "reject", "Drop an item; the same does not come back for 30 days", false))
}

func newReviewListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what waits",
		Long: `List what waits for a person: promotions that the node proposes, anchors that need a second
approver, trust lists to import, advisories of partners, organisations with two roots. What is
held in quarantine is decided on with 'tocsin quarantine'.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Review(ctx)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) {
					if len(list.Items) == 0 {
						fmt.Fprintln(w, "Nothing waits.")
						return
					}
					now := time.Now()
					var rows [][]cell
					for _, i := range list.Items {
						rows = append(rows, plain(i.ID, g.when(i.Created, now), i.By, cmp.Or(i.Petname, short(i.Org)), i.Title))
					}
					g.table(w, []string{"ID", "SINCE", "BY", "ABOUT", "WHAT"}, rows)
				})
			})
		},
	}
}

func newReviewShowCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show one item with its particulars",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				i, err := c.ReviewItem(ctx, args[0])
				if err != nil {
					return err
				}
				return g.emit(i, func(w io.Writer) { g.showReviewItem(w, i) })
			})
		},
	}
}

func (g *globals) showReviewItem(w io.Writer, i *api.ReviewItem) {
	fmt.Fprintf(w, "%s: %s\n", i.ID, clean(i.Title))
	for _, line := range [][2]string{{"By", i.By}, {"Since", g.stamp(i.Created)}, {"Until", g.stamp(i.Expires)}, {"Petname", i.Petname}, {"Organisation", i.Org}} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-13s %s\n", line[0], clean(line[1]))
		}
	}
	for _, d := range i.Detail {
		fmt.Fprintf(w, "  %s\n", clean(d))
	}
}

func newReviewDecideCommand(g *globals, verb, short string, accept bool) *cobra.Command {
	d := api.ReviewDecision{Accept: accept}
	c := &cobra.Command{
		Use:   verb + " ID --reason TEXT",
		Short: short,
		Long:  short + ". ID is as in 'tocsin review list', or a unique part at its beginning. The decision and its reason go into the audit log.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(d.Reason) == "" {
				return usagef("review %s %s: --reason is missing", verb, args[0])
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				out, err := c.DecideReview(ctx, args[0], d)
				if err != nil {
					return err
				}
				return g.emit(out, func(w io.Writer) { fmt.Fprintf(w, "%sed %s. %s\n", verb, out.ID, clean(out.Effect)) })
			})
		},
	}
	c.Flags().StringVar(&d.Reason, "reason", "", "why; kept with the decision")
	return c
}
