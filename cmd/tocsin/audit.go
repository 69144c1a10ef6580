package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/figures"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

func newAuditCommand(g *globals) *cobra.Command {
	return group("audit", "See who did what with this node, when and why", newAuditTailCommand(g),
		newAuditSearchCommand(g), newAuditVerifyCommand(g), newAuditExportCommand(g), newCheckpointCommand(g))
}

func newAuditTailCommand(g *globals) *cobra.Command {
	var lines int
	var follow bool
	c := &cobra.Command{
		Use:   "tail",
		Short: "Show the newest entries of the audit log, and follow it",
		Long: `Show the newest entries of the audit log, oldest first. With --follow it goes on as
entries are written; when the node stops it ends with exit code 4.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case lines < 0 || lines > api.MaxPage:
				return usagef("--lines %d: want 0 to %d", lines, api.MaxPage)
			case follow && g.format == "json":
				return usagef("--follow has no end, so it makes no single value: use -o jsonl")
			case follow:
				return g.withNodeOpen(cmd.Context(), func(ctx context.Context, c *api.Client) error {
					return g.followAudit(ctx, c, lines)
				})
			}
			return g.newestAudit(cmd.Context(), api.AuditParams{Limit: lines})
		},
	}
	c.Flags().IntVarP(&lines, "lines", "n", 20, "how many")
	c.Flags().BoolVar(&follow, "follow", false, "go on as entries are written")
	return c
}

func newAuditSearchCommand(g *globals) *cobra.Command {
	var p api.AuditParams
	var since, until string
	c := &cobra.Command{
		Use:   "search [TEXT]",
		Short: "Look through the audit log; the newest entries that fit, oldest first",
		Long: `Look through the audit log. TEXT may stand anywhere in an entry, in any case. Given
several conditions, all of them must hold.`,
		Example: "  tocsin audit search --action trust --since 30d\n  tocsin audit search --user alice sha256:1f2e3d4c",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				p.Text = args[0]
			}
			if p.Limit < 1 || p.Limit > api.MaxPage {
				return usagef("--limit %d: want 1 to %d", p.Limit, api.MaxPage)
			}
			var err error
			if p.Since, p.Until, err = parsePeriod(since, until, time.Now()); err != nil {
				return err
			}
			return g.newestAudit(cmd.Context(), p)
		},
	}
	f := c.Flags()
	f.StringVar(&p.Action, "action", "", "an action, or its first part: trust.set, trust, key, quarantine ...")
	f.StringVar(&p.Target, "target", "", "part of what it was done to")
	f.StringVar(&p.User, "user", "", "the account's name or number; -1 is the node itself")
	f.StringVar(&since, "since", "", "from then on: a date, a time, or a span such as 7d")
	f.StringVar(&until, "until", "", "before then")
	f.IntVar(&p.Limit, "limit", api.DefaultPage, "at most this many")
	return c
}

// newestAudit shows the newest entries that fit.
func (g *globals) newestAudit(ctx context.Context, p api.AuditParams) error {
	if p.Limit == 0 {
		return emitList(g, api.List[api.AuditEntry]{}, func(io.Writer) {})
	}
	p.Newest = true
	return g.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		list, err := c.Audit(ctx, p)
		if err != nil {
			return err
		}
		list.Next = "" // where a follower would go on
		return emitList(g, *list, func(w io.Writer) {
			if len(list.Items) == 0 {
				fmt.Fprintln(w, "Nothing found.")
			}
			for _, e := range list.Items {
				g.showAudit(w, e)
			}
		})
	})
}

// followAudit prints the newest entries, then each that is written.
func (g *globals) followAudit(ctx context.Context, c *api.Client, lines int) error {
	list, err := c.Audit(ctx, api.AuditParams{Newest: true, Limit: max(lines, 1)})
	if err == nil && lines == 0 {
		list.Items = nil
	}
	for err == nil {
		for _, e := range list.Items {
			if g.format == "jsonl" {
				err = writeJSON(g.out, e)
			} else {
				g.showAudit(g.out, e)
				err = g.lost()
			}
			if err != nil {
				return err
			}
		}
		var after uint64
		if list.Next != "" {
			if after, err = strconv.ParseUint(list.Next, 10, 64); err != nil {
				return err
			}
		}
		list, err = c.Audit(ctx, api.AuditParams{After: after, Wait: true, Limit: api.MaxPage})
	}
	switch code := reason.Code(api.ProblemOf(err).Code); {
	case ctx.Err() != nil:
		return exitWith(exitInterrupted) // Ctrl-C is how people end it: nothing to report
	case code == reason.NodeNotFound || code == reason.Interrupted:
		return api.NewProblem(reason.NodeNotFound, "follow the audit log: the node has stopped").
			WithFix("Go on with 'tocsin audit tail --follow' once it runs again.")
	}
	return err
}

// showAudit prints an entry on one line, shortened; JSON has all of it.
func (g *globals) showAudit(w io.Writer, e api.AuditEntry) {
	color := ""
	if strings.HasSuffix(e.Action, ".failed") {
		color = colorBad
	}
	who := audit.Actor(e.Actor).String()
	fmt.Fprintf(w, "%s  %s  %s", g.stamp(e.At), clean(who), g.paint(clean(e.Action), color))
	if e.Target != "" {
		fmt.Fprintf(w, "  %s", clean(cutMiddle(short(e.Target), maxValueCells)))
	}
	if e.Reason != "" {
		fmt.Fprintf(w, "  %q", clean(cutMiddle(e.Reason, maxValueCells)))
	}
	for _, key := range slices.Sorted(maps.Keys(e.Detail)) {
		fmt.Fprintf(w, "  %s=%s", clean(key), clean(cutMiddle(short(e.Detail[key]), maxNameCells)))
	}
	fmt.Fprintln(w)
}

// auditReport is the answer of audit verify.
type auditReport struct {
	OK      bool   `json:"ok"`
	File    string `json:"file"`
	Entries uint64 `json:"entries"`
	// Head is the newest entry's hash: who keeps it can tell later whether entries are missing at the end.
	Head string `json:"head"`
	// Against is the head that the file had to hold: "node", "given" or "" for none.
	Against string `json:"against"`
	// ByNode says that the node looked: the file cannot be read here.
	ByNode bool `json:"by_node,omitempty"`
	// Checkpoints counts the signed heads that the file had to hold.
	Checkpoints int      `json:"checkpoints"`
	Problems    []string `json:"problems"`
}

func newAuditVerifyCommand(g *globals) *cobra.Command {
	var head string
	var files []string
	c := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Check the audit log's chain of hashes; needs no running node",
		Long: `Check every line of an audit log against its hash and against the line before it. Without
FILE it is the log of this node, which need not run; if it runs, the log must also end
where the node says that it ends.

Entries that are missing at the end leave no trace in the file itself. The log of this node
is held against every checkpoint that the node keeps, and any log against those of
--checkpoint, such as a peer shows with "tocsin audit checkpoint held --notes". Or keep the
head that this command prints somewhere else, and give it with --head the next time.

Who may not read the file hears what the node that runs says of its own log (operators only): the
answer then says so. Check an export to know for yourself.

Exit codes: 0 sound, 8 problems were found (the answer names each), 6 there is no log.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			report := auditReport{}
			var known *protocol.Digest
			if head != "" {
				d, err := protocol.ParseDigest(head)
				if err != nil {
					return usagef("--head %q: want sha256: and 64 hex digits, as this command prints it", head)
				}
				known, report.Against = &d, "given"
			}
			if len(args) > 0 {
				report.File = args[0]
				return g.verifyAudit(report, known, "", files)
			}
			paths, err := g.paths()
			if err != nil {
				return err
			}
			report.File = paths.Audit()
			if known == nil {
				if known = g.auditHead(cmd.Context()); known != nil {
					report.Against = "node"
				}
			}
			err = g.verifyAudit(report, known, paths.Checkpoints(), files)
			if head == "" && len(files) == 0 && errors.Is(err, fs.ErrPermission) {
				return g.verifyByNode(cmd.Context(), report, err)
			}
			return err
		},
	}
	c.Flags().StringVar(&head, "head", "", "hash of an entry that must be in the log")
	c.Flags().StringArrayVar(&files, "checkpoint", nil, "file with a checkpoint that the log must hold; may be repeated")
	return c
}

