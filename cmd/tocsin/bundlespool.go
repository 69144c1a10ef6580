package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/bundle"
	"tocsin/node/durable"
	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

// spoolState is the file in an outgoing folder that says how far a series is. maxSent bounds the increments that can still be sent again.
const (
	spoolState = ".tocsin-spool.json"
	maxSent    = 10_000
)

// spool is a road without a way back: increments go into a folder here, and come out of one there.
type spool struct {
	exportFlags
	out, in string
	once    bool
	every   time.Duration
	settle  time.Duration
	repeat  int
	resend  string
}

func newBundleSpoolCommand(g *globals) *cobra.Command {
	s := new(spool)
	var every, settle string
	c := &cobra.Command{
		Use:   "spool (--out FOLDER --max-tlp TLP | --in FOLDER)",
		Short: "Send or receive over a one-way road, such as a diode",
		Long: `With --out: write what came since the last time into FOLDER, as a numbered increment, every --every or --once. Nobody
can say that it arrived, so each is sent --repeat times, and --resend sends what the other side says is
missing (tocsin bundle gaps). The folder keeps its own notes (` + spoolState + `): they say what was sent.

With --in: read what appears in FOLDER, then move it to FOLDER/done, or what is damaged to FOLDER/bad with a file
beside it that says why. What is younger than --settle is left alone: it may still be growing.

Exit codes of --once: 0 done, 3 something was refused or damaged, 4 no node: what is there stays.`,
		Example: `  tocsin bundle spool --out /srv/diode/out --max-tlp green --recipient age1... --every 5m
  tocsin bundle spool --in /srv/diode/in --identity me.age`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if s.every, err = api.ParseSpan(every); err != nil || s.every < time.Second {
				return usagef("--every %q: want a span of at least 1s", every)
			}
			if s.settle, err = api.ParseSpan(settle); err != nil {
				return usagef("--settle %q: %v", settle, err)
			}
			return g.spool(cmd.Context(), s)
		},
	}
	s.common(c)
	s.lockInFlags(c)
	f := c.Flags()
	f.StringVar(&s.out, "out", "", "folder that increments are written to")
	f.StringVar(&s.in, "in", "", "folder that is read")
	f.BoolVar(&s.once, "once", false, "look once and end")
	f.StringVar(&every, "every", "1m", "how often to look")
	f.StringVar(&settle, "settle", "5s", "with --in: how long a file must not have changed")
	f.IntVar(&s.repeat, "repeat", 3, "with --out: how often each increment is sent in all, once a look")
	f.StringVar(&s.resend, "resend", "", "with --out: what never arrived, such as 1f2e3d4c:17,33-35")
	return c
}

// lockInFlags are those of reading that writing has not.
func (s *spool) lockInFlags(c *cobra.Command) {
	c.Flags().StringArrayVar(&s.lock.identities, "identity", nil, "with --in: file with an age key that opens encrypted bundles")
}

func (g *globals) spool(ctx context.Context, s *spool) error {
	switch {
	case (s.out == "") == (s.in == ""):
		return usagef("spool bundles: want one of --out FOLDER and --in FOLDER")
	case s.out != "" && s.request.MaxTLP == "":
		return usagef("spool bundles: --max-tlp is missing: the highest label that may leave")
	case s.repeat < 1 || s.repeat > 100:
		return usagef("--repeat %d: want 1 to 100", s.repeat)
	case !s.once && g.format == "json":
		return usagef("spool bundles: it goes on; use --once, or -o jsonl")
	}
	if s.out != "" {
		return g.spoolOut(ctx, s)
	}
	keys, err := s.lock.openers(ctx, g)
	if err != nil {
		return err
	}
	return g.repeatedly(ctx, s, func(ctx context.Context, c *api.Client) error { return g.spoolIn(ctx, c, s, keys) })
}

