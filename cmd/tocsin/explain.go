package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
)

func newExplainCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "explain VALUE|ID",
		Short: "Show the arithmetic behind a score",
		Long: `Show the arithmetic behind what this node believes about a value, or about what a
STIX id names. Each line is one voice: v = weight x q x min(claimed, 95)/100 x decay.
Voices of one group count once. The numbers can be redone by hand. Below them stand the
opinions and sightings, the ledgers that q comes from, who is out of automation and why, the
warning list that names the value, and what stands in the way of machines.`,
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
	fmt.Fprintf(w, "support %s   refute %s\n", fraction(e.Support), fraction(e.Refute))
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
			claimed = fraction(float64(min(t.Claimed, mostClaim)) / 100)
		}
		row := plain(sign, who(t.Petname, t.Level, t.Org), t.Level, short(t.Group), fraction(t.Weight),
			fraction(t.Q), claimed, fraction(t.Decay), fraction(t.V), strings.Trim(t.Why+"; "+t.Barred, "; "))
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

// mostClaim is the most that a claim counts; the table shows what enters the product.
const mostClaim = 95

// fraction writes a fraction of 1 with two to four digits, as the lines of
// arithmetic below the table do.
func fraction(f float64) string {
	text := strconv.FormatFloat(f, 'f', 4, 64)
	for strings.HasSuffix(text, "0") && len(text) > len("0.00") {
		text = text[:len(text)-1]
	}
	return text
}
