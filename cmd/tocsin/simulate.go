package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

func newTrustSimulateCommand(g *globals) *cobra.Command {
	days := api.DefaultSimulateDays
	c := &cobra.Command{
		Use:   "simulate FILE",
		Short: "Show which verdicts a trust list would change; nothing is applied",
		Long: `Show which verdicts would change if FILE stood in the place of your own trust list, with
what commands changed laid over it as it is now. It looks at the values of records that came in
the last 30 days (--days), and at what waits in quarantine because its author is not
listed yet. Nothing is applied. FILE may be - for stdin.`,
		Example: "  tocsin trust simulate trust-new.toml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if days < 1 || days > api.MaxSimulateDays {
				return usagef("--days %d: want 1 to %d", days, api.MaxSimulateDays)
			}
			text, err := g.trustFile(args[0])
			if err != nil {
				return err
			}
			return g.withNodeOpen(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				s, err := c.SimulateTrust(ctx, api.SimulateRequest{Name: args[0], File: text, Days: days})
				if err != nil {
					return err
				}
				return g.emit(s, func(w io.Writer) { g.showSimulation(w, s) })
			})
		},
	}
	c.Flags().IntVar(&days, "days", days, "how many days back to look")
	return c
}

// trustFile reads a trust list of a bounded size.
func (g *globals) trustFile(name string) (string, error) {
	in, _, err := g.open(name)
	if err != nil {
		return "", err
	}
	defer in.Close()
	raw, err := io.ReadAll(io.LimitReader(in, api.MaxTrustFile+1))
	if err != nil {
		return "", fileError(err)
	}
	if len(raw) > api.MaxTrustFile {
		return "", usagef("read %s: more than %d bytes are no trust list", name, api.MaxTrustFile)
	}
	return string(raw), nil
}

func (g *globals) showSimulation(w io.Writer, s *api.Simulation) {
	took := time.Duration(s.Seconds * float64(time.Second)).Round(10 * time.Millisecond)
	fmt.Fprintf(w, "%s of the last %s judged in %s, %d would change. Nothing was applied.\n",
		figures.Count(s.Values, "value"), figures.Count(s.Days, "day"), took, s.Changed)
	for _, k := range s.Kinds {
		fmt.Fprintf(w, "%8d  %s\n", k.Count, clean(k.Kind))
	}
	if len(s.Examples) == 0 {
		return
	}
	var rows [][]cell
	for _, e := range s.Examples {
		row := plain(g.defang(e.Type, e.Value), placed(e.Before), "->", placed(e.After))
		row[3].color = verdictColor(e.After.Verdict)
		rows = append(rows, row)
	}
	g.table(w, []string{"VALUE", "NOW", "", "WITH THE FILE"}, rows)
	if more := s.Changed - len(s.Examples); more > 0 {
		fmt.Fprintf(w, "... and %d more\n", more)
	}
}

// placed is where a value stands: verdict, and the score that machines go by.
func placed(p api.Placement) string { return fmt.Sprintf("%s %d", p.Verdict, p.Gate) }
