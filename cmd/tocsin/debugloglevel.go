package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

func newDebugLogLevelCommand(g *globals) *cobra.Command {
	var d time.Duration
	var reset bool
	c := &cobra.Command{
		Use:   "log-level [SUBSYSTEM=LEVEL...]",
		Short: "Have parts of the running node log more or less for a time",
		Long: `Have parts of the running node log more or less for a time (--for). The level goes back to the configured one by
itself, at the latest when the node ends. SUBSYSTEM is a name of the list that this command prints without
arguments, or the beginning of names and a *, as in 'tocsin/*'. LEVEL is debug, info, warn or error.

Nothing is changed unless all that is asked for can be. debug may write indicator values and addresses into the log.

Exit codes: 0 done, 2 usage error, 3 the node changed only some, 4 no node runs, 6 no such subsystem.`,
		Example: `  tocsin debug log-level
  tocsin debug log-level tocsin/intake=debug swarm2=info --for 10m
  tocsin debug log-level --reset`,
		RunE: func(cmd *cobra.Command, args []string) error {
			requests, err := logLevelRequests(args, d)
			if err != nil {
				return err
			}
			if reset && len(args) > 0 {
				return usagef("debug log-level: --reset gives all levels back; name none with it")
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := logLevels(ctx, c, requests, reset)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showLogLevels(w, list.Items, time.Now()) })
			})
		},
	}
	c.Flags().DurationVar(&d, "for", 10*time.Minute, "how long, at most 24h")
	c.Flags().BoolVar(&reset, "reset", false, "give all levels back now")
	return c
}

// logLevelRequests reads SUBSYSTEM=LEVEL.
func logLevelRequests(args []string, d time.Duration) ([]api.LogLevelRequest, error) {
	if d < time.Second || d > 24*time.Hour {
		return nil, usagef("debug log-level: --for %v: want 1s to 24h", d)
	}
	var requests []api.LogLevelRequest
	for _, arg := range args {
		name, level, ok := strings.Cut(arg, "=")
		if !ok || name == "" || level == "" {
			return nil, usagef("debug log-level: %q: want SUBSYSTEM=LEVEL, as in tocsin/intake=debug", arg)
		}
		if !slices.Contains([]string{"debug", "info", "warn", "error"}, level) {
			return nil, usagef("debug log-level: %q: want the level debug, info, warn or error", arg)
		}
		requests = append(requests, api.LogLevelRequest{Subsystem: name, Level: level, For: int(d / time.Second)})
	}
	return requests, nil
}

// logLevels changes what is asked for and gives what was changed, or all there is. It begins with nothing that cannot all be done.
func logLevels(ctx context.Context, c *api.Client, requests []api.LogLevelRequest, reset bool) (*api.List[api.LogLevel], error) {
	if reset {
		return c.ResetLogLevels(ctx)
	}
	there, err := c.LogLevels(ctx)
	if err != nil || len(requests) == 0 {
		return there, err
	}
	for _, r := range requests {
		if !slices.ContainsFunc(there.Items, func(l api.LogLevel) bool { return isMeant(r.Subsystem, l.Subsystem) }) {
			return nil, api.NewProblem(reason.NotFound, fmt.Sprintf("debug log-level: there is no subsystem %.100q; nothing was changed", r.Subsystem)).
				WithFix("'tocsin debug log-level' lists them")
		}
	}
	all := &api.List[api.LogLevel]{}
	for _, r := range requests {
		list, err := c.SetLogLevel(ctx, r)
		if err != nil && len(all.Items) > 0 {
			p := api.ProblemOf(err)
			return nil, &exitError{exitPartly, api.NewProblem(reason.Code(p.Code), fmt.Sprintf("%s; what stands before %s=%s was changed", p.Detail, r.Subsystem, r.Level)).
				WithFix("'tocsin debug log-level' lists what is in force, --reset gives it back")}
		}
		if err != nil {
			return nil, err
		}
		all.Items = append(all.Items, list.Items...)
	}
	return all, nil
}

// isMeant reports whether a subsystem is one that somebody named, by its name or its beginning and a *.
func isMeant(match, name string) bool {
	prefix, open := strings.CutSuffix(match, "*")
	return match == name || open && strings.HasPrefix(name, prefix)
}

func (g *globals) showLogLevels(w io.Writer, levels []api.LogLevel, now time.Time) {
	var rows [][]cell
	for _, l := range levels {
		back := "as configured"
		if !l.Until.IsZero() {
			back = fmt.Sprintf("back to %s in %s", l.Before, figures.Span(l.Until.Sub(now).Round(time.Second)))
		}
		row := plain(l.Subsystem, l.Level, back)
		if !l.Until.IsZero() {
			row[1].color = colorWarn
		}
		rows = append(rows, row)
	}
	g.table(w, []string{"SUBSYSTEM", "LEVEL", "UNTIL"}, rows)
}
