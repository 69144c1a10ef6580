package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
)

func newQuarantineCommand(g *globals) *cobra.Command {
	return group("quarantine", "See what is held, and decide on it", newQuarantineListCommand(g),
		newDecideCommand(g, "accept", "Take something out of quarantine and believe its author in this", true),
		newDecideCommand(g, "reject", "Drop something that is held, for good", false))
}

func newQuarantineListCommand(g *globals) *cobra.Command {
	var cursor string
	var limit int
	c := &cobra.Command{
		Use:   "list",
		Short: "List what is held, and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Quarantine(ctx, cursor, limit)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showQuarantine(w, list) })
			})
		},
	}
	c.Flags().StringVar(&cursor, "cursor", "", "go on where a page before ended")
	c.Flags().IntVar(&limit, "limit", api.DefaultPage, "at most this many")
	return c
}

func newDecideCommand(g *globals, verb, short string, accept bool) *cobra.Command {
	d := api.Decision{Accept: accept}
	c := &cobra.Command{
		Use:   verb + " RECORD|RECORD#INDEX|ID",
		Short: short,
		Long: short + `. RECORD without a number means
all of it that is held. RECORD#INDEX or a STIX id means one object, and serves where
objects are held one by one; a record that is held as a whole ("record" under HELD in
the list) is decided on as a whole. Unique prefixes of 8 or more serve. To accept all
that an organisation sends, list it: tocsin trust add.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.Subject = args[0]
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				out, err := c.Decide(ctx, d)
				if err != nil {
					return err
				}
				return g.emit(out, func(w io.Writer) {
					for _, ref := range out.Items {
						what := fmt.Sprintf("%s #%d", ref.Record, ref.Index)
						if ref.Index < 0 {
							what = ref.Record + " (the whole record)"
						}
						fmt.Fprintf(w, "%sed %s\n", verb, what)
					}
				})
			})
		},
	}
	c.Flags().StringVar(&d.Reason, "reason", "", "why; kept with the decision")
	return c
}

func (g *globals) showQuarantine(w io.Writer, list *api.List[api.HeldItem]) {
	if len(list.Items) == 0 {
		fmt.Fprintln(w, "Nothing is held.")
		return
	}
	now := time.Now()
	var rows [][]cell
	for _, h := range list.Items {
		scope := "object"
		if h.Whole {
			scope = "record"
		}
		rows = append(rows, plain(g.when(h.Since, now), h.Reason, scope, cmp.Or(h.Petname, short(h.Org)), h.Type, g.valueText(h.Values),
			fmt.Sprintf("%s#%d", short(h.Record), h.Index)))
	}
	g.table(w, []string{"SINCE", "REASON", "HELD", "BY", "TYPE", "VALUE", "NAME"}, rows)
	if list.Next != "" {
		g.hint("More: --cursor %s", list.Next)
	}
}
