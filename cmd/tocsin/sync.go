package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

// syncPoll is how often progress is asked for while a round runs.
const syncPoll = 500 * time.Millisecond

func newSyncCommand(g *globals) *cobra.Command {
	return group("sync", "Catch-up: what gossip did not bring", newSyncStatusCommand(g), newSyncNowCommand(g), newSyncGapsCommand(g), newSyncVerifyCommand(g))
}

func newSyncStatusCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how far catch-up is",
		Long: `Show up to when nothing is missing or how much is, the last gap and who filled it, gaps that
are still open, and how this node stands with each peer. Refused records do not count as missing. What
peers made since then is on its way by gossip, or compared next.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				s, err := c.Sync(ctx)
				if err != nil {
					return err
				}
				return g.emit(s, func(w io.Writer) { g.showSync(w, s) })
			})
		},
	}
}

func newSyncNowCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "now [PEER]",
		Short: "Compare with peers now and fetch what is missing",
		Long: `Compare with peers now, fetch what is missing, and wait until that is over: what they held when they
were asked is here then. PEER is a peer id, a unique prefix of 8 characters or more, or an organisation whose
node is connected; without it the node chooses. On a terminal a bar shows what came and how long the rest
will take. It takes as long as it takes, unless --timeout is given.

Exit codes: 0 nothing is missing, 1 no peer could be asked, 3 something is still missing, 6 there is no such
peer, 124 no peer answered in time.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			peer := ""
			if len(args) == 1 {
				if peer = args[0]; strings.TrimSpace(peer) == "" {
					return named("a peer", peer)
				}
			}
			return g.withNodeGiven(cmd, func(ctx context.Context, c *api.Client) error { return g.syncNow(ctx, c, peer) })
		},
	}
}

// syncNow has a round run, and draws how far it is meanwhile.
func (g *globals) syncNow(ctx context.Context, c *api.Client, peer string) error {
	update, done := g.progress("catching up, records")
	var s *api.Sync
	var err error
	over := make(chan struct{})
	go func() {
		defer close(over)
		s, err = c.SyncNow(ctx, peer)
	}()
	tick := time.NewTicker(syncPoll)
	for waiting := true; waiting; {
		select {
		case <-over:
			waiting = false
		case <-tick.C:
			if update == nil {
				continue
			}
			if s, err := c.Sync(ctx); err == nil && s.Fetched+s.Behind > 0 {
				update(api.Progress{Done: s.Fetched, Total: s.Fetched + s.Behind})
			}
		}
	}
	tick.Stop()
	done()
	if err != nil {
		return err
	}
	if err := g.emit(s, func(w io.Writer) { g.showSync(w, s) }); err != nil || s.Behind == 0 {
		return err
	}
	return exitWith(exitPartly)
}

func newSyncGapsCommand(g *globals) *cobra.Command {
	var limit int
	var all bool
	c := &cobra.Command{
		Use:   "gaps",
		Short: "List what is missing in key logs",
		Long: `List the runs of places that are missing below the heads of key logs. A gap that stays open is one
that no connected peer can fill. --all lists each key log with its head instead.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 10000 {
				return usagef("limit %d: want 1 to 10000", limit)
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.SyncGaps(ctx, limit, all)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showMissing(w, list.Items, all) })
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 100, "list at most so many gaps")
	c.Flags().BoolVar(&all, "all", false, "list all key logs with their heads")
	return c
}

func newSyncVerifyCommand(g *globals) *cobra.Command {
	var peers int
	c := &cobra.Command{
		Use:   "verify",
		Short: "Compare digests of what is held with peers",
		Long: `Print a digest of what is held of each topic, and which peers have the same one. Nodes that hold
the same records print the same digest. What was made in the last seconds is left out, since it may still be
on its way; what a node refused, or what expires just now, makes digests differ without harm.

Exit codes: 0 all that answered hold the same, 3 some hold something else.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if peers < 0 || peers > 64 {
				return usagef("peers %d: want 0 to 64", peers)
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.SyncVerify(ctx, peers)
				if err != nil {
					return err
				}
				if err := emitList(g, *list, func(w io.Writer) { g.showDigests(w, list.Items) }); err != nil {
					return err
				}
				if _, differ, _ := compared(list.Items); len(differ) > 0 {
					return exitWith(exitPartly)
				}
				return nil
			})
		},
	}
	c.Flags().IntVar(&peers, "peers", 3, "ask so many peers")
	return c
}

