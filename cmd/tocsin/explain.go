package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
)

func newExplainCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "explain VALUE|ID",
		Short: "Show the arithmetic behind a score",
		Long: `Show the arithmetic behind what this node believes about a value, or about what a
STIX id names. Each line is one voice: v = weight x q x min(claimed, 95)/100 x decay.
Voices of one group count once. The numbers can be redone by hand.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				e, err := c.Explain(ctx, args[0])
				if err != nil {
					return err
				}
				return g.emit(e, func(w io.Writer) { g.showExplanation(w, e) })
			})
		},
	}
}

func (g *globals) showExplanation(w io.Writer, e *api.Explanation) {
	fmt.Fprintf(w, "%s: %s, score %d (for automation %d), %s\n", g.defang(guessKind(e.Value), e.Value),
		g.paint(clean(e.Verdict), verdictColor(e.Verdict)), e.Score, e.Gate, clean(e.State))
	fmt.Fprintf(w, "support %.4f   refute %.4f\n", e.Support, e.Refute)
	if len(e.Terms) > 0 {
		g.table(w, []string{"", "WHO", "LEVEL", "GROUP", "WEIGHT", "Q", "CLAIMED", "DECAY", "V", "NOTE"}, g.termRows(e.Terms))
	}
	for _, why := range e.Why {
		fmt.Fprintf(w, "- %s\n", clean(why))
	}
}

func (g *globals) termRows(terms []api.Term) [][]cell {
	var rows [][]cell
	for _, t := range terms {
		sign := "+"
		if t.Refutes {
			sign = "-"
		}
		claimed := "silent"
		if t.Claimed >= 0 {
			claimed = fmt.Sprint(t.Claimed)
		}
		row := plain(sign, who(t.Petname, t.Level, t.Org), t.Level, short(t.Group), fmt.Sprintf("%.4f", t.Weight),
			fmt.Sprintf("%.4f", t.Q), claimed, fmt.Sprintf("%.4f", t.Decay), fmt.Sprintf("%.4f", t.V), t.Why)
		if !t.Counted {
			row[0].text = " "
			for i := range row {
				row[i].color = colorDim
			}
		}
		rows = append(rows, row)
	}
	return rows
}