// auditHead asks a node that runs for its newest entry; nil when none answers at once.
func (g *globals) auditHead(ctx context.Context) *protocol.Digest {
	socket, err := g.socket()
	if err != nil {
		return nil
	}
	c := api.NewClient(socket)
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, min(g.timeout, 5*time.Second))
	defer cancel()
	h, err := c.AuditHead(ctx)
	if err != nil || h.Seq == 0 {
		return nil
	}
	d, err := protocol.ParseDigest(h.Hash)
	if err != nil {
		return nil
	}
	return &d
}

// verifyAudit checks a log against what is known of it: an entry's hash, checkpoints in own and in files.
func (g *globals) verifyAudit(report auditReport, known *protocol.Digest, own string, files []string) error {
	checkpoints, err := g.heldAgainst(own, files)
	if err != nil {
		return err
	}
	report.Checkpoints = len(checkpoints)
	verify := func(path string) (audit.Verification, error) { return audit.VerifyAgainst(path, known, checkpoints) }
	v, err := verify(report.File)
	// A node that runs may just be writing a line.
	for try := 0; try < 3 && report.Against == "node" && err == nil && len(v.Problems) > 0; try++ {
		v, err = verify(report.File)
	}
	if err != nil {
		return err
	}
	report.OK, report.Entries, report.Head, report.Problems = len(v.Problems) == 0, v.Entries, v.Head.String(), v.Problems
	return g.emitVerified(report)
}