// repeatedly does something once, or until the command is stopped.
func (g *globals) repeatedly(ctx context.Context, s *spool, do func(context.Context, *api.Client) error) error {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		err := g.withNodeOpen(ctx, do)
		if s.once {
			return err
		}
		if _, problem := codeOf(err); problem != nil && !passing(err) {
			return err
		} else if problem != nil {
			g.hint("%s; trying again in %s", problem.Detail, figures.Span(s.every))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// passing reports whether what went wrong may be right at the next look: no node, no room, too much at a time.
func passing(err error) bool {
	code, problem := codeOf(err)
	if problem == nil {
		return false
	}
	switch reason.Code(problem.Code) {
	case reason.StoreFull, reason.Conflict, reason.Interrupted:
		return true
	}
	return code == exitNoNode || code == exitTimedOut
}

// sent is one increment that went out: the run of changes it is made of, and how often it is still to be sent.
type sent struct {
	Number uint64 `json:"number"`
	After  uint64 `json:"after"`
	Until  uint64 `json:"until"`
	Left   int    `json:"left"`
}

// series is the content of the state file.
type series struct {
	Series string `json:"series"`
	// Next is the number of the next increment, After the last change that went into one or had nothing to send.
	Next  uint64 `json:"next"`
	After uint64 `json:"after"`
	// Mark is what the change of that number is, so that another store, or an earlier state of this one, is noticed.
	Mark string `json:"mark,omitempty"`
	Sent []sent `json:"sent"`
}

// begin makes a series.
func begin() (*series, error) {
	var id bundle.ID
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	return &series{Series: hex.EncodeToString(id[:]), Next: 1}, nil
}

// mark says what a change is, "" for one that is not there.
func mark(ctx context.Context, c *api.Client, seq uint64) (string, error) {
	if seq == 0 {
		return "", nil
	}
	list, err := c.Changes(ctx, seq-1, 1, api.EventFilter{})
	if p := api.ProblemOf(err); p != nil && p.Code == string(reason.UsageInvalid) {
		return "", nil // it is behind the end of the sequence
	}
	if err != nil || len(list.Items) == 0 || list.Items[0].Seq != seq {
		return "", err
	}
	e := list.Items[0]
	return e.Record + " " + e.At.UTC().Format(time.RFC3339Nano), nil
}

// current gives the series to go on with: a new one when the node's store is not the one any more of which increments were sent.
// A restored or repaired store counts its changes anew, and what is new in it would be passed over.
func (g *globals) current(ctx context.Context, c *api.Client, s *spool) (*series, error) {
	st, err := s.load()
	if err != nil || st.After == 0 {
		return st, err
	}
	now, err := mark(ctx, c, st.After)
	if err != nil || now != "" && (st.Mark == "" || now == st.Mark) {
		return st, err
	}
	fresh, err := begin()
	if err != nil {
		return nil, err
	}
	g.hint("The node's store is not the one any more that series %s was made of: series %s begins, with all that is there.", st.Series[:8], fresh.Series[:8])
	return fresh, s.save(fresh)
}

func (s *spool) statePath() string { return filepath.Join(s.out, spoolState) }

// load reads the state; a folder without it begins a series of its own.
func (s *spool) load() (*series, error) {
	raw, err := os.ReadFile(s.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return begin()
	}
	st := new(series)
	if err == nil {
		err = json.Unmarshal(raw, st)
	}
	if _, bad := bundle.ParseID(st.Series); err != nil || bad != nil || st.Next == 0 {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("read %s: it is damaged; move it away to begin a new series, which sends everything again", s.statePath()))
	}
	return st, nil
}

func (s *spool) save(st *series) error {
	if len(st.Sent) > maxSent {
		st.Sent = st.Sent[len(st.Sent)-maxSent:]
	}
	raw, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return durable.Write(s.statePath(), raw, 0o600)
}

// spoolReport says what one look did.
type spoolReport struct {
	Series string `json:"series"`
	// Sent are the increments that were written, Records those in the new one.
	Sent    []uint64 `json:"sent"`
	Records int      `json:"records"`
	Files   []string `json:"files"`
}

func (g *globals) spoolOut(ctx context.Context, s *spool) error {
	keys, said, err := s.lock.keys(ctx, g)
	if err != nil {
		return err
	}
	s.request.Lock = said
	if err := os.MkdirAll(s.out, 0o700); err != nil {
		return fileError(err)
	}
	if err := s.again(); err != nil {
		return err
	}
	return g.repeatedly(ctx, s, func(ctx context.Context, c *api.Client) error {
		st, err := g.current(ctx, c, s)
		if err != nil {
			return err
		}
		report := spoolReport{Series: st.Series, Sent: []uint64{}, Files: []string{}}
		if err := s.fresh(ctx, c, st, keys, &report); err != nil {
			return err
		}
		if err := s.older(ctx, c, st, keys, &report); err != nil {
			return err
		}
		if !s.once && len(report.Sent) == 0 {
			return nil
		}
		return g.emit(report, func(w io.Writer) {
			fmt.Fprintf(w, "Series %s: wrote %s; %s went for the first time.\n", report.Series[:8], figures.Count(len(report.Sent), "increment"), figures.Count(report.Records, "record"))
		})
	})
}

// again marks what the other side says is missing.
func (s *spool) again() error {
	if s.resend == "" {
		return nil
	}
	name, gaps, err := bundle.ParseGaps(s.resend)
	if err != nil {
		return err
	}
	st, err := s.load()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(st.Series, name) {
		return reason.New(reason.NotFound, fmt.Sprintf("send %s again: the series of %s is %s", s.resend, s.out, st.Series[:8]))
	}
	found := uint64(0)
	for i := range st.Sent {
		if gaps.Has(st.Sent[i].Number) {
			st.Sent[i].Left = max(st.Sent[i].Left, s.repeat)
			found++
		}
	}
	if found < gaps.Len() {
		return reason.New(reason.NotFound, fmt.Sprintf("send %s again: %d of them are not known here; tocsin bundle export --since sends what was in them", s.resend, gaps.Len()-found))
	}
	return s.save(st)
}

// fresh writes what came since the last look as a new increment. The state has it before the file has its name: if we stop between
// the two, the next look writes the same increment.
func (s *spool) fresh(ctx context.Context, c *api.Client, st *series, keys []age.Recipient, report *spoolReport) error {
	if newer, err := c.Newer(ctx, st.After); err != nil || !newer {
		return err
	}
	files := s.files(st, st.Next, keys)
	defer files.discard()
	out, err := s.send(ctx, c, st, sent{Number: st.Next, After: st.After}, files)
	if err != nil {
		return err
	}
	if out.Until <= st.After {
		return nil
	}
	marked, err := mark(ctx, c, out.Until)
	if err != nil {
		return err
	}
	number := st.Next
	if out.Records > 0 {
		st.Sent = append(st.Sent, sent{Number: number, After: st.After, Until: out.Until, Left: s.repeat})
		st.Next++
	}
	st.After, st.Mark = out.Until, marked
	if err := s.save(st); err != nil || out.Records == 0 {
		return err
	}
	if err := files.finish(); err != nil {
		return err
	}
	st.Sent[len(st.Sent)-1].Left--
	report.note(number, files)
	report.Records = out.Records
	return s.save(st)
}

// older sends increments once more that are still to be repeated.
func (s *spool) older(ctx context.Context, c *api.Client, st *series, keys []age.Recipient, report *spoolReport) error {
	for i := range st.Sent {
		one := &st.Sent[i]
		if one.Left <= 0 || len(report.Sent) > 0 && report.Sent[0] == one.Number {
			continue
		}
		files := s.files(st, one.Number, keys)
		if _, err := s.send(ctx, c, st, *one, files); err != nil {
			files.discard()
			return err
		}
		if err := files.finish(); err != nil {
			files.discard()
			return err
		}
		one.Left--
		report.note(one.Number, files)
	}
	return s.save(st)
}

func (r *spoolReport) note(number uint64, files *chunkFiles) {
	r.Sent = append(r.Sent, number)
	for _, name := range files.names {
		r.Files = append(r.Files, filepath.Join(files.folder, name))
	}
}

func (s *spool) files(st *series, number uint64, keys []age.Recipient) *chunkFiles {
	files := &chunkFiles{folder: s.out, keys: keys}
	files.name = fmt.Sprintf("spool-%s-%08d%s", st.Series[:8], number, files.suffix())
	return files
}

// send has one increment written into files.
func (s *spool) send(ctx context.Context, c *api.Client, st *series, one sent, files *chunkFiles) (*api.BundleExported, error) {
	req := s.request
	req.Series, req.Increment, req.After, req.Until = st.Series, one.Number, one.After, one.Until
	return c.ExportBundle(ctx, req, files.write)
}
