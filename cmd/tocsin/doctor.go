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

// answerSoon is how long a node may take to say that it runs: one that hangs leaves time for the checks without it.
const answerSoon = 1500 * time.Millisecond

func newDoctorCommand(g *globals) *cobra.Command {
	var names []string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the node: what is wrong, and what to do",
		Long: `Examine the node: independent checks that run side by side, each with what it found and what to do
about it. The whole takes five seconds at most. It changes nothing.

A running node examines itself. When none answers, its files are examined instead: configuration, keys,
certificate, disk, audit log, and whether its addresses are free.

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
	status, down := quickStatus(ctx, c)
	if p := api.ProblemOf(down); p != nil && (p.Code == string(reason.AccessDenied) || p.Code == string(reason.SocketPath) || p.Code == string(reason.Interrupted)) {
		return nil, down
	}
	out := &api.Examination{Checks: []api.Checked{nodeChecked(status, down, time.Since(start))}}
	asked := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == checkNode })
	switch {
	case len(names) > 0 && len(asked) == 0:
	case down == nil && status.State != api.StateStarting:
		found, err := c.Doctor(ctx, forRunning(asked)...)
		if err != nil {
			return nil, err
		}
		out.Checks = append(out.Checks, found.Checks...)
	default:
		found, err := g.examineFiles(ctx, asked, down)
		if err != nil {
			return nil, err
		}
		out.Checks = append(out.Checks, found...)
	}
	out.State = worst(out.Checks)
	out.TookMS = time.Since(start).Milliseconds()
	return out, nil
}

// forRunning gives the names that a running node has; those that it lacks were of nodes that do not run.
func forRunning(names []string) []string {
	live := node.LiveCheckNames()
	return slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(live, name) })
}

func quickStatus(ctx context.Context, c *api.Client) (*api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, answerSoon)
	defer cancel()
	return c.Status(ctx)
}

// nodeChecked says whether the node runs.
func nodeChecked(s *api.Status, down error, took time.Duration) api.Checked {
	f := doctor.Finding{}
	p := api.ProblemOf(down)
	switch {
	case p != nil && p.Code == string(reason.TimedOut):
		f = doctor.Bad("see its log and its process: 'kill -CONT' wakes one that was stopped; restart one that hangs",
			"a process has the socket and does not answer within %v: it hangs or was stopped", answerSoon)
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
