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

func newDisputeCommand(g *globals) *cobra.Command {
	r := api.OpinionRequest{Opinion: "strongly-disagree", Confidence: -1}
	var withdraw bool
	c := &cobra.Command{
		Use:   "dispute ID --reason TEXT",
		Short: "Say in public that an object is wrong",
		Long: `Publish a signed STIX opinion of somebody's object. Those who list this organisation as
partner or anchor count it against every value that the object names, the author's
ledger here takes note of it, and so does the author. One organisation has one
opinion of an object: saying it again replaces it. ID is a STIX id, RECORD#INDEX or a unique prefix.`,
		Example: `  tocsin dispute indicator--6a1f0c3e --reason "a public resolver, used by every phone of this model"
  tocsin dispute indicator--6a1f0c3e --withdraw --reason "we were wrong, the log was from a honeypot"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(r.Reason) == "" {
				return usagef("dispute %s: --reason is missing: whoever reads it needs to know why", args[0])
			}
			if withdraw {
				if cmd.Flags().Changed("opinion") {
					return usagef("dispute %s: --withdraw and --opinion exclude each other", args[0])
				}
				r.Opinion = "neutral"
			}
			r.Object = args[0]
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				out, err := c.Opine(ctx, r)
				if err != nil {
					return err
				}
				return g.emit(out, func(w io.Writer) { showRemarked(w, "Published as an opinion", out) })
			})
		},
	}
	c.Flags().StringVar(&r.Reason, "reason", "", "why; signed and published with it")
	c.Flags().StringVar(&r.Opinion, "opinion", r.Opinion, "strongly-disagree, disagree, neutral, agree or strongly-agree")
	c.Flags().IntVar(&r.Confidence, "confidence", -1, "how sure, 0 to 100 (-1: not stated, counts as 50)")
	c.Flags().BoolVar(&withdraw, "withdraw", false, "take back an earlier opinion")
	return c
}

func newSightCommand(g *globals) *cobra.Command {
	r := api.SightingRequest{Count: 1, Confidence: -1}
	var first, last string
	c := &cobra.Command{
		Use:   "sight VALUE|ID",
		Short: "Say that a value or object was seen here, or looked for and not seen",
		Long: `Publish a signed STIX sighting of an object, or of every accepted object that names a
VALUE (20 at most). A sighting by a counted organisation makes a claim fresh again and is a voice of its own.
--count 0 says that it was looked for and not seen; that is shown to others and counts for nothing.`,
		Example: `  tocsin sight 198.51.100.7 --count 12 --last 2026-03-01T10:00:00Z
  tocsin sight indicator--6a1f0c3e --count 0`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.Count < 0 || r.Count > 999_999_999 {
				return usagef("sight %s: --count %d: want 0 to 999999999", args[0], r.Count)
			}
			for _, at := range []struct {
				flag, text string
				to         *time.Time
			}{{"first", first, &r.First}, {"last", last, &r.Last}} {
				if at.text == "" {
					continue
				}
				t, err := time.Parse(time.RFC3339, at.text)
				if err != nil {
					return usagef("sight %s: --%s %q: want a time such as 2026-03-01T10:00:00Z", args[0], at.flag, at.text)
				}
				*at.to = t
			}
			r.Target = args[0]
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				out, err := c.Sight(ctx, r)
				if err != nil {
					return err
				}
				return g.emit(out, func(w io.Writer) {
					showRemarked(w, "Published as a sighting", out)
					if out.More > 0 {
						fmt.Fprintf(w, "%s with this value got no sighting.\n", figures.Count(out.More, "more object"))
					}
				})
			})
		},
	}
	f := c.Flags()
	f.IntVar(&r.Count, "count", 1, "how often; 0 for looked for and not seen")
	f.StringVar(&first, "first", "", "when it was first seen (RFC 3339)")
	f.StringVar(&last, "last", "", "when it was last seen (RFC 3339)")
	f.StringVar(&r.Reason, "reason", "", "a word about it; signed and published with it")
	f.IntVar(&r.Confidence, "confidence", -1, "how sure, 0 to 100 (-1: not stated)")
	return c
}

func showRemarked(w io.Writer, what string, out *api.Remarked) {
	for i := range out.Objects {
		fmt.Fprintf(w, "%s of %s: %s in record %s\n", what, clean(out.About[i]), clean(out.Objects[i]), out.Records[i])
	}
}