// showSync says in sentences how far catch-up is, then how we stand with each peer.
func (g *globals) showSync(w io.Writer, s *api.Sync) {
	fmt.Fprintln(w, strings.Join([]string{g.syncState(s), g.lastGap(s), openGaps(s)}, "  "))
	if s.Refused > 0 {
		fmt.Fprintf(w, "%s refused by the store; not fetched again for a day.\n", figures.Count(s.Refused, "record"))
	}
	if len(s.Peers) == 0 {
		g.hint("No peer was asked yet: tocsin peers")
		return
	}
	now := time.Now()
	var rows [][]cell
	for _, p := range s.Peers {
		state, color := "differs", colorWarn
		switch {
		case p.Unsupported:
			state = "does not speak catch-up"
		case p.Error != "":
			state = p.Error
		case p.Equal:
			state, color = "equal", colorGood
		case p.Last.IsZero():
			state, color = "not asked yet", ""
		}
		row := plain(p.ID, called(p.PeerCalled), g.when(p.Last, now), g.when(p.Next, now), figures.Grouped(p.Received), figures.Grouped(p.Sent), figures.Bytes(p.ReceivedBytes), state)
		row[7].color = color
		rows = append(rows, row)
	}
	g.table(w, []string{"PEER", "ORGANISATION", "LAST", "NEXT", "RECEIVED", "SENT", "BYTES", "STATE"}, rows)
}

// syncState is the first sentence.
func (g *globals) syncState(s *api.Sync) string {
	verified := ""
	switch {
	case s.Asked == 0:
	case s.Equal == 0:
		verified = fmt.Sprintf("; the last comparison came to its end with 0 of %s", figures.Count(s.Asked, "peer"))
	case s.Equal == s.Asked:
		verified = ", verified against " + figures.Count(s.Equal, "peer")
	default:
		verified = fmt.Sprintf(", verified against %d of %s", s.Equal, figures.Count(s.Asked, "peer"))
	}
	if s.Connected == 0 {
		verified += "; no peer is connected now"
	}
	switch {
	case s.Behind > 0:
		return fmt.Sprintf("Behind %s (%s)%s%s.", about(s.BehindObjects), figures.Count(s.Behind, "record"), left(s.Remaining), verified)
	case s.CaughtUp.IsZero():
		return "Not compared with any peer yet."
	}
	return fmt.Sprintf("Caught up to %s%s.", g.clock(s.CaughtUp), verified)
}

// about is an estimate of objects.
func about(objects int) string { return "about " + figures.Count(objects, "object") }

// lastGap says what was missing last.
func (g *globals) lastGap(s *api.Sync) string {
	if s.Last == nil {
		return "No gap since the start."
	}
	l := s.Last
	text := fmt.Sprintf("Last gap %s–%s", g.clock(l.From), g.clock(l.Until))
	if l.Off {
		text += " (node was off)"
	}
	text += fmt.Sprintf(": %s in %s", figures.Count(l.Objects, "object"), figures.Count(l.Records, "record"))
	if !l.Done {
		return text + " so far, being filled."
	}
	var from []string
	for _, p := range l.Sources {
		from = append(from, clean(called(p)))
	}
	if len(from) > 0 {
		text += ", filled from " + strings.Join(from, ", ")
	}
	return fmt.Sprintf("%s in %s.", text, lasting(l.Took))
}

func openGaps(s *api.Sync) string {
	if s.Gaps == 0 {
		return "Open gaps: none."
	}
	return fmt.Sprintf("Open gaps: %s in %s of key logs.", figures.Count(int(min(s.Missing, 1<<53)), "record"), figures.Count(s.Gaps, "run"))
}

// syncLine is catch-up in the node's status; that many peers are connected.
func (g *globals) syncLine(s *api.SyncBrief, connected int) string {
	now := time.Now()
	line := ""
	switch {
	case s.Behind > 0:
		return fmt.Sprintf("no · behind %s%s, %d of %s equal", about(s.BehindObjects), left(s.Remaining), s.Equal, figures.Count(s.Asked, "peer"))
	case s.CaughtUp.IsZero() && connected == 0:
		return "not compared with any peer yet; none is connected"
	case s.CaughtUp.IsZero():
		return "not compared with any peer yet"
	case connected == 0:
		line = fmt.Sprintf("to %s · no peer is connected now", g.when(s.CaughtUp, now))
	case s.Equal == 0 && s.Asked > 0:
		line = fmt.Sprintf("to %s · the last comparison came to its end with 0 of %s", g.when(s.CaughtUp, now), figures.Count(s.Asked, "peer"))
	default:
		line = fmt.Sprintf("to %s · %d of %s equal", g.when(s.CaughtUp, now), s.Equal, figures.Count(s.Asked, "peer"))
	}
	if !s.Gap.IsZero() {
		line += fmt.Sprintf(" · last gap %s, filled from %s in %s", g.when(s.Gap, now), figures.Count(s.Sources, "peer"), lasting(s.Took))
	}
	return line
}

