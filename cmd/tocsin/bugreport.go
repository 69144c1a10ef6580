package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

// bugReport is what a report holds, as -o json prints it.
type bugReport struct {
	// File is where it was written, "" with --list.
	File  string       `json:"file,omitempty"`
	Parts []reportPart `json:"parts"`
	// TakenOut counts the different things of each kind that were taken out.
	TakenOut map[string]int `json:"taken_out"`
}

// reportPart is one file of a report.
type reportPart struct {
	Name  string `json:"name"`
	What  string `json:"what"`
	Bytes int    `json:"bytes"`
	// Missing says why it is not there.
	Missing string `json:"missing,omitempty"`
	raw     []byte
}

func newDebugBugreportCommand(g *globals) *cobra.Command {
	var out string
	var list, yes bool
	c := &cobra.Command{
		Use:   "bugreport",
		Short: "Put what a developer needs to know of a fault into one file, without names and addresses",
		Long: `Put what a developer needs to know of a fault into one zip file: versions, configuration, state, doctor, metrics, the
log of the last 10 minutes, stacks and a runtime trace of 2 seconds. It says what is in it before it writes, and
asks; it sends nothing anywhere. --list only says it.

Addresses, names, ids, indicator values, paths and whatever may be a secret are taken out of the texts, each replaced by
its kind and a number (<ip-3>, <peer-1>), the same one throughout. What is not known to be harmless is taken out.
Keys are never read. Read the file before you give it away: the README in it says how.

Without a node that answers it holds what can be said without one. Each part waits for --timeout at most, and for 15
seconds; a node that hangs meanwhile is not asked for more.

Exit codes: 0 written (or listed), 2 usage error or nobody there to say yes, 9 the file exists, 130 interrupted, or the
answer was not yes.`,
		Example: `  tocsin debug bugreport
  tocsin debug bugreport --list
  tocsin debug bugreport --out report.zip --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !list && !yes && (g.format != "text" || !isTerminal(g.in) || !isTerminal(g.out)) {
				return usagef("debug bugreport: nobody is there to be asked; --list shows what would be in it, --yes writes it")
			}
			if out == "" {
				out = "tocsin-bugreport-" + time.Now().UTC().Format("20060102-150405") + ".zip"
			}
			if !list && exists(out) {
				return reason.New(reason.Conflict, fmt.Sprintf("write the bug report: %s is there already", out))
			}
			return g.bugreport(cmd.Context(), out, list, yes)
		},
	}
	c.Flags().StringVar(&out, "out", "", "the file to write (default a name with the time, here)")
	c.Flags().BoolVar(&list, "list", false, "only say what would be in it")
	c.Flags().BoolVar(&yes, "yes", false, "write it without asking")
	return c
}

// bugreport gathers, shows and writes.
func (g *globals) bugreport(ctx context.Context, out string, list, yes bool) error {
	g.hint("Looking at the node; this takes some seconds.")
	report, err := g.gatherReport(ctx)
	if err != nil {
		return err
	}
	if !list && !yes {
		g.showReport(g.out, report)
		said, err := g.confirm(ctx, g.out, fmt.Sprintf("Write it to %s? [y/N] ", clean(out)))
		if err != nil {
			return err
		}
		if !said {
			return reason.New(reason.Interrupted, "nothing was written: the answer was not yes")
		}
	}
	if !list {
		if err := writeReport(out, report); err != nil {
			return err
		}
		report.File = out
	}
	return g.emit(report, func(w io.Writer) {
		if list || yes {
			g.showReport(w, report)
		}
		if !list {
			fmt.Fprintf(w, "Written to %s. Look through it before you give it away.\n", clean(out))
		}
	})
}

func (g *globals) showReport(w io.Writer, r *bugReport) {
	var rows [][]cell
	for _, p := range r.Parts {
		row := plain(p.Name, figures.Bytes(int64(p.Bytes)), p.What)
		if p.Missing != "" {
			row = append(plain(p.Name, "-"), cell{"missing: " + clean(p.Missing), colorWarn})
		}
		rows = append(rows, row)
	}
	g.table(w, []string{"FILE", "SIZE", "WHAT"}, rows)
	var taken []string
	for _, kind := range slices.Sorted(maps.Keys(r.TakenOut)) {
		taken = append(taken, fmt.Sprintf("%d %s", r.TakenOut[kind], kind))
	}
	if len(taken) > 0 {
		fmt.Fprintf(w, "Taken out of the texts: %s.\n", strings.Join(taken, ", "))
	}
}

// writeReport makes the file, for this user only. What could not be written whole is taken away again.
func writeReport(out string, r *bugReport) (err error) {
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return reason.New(reason.Conflict, fmt.Sprintf("write the bug report: %s is there already", out))
	}
	if err != nil {
		return fmt.Errorf("write the bug report: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("write the bug report to %s: %w", out, errors.Join(err, os.Remove(out)))
		}
	}()
	z := zip.NewWriter(f)
	for _, p := range r.Parts {
		if p.Missing != "" {
			continue
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: "bugreport/" + p.Name, Method: zip.Deflate, Modified: time.Now().UTC()})
		if err != nil {
			return err
		}
		if _, err := w.Write(p.raw); err != nil {
			return err
		}
	}
	return z.Close()
}

// reportReadme says what is in the report and how it was made.
func reportReadme(r *bugReport) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "A bug report of a tocsin node, made %s by \"tocsin debug bugreport\".\n\n", time.Now().UTC().Format(time.RFC3339))
	for _, p := range r.Parts {
		if p.Missing != "" {
			fmt.Fprintf(&out, "%-16s missing: %s\n", p.Name, p.Missing)
			continue
		}
		fmt.Fprintf(&out, "%-16s %s (%s)\n", p.Name, p.What, figures.Bytes(int64(p.Bytes)))
	}
	out.WriteString(`
No key, token or secret was read. Out of all texts were taken: addresses, names of peers and organisations, ids, e-mail
addresses, URLs, domains, machines with a port, hashes, file paths, whatever stood in quotation marks, long words that may
be secrets, and every text of the log under a key that is not known to be harmless. Each is replaced by its kind and a
number, <ip-3>, the same number wherever the same thing stood. Addresses that every machine has (127.0.0.1, 0.0.0.0)
stay, and so do numbers, times, topics and reason codes. trace.out and goroutines.txt name functions and source files of
the program; where those stood on the machine that built it is not in them.

Before you give it away, search it for what must not be in it, such as your own names: unzip -p FILE | grep -i NAME
`)
	return out.Bytes()
}
