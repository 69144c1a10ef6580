package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

// showSkipped is how many skipped objects people see; -o json lists all.
const showSkipped = 20

func newPublishCommand(g *globals) *cobra.Command {
	p := api.PublishParams{}
	var validFor, hold string
	c := &cobra.Command{
		Use:   "publish --topic TOPIC FILE|-",
		Short: "Sign and spread a STIX bundle or object",
		Long: `Sign and spread a STIX 2.1 or 2.0 bundle, object or list of objects, from a file
or from stdin (-). It never asks. What does not go out is named, with its reason.

With --preview nothing is signed and nothing leaves the node: it says what would go out and who
would read it. The exit code is the one that publishing would have as things are now.

What was published before stays as it was: --confidence and the like cannot be added
to it, a new version (a later "modified") can.

Exit codes: 0 all went out or was out already, 3 some objects were invalid, 7 something
was refused by policy and nothing of it left the node, whatever else went out, 8 the
input is no STIX.`,
		Example: "  tocsin publish --topic malicious-code --confidence 80 --valid-for 30d bundle.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if p.ValidFor, err = api.ParseSpan(validFor); err != nil {
				return usagef("--valid-for %q: %v", validFor, err)
			}
			if p.Hold, err = api.ParseSpan(hold); err != nil {
				return usagef("--hold %q: %v", hold, err)
			}
			if p.Topic == "" {
				return usagef("publish: --topic is missing; tocsin topics list names them")
			}
			if cmd.Flags().Changed("confidence") && (p.Confidence < 0 || p.Confidence > 100) {
				return usagef("--confidence %d: want 0 to 100", p.Confidence)
			}
			if p.Preview && p.Hold > 0 {
				return usagef("--preview and --hold: a preview signs nothing, so that there is nothing to hold; choose one")
			}
			return g.publish(cmd.Context(), p, args[0])
		},
	}
	f := c.Flags()
	f.StringVar(&p.Topic, "topic", "", "where it goes")
	f.StringVar(&p.TLP, "tlp", "green", "label of what carries no marking: clear or green")
	f.IntVar(&p.Confidence, "confidence", -1, "confidence, 0 to 100, of objects that state none")
	f.StringVar(&validFor, "valid-for", "0s", "how long indicators hold that state no end, e.g. 14d or 36h")
	f.StringVar(&hold, "hold", "0s", "undo window: wait this long before anything is signed; Ctrl-C takes it back")
	f.BoolVar(&p.Preview, "preview", false, "only say what would go out, and who would read it; nothing is signed")
	f.StringVar(&p.Producer, "producer", "", "who produced it, where the objects are silent")
	f.StringVar(&p.Upstream, "upstream", "", "label of the feed it was taken from")
	return c
}

func (g *globals) publish(ctx context.Context, p api.PublishParams, file string) error {
	in, size, err := g.open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	return g.withNodeOpen(ctx, func(ctx context.Context, c *api.Client) error {
		if p.Hold > 0 {
			g.hint("Held for %s; Ctrl-C takes it back.", figures.Span(p.Hold))
		}
		progress, done := g.progress("publishing")
		res, err := c.Publish(ctx, p, in, size, progress)
		done()
		if err != nil {
			return err
		}
		if p.Preview && res.Preview == nil {
			return reason.New(reason.Internal, fmt.Sprintf("the running node is older than this program and knows no previews: it published %s", figures.Count(res.Objects, "object")))
		}
		if err := g.emit(res, func(w io.Writer) { g.showPublished(w, p, res) }); err != nil {
			return err
		}
		return publishExit(res)
	})
}

// publishExit gives the exit code of a publication that was understood.
func publishExit(res *api.PublishResult) error {
	switch {
	case res.Denied > 0:
		was := "was refused by policy; nothing of it left the node"
		if res.Preview != nil {
			was = "would be refused by policy"
		}
		p := api.NewProblem(deniedFor(res), fmt.Sprintf("something %s (%s; the answer names each)", was, figures.Count(res.Denied, "object")))
		return &exitError{code: exitRefused, problem: p}
	case res.Invalid > 0:
		return exitWith(exitPartly)
	}
	return nil
}

// deniedFor is why objects were kept back: the code of the first that was, so that the remedy fits it.
func deniedFor(res *api.PublishResult) reason.Code {
	for _, s := range res.Skipped {
		if exitOfCode(reason.Code(s.Code)) == exitRefused {
			return reason.Code(s.Code)
		}
	}
	return reason.OutTLP
}

// open opens an input file, or stdin for "-". size is -1 when unknown.
func (g *globals) open(file string) (in io.ReadCloser, size int64, err error) {
	if file == "-" {
		return io.NopCloser(g.stdin), -1, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, fileError(err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(fileError(err), f.Close())
	}
	if info.IsDir() {
		return nil, 0, errors.Join(usagef("read %s: it is a folder", file), f.Close())
	}
	if !info.Mode().IsRegular() {
		return f, -1, nil
	}
	if info.Size() == 0 {
		return io.NopCloser(bytes.NewReader(nil)), 0, f.Close()
	}
	return f, info.Size(), nil
}

// fileError gives an unreadable input file its reason code.
func fileError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return reason.Wrap(reason.NotFound, "read the input", err)
	case errors.Is(err, fs.ErrPermission):
		return reason.Wrap(reason.AccessDenied, "read the input", err)
	}
	return err
}

// progress draws a bar on stderr when that is a terminal and nobody asked for
// quiet; else both functions do nothing.
func (g *globals) progress(what string) (update func(api.Progress), done func()) {
	if g.quiet || g.format != "text" || !isTerminal(g.err) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(g.err), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	update = func(p api.Progress) {
		bar.ChangeMax(p.Total)
		_ = bar.Set(p.Done) // drawing is all it does
	}
	return update, func() { _ = bar.Finish() }
}

func (g *globals) showPublished(w io.Writer, p api.PublishParams, res *api.PublishResult) {
	if res.Preview != nil {
		g.showPreview(w, p, res)
	} else {
		fmt.Fprintf(w, "Published %s in %s on %s.\n", figures.Count(res.Objects, "object"), figures.Count(len(res.Records), "record"), clean(p.Topic))
	}
	if g.quiet {
		return
	}
	if res.Upgraded > 0 {
		were := "were"
		if res.Upgraded == 1 {
			were = "was"
		}
		signed := "what is signed is the 2.1 form"
		if res.Preview != nil {
			signed = "what would be signed is the 2.1 form"
		}
		fmt.Fprintf(w, "%s came as STIX 2.0 and %s upgraded to 2.1; %s.\n", figures.Count(res.Upgraded, "object"), were, signed)
	}
	if res.Waiting > 0 {
		fmt.Fprintf(w, "%s too large for gossip; others fetch them by catch-up.\n", figures.Count(res.Waiting, "record"))
	}
	if len(res.Skipped) == 0 {
		return
	}
	skipped := "Skipped"
	if res.Preview != nil {
		skipped = "Would skip"
	}
	fmt.Fprintf(w, "%s %s:\n", skipped, figures.Count(len(res.Skipped), "object"))
	for i, s := range res.Skipped {
		if i == showSkipped {
			fmt.Fprintf(w, "  ... and %d more (-o json lists all)\n", len(res.Skipped)-i)
			break
		}
		fmt.Fprintf(w, "  %s  %s  %s\n", clean(s.ID), clean(s.Code), clean(s.Reason))
	}
}