func (g *globals) showMissing(w io.Writer, logs []api.KeyLog, all bool) {
	if len(logs) == 0 {
		fmt.Fprintln(w, "Nothing is missing.")
		return
	}
	now := time.Now()
	var rows [][]cell
	for _, l := range logs {
		row := []string{cmp.Or(l.Petname, short(l.Org)), short(l.Key), l.Topic, strconv.FormatUint(l.Head, 10), g.when(l.At, now)}
		if !all {
			row = append(row, placesBetween(l.From, l.To))
		}
		rows = append(rows, plain(row...))
	}
	header := []string{"ORGANISATION", "KEY", "TOPIC", "HEAD", "AGE"}
	if !all {
		header = append(header, "MISSING")
	}
	g.table(w, header, rows)
}

// placesBetween names a run of places.
func placesBetween(from, to uint64) string {
	if from == to {
		return strconv.FormatUint(from, 10)
	}
	return fmt.Sprintf("%d–%d", from, to)
}

func (g *globals) showDigests(w io.Writer, topics []api.SyncDigest) {
	var rows [][]cell
	for _, d := range topics {
		row := plain(d.Topic, figures.Grouped(d.Records), d.Digest, fmt.Sprintf("%d of %d", d.Equal, len(d.Peers)))
		row[3].color = colorGood
		if d.Equal < len(d.Peers) {
			row[3].color = colorWarn
		}
		rows = append(rows, row)
	}
	g.table(w, []string{"TOPIC", "RECORDS", "DIGEST", "EQUAL"}, rows)
	equal, differ, silent := compared(topics)
	for _, line := range []struct {
		what  string
		peers []string
	}{{"Equal on every topic", equal}, {"Differ", differ}, {"No answer", silent}} {
		if len(line.peers) > 0 {
			fmt.Fprintf(w, "%s: %s.\n", line.what, strings.Join(line.peers, ", "))
		}
	}
	if len(equal)+len(differ)+len(silent) == 0 {
		fmt.Fprintln(w, "No peer to compare with.")
	}
	if len(topics) > 0 {
		fmt.Fprintf(w, "Of what was made before %s; later records are not counted here.\n", g.clock(topics[0].Until))
	}
}

// compared sorts peers by what their digests came to: equal on every topic, different on those named, or no answer to any.
func compared(topics []api.SyncDigest) (equal, differ, silent []string) {
	var order []string
	names, wrong, answered, failed := map[string]string{}, map[string][]string{}, map[string]int{}, map[string]string{}
	for _, d := range topics {
		for _, p := range d.Peers {
			if _, known := names[p.ID]; !known {
				names[p.ID] = clean(called(p.PeerCalled))
				order = append(order, p.ID)
			}
			switch {
			case p.Error != "":
				failed[p.ID] = p.Error
			case !p.Equal:
				wrong[p.ID] = append(wrong[p.ID], fmt.Sprintf("%s %s there, %s here", clean(d.Topic), figures.Grouped(p.Records), figures.Grouped(d.Records)))
				answered[p.ID]++
			default:
				answered[p.ID]++
			}
		}
	}
	for _, id := range order {
		switch {
		case len(wrong[id]) > 0:
			differ = append(differ, fmt.Sprintf("%s (%s)", names[id], strings.Join(wrong[id], ", ")))
		case answered[id] == 0:
			silent = append(silent, fmt.Sprintf("%s (%s)", names[id], clean(failed[id])))
		case failed[id] != "":
			equal = append(equal, names[id]+" (where it answered)")
		default:
			equal = append(equal, names[id])
		}
	}
	return equal, differ, silent
}

// called names a peer: by its organisation's petname, else the organisation, else the peer id.
func called(p api.PeerCalled) string { return cmp.Or(p.Petname, short(p.Org), p.ID) }

// left says how long it will take.
func left(seconds float64) string {
	if seconds <= 0 {
		return ""
	}
	return ", " + lasting(seconds) + " left"
}

// lasting shows seconds as a duration, at least one second.
func lasting(seconds float64) string {
	return figures.Span(max(time.Duration(seconds*float64(time.Second)), time.Second))
}

// clock shows the time of day, with the date when that is another than today's.
func (g *globals) clock(t time.Time) string {
	text, today := g.stamp(t), g.stamp(time.Now())
	if date, rest, ok := strings.Cut(text, " "); ok && strings.HasPrefix(today, date) {
		return rest
	}
	return text
}
