package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

// column is one column of a pane; the last one that may grow takes the room that is left.
type column struct {
	name  string
	width int // 0 takes what is left
	right bool
}

// row is one row of a pane: what tells it apart, its cells, how it is meant, and all that is known of it.
type row struct {
	id     string
	cells  []string
	how    int
	detail []string
}

// paneLines draws the three panes in the room there is: topics and peers as far as they need, up to a part of it, and the rest
// for what comes in.
func (m *Model) paneLines(room int) []string {
	data := [panes][]row{m.rowsOf(topics), m.rowsOf(peers), m.rowsOf(tail)}
	room -= panes // heads
	size := [panes]int{}
	size[topics] = min(max(1, len(data[topics])), max(2, room/4))
	size[peers] = min(max(1, len(data[peers])), max(2, room*2/5))
	size[tail] = max(1, room-size[topics]-size[peers])
	var out []string
	for p, rows := range data {
		out = append(out, m.drawPane(p, rows, size[p])...)
	}
	return out
}

// rowsOf are a pane's rows; none before the first look.
func (m *Model) rowsOf(pane int) []row {
	if m.view.last == nil {
		return nil
	}
	return [panes]func() []row{m.topicRows, m.peerRows, m.tailRows}[pane]()
}

// refusal says why nothing can come in. That the node is gone is said above.
func (m *Model) refusal(pane int) string {
	if pane != tail || m.view.refused == "" || m.view.why != "" {
		return ""
	}
	return "! not followed: " + m.view.refused
}

// drawPane draws a head and a number of rows around the selected one.
func (m *Model) drawPane(pane int, rows []row, size int) []string {
	columns := columnsOf(pane)
	out := []string{m.draw(m.line(columns, heads(columns, m.order[pane]), " "), head)}
	if why := m.refusal(pane); why != "" {
		out, size = append(out, m.draw(m.opts.Clean(why), warn)), size-1
	} else if len(rows) == 0 {
		out = append(out, m.draw("  "+nothingIn(pane, m.mode.filter), dim))
	}
	at := m.chosen(pane, rows)
	first := max(0, min(at-size/2, len(rows)-size))
	for i := first; i < min(len(rows), first+size); i++ {
		mark, how := " ", rows[i].how
		if pane == m.pane && i == at {
			mark = ">"
			if how == plain {
				how = chosen
			}
		}
		out = append(out, m.draw(m.line(columns, rows[i].cells, mark), how))
	}
	return out
}

// line puts cells into their columns.
func (m *Model) line(columns []column, cells []string, mark string) string {
	free := m.width - 1
	for _, c := range columns {
		free -= c.width + 1
	}
	var out strings.Builder
	out.WriteString(mark)
	for i, c := range columns {
		width := c.width
		if width == 0 {
			width = max(4, free)
		}
		text := fit(m.opts.Clean(cells[i]), width)
		if c.right {
			trimmed := strings.TrimRight(text, " ")
			text = text[len(trimmed):] + trimmed
		}
		out.WriteString(text + " ")
	}
	return out.String()
}

func columnsOf(pane int) []column {
	switch pane {
	case topics:
		return []column{{"TOPIC", 16, false}, {"MESH", 7, true}, {"IN/MIN", 7, true}, {"RECEIVED", 9, true}, {"REFUSED", 8, true}, {"IGNORED", 8, true}, {"", 0, false}}
	case peers:
		return []column{{"PEER", 18, false}, {"LEVEL", 9, false}, {"SCORE", 6, true}, {"RTT", 7, true}, {"MESH", 5, true}, {"REFUSED", 8, true}, {"STATE", 0, false}}
	}
	return []column{{"TIME", 8, false}, {"WHAT", 9, false}, {"OBJECTS", 8, true}, {"WHO", 18, false}, {"TOPIC", 12, false}, {"WHY", 0, false}}
}

// heads are the names of columns; the one that rows are sorted by is marked.
func heads(columns []column, order int) []string {
	var out []string
	for i, c := range columns {
		name := c.name
		if i == order%len(columns) && name != "" && order > 0 {
			name += "*"
		}
		out = append(out, name)
	}
	return out
}

func nothingIn(pane int, filter string) string {
	if filter != "" {
		return "nothing that contains the filter"
	}
	return [panes]string{"no topic is joined", "no peer is connected or kept", "nothing has come since you look"}[pane]
}

func (m *Model) topicRows() []row {
	list := slices.Clone(m.view.last.Topics)
	list = slices.DeleteFunc(list, func(t api.Topic) bool { return !t.Joined })
	rate := func(t api.Topic) float64 {
		r, _ := m.view.traffic.perMinute(t.Name, received)
		return r
	}
	slices.SortStableFunc(list, func(a, b api.Topic) int {
		by := []int{0, a.Mesh - b.Mesh, cmp.Compare(rate(b), rate(a)), cmp.Compare(b.Received, a.Received), cmp.Compare(b.Rejected, a.Rejected), cmp.Compare(b.Ignored, a.Ignored), 0}
		return cmp.Or(by[m.order[topics]%len(by)], strings.Compare(a.Name, b.Name))
	})
	var rows []row
	for _, t := range list {
		in, note, how := "-", "", plain
		if r, ok := m.view.traffic.perMinute(t.Name, received); ok {
			in = fmt.Sprintf("%.0f", r)
		}
		if t.Peers == 0 {
			note = "no peer"
		} else if t.Mesh < min(3, t.Peers) {
			note, how = "thin", warn
		}
		rows = append(rows, row{t.Name, []string{t.Name, fmt.Sprintf("%d/%d", t.Mesh, t.Peers), in, fmt.Sprint(t.Received), fmt.Sprint(t.Rejected), fmt.Sprint(t.Ignored), note}, how, []string{
			"Topic      " + t.Name, fmt.Sprintf("Mesh       records come at once from %s, of %d in the topic", figures.Count(t.Mesh, "peer"), t.Peers), "In         " + in + " a minute",
			fmt.Sprintf("Received   %d", t.Received), fmt.Sprintf("Refused    %d", t.Rejected), fmt.Sprintf("Ignored    %d", t.Ignored),
		}})
	}
	return m.filtered(rows)
}

