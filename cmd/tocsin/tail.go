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
it was, also when nothing came for 45 seconds, not even a sign of life; with --reconnect=false it ends with exit code 4 (124 when the
node hangs) and says where to go on.`,
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
	n, said, pause := 0, "", firstRetry // said is what was said of a node that is away
	begun := false
	p := t.EventParams
	p.Opened = func() {
		begun, pause = true, firstRetry
		if said != "" {
			g.hint("The node is back.")
			said = ""
		}
	}
	for {
		last, err := c.Follow(ctx, p, func(h api.Happening) error {
			if err := g.showHappening(h, len(t.Kinds) == 0); err != nil {
				return err
			}
			if n++; n == t.limit {
				return errEnough
			}
			return nil
		})
		away := awayFrom(err, begun)
		switch {
		case errors.Is(err, errEnough):
			return nil
		case ctx.Err() != nil:
			return exitWith(exitInterrupted) // Ctrl-C is how people end it: nothing to report
		case away == "":
			return err
		case !t.reconnect:
			return nodeGone(last, err)
		}
		if last != "" {
			p.After, p.Replay = last, 0 // a gap in what follows says what the node itself forgot
		}
		if said != away && (said == "" || away != nodeIsGone) {
			g.hint("%s (Ctrl-C ends it).", away)
			said = away
		}
		select {
		case <-ctx.Done():
			return exitWith(exitInterrupted)
		case <-time.After(pause):
		}
		pause = min(2*pause, lastRetry)
	}
}

// nodeIsGone is what is said of a node that stopped, until more is known.
const nodeIsGone = "The node is gone; tail goes on when it is back"

// awayFrom says what keeps a follower from its node for a while only, "" when waiting does not help. Once a stream has begun it
// also goes on with a node that came back without its store or with too many followers.
func awayFrom(err error, begun bool) string {
	if err == nil {
		return nodeIsGone
	}
	_, p := codeOf(err)
	if p == nil {
		return ""
	}
	switch code := reason.Code(p.Code); {
	case code == reason.NodeNotFound || code == reason.NodeStarting || code == reason.RequestRate && begun:
		return nodeIsGone
	case code == reason.TimedOut:
		return "The node does not answer any more; tail goes on when it does"
	case code == reason.StoreFull && begun:
		return "The node runs without its store; tail goes on when it has it"
	}
	return ""
}

// nodeGone tells whoever follows and does not wait that there is nobody to follow, and where to go on.
func nodeGone(last string, err error) error {
	resume := "tocsin tail"
	if last != "" {
		resume += " --after " + last
	}
	p := api.NewProblem(reason.NodeNotFound, "follow changes: the node has stopped")
	switch why := api.ProblemOf(err); {
	case why == nil || why.Code == string(reason.NodeNotFound) || why.Code == string(reason.NodeStarting):
	case why.Code == string(reason.TimedOut):
		p = api.NewProblem(reason.TimedOut, why.Detail)
	default:
		return err
	}
	return p.WithFix(fmt.Sprintf("Go on with '%s' once it runs again.", resume))
}
