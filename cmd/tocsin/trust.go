package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

const orgHelp = "ORG is sha256:HEX, a unique prefix of 8 hex digits or more, or a petname."

func newTrustCommand(g *globals) *cobra.Command {
	return group("trust", "Show and change the trust list", newTrustListCommand(g),
		newTrustShowCommand(g), newTrustAddCommand(g), newTrustSetCommand(g), newTrustRemoveCommand(g),
		newTrustLogCommand(g), newTrustReloadCommand(g), newTrustDiffCommand(g), newTrustExportCommand(g), newTrustImportCommand(g),
		newTrustRollbackCommand(g), newTrustRestoreCommand(g), newTrustScorecardCommand(g), newTrustSimulateCommand(g))
}

func newTrustListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the organisations on the trust list",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Trust(ctx)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showTrustList(w, list.Items) })
			})
		},
	}
}

func newTrustShowCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "show ORG",
		Short: "Show what is known of one organisation",
		Long:  "Show what is known of one organisation, listed or not. " + orgHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := named("an organisation", args[0]); err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				e, err := c.TrustEntry(ctx, args[0])
				if err != nil {
					return err
				}
				return g.emit(e, func(w io.Writer) { g.showTrustEntry(w, e) })
			})
		},
	}
}

// trustFlags names the parts of an entry that commands may state.
func trustFlags() []string {
	return []string{"petname", "level", "expires", "topics", "reason", "automation", "max-per-day", "may-vouch"}
}

// addTrustFlags are the parts of an entry that commands may state.
func addTrustFlags(c *cobra.Command, e *api.TrustEntry) {
	f := c.Flags()
	f.StringVar(&e.Petname, "petname", "", "your own name for the organisation")
	f.StringVar(&e.Level, "level", "", "blocked, observed, partner or anchor")
	f.StringVar(&e.Expires, "expires", "", "last day of the entry, YYYY-MM-DD or a span such as 365d")
	f.StringSliceVar(&e.Topics, "topics", nil, "believe it on these topics only: standard ones, or such as this node has joined")
	f.StringVar(&e.Reason, "reason", "", "why, for those who come after you")
	f.StringSliceVar(&e.Automation, "automation", nil, "machines may act on these kinds by its word: ipv4, ipv6, cidr, domain, url, email, md5, sha1, sha256, sha512, mac, asn; none for nothing")
	f.IntVar(&e.MaxPerDay, "max-per-day", 0, "machines act on at most this many of its values a day")
	f.IntVar(&e.MayVouch, "may-vouch", 0, "it may vouch for this many organisations (anchors only); -1 for none any more")
}

func newTrustAddCommand(g *globals) *cobra.Command {
	var e api.TrustEntry
	c := &cobra.Command{
		Use:   "add ORG --petname NAME --level LEVEL --expires DATE",
		Short: "Put an organisation on the trust list",
		Long: `Put an organisation on the trust list, in force at once and after a restart. What
was held only because the organisation was not listed is judged again.
` + orgHelp + `
Compare the eight words of its fingerprint with the organisation first.`,
		Example: "  tocsin trust add sha256:1f2e3d4c --petname cert-pt --level partner --expires 2027-06-30",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range []string{"petname", "level", "expires"} {
				if !cmd.Flags().Changed(name) {
					return usagef("trust add %s: --%s is missing", args[0], name)
				}
			}
			return g.putTrust(cmd.Context(), args[0], e, (*api.Client).AddTrust)
		},
	}
	addTrustFlags(c, &e)
	return c
}

func newTrustSetCommand(g *globals) *cobra.Command {
	var e api.TrustEntry
	c := &cobra.Command{
		Use:   "set ORG",
		Short: "Change an entry of the trust list; what is not given stays",
		Long: `Change an entry of the trust list; what is not given stays. An entry of the
operator's own file is overlaid, the file is not rewritten. ` + orgHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.ContainsFunc(trustFlags(), func(name string) bool { return cmd.Flags().Changed(name) }) {
				return usagef("trust set %s: nothing to change; give one of --%s", args[0], strings.Join(trustFlags(), ", --"))
			}
			return g.putTrust(cmd.Context(), args[0], e, (*api.Client).SetTrust)
		},
	}
	addTrustFlags(c, &e)
	return c
}