// peerName is how people call a peer.
func peerName(p api.Peer) string {
	id := p.ID
	if len(id) > 12 {
		id = "…" + id[len(id)-8:]
	}
	return cmp.Or(p.Petname, id)
}

func (m *Model) peerRows() []row {
	list := slices.Clone(m.view.last.Peers)
	slices.SortStableFunc(list, func(a, b api.Peer) int {
		by := []int{0, strings.Compare(a.Level, b.Level), cmp.Compare(a.Score, b.Score), cmp.Compare(b.LatencyMS, a.LatencyMS), cmp.Compare(a.Mesh, b.Mesh), cmp.Compare(b.Rejected, a.Rejected), strings.Compare(b.State, a.State)}
		return cmp.Or(by[m.order[peers]%len(by)], strings.Compare(peerName(a), peerName(b)), strings.Compare(a.ID, b.ID))
	})
	var rows []row
	for _, p := range list {
		score, rtt, mesh, how := "-", "-", "-", plain
		if p.Connected {
			score, mesh = fmt.Sprintf("%+.0f", p.Score), fmt.Sprintf("%d/%d", p.Mesh, p.Topics)
		}
		if p.Connected && p.LatencyMS > 0 {
			rtt = fmt.Sprintf("%.0f ms", p.LatencyMS)
		}
		switch {
		case !p.Connected:
			how = bad
		case p.Score < 0 || p.KeptBack > 0:
			how = warn
		}
		rows = append(rows, row{p.ID, []string{peerName(p), p.Level, score, rtt, mesh, fmt.Sprint(p.Rejected), p.State}, how, []string{
			"Peer       " + p.ID, "Known as   " + cmp.Or(p.Petname, "-"), "Org        " + cmp.Or(p.Org, "not known"), "Level      " + p.Level, "State      " + p.State,
			"Addresses  " + strings.Join(p.Addrs, " "), fmt.Sprintf("Kept       %v", p.Kept), "Score      " + score, "Round trip " + rtt,
			"Mesh       " + mesh + " topics", fmt.Sprintf("Refused    %d", p.Rejected), fmt.Sprintf("Kept back  %d", p.KeptBack),
		}})
	}
	return m.filtered(rows)
}

// tailRows are what came, newest first: it stands at the top, whatever the room.
func (m *Model) tailRows() []row {
	list := slices.Clone(m.view.tail)
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b api.Event) int {
		by := []int{0, strings.Compare(a.Kind, b.Kind), cmp.Compare(b.Objects, a.Objects), strings.Compare(eventName(a), eventName(b)), strings.Compare(a.Topic, b.Topic), strings.Compare(a.Reason, b.Reason)}
		return by[m.order[tail]%len(by)]
	})
	var rows []row
	for _, e := range list {
		how := plain
		switch e.Kind {
		case "rejected":
			how = bad
		case "held":
			how = warn
		}
		id := fmt.Sprint(e.Seq, " ", e.At.UnixNano()) // gaps have no number
		rows = append(rows, row{id, []string{m.clock(e.At), e.Kind, fmt.Sprint(e.Objects), eventName(e), e.Topic, e.Reason}, how, []string{
			fmt.Sprintf("Change     %d", e.Seq), "At         " + m.clock(e.At), "What       " + e.Kind, "Why        " + cmp.Or(e.Reason, "-"), "Record     " + e.Record,
			"Org        " + e.Org, "Known as   " + cmp.Or(e.Petname, "-"), "Topic      " + e.Topic, fmt.Sprintf("Objects    %d", e.Objects),
		}})
	}
	return m.filtered(rows)
}

// eventName is how people call who signed.
func eventName(e api.Event) string {
	org := strings.TrimPrefix(e.Org, "sha256:")
	return cmp.Or(e.Petname, org[:min(12, len(org))])
}

// filtered are the rows that contain the filter, whatever its case.
func (m *Model) filtered(rows []row) []row {
	want := strings.ToLower(m.mode.filter)
	return slices.DeleteFunc(rows, func(r row) bool {
		return want != "" && !strings.Contains(strings.ToLower(strings.Join(r.detail, "\n")), want)
	})
}

// detailLines are all that is known of the selected row, long texts over several lines.
func (m *Model) detailLines() []string {
	rows, out := m.rowsOf(m.pane), []string(nil)
	text := func(text string, how int) {
		for _, line := range wrap(m.opts.Clean(text), m.width, 11) {
			out = append(out, m.draw(line, how))
		}
	}
	i := placeOf(m.pick[m.pane], rows)
	switch why := m.refusal(m.pane); {
	case i >= 0:
		for _, line := range rows[i].detail {
			text(line, plain)
		}
	case m.pick[m.pane] != "":
		text("This is not in the list any more.", dim)
	case why != "":
		text(why, warn)
	default:
		text("  "+nothingIn(m.pane, m.mode.filter), dim)
	}
	return append(out, m.draw("", plain), m.draw("Enter goes back", dim))
}

// wrap breaks a text into lines of a number of columns, all but the first indented.
func wrap(text string, width, indent int) []string {
	var out []string
	line, w := "", 0
	for _, r := range text {
		n := lipgloss.Width(string(r))
		if w+n > width {
			out = append(out, line)
			line, w = strings.Repeat(" ", indent), indent
		}
		line += string(r)
		w += n
	}
	return append(out, line)
}
