package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node"
	"tocsin/node/admin/api"
	"tocsin/node/doctor"
	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

// The check that only this side can make, and those that make no sense while a process has the node's addresses.
const (
	checkNode      = "node"
	checkListeners = "listeners"
	checkAdminPort = "admin-port"
)

// How long a node may take to say that it runs, and to examine itself: that it waits for its turn and the way back are in it.
const (
	answerSoon  = 1500 * time.Millisecond
	examineSoon = doctor.Budget + 2*time.Second
)

func newDoctorCommand(g *globals) *cobra.Command {
	var names []string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the node: what is wrong, and what to do",
		Long: `Examine the node: independent checks that run side by side, each with what it found and what to do
about it, within five seconds. It changes nothing.

A running node examines itself. When none answers, its files are examined instead: configuration, keys,
certificate, disk, audit log, and whether its addresses are free. A node that answers and then hangs is
given up after seven seconds, or --timeout, and its files are examined too.

Each check says OK, WARN, FAIL, or SKIP when there was nothing to look at; a thing that could not be
measured is said to be so. docs/doctor.md explains every check.

Exit codes: 0 no failure (warnings are none), 1 a check failed, 2 --check names no check, 5 not permitted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			known := append(node.CheckNames(), checkNode)
			for _, name := range names {
				if !slices.Contains(known, name) {
					slices.Sort(known)
					return usagef("--check %q: want one of %s", name, strings.Join(known, ", "))
				}
			}
			out, err := g.examine(cmd.Context(), names)
			if err != nil {
				return err
			}
			if err := g.emitExamination(out); err != nil {
				return err
			}
			if out.State == string(doctor.Fail) {
				return exitWith(exitFailed)
			}
			return nil
		},
	}
	c.Flags().StringSliceVar(&names, "check", nil, "examine only these, by name")
	return c
}

// examine has the node examine itself, or examines its files when it does not answer.
func (g *globals) examine(ctx context.Context, names []string) (*api.Examination, error) {
	start := time.Now()
	socket, err := g.socket()
	if err != nil {
		return nil, err
	}
	c := api.NewClient(socket)
	defer c.Close()
	status, down := g.quickStatus(ctx, c)
	took := time.Since(start)
	asked := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == checkNode })
	nodeOnly := len(names) > 0 && len(asked) == 0
	var checks []api.Checked
	if down == nil && status.State != api.StateStarting && !nodeOnly {
		checks, down = g.examineRunning(ctx, c, asked)
	}
	if down != nil && !unanswered(down) {
		return nil, down
	}
	if checks == nil && !nodeOnly {
		if checks, err = g.examineFiles(ctx, asked, down); err != nil {
			return nil, err
		}
	}
	out := &api.Examination{Checks: append([]api.Checked{nodeChecked(status, down, took)}, checks...)}
	out.State = worst(out.Checks)
	out.TookMS = time.Since(start).Milliseconds()
	return out, nil
}

// unanswered reports whether a node gave no answer that is worth anything: then its files can still be examined. Whoever may not
// ask it is told so instead.
func unanswered(err error) bool {
	switch reason.Code(api.ProblemOf(err).Code) {
	case reason.NodeNotFound, reason.NodeStarting, reason.TimedOut, reason.Internal:
		return true
	}
	return false
}

func (g *globals) quickStatus(ctx context.Context, c *api.Client) (*api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, min(answerSoon, g.timeout))
	defer cancel()
	return c.Status(ctx)
}

// examineRunning has a node examine itself. One that takes longer than its own checks may hangs.
func (g *globals) examineRunning(ctx context.Context, c *api.Client, names []string) ([]api.Checked, error) {
	ctx, cancel := context.WithTimeout(ctx, min(examineSoon, g.timeout))
	defer cancel()
	found, err := c.Doctor(ctx, names...)
	if err != nil {
		return nil, err
	}
	return found.Checks, nil
}

// nodeChecked says whether the node runs. s is what it said, nil for nothing; down is why it said nothing, or no more than that.
func nodeChecked(s *api.Status, down error, took time.Duration) api.Checked {
	f := doctor.Finding{}
	p := api.ProblemOf(down)
	switch {
	case p != nil && p.Code == string(reason.TimedOut) && s != nil:
		f = doctor.Bad(api.Wake, "it says that it is %s and does not examine itself in time: something in it hangs; its files are examined instead", s.State)
	case p != nil:
		f = doctor.Bad(p.Fix, "%s", p.Detail)
	case s.State == api.StateStarting:
		f = doctor.Odd("wait, and ask again", "the node is still starting; its files are examined instead")
	case s.State == api.StateDegraded:
		f = doctor.Bad("see disk and store below", "the node runs without its store")
	default:
		f = doctor.Good("%s has been up for %s, version %s", s.Name, figures.Span(time.Since(s.Started)), s.Version)
	}
	return api.Checked{Name: checkNode, State: string(f.State), Text: f.Text, Fix: f.Fix, TookMS: took.Milliseconds()}
}

// examineFiles looks at what a node that does not answer left on the disk.
func (g *globals) examineFiles(ctx context.Context, names []string, down error) ([]api.Checked, error) {
	paths, err := g.paths()
	if err != nil {
		return nil, err
	}
	cfg, _, unread := loadConfig(g)
	checks := node.OfflineChecks(paths, cfg, unread)
	silent := api.ProblemOf(down)
	checks = slices.DeleteFunc(checks, func(c doctor.Check) bool {
		taken := silent == nil || silent.Code != string(reason.NodeNotFound)
		return taken && (c.Name == checkListeners || c.Name == checkAdminPort) ||
			len(names) > 0 && !slices.Contains(names, c.Name)
	})
	var out []api.Checked
	for _, r := range doctor.Examine(ctx, checks) {
		out = append(out, api.Checked{Name: r.Name, State: string(r.State), Text: r.Text, Fix: r.Fix, TookMS: r.TookMS})
	}
	for _, name := range names {
		if !slices.ContainsFunc(out, func(c api.Checked) bool { return c.Name == name }) {
			out = append(out, api.Checked{Name: name, State: string(doctor.Skip), Text: "not measured: only a running node knows"})
		}
	}
	return out, nil
}

func worst(checks []api.Checked) string {
	var results []doctor.Result
	for _, c := range checks {
		results = append(results, doctor.Result{Finding: doctor.Finding{State: doctor.State(c.State)}})
	}
	return string(doctor.Worst(results))
}

// emitExamination prints the checks; with -o jsonl one a line.
func (g *globals) emitExamination(e *api.Examination) error {
	if g.format == "jsonl" {
		return emitList(g, api.List[api.Checked]{Items: e.Checks}, nil)
	}
	return g.emit(e, func(w io.Writer) { g.showExamination(w, e) })
}

func (g *globals) showExamination(w io.Writer, e *api.Examination) {
	width := 0
	count := map[string]int{}
	for _, c := range e.Checks {
		width = max(width, len(c.Name))
		count[c.State]++
	}
	for _, c := range e.Checks {
		mark := fmt.Sprintf("%-4s", strings.ToUpper(c.State))
		switch doctor.State(c.State) {
		case doctor.OK:
			mark = g.paint(mark, colorGood)
		case doctor.Warn:
			mark = g.paint(mark, colorWarn)
		case doctor.Fail:
			mark = g.paint(mark, colorBad)
		}
		fmt.Fprintf(w, "%s  %-*s  %s\n", mark, width, c.Name, clean(c.Text))
		if c.Fix != "" {
			fmt.Fprintf(w, "      %-*s  fix: %s\n", width, "", clean(c.Fix))
		}
	}
	fmt.Fprintf(w, "%d ok, %s, %s, %d skipped (%.1f s)\n", count[string(doctor.OK)],
		figures.Count(count[string(doctor.Warn)], "warning"), figures.Count(count[string(doctor.Fail)], "failure"), count[string(doctor.Skip)], float64(e.TookMS)/1000)
}