// verifyByNode has the node check its log; unread says why it is not done here, and is the answer when no node does.
func (g *globals) verifyByNode(ctx context.Context, report auditReport, unread error) error {
	var v *api.AuditVerification
	err := g.withNodeOpen(ctx, func(ctx context.Context, c *api.Client) (err error) {
		v, err = c.AuditVerify(ctx)
		return err
	})
	switch {
	case err == nil:
	case api.ProblemOf(err).Code == string(reason.NodeNotFound):
		return unread
	default:
		return err
	}
	report.OK, report.Entries, report.Head, report.Problems = v.OK, v.Entries, v.Head, v.Problems
	report.Checkpoints, report.Against, report.ByNode = v.Checkpoints, "node", true
	return g.emitVerified(report)
}

// emitVerified shows what a check found, and is an error when the log is not sound.
func (g *globals) emitVerified(report auditReport) error {
	err := g.emit(report, func(w io.Writer) {
		for _, p := range report.Problems {
			fmt.Fprintf(w, "%s  %s\n", g.paint("damaged", colorBad), clean(p))
		}
		word := g.paint("sound", colorGood)
		if !report.OK {
			word = g.paint("not sound", colorBad)
		}
		fmt.Fprintf(w, "%s: %s, head %s\n", word, auditCount(report.Entries), report.Head)
		if report.OK && report.Checkpoints > 0 {
			fmt.Fprintf(w, "It holds what %s cover.\n", figures.Count(report.Checkpoints, "checkpoint"))
		}
		if report.ByNode {
			fmt.Fprintln(w, "The node says so: its log cannot be read here.")
		}
	})
	if err != nil || report.OK {
		return err
	}
	p := api.NewProblem(reason.AuditDamaged, fmt.Sprintf("verify the audit log %s: %s", report.File, figures.Count(len(report.Problems), "problem"))).
		WithFix("Keep a copy of the file as evidence, look who could write to it, and compare it with an earlier export.")
	return &exitError{code: exitInvalid, problem: p}
}

// auditCount says how many entries there are.
func auditCount(n uint64) string { return figures.Count(int(min(n, math.MaxInt)), "entry") }

// exportReport is the answer of audit export into a file.
type exportReport struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func newAuditExportCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "export [FILE]",
		Short: "Copy the audit log as it stands, to FILE or to stdout",
		Long: `Copy the audit log byte for byte, to a new FILE that only you can read, or to stdout (one
JSON entry a line). A node that runs is asked for it; of one that does not, the file is read.
Check the copy with tocsin audit verify FILE.

Exit codes: 0 copied, 4 neither a node nor its log is there, 9 FILE exists already.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				if g.format == "json" {
					return usagef("the log is many values: name a FILE, or use -o jsonl")
				}
				_, err := g.exportAudit(cmd.Context(), g.out)
				return err
			}
			return g.exportAuditTo(cmd.Context(), args[0])
		},
	}
}

// exportAuditTo makes the file; what could not be copied whole is taken away again.
func (g *globals) exportAuditTo(ctx context.Context, name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return reason.New(reason.Conflict, fmt.Sprintf("export the audit log: %s exists already", name))
	}
	if err != nil {
		return fmt.Errorf("export the audit log: %w", err)
	}
	n, err := g.exportAudit(ctx, f)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	report := exportReport{name, n}
	return g.emit(report, func(w io.Writer) { fmt.Fprintf(w, "Copied %s to %s.\n", figures.Bytes(n), clean(name)) })
}

// exportAudit copies the log of a node that runs, else its file.
func (g *globals) exportAudit(ctx context.Context, w io.Writer) (n int64, err error) {
	err = g.withNodeOpen(ctx, func(ctx context.Context, c *api.Client) (err error) {
		n, err = c.AuditExport(ctx, w)
		return err
	})
	if err == nil || n > 0 || api.ProblemOf(err).Code != string(reason.NodeNotFound) {
		return n, err
	}
	paths, pathErr := g.paths()
	if pathErr != nil {
		return 0, pathErr
	}
	in, openErr := os.Open(paths.Audit())
	switch {
	case errors.Is(openErr, fs.ErrNotExist):
		return 0, err // neither a node nor a log
	case openErr != nil:
		return 0, fmt.Errorf("export the audit log: %w", openErr)
	}
	defer in.Close()
	return io.Copy(w, in)
}
