package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

func newEraseCommand(g *globals) *cobra.Command {
	var r api.EraseRequest
	var yes bool
	c := &cobra.Command{
		Use:   "erase RECORD",
		Short: "Erase a record's objects at this node for good",
		Long: `Erase all objects of a record, or one of them, at this node for good. The object and its salt go; the
hash of the leaf stays, which tells nothing and lets the rest of the record still be proved. Nothing that was
erased here is taken back, from peers, bundles or backups, while the record's life lasts.

This is about this node: peers keep theirs, and so do backups and bundles that were made before. To ask
others to forget something, take it back as its publisher. The bytes are gone from the disk after the next
vacuum: 'tocsin vacuum', or by itself within a week.

The reason goes into the audit log, which is never erased: do not write into it what is to be forgotten.

Exit codes: 0 erased, 2 usage error, 4 no node runs, 6 no such record or object.`,
		Example: `  tocsin erase 0123abcd... --object 3 --reason "names a person" --yes
  tocsin erase 0123abcd... --object indicator--... --reason "request 12/2026" --yes
  tocsin erase 0123abcd... --reason "request 12/2026" --yes && tocsin vacuum`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Record = args[0]
			switch {
			case r.Reason == "":
				return usagef("erase %s: --reason is needed, for those who look at it later", r.Record)
			case !yes:
				return usagef("erase %s: it cannot be undone; say --yes if you mean it", r.Record)
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				out, err := c.Erase(ctx, r)
				if err != nil {
					return err
				}
				return g.emit(out, func(w io.Writer) { g.showErased(w, out) })
			})
		},
	}
	c.Flags().StringVar(&r.Object, "object", "", "number or STIX id of one object (default all of the record)")
	c.Flags().StringVar(&r.Reason, "reason", "", "why; kept in the audit log")
	c.Flags().BoolVar(&yes, "yes", false, "do it; it cannot be undone")
	return c
}

func (g *globals) showErased(w io.Writer, e *api.Erased) {
	whose := cmp.Or(e.Petname, short(e.Org))
	if len(e.Objects) == 0 {
		fmt.Fprintf(w, "erased record %s of %s; its header stays\n", e.Record, clean(whose))
	} else {
		fmt.Fprintf(w, "erased %s of record %s of %s; %d left in it\n", figures.Count(len(e.Objects), "object"), e.Record, clean(whose), e.Left)
	}
	fmt.Fprintln(w, "Peers keep theirs, and so do backups and bundles.")
	for _, ref := range e.Elsewhere {
		fmt.Fprintf(w, "The same id is also in %s#%d, which stays.\n", ref.Record, ref.Index)
	}
	g.hint("The bytes leave the disk with the next vacuum: tocsin vacuum, or by itself within a week.")
}

func newVacuumCommand(g *globals) *cobra.Command {
	var req api.VacuumRequest
	cmd := &cobra.Command{
		Use:   "vacuum",
		Short: "Take off the disk what was erased, rejected or has expired",
		Long: `Copy what is live into a fresh store beside the old one, exchange the two, overwrite the old files and remove
them. The node goes on running; nothing is written while the copy is made, a few seconds for a million
objects. It needs as much free space as the store takes. A node does this by itself once a week when
something was erased, rejected or has expired.

What a repair put aside may have what was erased since: it is named, and wiped with --aside.

Overwriting reaches the bytes on a disk that writes in place. Flash and file systems that copy on write
keep old blocks where nobody can reach them: encrypt such a disk (docs/erasure.md).

Exit codes: 0 done, 4 no node runs, 8 the store is damaged (nothing was changed), 9 another vacuum or a backup
is under way.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNodeOpen(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				v, err := c.Vacuum(ctx, req)
				if err != nil {
					return err
				}
				return g.emit(v, func(w io.Writer) {
					fmt.Fprintf(w, "vacuumed: %s before, %s after; no writing for %v, no reading for %v\n", figures.Bytes(v.Before), figures.Bytes(v.After),
						time.Duration(v.PausedMS)*time.Millisecond, time.Duration(v.SwapMS)*time.Millisecond)
					for _, path := range v.Aside {
						if v.Wiped {
							fmt.Fprintf(w, "wiped: %s\n", clean(path))
							continue
						}
						fmt.Fprintf(w, "left by a repair: %s\n", clean(path))
					}
					if len(v.Aside) > 0 && !v.Wiped {
						g.hint("What was erased since may still be there. Once the repaired store is well: tocsin vacuum --aside")
					}
				})
			})
		},
	}
	cmd.Flags().BoolVar(&req.Aside, "aside", false, "also wipe what repairs left beside the store: the damaged one, and records that wait to be judged anew")
	return cmd
}
