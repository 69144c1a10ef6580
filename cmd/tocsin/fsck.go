package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tocsin/node"
	"tocsin/node/admin/api"
	"tocsin/node/figures"
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
	// NotRead is true when the store does not open: the numbers say nothing then.
	NotRead bool `json:"not_read,omitempty"`
	// Online is true when the running node looked at its store, and repaired what peers had.
	Online   bool     `json:"online,omitempty"`
	Repaired int      `json:"repaired,omitempty"`
	Lost     []string `json:"lost,omitempty"`
}

// repairReport is the answer of fsck --repair.
type repairReport struct {
	OK    bool   `json:"ok"`
	Store string `json:"store"`
	// Kept counts records that were taken over, Apart those of them that are held as a whole or were rejected, which
	// no count of records has. Loose are those that the node judges anew at its next start.
	Kept  int      `json:"kept"`
	Apart int      `json:"apart"`
	Loose int      `json:"loose"`
	Lost  []string `json:"lost"`
	// Aside is the folder of the damaged store, Damage what was found.
	Aside  string   `json:"aside"`
	Damage []string `json:"damage"`
}

func newFsckCommand(g *globals) *cobra.Command {
	var repair bool
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Check the record store, and repair it",
		Long: `Read every record of the store and hold everything against everything else: bytes
against hashes, records against the index, key logs against themselves, and all of it
against what is noted outside the database. It shares no code with what writes the store, and
changes nothing that is sound.

While the node runs, the node itself looks at its store and repairs what is damaged from
peers; what nobody has is named.

With --repair, and the node stopped, a store that does not open is made anew of all records that
still verify. The damaged one is kept aside, what is lost is named and comes back by catch-up.

Exit codes: 0 sound or repaired, 8 problems were found (the answer names each), 9 the node
is running and --repair was asked for, 6 there is no store.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			paths, err := g.paths()
			if err != nil {
				return err
			}
			if err := storeThere(paths.Store()); err != nil {
				return err
			}
			if repair {
				return g.fsckRepair(paths)
			}
			return g.fsck(cmd.Context(), paths)
		},
	}
	c.Flags().BoolVar(&repair, "repair", false, "make the store anew of what still verifies")
	return c
}

// storeThere makes sure that there is a store: opening what is not there would make it. What a repair or a vacuum left off is ended first.
func storeThere(dir string) error {
	if err := storage.Settle(dir); err != nil {
		return fmt.Errorf("check the store %s: %w", dir, err)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return reason.Wrap(reason.NotFound, "check the store "+dir, err)
	case err != nil:
		return fmt.Errorf("check the store %s: %w", dir, err)
	case !info.IsDir():
		return usagef("check the store %s: it is no folder", dir)
	}
	return nil
}

func (g *globals) fsck(ctx context.Context, paths node.Paths) error {
	dir := paths.Store()
	found, err := storage.Check(dir)
	switch {
	case reason.Of(err) == reason.NodeRunning:
		online := g.fsckOnline(ctx, dir)
		if _, p := codeOf(online); p != nil && p.Code == string(reason.NodeNotFound) { // whoever has the store, no node answers
			return err
		}
		return online
	case reason.Of(err) == reason.StoreDamaged:
		found.Problems = append(found.Problems, err.Error())
	case reason.Of(err) != "", errors.Is(err, fs.ErrPermission):
		return err
	case err != nil: // the database itself is so damaged that it does not open
		found.Problems = append(found.Problems, "the database does not open: "+err.Error())
	}
	r := fsckReport{Store: dir, Records: found.Records, Objects: found.Objects, Held: found.Held, Problems: append([]string{}, found.Problems...)}
	r.NotRead = err != nil
	return g.emitFsck(r)
}

// fsckOnline has the running node look.
func (g *globals) fsckOnline(ctx context.Context, dir string) error {
	socket, err := g.socket()
	if err != nil {
		return err
	}
	c := api.NewClient(socket)
	defer c.Close()
	s, err := c.ScrubNow(ctx) // as long as it takes: the whole store is read
	if err != nil {
		return err
	}
	r := fsckReport{Store: dir, Records: s.Records, Problems: s.Problems, Online: true, Repaired: s.Repaired, Lost: s.Lost}
	if st, err := c.Status(ctx); err == nil {
		r.Records, r.Objects, r.Held = st.Records, st.Objects, st.Held // of which the round also reads what is held and was rejected
	}
	for _, id := range s.Lost {
		r.Problems = append(r.Problems, fmt.Sprintf("record %s is damaged, and no peer has it", id))
	}
	return g.emitFsck(r)
}

func (g *globals) emitFsck(r fsckReport) error {
	r.OK = len(r.Problems) == 0
	if err := g.emit(r, func(w io.Writer) { g.showFsck(w, r) }); err != nil || r.OK {
		return err
	}
	fix := "Stop the node, check the disk, and run '" + storage.RepairCommand + "': it keeps whatever verifies and the damaged store aside; catch-up brings the rest."
	if r.Online {
		fix = "Check the disk. What is lost is looked for every hour; it comes back when a peer has it."
	}
	p := api.NewProblem(reason.StoreDamaged, fmt.Sprintf("check the store %s: %s", r.Store, figures.Count(len(r.Problems), "problem"))).WithFix(fix)
	return &exitError{code: exitInvalid, problem: p}
}

func (g *globals) fsckRepair(paths node.Paths) error {
	dir := paths.Store()
	if err := storage.RepairRoom(dir); err != nil {
		return err
	}
	found, err := storage.Check(dir)
	if err == nil && len(found.Problems) == 0 {
		g.hint("There is nothing to repair: the store was left as it is.")
		return g.emitFsck(fsckReport{Store: dir, Records: found.Records, Objects: found.Objects, Held: found.Held, Problems: []string{}})
	}
	done, err := storage.Rebuild(dir)
	if reason.Of(err) == reason.NodeRunning {
		return api.ProblemOf(err).WithFix("Stop the node first: a store is made anew only while nobody uses it. 'tocsin fsck' repairs a running one.")
	}
	if err != nil {
		return err
	}
	r := repairReport{OK: true, Store: dir, Kept: done.Kept, Apart: done.Kept - done.Counts.Records, Loose: done.Loose, Aside: done.Aside, Lost: []string{}, Damage: append([]string{}, done.Damage...)}
	for _, id := range done.Lost {
		r.Lost = append(r.Lost, id.String())
	}
	return g.emit(r, func(w io.Writer) { g.showRepair(w, r) })
}

func (g *globals) showRepair(w io.Writer, r repairReport) {
	g.showSome(w, "damaged", r.Damage)
	g.showSome(w, "lost", r.Lost)
	apart := ""
	if r.Apart > 0 {
		apart = fmt.Sprintf(" (%d of them held or rejected)", r.Apart)
	}
	fmt.Fprintf(w, "%s: %s kept%s, %d to be judged anew, %d lost\n", g.paint("repaired", colorGood), figures.Count(r.Kept, "record"), apart, r.Loose, len(r.Lost))
	fmt.Fprintf(w, "The damaged store is in %s\n", clean(filepath.Base(r.Aside)))
	g.hint("Start the node: catch-up brings what is lost. Remove the damaged store when all is well.")
}

func (g *globals) showFsck(w io.Writer, r fsckReport) {
	g.showSome(w, "damaged", r.Problems)
	word := g.paint("sound", colorGood)
	if !r.OK {
		word = g.paint("not sound", colorBad)
	}
	if r.Repaired > 0 {
		fmt.Fprintf(w, "%s repaired from peers\n", figures.Count(r.Repaired, "record"))
	}
	if r.NotRead {
		fmt.Fprintf(w, "%s: the store does not open, its records were not read\n", word)
		return
	}
	fmt.Fprintf(w, "%s: %s, %s, %d held\n", word, figures.Count(r.Records, "record"), figures.Count(r.Objects, "object"), r.Held)
}

// maxShown is how many lines of a kind a person is shown.
const maxShown = 40

// showSome writes a line for each item, as far as a person reads.
func (g *globals) showSome(w io.Writer, word string, items []string) {
	for _, item := range items[:min(len(items), maxShown)] {
		fmt.Fprintf(w, "%s  %s\n", g.paint(word, colorBad), clean(item))
	}
	if more := len(items) - maxShown; more > 0 {
		fmt.Fprintf(w, "... and %d more: '-o json' names all\n", more)
	}
}
