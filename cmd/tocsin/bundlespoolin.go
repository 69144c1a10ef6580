package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

// The folders beside the files of an incoming spool.
const (
	spoolDone = "done"
	spoolBad  = "bad"
	whySuffix = ".why.txt"
)

// spoolInReport says what one look at an incoming folder did.
type spoolInReport struct {
	*api.BundleImported
	Done []string `json:"done"`
	Bad  []string `json:"bad"`
}

// spoolIn reads what lies in a folder and is not growing any more.
func (g *globals) spoolIn(ctx context.Context, c *api.Client, s *spool, keys []age.Identity) error {
	names, err := bundlesIn(s.in)
	if err != nil {
		return err
	}
	report := spoolInReport{&api.BundleImported{Refused: map[string]int{}, Faults: []api.BundleFault{}, Bundles: []api.Bundle{}}, []string{}, []string{}}
	for _, name := range names {
		info, err := os.Stat(name)
		if errors.Is(err, os.ErrNotExist) || err == nil && time.Since(info.ModTime()) < s.settle {
			continue
		}
		if err != nil {
			return fileError(err)
		}
		one, err := g.importFile(ctx, c, name, keys)
		if err != nil {
			return err // the file stays where it is, for the next look
		}
		if err := report.sort(s.in, name, one); err != nil {
			return err
		}
		add(report.BundleImported, one)
	}
	if !s.once && len(report.Done)+len(report.Bad) == 0 {
		return nil
	}
	err = g.emit(report, func(w io.Writer) {
		g.showImported(w, report.BundleImported)
		fmt.Fprintf(w, "%s done, %d bad.\n", figures.Count(len(report.Done), "file"), len(report.Bad))
	})
	g.hintHeld(report.BundleImported)
	if err == nil && s.once && (len(report.Bad) > 0 || len(report.Refused) > 0) {
		return exitWith(exitPartly)
	}
	return err
}

// faultText is what is wrong, with its code, which most texts have in them.
func faultText(f api.BundleFault) string {
	text, code := clean(f.Detail), "["+f.Code+"]"
	if strings.Contains(text, code) {
		return text
	}
	return text + " " + code
}

// sort moves a file that was read to where it belongs. The reason stands there before the file does.
func (r *spoolInReport) sort(folder, name string, one *api.BundleImported) error {
	to, list := spoolDone, &r.Done
	if len(one.Faults) > 0 {
		to, list = spoolBad, &r.Bad
	}
	dir := filepath.Join(folder, to)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fileError(err)
	}
	moved := filepath.Join(dir, filepath.Base(name))
	if len(one.Faults) > 0 {
		var text strings.Builder
		fmt.Fprintf(&text, "Used all the same: %s, with %s taken.\n", figures.Count(one.Segments, "segment"), figures.Count(one.Taken, "record"))
		for _, f := range one.Faults {
			text.WriteString(faultText(f) + "\n")
		}
		if err := os.WriteFile(moved+whySuffix, []byte(text.String()), 0o600); err != nil {
			return fileError(err)
		}
	}
	if err := os.Rename(name, moved); err != nil {
		return fileError(err)
	}
	*list = append(*list, moved)
	return nil
}
