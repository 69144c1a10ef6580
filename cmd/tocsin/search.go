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
	"tocsin/protocol/pattern"
)

func newSearchCommand(g *globals) *cobra.Command {
	var p api.SearchParams
	var since, until string
	c := &cobra.Command{
		Use:   "search [QUERY]",
		Short: "Look through what this node holds, newest first",
		Long: `Look through what this node holds, newest first. QUERY is a value (then objects
that name exactly it are found in an instant; a domain finds none of its subdomains), or
text that stands in the object, in any case.
Without QUERY everything is listed that the filters let through.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				p.Query = args[0]
			}
			if p.Limit < 1 || p.Limit > api.MaxPage {
				return usagef("--limit %d: want 1 to %d", p.Limit, api.MaxPage)
			}
			var err error
			if p.Since, p.Until, err = parsePeriod(since, until, time.Now()); err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Search(ctx, p)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showFound(w, list, p.Query) })
			})
		},
	}
	f := c.Flags()
	f.StringVar(&p.Type, "type", "", "STIX type, e.g. indicator")
	f.StringVar(&p.Topic, "topic", "", "topic")
	f.StringVar(&p.Org, "from", "", "organisation: sha256:HEX, a unique prefix, or a petname")
	f.StringVar(&p.State, "state", "", "accepted, held, not-evaluated or withdrawn")
	f.StringVar(&since, "since", "", "published since: a date, a time, or a span such as 7d")
	f.StringVar(&until, "until", "", "published before")
	f.IntVar(&p.Limit, "limit", api.DefaultPage, "at most this many")
	f.StringVar(&p.Cursor, "cursor", "", "go on where a page before ended")
	return c
}

// parsePeriod reads the values of --since and --until; an empty one is the zero time.
func parsePeriod(since, until string, now time.Time) (from, to time.Time, err error) {
	if from, err = parseMoment("--since", since, now); err != nil {
		return from, to, err
	}
	to, err = parseMoment("--until", until, now)
	return from, to, err
}

// parseMoment reads a day, a time (RFC 3339), or how long ago.
func parseMoment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	d, err := api.ParseSpan(text)
	if err != nil {
		return time.Time{}, usagef("%s %q: want YYYY-MM-DD, RFC 3339, or a span such as 7d", flag, text)
	}
	return now.Add(-d), nil
}

func (g *globals) showFound(w io.Writer, list *api.List[api.Object], query string) {
	if len(list.Items) == 0 {
		fmt.Fprintln(w, "Nothing found.")
		if query != "" && pattern.Refang(query).Type != pattern.Text {
			g.hint("A value is looked up exactly: a domain finds none of its subdomains, a network none of its addresses.")
		}
	} else {
		var rows [][]cell
		now := time.Now()
		for _, o := range list.Items {
			rows = append(rows, plain(g.when(o.Created, now), o.Type, g.subject(o), who(o.Petname, o.Level, o.Org), o.Level, o.Topic, stateText(o), o.ID))
		}
		g.table(w, []string{"PUBLISHED", "TYPE", "VALUE", "BY", "LEVEL", "TOPIC", "STATE", "OBJECT"}, rows)
	}
	if list.Unreadable > 0 {
		fmt.Fprintf(w, "%s could not be opened and left out; see the node's log, or tocsin fsck.\n", figures.Count(list.Unreadable, "record"))
	}
	if list.Next != "" {
		g.hint("More: --cursor %s", list.Next)
	}
}

// maxNameCells is how much of an object's name stands in a row.
const maxNameCells = 48

// subject is what an object is about: its values, and the name that its author gave it.
func (g *globals) subject(o api.Object) string {
	values := g.valueText(o.Values)
	if o.Name == "" || slices.ContainsFunc(o.Values, func(v api.Value) bool { return v.Value == o.Name }) {
		return values
	}
	name := `"` + cutMiddle(clean(o.Name), maxNameCells) + `"`
	if len(o.Values) == 0 {
		return name
	}
	return values + " " + name
}

// stateText is an object's state for people. What its author said before this node
// blocked them is held as it was and counts as refused, as check says.
func stateText(o api.Object) string {
	if o.Level == "blocked" && o.State != "refused" {
		return "refused (author blocked)"
	}
	return o.State
}

// valueText shows the first values of an object on one line.
func (g *globals) valueText(values []api.Value) string {
	const most = 2
	var parts []string
	for i, v := range values {
		if i == most {
			parts = append(parts, fmt.Sprintf("+%d", len(values)-most))
			break
		}
		parts = append(parts, cutMiddle(g.defang(v.Type, v.Value), maxNameCells))
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}
