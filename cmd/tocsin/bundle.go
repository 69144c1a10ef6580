package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"rsc.io/qr"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

func newBundleCommand(g *globals) *cobra.Command {
	return group("bundle", "Carry records in files to where no network goes",
		newBundleListCommand(g), newBundleExportCommand(g), newBundleImportCommand(g), newBundleShowCommand(g),
		newBundleHeadsCommand(g), newBundleSpoolCommand(g), newBundleGapsCommand(g), newBundleKeyCommand(g))
}

func newBundleListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the bundles that this node wrote and read",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Bundles(ctx)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showBundles(w, list.Items) })
			})
		},
	}
}

func (g *globals) showBundles(w io.Writer, items []api.Bundle) {
	if len(items) == 0 {
		fmt.Fprintln(w, "No bundles yet.")
		return
	}
	var rows [][]cell
	for _, b := range items {
		way := "read"
		if b.Ours {
			way = "written"
		}
		rows = append(rows, plain(b.ID[:8], way, who(b.Petname, b.Level, b.Exporter), g.when(b.At, time.Now()), recordsOf(b), b.MaxTLP, chunksOf(b)))
	}
	g.table(w, []string{"BUNDLE", "", "EXPORTER", "WHEN", "RECORDS", "AT MOST", "CHUNKS"}, rows)
}

func recordsOf(b api.Bundle) string {
	if !b.Manifest {
		return "?"
	}
	return strconv.Itoa(b.Records)
}

// chunksOf says whether all of a bundle is here.
func chunksOf(b api.Bundle) string {
	switch {
	case !b.Manifest && b.Missing != "":
		return fmt.Sprintf("%s not whole; the manifest has not come, so nobody can tell how many there are", b.Missing)
	case !b.Manifest:
		return fmt.Sprintf("%s whole; the manifest has not come, so nobody can tell how many there are", b.Whole)
	case b.Missing != "":
		return fmt.Sprintf("MISSING %s of %d", b.Missing, b.Chunks)
	}
	return fmt.Sprintf("all %d", b.Chunks)
}

func newBundleHeadsCommand(g *globals) *cobra.Command {
	var code bool
	c := &cobra.Command{
		Use:   "heads",
		Short: "Print what this node holds, for an exporter to leave out",
		Long: `Print a short text that says what this node holds of each key log. Carry it to the exporter,
who gives it to tocsin bundle export --for FILE: the bundle then holds only what is missing here.
The text is no secret to whoever knows the network, and gives nobody any right.`,
		Example: "  tocsin bundle heads > heads.txt\n  tocsin bundle heads --qr",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				h, err := c.BundleHeads(ctx)
				if err != nil {
					return err
				}
				g.hint("%s.", figures.Count(h.Logs, "key log"))
				return g.emit(h, func(w io.Writer) { g.printCarried(w, h.Text, code) })
			})
		},
	}
	c.Flags().BoolVar(&code, "qr", false, "draw a QR code, too, if the text fits one")
	return c
}

// printCarried prints a text that a person carries, and draws it where that is asked for and possible.
func (g *globals) printCarried(w io.Writer, text string, code bool) {
	fmt.Fprintln(w, text)
	if !code {
		return
	}
	if _, err := qr.Encode(text, qr.L); err != nil {
		g.hint("The text is too long for a QR code: carry it as a file.")
		return
	}
	g.showQR(w, []string{text})
}

func newBundleGapsCommand(g *globals) *cobra.Command {
	var code bool
	c := &cobra.Command{
		Use:   "gaps",
		Short: "Say which increments of a series never came",
		Long: `Say for each series of increments (tocsin bundle spool) which of them never came whole, in a form that
is short enough to read out: 1f2e3d4c:17,33-35. On the sending side
tocsin bundle spool --resend 1f2e3d4c:17,33-35 sends them again.

What comes after the newest increment that came cannot be known here.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.BundleSeries(ctx)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showGaps(w, list.Items, code) })
			})
		},
	}
	c.Flags().BoolVar(&code, "qr", false, "draw each as a QR code, too")
	return c
}

func (g *globals) showGaps(w io.Writer, items []api.BundleSeries, code bool) {
	if len(items) == 0 {
		fmt.Fprintln(w, "No increments came yet.")
	}
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(a, b api.BundleSeries) int { return b.At.Compare(a.At) }) // what came last first
	for _, s := range items {
		if s.Gaps == "" {
			fmt.Fprintf(w, "Series %s: all of 1-%d came, the last %s.\n", s.Series[:8], s.Last, g.when(s.At, time.Now()))
			continue
		}
		fmt.Fprintf(w, "Series %s: %d of 1-%d never came; tell the sender:\n", s.Series[:8], s.Last-s.Came, s.Last)
		g.printCarried(w, s.Gaps, code)
	}
}

func newBundleShowCommand(g *globals) *cobra.Command {
	lock := new(bundleLock)
	c := &cobra.Command{
		Use:   "show BUNDLE|FILE...",
		Short: "Say what a bundle is, and whether all of it is here",
		Long: `Say what a bundle is: one that this node wrote or read, by its id or the first eight digits, or files, whose
signatures and hashes are checked by the chain that they carry. Files need no running node; who the
exporter is, only a trust list can say.

Exit codes: 0 whole, 3 something is missing or damaged, 6 no such bundle, 8 no bundle at all.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); err == nil || len(args) > 1 {
				return g.inspect(cmd.Context(), args, lock)
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				b, err := c.Bundle(ctx, args[0])
				if err != nil {
					return err
				}
				if err := g.emit(b, func(w io.Writer) { g.showBundle(w, *b) }); err != nil {
					return err
				}
				return bundleExit(*b)
			})
		},
	}
	lock.openFlags(c)
	return c
}

// bundleExit is for a bundle of which something is missing.
func bundleExit(bundles ...api.Bundle) error {
	for _, b := range bundles {
		if b.Missing != "" {
			return exitWith(exitPartly)
		}
	}
	return nil
}

func (g *globals) showBundle(w io.Writer, b api.Bundle) {
	line := func(name, text string) { fmt.Fprintf(w, "%-10s %s\n", name, clean(text)) }
	line("Bundle", b.ID)
	exporter := b.Exporter
	if b.Petname != "" {
		exporter = b.Petname + " (" + b.Level + ") " + b.Exporter
	} else if b.Level != "" {
		exporter += " (" + b.Level + ")"
	}
	line("Exporter", exporter)
	line("Created", g.stamp(b.Created))
	line("At most", b.MaxTLP)
	line("Records", recordsOf(b))
	line("Chunks", chunksOf(b))
	if b.Increment > 0 {
		line("Increment", fmt.Sprintf("%d of series %s", b.Increment, b.Series[:8]))
	}
}
