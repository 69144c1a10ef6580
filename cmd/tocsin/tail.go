package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// tailing is what tail was asked for.
type tailing struct {
	api.EventParams
	limit     int
	once      bool
	reconnect bool
}

func newTailCommand(g *globals) *cobra.Command {
	t := &tailing{}
	c := &cobra.Command{
		Use:   "tail",
		Short: "Follow what comes in, as it comes",
		Long: `Follow the node's change sequence: what was accepted, held, released, rejected or
expired. It begins with the next change, or behind number --after: the numbers
have no gaps and survive restarts, so a reader that keeps the last one misses nothing.
--replay 10m begins with what happened in the last ten minutes.

--kinds chooses what to follow: object, peer, mesh, review, sync, doctor, audit. Objects and
audit entries are kept; of the others the node keeps the newest in memory, for 24 hours
at most. What you missed is shown as a gap, never left out in silence. The filters (--min-score,
--type, --topic, --org, --tlp, --country, --label) select objects only.

-o jsonl prints one change a line, or with --kinds one event (id, kind, data). --once and -o json print the
changes that are there from number --after on, or all, and end; the filters hold there too. When the node stops, tail waits for it and goes on where
it was; with --reconnect=false it ends with exit code 4 and says where to go on.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.tail(cmd, t) },
	}
	f := c.Flags()
	f.StringVar(&t.After, "after", "", "begin behind this change, or the event with this id")
	f.DurationVar(&t.Replay, "replay", 0, "begin so long ago, 24h at most")
	f.StringSliceVar(&t.Kinds, "kinds", nil, "what to follow, separated by commas")
	f.IntVar(&t.MinScore, "min-score", 0, "only objects with a value of this score or more")
	f.StringVar(&t.Type, "type", "", "only objects of this STIX type")
	f.StringVar(&t.Topic, "topic", "", "only this topic")
	f.StringVar(&t.Org, "org", "", "only of this organisation: petname, id or its first 8 digits")
	f.StringVar(&t.TLP, "tlp", "", "only with this marking: clear, green, amber, amber+strict or red")
	f.StringVar(&t.Country, "country", "", "only of organisations of this country (two letters)")
	f.StringVar(&t.Label, "label", "", "only objects with this label")
	f.IntVar(&t.limit, "limit", 0, "end after this many events")
	f.BoolVar(&t.once, "once", false, "print the changes that are there, and end")
	f.BoolVar(&t.reconnect, "reconnect", true, "when the node stops wait for it and go on")
	return c
}

func (g *globals) tail(cmd *cobra.Command, t *tailing) error {
	number, err := strconv.ParseUint(t.After, 10, 64)
	if t.After != "" && err != nil && !strings.Contains(t.After, ".") {
		return usagef("--after %q: want a whole number from 0 on, or the id of an event", t.After)
	}
	if t.TLP != "" {
		label, err := stix.ParseTLP(t.TLP)
		if err != nil {
			return usagef("--tlp %q: want clear, green, amber, amber+strict or red", t.TLP)
		}
		t.TLP = strings.ToLower(strings.TrimPrefix(label.String(), "TLP:"))
	}
	if g.format != "json" && !t.once {
		return g.withNodeOpen(cmd.Context(), func(ctx context.Context, c *api.Client) error { return g.follow(ctx, c, t) })
	}
	switch {
	case len(t.Kinds) > 0:
		return usagef("--kinds with --once or -o json: they print the change sequence and end; leave out --kinds, or use -o jsonl without --once")
	case t.Replay != 0:
		return usagef("--replay with --once or -o json: they begin at a number; give --after N, or use -o jsonl without --once")
	case strings.Contains(t.After, "."):
		return usagef("--after %q with --once or -o json: want the number of a change ('seq' of a line), not the id of an event", t.After)
	}
	return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error { return g.changes(ctx, c, number, t) })
}

// changes prints what is there behind a number, page by page.
func (g *globals) changes(ctx context.Context, c *api.Client, after uint64, t *tailing) error {
	all := api.List[api.Event]{}
	for {
		page, err := c.Changes(ctx, after, api.MaxPage, t.EventFilter)
		if err != nil {
			return err
		}
		all.Items, all.Next = append(all.Items, page.Items...), page.Next
		if t.limit > 0 && len(all.Items) >= t.limit {
			all.Items = all.Items[:t.limit]
			all.Next = strconv.FormatUint(all.Items[t.limit-1].Seq, 10)
			break
		}
		next, err := strconv.ParseUint(page.Next, 10, 64)
		if err != nil {
			return err
		}
		if next == after {
			break
		}
		after = next
	}
	return emitList(g, all, func(w io.Writer) {
		for i := range all.Items {
			g.showEvent(w, &all.Items[i])
		}
	})
}

// errEnough ends a stream that has given what was asked for.
var errEnough = errors.New("enough")

// The times between two attempts to find the node again.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// follow prints events until it was enough, somebody ends it, or the node is gone and nobody wants to wait.
func (g *globals) follow(ctx context.Context, c *api.Client, t *tailing) error {
	n, away, pause := 0, false, firstRetry
	p := t.EventParams
	for {
		last, err := c.Follow(ctx, p, func(h api.Happening) error {
			pause = firstRetry
			if err := g.showHappening(h, len(t.Kinds) == 0); err != nil {
				return err
			}
			if n++; n == t.limit {
				return errEnough
			}
			return nil
		})
		_, problem := codeOf(err)
		switch {
		case errors.Is(err, errEnough):
			return nil
		case ctx.Err() != nil:
			return exitWith(exitInterrupted) // Ctrl-C is how people end it: nothing to report
		case err != nil && (problem == nil || problem.Code != string(reason.NodeNotFound) && problem.Code != string(reason.NodeStarting)):
			return err
		case !t.reconnect:
			return nodeGone(last)
		}
		if last != "" {
			p.After, p.Replay = last, 0 // a gap in what follows says what the node itself forgot
		}
		if !away {
			g.hint("The node is gone; tail goes on when it is back (Ctrl-C ends it).")
			away = true
		}
		select {
		case <-ctx.Done():
			return exitWith(exitInterrupted)
		case <-time.After(pause):
		}
		pause = min(2*pause, lastRetry)
		if _, err := c.Status(ctx); err == nil {
			g.hint("The node is back.")
			away = false
		}
	}
}

// nodeGone tells whoever follows that there is nobody to follow any more, and where to go on.
func nodeGone(last string) error {
	resume := "tocsin tail"
	if last != "" {
		resume += " --after " + last
	}
	return api.NewProblem(reason.NodeNotFound, "follow changes: the node has stopped").
		WithFix(fmt.Sprintf("Go on with '%s' once it runs again.", resume))
}
