package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
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

debug may write indicator values and addresses into the log.

Exit codes: 0 done, 2 usage error, 4 no node runs, 6 no such subsystem.`,
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
		requests = append(requests, api.LogLevelRequest{Subsystem: name, Level: level, For: int(d / time.Second)})
	}
	return requests, nil
}

// logLevels changes what is asked for and gives what was changed, or all there is.
func logLevels(ctx context.Context, c *api.Client, requests []api.LogLevelRequest, reset bool) (*api.List[api.LogLevel], error) {
	switch {
	case reset:
		return c.ResetLogLevels(ctx)
	case len(requests) == 0:
		return c.LogLevels(ctx)
	}
	all := &api.List[api.LogLevel]{}
	for _, r := range requests {
		list, err := c.SetLogLevel(ctx, r)
		if err != nil {
			return nil, err
		}
		all.Items = append(all.Items, list.Items...)
	}
	return all, nil
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
