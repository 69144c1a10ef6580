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
)

func newSearchCommand(g *globals) *cobra.Command {
	var p api.SearchParams
	var since, until string
	c := &cobra.Command{
		Use:   "search [QUERY]",
		Short: "Look through what this node holds, newest first",
		Long: `Look through what this node holds, newest first. QUERY is a value (then objects
that name it are found in an instant), or text that stands in the object, in any case.
Without QUERY everything is listed that the filters let through.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				p.Query = args[0]
			}
			var err error
			if p.Since, err = parseMoment("--since", since, time.Now()); err != nil {
				return err
			}
			if p.Until, err = parseMoment("--until", until, time.Now()); err != nil {
				return err
			}
			return g.withNode(cmd.Context(), func(ctx context.Context, c *api.Client) error {
				list, err := c.Search(ctx, p)
				if err != nil {
					return err
				}
				return emitList(g, *list, func(w io.Writer) { g.showFound(w, list) })
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
	d, err := parseSpan(text)
	if err != nil {
		return time.Time{}, usagef("%s %q: want YYYY-MM-DD, RFC 3339, or a span such as 7d", flag, text)
	}
	return now.Add(-d), nil
}

func (g *globals) showFound(w io.Writer, list *api.List[api.Object]) {
	if len(list.Items) == 0 {
		fmt.Fprintln(w, "Nothing found.")
	} else {
		var rows [][]cell
		now := time.Now()
		for _, o := range list.Items {
			rows = append(rows, plain(g.when(o.Created, now), o.Type, g.valueText(o.Values), cmp.Or(o.Petname, short(o.Org)), o.Topic, o.State, o.ID))
		}
		g.table(w, []string{"PUBLISHED", "TYPE", "VALUE", "BY", "TOPIC", "STATE", "OBJECT"}, rows)
	}
	if list.Unreadable > 0 {
		fmt.Fprintf(w, "%s could not be opened and left out; see the node's log, or tocsin fsck.\n", count(list.Unreadable, "record"))
	}
	if list.Next != "" {
		g.hint("More: --cursor %s", list.Next)
	}
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
		text := []rune(g.defang(v.Type, v.Value))
		if len(text) > 48 {
			text = append(text[:47], '…')
		}
		parts = append(parts, string(text))
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}
