package top

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"tocsin/node/admin/api"
	"tocsin/node/figures"
)

// The least screen that something can be said on.
const (
	minWidth  = 40
	minHeight = 10
)

// How a line is meant. Words say the same.
const (
	plain = iota
	dim
	good
	warn
	bad
	head
	chosen
)

// View draws the screen.
func (m *Model) View() tea.View {
	v := tea.NewView(strings.Join(m.lines(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "tocsin top"
	return v
}

// lines are the screen, each as wide as it is.
func (m *Model) lines() []string {
	if m.width < minWidth || m.height < minHeight {
		return []string{fit("make this window larger", max(1, m.width))}
	}
	out := []string{m.title(), m.trafficLine(), m.stateLine(), m.cause()}
	room := m.height - len(out) - 1
	var body []string
	switch {
	case m.mode.help:
		body = m.helpLines()
	case m.view.last == nil:
		body = []string{m.draw("waiting for the node; q quits", dim)}
	case m.mode.detail:
		body = m.detailLines()
	default:
		body = m.paneLines(room)
	}
	body = body[:min(len(body), room)]
	out = append(out, body...)
	for len(out) < m.height-1 {
		out = append(out, fit("", m.width))
	}
	return append(out, m.footer())
}

// draw makes one line of the screen.
func (m *Model) draw(text string, how int) string {
	text = fit(text, m.width)
	if !m.opts.Color {
		return text
	}
	s := lipgloss.NewStyle()
	switch how {
	case dim:
		s = s.Faint(true)
	case good:
		s = s.Foreground(lipgloss.Green)
	case warn:
		s = s.Foreground(lipgloss.Yellow)
	case bad:
		s = s.Foreground(lipgloss.Red).Bold(true)
	case head:
		s = s.Bold(true)
	case chosen:
		s = s.Reverse(true)
	default:
		return text
	}
	return s.Render(text)
}

// title says which node this is and whether it runs.
func (m *Model) title() string {
	clock := ""
	if !m.view.now.IsZero() {
		clock = m.clock(m.view.now)
	}
	if m.view.last == nil {
		return m.draw(sides("tocsin top", clock, m.width), head)
	}
	s := m.view.last.Status
	state, how := "● "+s.State, good
	switch {
	case m.view.why != "":
		state, how = "✗ gone", bad
	case s.State != api.StateRunning:
		state, how = "! "+s.State, bad
	}
	text := fmt.Sprintf("%s  %s (%s)  up %s  %s", state, m.opts.Clean(s.Name), m.opts.Clean(s.Country), figures.Span(m.view.now.Sub(s.Started)), s.Version)
	if m.view.why != "" {
		text = fmt.Sprintf("%s  %s (%s)  not seen for %s", state, m.opts.Clean(s.Name), m.opts.Clean(s.Country), figures.Span(m.view.now.Sub(m.view.since)))
	}
	if m.mode.paused {
		clock = "PAUSED  " + clock
	}
	return m.draw(sides(text, clock, m.width), how)
}

// trafficLine says what comes in.
func (m *Model) trafficLine() string {
	if m.view.last == nil {
		return fit("", m.width)
	}
	in, known := m.view.traffic.perMinute("", received)
	refused, _ := m.view.traffic.perMinute("", rejected)
	s := m.view.last.Status
	text := "in -/min"
	if known {
		text = fmt.Sprintf("in %.0f/min %s", in, m.view.traffic.curve(20))
		share := 0.0
		if in+refused > 0 {
			share = 100 * refused / (in + refused)
		}
		text += fmt.Sprintf("  refused %.1f %%", share)
	}
	text += fmt.Sprintf("  peers %d", s.Peers)
	if s.Unreached > 0 {
		text += fmt.Sprintf(" (%d not reached)", s.Unreached)
	}
	text += fmt.Sprintf("  held %d", s.Held)
	if s.Waiting > 0 {
		text += fmt.Sprintf("  waiting %d", s.Waiting)
	}
	return m.draw(text, plain)
}

// stateLine says what the node has.
func (m *Model) stateLine() string {
	if m.view.last == nil {
		return fit("", m.width)
	}
	s := m.view.last.Status
	text := "store " + figures.Count(s.Records, "record") + ", " + figures.Count(s.Objects, "object")
	if m.view.last.CaughtUp != "" {
		text += "  caught up " + m.opts.Clean(m.view.last.CaughtUp)
	}
	return m.draw(text, plain)
}

// cause says the worst that is wrong, and why; nothing when nothing is.
func (m *Model) cause() string {
	if m.view.why != "" {
		return m.draw("! "+m.opts.Clean(m.view.why), bad)
	}
	if m.view.last == nil {
		return fit("", m.width)
	}
	text, how := worst(m.view.last)
	if text == "" {
		return fit("", m.width)
	}
	return m.draw("! "+m.opts.Clean(text), how)
}

// worst is what is wrong first of all.
func worst(s *Snapshot) (text string, how int) {
	st := s.Status
	switch {
	case st.State == api.StateStarting:
		return "the node is still starting", warn
	case st.Space != nil && st.Space.Degraded != "":
		return "runs without its store: " + st.Space.Degraded, bad
	case st.Stopped != "":
		return "does not sign: " + st.Stopped, bad
	case st.Scrub != nil && !st.Scrub.OK && len(st.Scrub.Problems) > 0:
		return "damage in the store: " + st.Scrub.Problems[0], bad
	case st.Space != nil && st.Space.Level != "ok":
		return "disk " + st.Space.Level + ": " + st.Space.Why, bad
	}
	for _, p := range s.Peers {
		if !p.Connected {
			return fmt.Sprintf("%s: %s", peerName(p), p.State), warn
		}
	}
	if st.Peers == 0 {
		return "no peer is connected, and none is kept: tocsin peers add MULTIADDR", warn
	}
	return "", plain
}

// footer says what the keys do.
func (m *Model) footer() string {
	switch {
	case m.mode.typing:
		return m.draw("filter: "+m.opts.Clean(m.mode.filter)+"_   Enter keeps it, Esc drops it", head)
	case m.mode.filter != "":
		return m.draw(fmt.Sprintf("filter %q (Esc drops it)  q quit  ? help", m.opts.Clean(m.mode.filter)), dim)
	}
	return m.draw("q quit  Tab pane  j/k row  Enter detail  s sort  f filter  p pause  ? help", dim)
}

func (m *Model) helpLines() []string {
	var out []string
	for _, l := range []string{
		"Keys",
		"  q, Ctrl-C      quit",
		"  Tab            next pane: topics, peers, what comes in",
		"  j k, arrows    next and previous row; PgUp PgDn by ten",
		"  Enter          all that is known of the row, and back",
		"  s              sort the pane by the next column",
		"  f, /           show only rows that contain a text",
		"  p, Space       hold the screen; the node goes on",
		"  Esc            close, and drop the filter",
		"",
		"MESH is how many peers of a topic pass records on to us, of how many that are in it.",
		"A line that begins with ! says the worst that is wrong, and why. tocsin doctor knows more.",
	} {
		out = append(out, m.draw(l, plain))
	}
	return out
}

func (m *Model) clock(t time.Time) string {
	if m.opts.Zone != nil {
		t = t.In(m.opts.Zone)
	}
	return t.Format(time.TimeOnly)
}

// sides puts one text to the left and one to the right.
func sides(left, right string, width int) string {
	room := width - lipgloss.Width(right) - 1
	return fit(left, max(1, room)) + " " + right
}

// fit cuts or fills a text to a number of columns.
func fit(text string, width int) string {
	w := lipgloss.Width(text)
	if w > width {
		var cut strings.Builder
		w = 0
		for _, r := range text {
			n := lipgloss.Width(string(r))
			if w+n > width-1 {
				break
			}
			cut.WriteRune(r)
			w += n
		}
		text = cut.String() + "…"
		w++
	}
	return text + strings.Repeat(" ", max(0, width-w))
}
