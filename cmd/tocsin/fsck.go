package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// fsckReport is the answer of fsck.
type fsckReport struct {
	OK       bool     `json:"ok"`
	Store    string   `json:"store"`
	Records  int      `json:"records"`
	Objects  int      `json:"objects"`
	Held     int      `json:"held"`
	Problems []string `json:"problems"`
}

func newFsckCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "fsck",
		Short: "Check the record store of a node that is stopped",
		Long: `Read every record of the store and hold everything against everything else: bytes
against hashes, records against the index, key logs against themselves. It shares no code
with what writes the store, and changes nothing that is sound.

Exit codes: 0 sound, 8 problems were found (the answer names each), 9 the node is running,
6 there is no store.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			paths, err := g.paths()
			if err != nil {
				return err
			}
			return g.fsck(paths.Store())
		},
	}
}

func (g *globals) fsck(dir string) error {
	// Opening what is not there would make it.
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return reason.Wrap(reason.NotFound, "check the store "+dir, err)
	case err != nil:
		return fmt.Errorf("check the store %s: %w", dir, err)
	case !info.IsDir():
		return usagef("check the store %s: it is no folder", dir)
	}
	found, err := storage.Check(dir)
	switch {
	case reason.Of(err) == reason.NodeRunning:
		return api.ProblemOf(err).WithFix("Stop the node first: fsck reads a store that nobody writes to.")
	case reason.Of(err) != "", errors.Is(err, fs.ErrPermission):
		return err
	case err != nil: // the database itself is so damaged that it does not open
		found.Problems = append(found.Problems, "the database does not open: "+err.Error())
	}
	report := fsckReport{OK: len(found.Problems) == 0, Store: dir,
		Records: found.Records, Objects: found.Objects, Held: found.Held, Problems: append([]string{}, found.Problems...)}
	if err := g.emit(report, func(w io.Writer) { g.showFsck(w, report) }); err != nil || report.OK {
		return err
	}
	p := api.NewProblem(reason.StoreDamaged, fmt.Sprintf("check the store %s: %s", dir, count(len(report.Problems), "problem"))).
		WithFix("Leave the node stopped, keep a copy of the folder, check the disk, and restore the store from a backup.")
	return &exitError{code: exitInvalid, problem: p}
}

func (g *globals) showFsck(w io.Writer, r fsckReport) {
	for _, p := range r.Problems {
		fmt.Fprintf(w, "%s  %s\n", g.paint("damaged", colorBad), clean(p))
	}
	word := g.paint("sound", colorGood)
	if !r.OK {
		word = g.paint("not sound", colorBad)
	}
	fmt.Fprintf(w, "%s: %s, %s, %d held\n", word, count(r.Records, "record"), count(r.Objects, "object"), r.Held)
}
