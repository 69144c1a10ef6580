package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/bundle"
	"tocsin/protocol/reason"
)

func newBundleImportCommand(g *globals) *cobra.Command {
	lock := new(bundleLock)
	c := &cobra.Command{
		Use:   "import FILE|FOLDER|-...",
		Short: "Read bundles, in any order and as often as you like",
		Long: `Read chunks of bundles: files, or all in a folder that end in .tocsin or .tocsin.age. Each record is checked as if it
had come from the network, and judged by your trust list; it is its author's, whoever carried it. What is here
already is passed over, so an import that was interrupted is started again. A part that is damaged or missing
is named; the rest is taken.

Who exported the bundle need not be on your trust list. Its word on when it first saw records is kept as its word.

Exit codes: 0 all is here, 3 something was refused, damaged or is missing (the answer names each), 6 no such file,
8 nothing in the files could be used.`,
		Example: "  tocsin bundle import /media/usb --identity me.age",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := bundleInputs(args)
			if err != nil {
				return err
			}
			keys, err := lock.openers(cmd.Context(), g)
			if err != nil {
				return err
			}
			return g.withNodeOpen(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				out, err := g.importAll(ctx, c, files, keys)
				if err != nil {
					return err
				}
				if out.Segments == 0 && len(out.Faults) > 0 {
					f := out.Faults[0]
					return api.NewProblem(reason.Code(f.Code), "import bundles: nothing could be used: "+f.File+": "+f.Detail)
				}
				if err := g.emit(out, func(w io.Writer) { g.showImported(w, out) }); err != nil {
					return err
				}
				g.hintHeld(out)
				if len(out.Refused) > 0 || len(out.Faults) > 0 {
					return exitWith(exitPartly)
				}
				return bundleExit(out.Bundles...)
			})
		},
	}
	lock.openFlags(c)
	return c
}

// importAll hands one file after the other to the node. A file that cannot be opened is a fault like any; what ends it is
// that the node fails or is gone.
func (g *globals) importAll(ctx context.Context, c *api.Client, files []string, keys []age.Identity) (*api.BundleImported, error) {
	out := &api.BundleImported{Refused: map[string]int{}, Faults: []api.BundleFault{}, Bundles: []api.Bundle{}}
	for _, name := range files {
		one, err := g.importFile(ctx, c, name, keys)
		if err != nil {
			return nil, err
		}
		add(out, one)
	}
	return out, nil
}

// add puts the outcome of one more file to that of others. Of a bundle the newest word counts.
func add(out, one *api.BundleImported) {
	out.Taken += one.Taken
	out.Quarantined += one.Quarantined
	out.Headers += one.Headers
	out.Already += one.Already
	out.Segments += one.Segments
	out.Facts += one.Facts
	for code, n := range one.Refused {
		out.Refused[code] += n
	}
	out.Faults = append(out.Faults, one.Faults...)
	for _, b := range one.Bundles {
		out.Bundles = slices.DeleteFunc(out.Bundles, func(old api.Bundle) bool { return old.ID == b.ID })
		out.Bundles = append(out.Bundles, b)
	}
}

// importFile hands one file to the node. The node sees the plain chunk: keys stay with who runs the command.
func (g *globals) importFile(ctx context.Context, c *api.Client, name string, keys []age.Identity) (*api.BundleImported, error) {
	in, size, err := g.open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	update, done := g.progress("importing, KiB")
	defer done()
	plain, _, err := bundle.Unlock(&metered{in: in, update: update, total: size}, keys...)
	if err != nil {
		return &api.BundleImported{Faults: []api.BundleFault{faultOf(name, err)}}, nil
	}
	source := &untilBroken{in: plain}
	out, err := c.ImportBundle(ctx, source)
	if err != nil {
		return nil, err
	}
	for i := range out.Faults {
		out.Faults[i].File = name
	}
	if source.err != nil {
		out.Faults = append(out.Faults, faultOf(name, source.err))
	}
	return out, nil
}

func faultOf(name string, err error) api.BundleFault {
	return api.BundleFault{File: name, Code: api.ProblemOf(err).Code, Detail: err.Error()}
}

// untilBroken ends where its source breaks, so that what came before is used.
type untilBroken struct {
	in  io.Reader
	err error
}

// Read passes on.
func (u *untilBroken) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err, err = err, io.EOF
	}
	return n, err
}

