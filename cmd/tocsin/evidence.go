package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/evidence"
	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

func newEvidenceCommand(g *globals) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "evidence ID",
		Short: "Put together what proves an object and when it was first seen",
		Long: `Make an evidence pack of an object: a STIX id, RECORD#INDEX, or a record's id when it holds
one object only; unique prefixes of 8 characters or more serve.

The pack is one text file. It begins with a cover sheet in plain words, which is also
printed, and holds the object with its author's signature, the certificates, when and from
whom this node first saw the record, the place of that in the node's audit log, and the
signed head of that log with the signatures of other organisations that witnessed it. What
was not committed to yet is when the command is given. "tocsin verify FILE" checks it
anywhere, without a node and without a network.

The pack holds the object itself: pass it on by the object's own marking (TLP).

Exit codes: 0 made, 4 no node runs, 6 no such object or its content is gone, 9 the file exists already.`,
		Example: "  tocsin evidence indicator--0a1b2c3d --out case-17.evidence\n  tocsin verify case-17.evidence",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				raw, err := c.Evidence(ctx, args[0])
				if err != nil {
					return err
				}
				return g.writeEvidence(args[0], file, raw)
			})
		},
	}
	c.Flags().StringVar(&file, "out", "", "write the pack into this new file, and print the cover sheet alone")
	return c
}

// evidenceReport is the answer of evidence.
type evidenceReport struct {
	ID    string          `json:"id"`
	File  string          `json:"file,omitempty"`
	Bytes int             `json:"bytes"`
	Pack  string          `json:"pack,omitempty"`
	Found evidence.Found  `json:"found"`
	Steps []evidence.Step `json:"steps"`
}

// writeEvidence keeps or prints a pack, after it was verified here as it will be elsewhere.
func (g *globals) writeEvidence(id, file string, raw []byte) error {
	r := evidence.Verify(raw, "")
	if !r.OK {
		return reason.New(reason.Internal, fmt.Sprintf("make evidence of %s: the pack that was made does not verify: %s", id, firstFailed(r)))
	}
	out := evidenceReport{ID: id, File: file, Bytes: len(raw), Found: r.Found, Steps: r.Steps}
	if file == "" {
		out.Pack = string(raw)
		return g.emit(out, func(w io.Writer) { _, _ = w.Write(raw) })
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return reason.New(reason.Conflict, fmt.Sprintf("write evidence to %s: the file exists already", file))
	}
	if err != nil {
		return fileError(err)
	}
	_, err = io.Copy(f, bytes.NewReader(raw))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fileError(errors.Join(err, os.Remove(file)))
	}
	return g.emit(out, func(w io.Writer) {
		_, _ = io.WriteString(w, r.Cover)
		fmt.Fprintf(w, "Wrote %s to %s\n", figures.Bytes(int64(out.Bytes)), clean(file))
	})
}

// firstFailed names the first step that does not hold.
func firstFailed(r evidence.Report) string {
	for _, s := range r.Steps {
		if !s.OK {
			return s.Name + ": " + s.Text
		}
	}
	return ""
}

// verifyPack checks an evidence pack, says each step and ends with its exit code.
func (g *globals) verifyPack(network string, raw []byte) error {
	r := evidence.Verify(raw, network)
	err := g.emit(r, func(w io.Writer) { g.showPack(w, r) })
	if err != nil || r.OK {
		return err
	}
	p := api.NewProblem(reason.ProofInvalid, "verify the evidence pack: "+firstFailed(r)).
		WithFix("Do not rely on it. Ask whoever made it for the file anew, and compare the two.")
	return &exitError{code: exitInvalid, problem: p}
}

// showPack prints what a pack turned out to be. Of one that fails that stands first, and what it says of itself not at all.
func (g *globals) showPack(w io.Writer, r evidence.Report) {
	steps := func(ok bool, mark string) {
		for _, s := range r.Steps {
			if s.OK == ok {
				fmt.Fprintf(w, "%s  %s: %s\n", mark, s.Name, clean(s.Text))
			}
		}
	}
	if r.OK {
		for line := range strings.Lines(r.Cover) {
			fmt.Fprintln(w, clean(strings.TrimRight(line, "\n")))
		}
	} else {
		steps(false, g.paint("FAILED", colorBad))
		fmt.Fprintln(w, "\nIts cover sheet is not shown: nothing in it is proved.")
	}
	steps(true, g.paint("ok    ", colorGood))
	fmt.Fprintf(w, "\n%s\n", g.packVerdict(r))
}

// packVerdict is a pack in one line.
func (g *globals) packVerdict(r evidence.Report) string {
	if !r.OK {
		failed := 0
		for _, s := range r.Steps {
			if !s.OK {
				failed++
			}
		}
		return g.paint("VERDICT: THE PACK FAILS", colorBad) + fmt.Sprintf(", %d of %s failed. Do not rely on it.", failed, figures.Count(len(r.Steps), "step"))
	}
	seen := "no other organisation witnessed when it was seen"
	if n := len(r.Found.Witnesses); n > 0 {
		seen = figures.Count(n, "other organisation") + " witnessed when it was seen"
	}
	return g.paint("VERDICT: the pack holds", colorGood) + fmt.Sprintf(", %s checked; %s.", figures.Count(len(r.Steps), "step"), seen)
}
