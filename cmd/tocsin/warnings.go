package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
	"tocsin/protocol/warn"
)

const warningsHelp = `Warning lists name values that must not be blocked (hard) or should make one look
twice (soft). The node has a built-in pack; the folder "warninglists" beside tocsin.toml adds to
it: assets.txt (your own names, addresses and networks, one a line; hard), hard/ and soft/ with
lists in the format of MISP warninglists (*.json) or one entry a line (*.txt); other files there
are soft. The folder is looked at every 10 s.`

func newWarningsCommand(g *globals) *cobra.Command {
	c := group("warnings", "Show what must not be blocked, and check lists of it", newWarningsListCommand(g),
		newWarningsCheckCommand(g), newWarningsReloadCommand(g), newWarningsLintCommand(g))
	c.Long = warningsHelp
	return c
}

func newWarningsListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the warning lists in force",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				lists, err := c.Warnings(ctx)
				if err != nil {
					return err
				}
				return g.emitWarnings(lists)
			})
		},
	}
}

func newWarningsReloadCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Read the folder of warning lists again, now",
		Long: `Read the folder of warning lists again, also where neither size nor time of a file
changed. When a file is refused, all that is in force stays.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				lists, err := c.ReloadWarnings(ctx)
				if err != nil {
					return err
				}
				return g.emitWarnings(lists)
			})
		},
	}
}

// emitWarnings prints the lists in force; -o jsonl gives one list a line.
func (g *globals) emitWarnings(lists *api.WarningLists) error {
	if g.format == "jsonl" {
		return emitList(g, api.List[api.WarningList]{Items: lists.Items}, nil)
	}
	return g.emit(lists, func(w io.Writer) { g.showWarnings(w, lists) })
}

func (g *globals) showWarnings(w io.Writer, lists *api.WarningLists) {
	var rows [][]cell
	own := 0
	for _, l := range lists.Items {
		weight := "soft"
		if l.Hard {
			weight = "hard"
		}
		if l.File != "" {
			own++
		}
		rows = append(rows, plain(l.Name, weight, l.Type, strconv.Itoa(l.Entries), strconv.Itoa(l.Skipped), l.File))
	}
	g.table(w, []string{"LIST", "WEIGHT", "TYPE", "ENTRIES", "SKIPPED", "FILE"}, rows)
	if own == 0 {
		g.hint("Only the built-in lists are in force. Name your own servers in %s/assets.txt, so that nobody can make you block them.", clean(lists.Folder))
	}
}

func newWarningsCheckCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "check VALUE...",
		Short: "Say which warning lists name a value",
		Long: `Say which warning lists name a value, in any notation of it: networks that overlap a
listed address count, names below a listed name, the host of a URL. A value that only looks like
a name of assets.txt is said to, and is protected from nothing.`,
		Example: "  tocsin warnings check 8.8.8.0/24 www.google.com",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for i, v := range args {
				if v == "" {
					return usagef("warnings check: value %d of %d is empty", i+1, len(args))
				}
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.CheckWarnings(ctx, args)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showWarningItems(w, list.Items) })
			})
		},
	}
}

func (g *globals) showWarningItems(w io.Writer, items []api.WarningItem) {
	for _, i := range items {
		fmt.Fprintln(w, g.defang(i.Type, i.Normal))
		for _, l := range i.Lists {
			weight := g.paint("soft", colorWarn)
			if l.Hard {
				weight = g.paint("hard", colorBad)
			}
			fmt.Fprintf(w, "    %s  %s (for %s)\n", weight, clean(l.List), g.defang("domain", l.Entry))
		}
		if len(i.Lists) == 0 {
			fmt.Fprintln(w, "    on no warning list")
		}
		if i.LooksLike != nil {
			fmt.Fprintf(w, "    %s\n", g.paint("looks like your own "+g.defang("domain", i.LooksLike.Entry)+", and is not", colorBad))
		}
	}
}

// lintedList is what lint found in one file.
type lintedList struct {
	File    string       `json:"file"`
	Name    string       `json:"name,omitempty"`
	Type    string       `json:"type,omitempty"`
	Entries int          `json:"entries"`
	Skipped []string     `json:"skipped"`
	Problem *api.Problem `json:"problem,omitempty"`
}

// maxLinted is how many skipped entries of a file people are shown.
const maxLinted = 20

func newWarningsLintCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "lint FILE...",
		Short: "Check files of warning lists before a node reads them",
		Long: `Check files of warning lists, *.json in MISP's format or *.txt, without a node. What a
node would skip is named with its reason.

Exit codes: 0 all entries can be used, 2 a node would refuse a file, 3 it would skip entries.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			list := api.List[lintedList]{}
			exit := exitDone
			for _, file := range args {
				l, err := g.lint(file)
				if err != nil {
					return err
				}
				list.Items = append(list.Items, l)
				switch {
				case l.Problem != nil:
					exit = exitUsage
				case len(l.Skipped) > 0 && exit == exitDone:
					exit = exitPartly
				}
			}
			if err := emitList(g, list, func(w io.Writer) { g.showLinted(w, list.Items) }); err != nil || exit == exitDone {
				return err
			}
			return exitWith(exit)
		},
	}
}

// lint reads one file as a node would; only a file that cannot be opened is an error.
func (g *globals) lint(file string) (lintedList, error) {
	in, _, err := g.open(file)
	if err != nil {
		return lintedList{}, err
	}
	raw, err := io.ReadAll(io.LimitReader(in, warn.MaxFile+1))
	if err := errors.Join(err, in.Close()); err != nil {
		return lintedList{}, fileError(err)
	}
	out := lintedList{File: file, Skipped: []string{}}
	l, err := warn.Parse(file, raw, warn.Soft)
	if reason.Of(err) == reason.WarnFile {
		out.Problem = api.ProblemOf(err)
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Name, out.Type, out.Entries = l.Name, l.Type, len(l.Entries)
	out.Skipped = append(out.Skipped, l.Skipped...)
	return out, nil
}

func (g *globals) showLinted(w io.Writer, items []lintedList) {
	for _, l := range items {
		if l.Problem != nil {
			fmt.Fprintf(w, "%s: %s: %s\n", clean(l.File), g.paint("refused", colorBad), clean(l.Problem.Detail))
			continue
		}
		fmt.Fprintf(w, "%s: %q, %s: %d usable, %d skipped\n", clean(l.File), clean(l.Name), l.Type, l.Entries, len(l.Skipped))
		for i, s := range l.Skipped {
			if i == maxLinted {
				fmt.Fprintf(w, "    and %d more (-o json names all)\n", len(l.Skipped)-i)
				break
			}
			fmt.Fprintf(w, "    %s\n", clean(s))
		}
	}
}
