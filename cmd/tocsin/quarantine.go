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
	var p api.HeldParams
	c := &cobra.Command{
		Use:   "list [TEXT]",
		Short: "List what is held, and why",
		Long:  "List what is held, and why. TEXT is part of an id, a type or a value.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				p.Query = args[0]
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Quarantine(ctx, p)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showQuarantine(w, list) })
			})
		},
	}
	c.Flags().StringVar(&p.Org, "org", "", "what this organisation sent")
	c.Flags().StringVar(&p.Code, "code", "", "what is held for this reason, such as trust.unknown ('tocsin reasons')")
	c.Flags().StringVar(&p.Cursor, "cursor", "", "go on where a page before ended")
	c.Flags().IntVar(&p.Limit, "limit", api.DefaultPage, "at most this many")
	return c
}

func newDecideCommand(g *globals, verb, short string, accept bool) *cobra.Command {
	d := api.Decision{Accept: accept}
	var yes bool
	c := &cobra.Command{
		Use:   verb + " [RECORD|RECORD#INDEX|ID]",
		Short: short,
		Long: short + `. RECORD without a number means
all of it that is held. RECORD#INDEX or a STIX id means one object, and serves where
objects are held one by one; a record that is held as a whole ("record" under HELD in
the list) is decided on as a whole. Unique prefixes of 8 or more serve. --all-from and
--code decide on everything that an organisation sent, or that is held for a reason; that needs --reason and
--yes. To accept all that an organisation will send, list it: tocsin trust add.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			batch := d.Org != "" || d.Code != ""
			switch {
			case len(args) == 1 && batch:
				return usagef("quarantine %s %s: an item and --all-from or --code exclude each other", verb, args[0])
			case len(args) == 1:
				d.Subject = args[0]
			case !batch:
				return usagef("quarantine %s: name an item, or give --all-from or --code", verb)
			case !yes:
				return usagef("quarantine %s: --all-from and --code decide on many items at once; say --yes if you mean it", verb)
			}
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
					if out.More {
						fmt.Fprintln(w, "There is more: give the same command again.")
					}
				})
			})
		},
	}
	c.Flags().StringVar(&d.Reason, "reason", "", "why; kept with the decision")
	c.Flags().StringVar(&d.Org, "all-from", "", "everything that this organisation sent")
	c.Flags().StringVar(&d.Code, "code", "", "everything that is held for this reason")
	c.Flags().BoolVar(&yes, "yes", false, "do it for all of them")
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
