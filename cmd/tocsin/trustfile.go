package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
)

// maxTrustFile bounds what is read of a trust list; the node says the exact limit.
const maxTrustFile = 8 << 20

// readTrustFile reads a trust list to send to the node, "-" for standard input.
func (g *globals) readTrustFile(path string) (api.TrustText, error) {
	t := api.TrustText{Name: path}
	in := g.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return t, err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxTrustFile))
	t.TOML = string(raw)
	return t, err
}

func newTrustExportCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Write the trust list in force as a file, to standard output",
		Long:  "Write the trust list in force as a file (TOML), to standard output. It names whom you trust and why: think before you hand it on.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				t, err := c.ExportTrust(ctx)
				if err != nil {
					return err
				}
				return g.emit(t, func(w io.Writer) { fmt.Fprint(w, t.TOML) })
			})
		},
	}
}

func newTrustReloadCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Read the operator's own file (trust.toml) again, at once",
		Long: `Read the operator's own file, trust.toml beside the configuration, again. The node looks at it every ten
seconds by itself. A file that is refused changes nothing and is named with line and column.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				t, err := c.ReloadTrust(ctx)
				if err != nil {
					return err
				}
				return g.emit(t, func(w io.Writer) {
					fmt.Fprintln(w, "The trust list was read again.")
					if len(t.Overlaid) > 0 {
						fmt.Fprintf(w, "Not as the file says: %s. Commands changed them since, and what commands say stands over the file: change them with tocsin trust set.\n",
							clean(strings.Join(t.Overlaid, ", ")))
					}
				})
			})
		},
	}
}

func newTrustDiffCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "diff FILE",
		Short: "Show what laying a file over the trust list would change",
		Long:  "Show what laying FILE (- for standard input) over the trust list in force would change. Nothing is applied. 'tocsin trust simulate' shows which verdicts would change.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := g.readTrustFile(args[0])
			if err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.DiffTrust(ctx, t)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) {
					if len(list.Items) == 0 {
						fmt.Fprintln(w, "Nothing would change.")
						return
					}
					var rows [][]cell
					for _, d := range list.Items {
						rows = append(rows, plain(d.Name, d.Field, d.Before, d.After, short(d.Org)))
					}
					g.table(w, []string{"NAME", "FIELD", "BEFORE", "AFTER", "ORGANISATION"}, rows)
				})
			})
		},
	}
}

func newTrustImportCommand(g *globals) *cobra.Command {
	var why string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Queue somebody's trust list for review; nothing is applied",
		Long: `Queue a trust list (FILE, - for standard input) for review. Whoever you have it from, it is a proposal:
nothing is applied until a person accepts it with 'tocsin review accept'.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := g.readTrustFile(args[0])
			if err != nil {
				return err
			}
			t.Reason = why
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				i, err := c.ImportTrust(ctx, t)
				if err != nil {
					return err
				}
				return g.emit(i, func(w io.Writer) {
					g.showReviewItem(w, i)
					g.hint("Nothing is applied yet. Decide with: tocsin review accept %s --reason TEXT", i.ID)
				})
			})
		},
	}
	c.Flags().StringVar(&why, "reason", "", "where it comes from; kept in the audit log")
	return c
}

func newTrustLogCommand(g *globals) *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:   "log",
		Short: "List the last changes of the trust list: who, when, what, why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.TrustLog(ctx, limit)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showTrustLog(w, list.Items) })
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this many")
	return c
}

func (g *globals) showTrustLog(w io.Writer, changes []api.TrustChange) {
	if len(changes) == 0 {
		fmt.Fprintln(w, "The trust list was never changed.")
		return
	}
	now := time.Now()
	for _, c := range changes {
		name := c.Name
		if name == "" {
			name = c.Target
		}
		line := fmt.Sprintf("%s  %s  %s %s", g.when(c.At, now), clean(c.By), c.Action, clean(name))
		if c.Reason != "" {
			line += ": " + clean(c.Reason)
		}
		fmt.Fprintln(w, line)
		var details []string
		for field, change := range c.Detail {
			if !strings.HasPrefix(field, "list_") { // which list it was is for machines
				details = append(details, fmt.Sprintf("    %s %s", clean(field), clean(change)))
			}
		}
		slices.Sort(details)
		for _, d := range details {
			fmt.Fprintln(w, d)
		}
	}
}
