package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

// showPreview says what would go out, and who would read it.
func (g *globals) showPreview(w io.Writer, p api.PublishParams, res *api.PublishResult) {
	v := res.Preview
	fmt.Fprintf(w, "Would publish %s on %s. Nothing was signed.\n", figures.Count(res.Objects, "object"), clean(p.Topic))
	if g.quiet || res.Objects == 0 {
		return
	}
	fmt.Fprintf(w, "  %s\n  marked %s\n", counts(v.Types), counts(v.Markings))
	if v.Values > 0 {
		fmt.Fprintf(w, "  %s that receivers can look up\n", figures.Count(v.Values, "different value"))
	}
	a := v.Audience
	open := ""
	if a.Open {
		open = "Whoever takes part in " + clean(p.Topic) + " reads it, now or later, and it cannot be called back. "
	}
	if a.Peers == 0 {
		fmt.Fprintf(w, "%sNo peer that is connected takes part now; others get it by catch-up.\n", open)
		return
	}
	var least []string
	if len(a.Orgs) > 0 {
		least = append(least, figures.Count(len(a.Orgs), "organisation"))
	}
	if a.Unnamed > 0 {
		least = append(least, figures.Count(a.Unnamed, "peer")+" whose organisation is not known yet")
	}
	end := "."
	if len(a.Orgs) > 0 {
		end = ":"
	}
	fmt.Fprintf(w, "%sConnected now, and so at the least: %s%s\n", open, strings.Join(least, " and "), end)
	if len(a.Orgs) == 0 {
		return
	}
	var rows [][]cell
	for _, o := range a.Orgs {
		rows = append(rows, plain(cmp.Or(o.Petname, short(o.Org)), cmp.Or(o.Name, "-"), cmp.Or(o.Country, "-"), o.Level))
	}
	g.table(w, []string{"ORGANISATION", "CALLS ITSELF", "COUNTRY", "LEVEL"}, rows)
}

// counts says "2 indicator, 1 malware": what there is most of first.
func counts(of map[string]int) string {
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int { return cmp.Or(of[b]-of[a], strings.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", of[name], clean(name))
	}
	return strings.Join(names, ", ")
}