// putTrust sends an entry by the given call and shows what is in force then.
func (g *globals) putTrust(ctx context.Context, org string, e api.TrustEntry,
	call func(*api.Client, context.Context, api.TrustEntry) (*api.TrustEntry, error)) error {
	err := named("an organisation", org)
	if err != nil {
		return err
	}
	e.Org = org
	if e.Expires, err = expiryDay(e.Expires, time.Now()); err != nil {
		return err
	}
	return g.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		out, err := call(c, ctx, e)
		if err != nil {
			return err
		}
		return g.emit(out, func(w io.Writer) { g.showTrustEntry(w, out) })
	})
}

// expiryDay reads a day, or a span of days from now on.
func expiryDay(text string, now time.Time) (string, error) {
	if text == "" {
		return "", nil
	}
	if _, err := time.Parse(time.DateOnly, text); err == nil {
		return text, nil
	}
	d, err := api.ParseSpan(text)
	if err != nil {
		return "", usagef("--expires %q: want YYYY-MM-DD or a span such as 365d", text)
	}
	return now.Add(d).UTC().Format(time.DateOnly), nil
}

func newTrustRemoveCommand(g *globals) *cobra.Command {
	var why string
	c := &cobra.Command{
		Use:   "remove ORG",
		Short: "Take an organisation off the trust list",
		Long: `Take an organisation off the trust list; it is a stranger then. What was accepted
from it stays stored and weighs nothing for machines any more. ` + orgHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := named("an organisation", args[0]); err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				r, err := c.RemoveTrust(ctx, args[0], why)
				if err != nil {
					return err
				}
				return g.emit(r, func(w io.Writer) {
					fmt.Fprintf(w, "Removed %s. What was accepted from it stays stored and weighs nothing for machines any more.\n", clean(r.Removed))
				})
			})
		},
	}
	c.Flags().StringVar(&why, "reason", "", "why; kept in the audit log")
	return c
}

// byPetname is a list as people read it: the port gives it in the order of ids, which do not change while it is read.
func byPetname[T any](items []T, petname func(T) string) []T {
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(a, b T) int {
		return cmp.Compare(strings.ToLower(petname(a)), strings.ToLower(petname(b)))
	})
	return items
}

func (g *globals) showTrustList(w io.Writer, entries []api.TrustEntry) {
	if len(entries) == 0 {
		fmt.Fprintln(w, "Nobody is listed: what others send is held, and believed by nobody here.")
		g.hint("List an organisation: tocsin trust add ORG --petname NAME --level partner --expires DATE")
		return
	}
	var rows [][]cell
	for _, e := range byPetname(entries, func(e api.TrustEntry) string { return e.Petname }) {
		row := plain(e.Petname, e.Level, e.Expires, strings.Join(e.Topics, ","), short(e.Org), e.Country, e.Name)
		row[1].color = levelColor(e.Effective)
		if e.Effective != e.Level {
			row[1].text += " (now " + clean(e.Effective) + ")"
		}
		rows = append(rows, row)
	}
	g.table(w, []string{"PETNAME", "LEVEL", "EXPIRES", "TOPICS", "ORGANISATION", "CC", "CALLS ITSELF"}, rows)
}

func levelColor(level string) string {
	switch level {
	case "partner", "anchor", "own":
		return colorGood
	case "blocked":
		return colorBad
	}
	return ""
}

func (g *globals) showTrustEntry(w io.Writer, e *api.TrustEntry) {
	level := clean(e.Level)
	if e.Effective != "" && e.Effective != e.Level {
		level += " (now " + clean(e.Effective) + ")"
	}
	for _, line := range [][2]string{
		{"Petname", cmp.Or(e.Petname, "- (not listed)")}, {"Level", level}, {"Expires", e.Expires},
		{"Topics", strings.Join(e.Topics, ", ")}, {"Demoted", strings.Join(e.Demoted, ", ")}, {"Automation", automationText(e)}, {"May vouch", vouchText(e)},
		{"Vouched by", e.VouchedBy}, {"Reason", e.Reason}, {"Organisation", e.Org},
		{"Words", strings.Join(e.Words, " ")}, {"Calls itself", strings.TrimSpace(e.Name + " " + e.Country)},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-13s %s\n", line[0], clean(line[1]))
		}
	}
}

func automationText(e *api.TrustEntry) string {
	if len(e.Automation) == 0 {
		return ""
	}
	return fmt.Sprintf("%s, at most %d a day", strings.Join(e.Automation, ", "), e.MaxPerDay)
}

func vouchText(e *api.TrustEntry) string {
	if e.MayVouch <= 0 {
		return ""
	}
	return "for " + figures.Count(e.MayVouch, "organisation")
}
