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

func newVouchCommand(g *globals) *cobra.Command {
	var r api.PledgeRequest
	c := &cobra.Command{
		Use:   "vouch ORG --until DATE --reason TEXT",
		Short: "Vouch in public for an organisation",
		Long: `Publish a signed vouch: that ORG is who it says it is. It gives ORG a level with those who
list this organisation as an anchor and allow it to vouch, and with nobody else. Both count as one
voice, and what ORG does wrong is counted against this organisation too. It ends after 180
days at most. ` + orgHelp,
		Example: `  tocsin vouch sha256:1f2e3d4c --until 120d --reason "visited them, words compared"
  tocsin vouch cert-ex --withdraw --reason "they changed hands"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Subject = args[0]
			return g.makePledge(cmd, "vouch", args[0], r)
		},
	}
	pledgeFlags(c, &r)
	c.Flags().StringSliceVar(&r.Topics, "topics", nil, "vouch for it on these topics only")
	return c
}

func newAdviseCommand(g *globals) *cobra.Command {
	var r api.PledgeRequest
	c := &cobra.Command{
		Use:   "advise ORG --evidence ID --until DATE --reason TEXT",
		Short: "Warn in public of an organisation",
		Long: `Publish a signed advisory about ORG. It needs evidence (records or objects that show what
happened), ends after 90 days at most, can be taken back with --withdraw, and does nothing by itself:
with those who list this organisation as partner or anchor it waits in the review queue for a person. ` + orgHelp,
		Example: `  tocsin advise sha256:1f2e3d4c --evidence indicator--6a1f0c3e --until 30d --reason "publishes competitors as malicious"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(r.Evidence) == 0 {
				return usagef("advise %s: --evidence is missing: name the records or objects that show it", args[0])
			}
			r.Subject = args[0]
			return g.makePledge(cmd, "advisory", args[0], r)
		},
	}
	pledgeFlags(c, &r)
	c.Flags().StringSliceVar(&r.Evidence, "evidence", nil, "records or objects that show it (comma separated)")
	return c
}

func newCommitCommand(g *globals) *cobra.Command {
	r := api.PledgeRequest{Commitment: &api.Commitment{}}
	var retraction time.Duration
	c := &cobra.Command{
		Use:   "commit --until DATE",
		Short: "State in public what this organisation will and will not do",
		Long: `Publish a signed commitment: what happens to information that others share, whether sources
are named, how fast what is wrong is taken back, how long it is kept. Partners see it beside what their own
nodes measure ('tocsin trust scorecard'). The newest replaces the one before.`,
		Example: `  tocsin commit --until 365d --onward green --attribution --retraction 24h --retention-days 365 \
    --will "answer questions within two working days" --will-not "sell what we receive"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r.Commitment.RetractionSeconds = int64(retraction / time.Second)
			return g.makePledge(cmd, "commitment", "this organisation", r)
		},
	}
	pledgeFlags(c, &r)
	f := c.Flags()
	f.StringVar(&r.Commitment.Onward, "onward", "clear", "highest TLP that is passed on to your own constituency")
	f.BoolVar(&r.Commitment.Attribution, "attribution", false, "sources are named when something is passed on")
	f.DurationVar(&retraction, "retraction", 24*time.Hour, "what proved wrong is taken back within this time")
	f.IntVar(&r.Commitment.RetentionDays, "retention-days", 365, "what others shared is kept this long")
	f.StringArrayVar(&r.Commitment.Will, "will", nil, "a sentence about what you will do (repeatable)")
	f.StringArrayVar(&r.Commitment.WillNot, "will-not", nil, "a sentence about what you will not do (repeatable)")
	return c
}

func pledgeFlags(c *cobra.Command, r *api.PledgeRequest) {
	f := c.Flags()
	f.StringVar(&r.Until, "until", "", "its last day, YYYY-MM-DD or a span such as 90d")
	f.StringVar(&r.Reason, "reason", "", "why; signed and published with it")
	f.BoolVar(&r.Withdraw, "withdraw", false, "take back what was published before")
}

// makePledge publishes one and shows it.
func (g *globals) makePledge(cmd *cobra.Command, kind, about string, r api.PledgeRequest) error {
	if r.Until == "" && !r.Withdraw {
		return usagef("%s %s: --until is missing: what is pledged ends at some day", cmd.Name(), about)
	}
	var err error
	if r.Until, err = expiryDay(r.Until, time.Now()); err != nil {
		return err
	}
	if kind != "commitment" && strings.TrimSpace(r.Reason) == "" {
		return usagef("%s %s: --reason is missing", cmd.Name(), about)
	}
	return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
		out, err := c.MakePledge(ctx, kind, r)
		if err != nil {
			return err
		}
		return g.emit(out, func(w io.Writer) { g.showPledge(w, out) })
	})
}

func (g *globals) showPledge(w io.Writer, p *api.Pledge) {
	state := "holds until " + g.stamp(p.Until)
	if p.Withdrawn {
		state = "withdrawn"
	}
	line := fmt.Sprintf("%s by %s", p.Kind, who(p.Petname, p.Level, p.Org))
	if p.Subject != "" {
		line += " about " + clean(cmp.Or(p.SubjectPetname, p.Subject))
	}
	fmt.Fprintf(w, "%s, %s\n", line, state)
	if c := p.Commitment; c != nil && !p.Withdrawn {
		fmt.Fprintf(w, "  passes on up to %s; %s; takes back within %s; keeps %s\n", clean(c.Onward), attribution(c), figures.Span(time.Duration(c.RetractionSeconds)*time.Second), figures.Count(c.RetentionDays, "day"))
		for _, s := range c.Will {
			fmt.Fprintf(w, "  will: %s\n", clean(s))
		}
		for _, s := range c.WillNot {
			fmt.Fprintf(w, "  will not: %s\n", clean(s))
		}
	}
	for _, line := range [][2]string{
		{"topics", strings.Join(p.Topics, ", ")}, {"reason", p.Reason}, {"evidence", strings.Join(p.Evidence, " ")}, {"record", p.Record},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "  %-9s %s\n", line[0], clean(line[1]))
		}
	}
}

func attribution(c *api.Commitment) string {
	if c.Attribution {
		return "names its sources"
	}
	return "does not name its sources"
}

func newPledgesCommand(g *globals) *cobra.Command {
	var org, kind string
	c := &cobra.Command{
		Use:   "pledges",
		Short: "List vouches, commitments and advisories",
		Long:  "List the vouches, commitments and advisories that organisations published, the newest of each about each subject.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Pledges(ctx, org, kind)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) {
					if len(list.Items) == 0 {
						fmt.Fprintln(w, "Nobody pledged anything.")
					}
					for i := range list.Items {
						g.showPledge(w, &list.Items[i])
					}
				})
			})
		},
	}
	c.Flags().StringVar(&org, "org", "", "by or about this organisation")
	c.Flags().StringVar(&kind, "kind", "", "vouch, commitment or advisory")
	return c
}
