package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

// showHappening prints one event. plain is set where no kinds were asked for: then a JSON line is the change itself.
func (g *globals) showHappening(h api.Happening, plain bool) error {
	switch {
	case g.format == "jsonl" && plain:
		var line bytes.Buffer
		if err := json.Compact(&line, h.Data); err != nil {
			return badEvent(h.Kind, err)
		}
		_, err := fmt.Fprintf(g.out, "%s\n", line.Bytes())
		return err
	case g.format == "jsonl":
		return writeJSON(g.out, h)
	}
	switch h.Kind {
	case api.EventGap:
		return showAs(g, h, g.showGap)
	case "audit":
		return showAs(g, h, g.showEntry)
	case "peer", "mesh", "review", "sync", "doctor":
		return showAs(g, h, func(w io.Writer, t *api.Turn) { g.showTurn(w, h.Kind, t) })
	}
	return showAs(g, h, g.showEvent)
}

// showAs reads an event's data and prints it; its error is also that the output is lost, since nothing else ends a stream.
func showAs[T any](g *globals, h api.Happening, show func(io.Writer, *T)) error {
	v := new(T)
	if err := json.Unmarshal(h.Data, v); err != nil {
		return badEvent(h.Kind, err)
	}
	show(g.out, v)
	return g.lost()
}

func badEvent(kind string, err error) error {
	return api.NewProblem(reason.Internal, fmt.Sprintf("read an event of kind %.40q: %v", kind, err))
}

// line begins a line: when, and what in one word.
func (g *globals) line(w io.Writer, at string, kind, color string) {
	fmt.Fprintf(w, "%s  %s  ", at, g.paint(fmt.Sprintf("%-8s", clean(kind)), color))
}

func (g *globals) showEvent(w io.Writer, e *api.Event) {
	color := map[string]string{"accepted": colorGood, "released": colorGood, "held": colorWarn, "rejected": colorBad}[e.Kind]
	g.line(w, g.stamp(e.At), e.Kind, color)
	fmt.Fprintf(w, "%s  %s on %s  %s", figures.Count(e.Objects, "object"), clean(cmp.Or(e.Petname, short(e.Org))), clean(e.Topic), short(e.Record))
	if len(e.Types) > 0 {
		fmt.Fprintf(w, "  %s", clean(strings.Join(e.Types, ",")))
	}
	if e.Score != nil {
		fmt.Fprintf(w, "  score %d", *e.Score)
	}
	if e.Reason != "" {
		fmt.Fprintf(w, "  %s", clean(e.Reason))
	}
	fmt.Fprintln(w)
}

// showGap says what is missing: the reader was too slow, or away for too long.
func (g *globals) showGap(w io.Writer, gap *api.Gap) {
	g.line(w, g.stamp(gap.At), "gap", colorWarn)
	if gap.Dropped < 0 {
		fmt.Fprintln(w, "events may be missing here: the node was started anew, or its store is another one")
		return
	}
	fmt.Fprintf(w, "%s missing here\n", figures.Count(int(gap.Dropped), "event"))
}

func (g *globals) showEntry(w io.Writer, e *api.AuditEntry) {
	g.line(w, g.stamp(e.At), "audit", "")
	fmt.Fprintf(w, "%s  %s  by %s", clean(e.Action), clean(e.Target), clean(actorText(e.Actor)))
	if e.Reason != "" {
		fmt.Fprintf(w, "  %s", clean(e.Reason))
	}
	fmt.Fprintln(w)
}

func (g *globals) showTurn(w io.Writer, kind string, t *api.Turn) {
	g.line(w, g.stamp(t.At), kind, "")
	fmt.Fprintf(w, "%s  %s\n", clean(t.Name), clean(turned(members(t.Was), members(t.Now))))
}

// members are the members of a JSON object, or the value itself under an empty name; nil for what is absent.
func members(raw json.RawMessage) map[string]string {
	if raw == nil {
		return nil
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		all = map[string]json.RawMessage{"": raw}
	}
	out := map[string]string{}
	for name, value := range all {
		text := string(value)
		_ = json.Unmarshal(value, &text) // a number or a truth value stays as it is written
		out[name] = short(text)
	}
	return out
}

// turned says what is otherwise than before.
func turned(was, now map[string]string) string {
	if now == nil {
		return "gone"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		label := strings.TrimPrefix(name+" ", " ")
		switch before, ok := was[name]; {
		case was == nil:
			parts = append(parts, label+now[name])
		case !ok || before == "":
			parts = append(parts, label+"now "+now[name])
		case before != now[name]:
			parts = append(parts, label+before+" -> "+cmp.Or(now[name], "none"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, ok := now[name]; !ok {
			parts = append(parts, name+" "+was[name]+" -> none")
		}
	}
	if was == nil {
		return "new: " + strings.Join(parts, ", ")
	}
	return strings.Join(parts, ", ")
}
