package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

// exportFlags are what an export shall hold and where it goes.
type exportFlags struct {
	request api.BundleRequest
	lock    bundleLock
	since   string
	wishes  string
	all     bool
	to      string
}

// bundleWritten is the answer of an export.
type bundleWritten struct {
	*api.BundleExported
	Files []string `json:"files"`
}

func newBundleExportCommand(g *globals) *cobra.Command {
	x := new(exportFlags)
	c := &cobra.Command{
		Use:   "export (--all | --since TIME | --for FILE) --max-tlp TLP --to FOLDER|FILE",
		Short: "Write a bundle of records",
		Long: `Write records into files that somebody carries to a node elsewhere. Each record goes with its author's signature,
and with when this node first saw it. Nothing above --max-tlp leaves, and neither what is in quarantine nor
what blocked organisations said, unless --held is given. What identity chains and control records are
needed goes with it.

--to a folder (or a name that ends in /) makes a file for each chunk and one for the manifest; any other name makes one
file. Give --recipient or --passphrase to encrypt: without it anybody on the way can read the files. The
export is in the audit log, with who asked for it and --reason.

Exit codes: 0 written, 2 nothing says what to write, 6 a file that is named is not there, 9 FILE exists already.`,
		Example: `  tocsin bundle export --all --max-tlp green --to /media/usb/ --recipient age1...
  tocsin bundle export --for heads.txt --topic fraud --max-tlp clear --to week.tocsin`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := x.read(); err != nil {
				return err
			}
			return g.exportBundle(cmd.Context(), x)
		},
	}
	x.common(c)
	f := c.Flags()
	f.StringVar(&x.since, "since", "", "what came to this node since: YYYY-MM-DD, RFC 3339 or a span such as 7d")
	f.StringVar(&x.wishes, "for", "", "what the receiver lacks: the FILE that tocsin bundle heads printed there")
	f.BoolVar(&x.all, "all", false, "everything")
	f.StringVar(&x.to, "to", "", "folder, or name of one file")
	f.IntVar(&x.request.ChunkMB, "chunk-mb", 100, "how large chunks get, in MiB")
	return c
}

// common are the flags that a spool shares.
func (x *exportFlags) common(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&x.request.Topics, "topic", nil, "only this topic (and control); may be given more than once")
	f.StringVar(&x.request.MaxTLP, "max-tlp", "", "highest label that leaves: clear, green, amber, amber+strict or red")
	f.BoolVar(&x.request.Held, "held", false, "what is in quarantine, and what blocked organisations said, leaves too")
	f.StringVar(&x.request.Reason, "reason", "", "why, for the audit log")
	x.lock.lockFlags(c)
}

// read refuses flags that do not say what is to leave.
func (x *exportFlags) read() (err error) {
	given := 0
	for _, is := range []bool{x.all, x.since != "", x.wishes != ""} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return usagef("export a bundle: say what to write with one of --all, --since TIME and --for FILE")
	case x.request.MaxTLP == "":
		return usagef("export a bundle: --max-tlp is missing: the highest label that may leave")
	case x.to == "":
		return usagef("export a bundle: --to is missing: a folder, or the name of a file")
	}
	if x.request.Since, err = parseMoment("--since", x.since, time.Now()); err != nil {
		return err
	}
	if x.wishes != "" {
		raw, err := os.ReadFile(x.wishes)
		if err != nil {
			return fileError(err)
		}
		x.request.Wishes = string(raw)
	}
	return nil
}

func (g *globals) exportBundle(ctx context.Context, x *exportFlags) error {
	keys, said, err := x.lock.keys(ctx, g)
	if err != nil {
		return err
	}
	x.request.Lock = said
	return g.withNodeOpen(ctx, func(ctx context.Context, c *api.Client) error {
		files, err := target(x.to, keys)
		if err != nil {
			return err
		}
		defer files.discard()
		update, done := g.progress("exporting, KiB")
		out, err := c.ExportBundle(ctx, x.request, func(in io.Reader) error { return files.write(&metered{in: in, update: update}) })
		done()
		if err == nil {
			err = files.finish()
		}
		if err != nil {
			return err
		}
		report := bundleWritten{out, nil}
		for _, name := range files.names {
			report.Files = append(report.Files, filepath.Join(files.folder, name))
		}
		if len(keys) == 0 {
			g.hint("The files are not encrypted: whoever carries them can read them (--recipient, --passphrase).")
		}
		return g.emit(report, func(w io.Writer) { g.showExported(w, report) })
	})
}

func (g *globals) showExported(w io.Writer, r bundleWritten) {
	fmt.Fprintf(w, "Wrote bundle %s: %s in %s.\n", r.Bundle[:8], figures.Count(r.Records, "record"), figures.Count(r.Chunks, "chunk"))
	for _, name := range r.Files {
		fmt.Fprintf(w, "  %s\n", clean(name))
	}
	for _, code := range slices.Sorted(maps.Keys(r.Kept)) {
		fmt.Fprintf(w, "Stayed here: %s (%s)\n", figures.Count(r.Kept[code], "record"), code)
	}
}

// metered tells how many KiB went by.
type metered struct {
	in     io.Reader
	update func(api.Progress)
	n      int64
	total  int64
}

// Read passes on.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	m.n += int64(n)
	if m.update != nil && (n > 0 || errors.Is(err, io.EOF)) {
		m.update(api.Progress{Done: int(m.n >> 10), Total: int(max(m.total, m.n) >> 10)})
	}
	return n, err
}
