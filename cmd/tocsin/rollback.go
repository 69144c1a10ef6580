package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

func newTrustRollbackCommand(g *globals) *cobra.Command {
	var r api.RollbackRequest
	c := &cobra.Command{
		Use:   "rollback --key KEY --after SEQ --reason TEXT",
		Short: "Take back here what a key said after a position",
		Long: `Move everything that a record key signed after a position of its key log into quarantine, here, on
this node, and refuse what it signs from now on. What others said about the same values stays. The answer names
the values that are believed less than before. 'tocsin trust restore' takes it back.
KEY is sha256:HEX or a unique prefix; 'tocsin show RECORD' names a record's key and position.`,
		Example: "  tocsin trust rollback --key sha256:9f3c01ab --after 118 --reason 'their node was broken into on Friday'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"key", "after", "reason"} {
				if !cmd.Flags().Changed(name) || name == "reason" && strings.TrimSpace(r.Reason) == "" {
					return usagef("trust rollback: --%s is missing", name)
				}
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				out, err := c.Rollback(ctx, r)
				if err != nil {
					return err
				}
				return g.emit(out, func(w io.Writer) { g.showRolledBack(w, out) })
			})
		},
	}
	f := c.Flags()
	f.StringVar(&r.Key, "key", "", "the record key")
	f.Uint64Var(&r.After, "after", 0, "the last sequence number that still counts; 0 for none")
	f.StringVar(&r.Topic, "topic", "", "this topic only")
	f.StringVar(&r.Reason, "reason", "", "why; kept in the audit log")
	return c
}

func (g *globals) showRolledBack(w io.Writer, out *api.RolledBack) {
	fmt.Fprintf(w, "Rolled back %s of %s: now in quarantine are %s with %s.\n",
		short(out.Key), clean(nameOr(out.Petname, short(out.Org))), figures.Count(out.Records, "record"), figures.Count(out.Objects, "object"))
	if len(out.Undone) == 0 {
		fmt.Fprintln(w, "No verdict changed: nothing in them was believed on their word alone.")
		return
	}
	var rows [][]cell
	for _, u := range out.Undone {
		acted := ""
		if u.Automated {
			acted = "yes"
		}
		rows = append(rows, plain(g.defang(u.Type, u.Value), u.Before, u.After, acted))
	}
	g.table(w, []string{"VALUE", "BEFORE", "NOW", "MACHINES ACTED"}, rows)
	if out.More > 0 {
		fmt.Fprintf(w, "and %s\n", figures.Count(out.More, "more value"))
	}
}

func nameOr(name, other string) string {
	if name == "" {
		return other
	}
	return name
}

func newTrustRestoreCommand(g *globals) *cobra.Command {
	var r api.RestoreRequest
	c := &cobra.Command{
		Use:   "restore ORG --reason TEXT",
		Short: "Let an organisation's word count again after a breaker or a rollback",
		Long: `Close the circuit breakers of an organisation and take back rollbacks of its keys. What was held for
them is judged again. A level that a breaker lowered stays low: raise it with 'tocsin trust set'. A fork of a key is
never forgiven: the organisation makes a new key. ` + orgHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(r.Reason) == "" {
				return usagef("trust restore %s: --reason is missing", args[0])
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				out, err := c.Restore(ctx, args[0], r)
				if err != nil {
					return err
				}
				return g.emit(out, func(w io.Writer) {
					fmt.Fprintf(w, "%s counts again; breakers and rollbacks ended: %d.\n", clean(nameOr(out.Petname, short(out.Org))), out.Closed)
				})
			})
		},
	}
	c.Flags().StringVar(&r.Topic, "topic", "", "this topic only")
	c.Flags().StringVar(&r.Reason, "reason", "", "why; kept in the audit log")
	return c
}
