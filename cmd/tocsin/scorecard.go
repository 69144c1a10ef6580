package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

func newTrustScorecardCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "scorecard [ORG]",
		Short: "Show what this node saw of organisations' work",
		Long: `Show what this node saw of each listed organisation's work, topic by topic, beside what
the organisation promised. It rests on this node's own evidence and never leaves it.

SHARE      objects, and how many of them nobody else named
LEAD       how far ahead of the next independent voice it was (median)
GOOD/BAD   values that independent voices confirmed, and refuted
Q          what its claims are multiplied with; 1 as long as nothing was counted
TOOK BACK  time from a refutation to its own withdrawal (median), and what it promised
SILENT     since its newest record came

` + orgHelp,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			org := ""
			if len(args) > 0 {
				if err := named("an organisation", args[0]); err != nil {
					return err
				}
				org = args[0]
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Scorecards(ctx, org)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showScorecards(w, list.Items, org != "", time.Now()) })
			})
		},
	}
}

// showScorecards prints a line a card and, where one organisation was asked for, what it promised.
func (g *globals) showScorecards(w io.Writer, cards []api.Scorecard, detailed bool, now time.Time) {
	if len(cards) == 0 {
		fmt.Fprintln(w, "No scorecards yet: they grow with the records of listed organisations.")
		return
	}
	var rows [][]cell
	for _, c := range byPetname(cards, func(c api.Scorecard) string { return c.Petname }) {
		row := plain(who(c.Petname, c.Level, c.Org), c.Level, c.Topic, share(&c), timing(c.LeadSeconds, c.Leads),
			fmt.Sprintf("%d/%d", c.Confirmed, c.Refuted), fmt.Sprint(c.Withdrawn), factor(c.Q), tookBack(&c), figures.Span(now.Sub(c.Last)))
		row[1].color = levelColor(c.Level)
		if c.Q != 0 && c.Q < 0.5 {
			row[7].color = colorBad
		}
		rows = append(rows, row)
	}
	g.table(w, []string{"WHO", "LEVEL", "TOPIC", "SHARE", "LEAD", "GOOD/BAD", "WITHDRAWN", "Q", "TOOK BACK", "SILENT"}, rows)
	if detailed {
		showCommitment(w, cards[0].Commitment)
	}
}

// share is the objects, and the part of them that nobody else named.
func share(c *api.Scorecard) string {
	if c.Objects == 0 {
		return "0"
	}
	return fmt.Sprintf("%d, %d%% unique", c.Objects, c.Unique*100/c.Objects)
}

// timing is a median and of how many.
func timing(seconds int64, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%s (%d)", figures.Span(time.Duration(seconds)*time.Second), of)
}

// tookBack is the measured time of withdrawals beside the promised one.
func tookBack(c *api.Scorecard) string {
	measured := timing(c.RetractionSeconds, c.Retractions)
	if c.Commitment == nil {
		return measured
	}
	return measured + ", promised " + figures.Span(time.Duration(c.Commitment.RetractionSeconds)*time.Second)
}

// factor is q as it stands in the arithmetic.
func factor(q float64) string {
	if q == 0 {
		return "1.00"
	}
	return fraction(q)
}

func showCommitment(w io.Writer, c *api.Commitment) {
	if c == nil {
		fmt.Fprintln(w, "It has promised nothing in a signed commitment that holds now.")
		return
	}
	attribution := "does not promise to name its sources"
	if c.Attribution {
		attribution = "names its sources"
	}
	fmt.Fprintf(w, "Promised until %s: passes on up to %s, %s, keeps what it received for %s.\n", c.Until.Format(time.DateOnly),
		clean(strings.ToUpper(cmp.Or(c.Onward, "none"))), attribution, figures.Count(c.RetentionDays, "day"))
	for _, will := range c.Will {
		fmt.Fprintf(w, "It will: %s\n", clean(will))
	}
	for _, not := range c.WillNot {
		fmt.Fprintf(w, "It will not: %s\n", clean(not))
	}
}