func (g *globals) showImported(w io.Writer, out *api.BundleImported) {
	line := func(name string, n int, what string) { fmt.Fprintf(w, "%-14s %d%s\n", name, n, what) }
	line("Taken", out.Taken, "")
	line("In quarantine", out.Quarantined, "")
	if out.Headers > 0 {
		line("Header alone", out.Headers, "")
	}
	line("Held already", out.Already, "")
	refused := 0
	var why []string
	for _, code := range slices.Sorted(maps.Keys(out.Refused)) {
		refused += out.Refused[code]
		why = append(why, fmt.Sprintf("%s %d", code, out.Refused[code]))
	}
	tail := ""
	if len(why) > 0 {
		tail = "  (" + strings.Join(why, ", ") + ")"
	}
	line("Refused", refused, tail)
	for _, b := range out.Bundles {
		fmt.Fprintf(w, "Bundle %s of %s (%s), chunks: %s\n", b.ID[:8], clean(who(b.Petname, b.Level, b.Exporter)), b.Level, chunksOf(b))
	}
	for _, f := range out.Faults {
		fmt.Fprintf(w, "%s  %s: %s\n", g.paint("not used", colorBad), clean(f.File), clean(f.Detail))
	}
}

// hintHeld says how what went into quarantine comes out of it.
func (g *globals) hintHeld(out *api.BundleImported) {
	if out.Quarantined > 0 {
		g.hint("%s in quarantine: 'tocsin quarantine' shows whose and why; 'tocsin trust add' takes an organisation on, and with it what it published.", areIn(out.Quarantined))
	}
}

func areIn(n int) string {
	if n == 1 {
		return "1 record is"
	}
	return fmt.Sprintf("%d records are", n)
}

// inspection is what show says of files.
type inspection struct {
	Bundles []api.Bundle      `json:"bundles"`
	Faults  []api.BundleFault `json:"faults"`
}

// inspect looks at files without a node.
func (g *globals) inspect(ctx context.Context, args []string, lock *bundleLock) error {
	files, err := bundleInputs(args)
	if err != nil {
		return err
	}
	keys, err := lock.openers(ctx, g)
	if err != nil {
		return err
	}
	look := new(bundle.Inspection)
	out := inspection{Bundles: []api.Bundle{}, Faults: []api.BundleFault{}}
	for _, name := range files {
		before := len(look.Faults)
		if err := inspectFile(look, name, keys); err != nil {
			out.Faults = append(out.Faults, faultOf(name, err))
		}
		for _, f := range look.Faults[before:] {
			out.Faults = append(out.Faults, faultOf(name, f))
		}
	}
	if len(look.Bundles) == 0 {
		p := api.NewProblem(reason.BundleDamaged, "look at "+args[0]+": there is no bundle in it")
		if len(out.Faults) > 0 {
			p = api.NewProblem(reason.Code(out.Faults[0].Code), out.Faults[0].File+": "+out.Faults[0].Detail)
		}
		return p
	}
	for _, l := range look.Bundles {
		out.Bundles = append(out.Bundles, shownOffline(l, look.Records[l.ID]))
	}
	err = g.emit(out, func(w io.Writer) {
		for _, b := range out.Bundles {
			g.showBundle(w, b)
		}
		for _, f := range out.Faults {
			fmt.Fprintf(w, "%s  %s: %s\n", g.paint("damaged", colorBad), clean(f.File), clean(f.Detail))
		}
	})
	if err == nil && len(out.Faults) > 0 {
		return exitWith(exitPartly)
	}
	return errors.Join(err, bundleExit(out.Bundles...))
}

// inspectFile looks at one file twice: for the network it claims, and for what is in it.
func inspectFile(look *bundle.Inspection, name string, keys []age.Identity) error {
	network := ""
	for _, visit := range []func(io.Reader) error{
		func(in io.Reader) error { network = bundle.NetworkOf(in); return nil },
		func(in io.Reader) error { return look.Inspect(in, network) },
	} {
		f, err := os.Open(name)
		if err != nil {
			return fileError(err)
		}
		plain, _, err := bundle.Unlock(f, keys...)
		if err == nil {
			err = visit(plain)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// shownOffline is a bundle as files alone show it: whoever reads them decides what the exporter is to them.
func shownOffline(l bundle.Listing, records int) api.Bundle {
	whole, missing, known := l.Progress()
	b := api.Bundle{
		ID: l.ID.String(), Exporter: l.Exporter.String(), Created: l.Created, At: l.At, MaxTLP: l.MaxTLP, Manifest: known, Records: records,
		Topics: []string{}, Whole: whole.String(), Missing: missing.String(),
	}
	if known {
		b.Chunks, b.Topics, b.Records = len(l.Manifest.Segments), l.Manifest.Topics, l.Manifest.Records
	}
	if l.Increment > 0 {
		b.Series, b.Increment = l.Series.String(), l.Increment
	}
	return b
}
