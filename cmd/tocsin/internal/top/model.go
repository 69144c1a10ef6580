package top

import (
	"slices"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"tocsin/node/admin/api"
)

// Looked is the message that a look is over. Snapshot is nil when Err is not.
type Looked struct {
	Snapshot *Snapshot
	Err      error
	At       time.Time
	// Events are the changes since the look before, also of one that failed.
	Events []api.Event
	// Unfollowed is why changes cannot come, "" when they can.
	Unfollowed string
}

// look is the message that it is time for the next one.
type look struct{}

// The panes of the screen.
const (
	topics = iota
	peers
	tail
	panes
)

// maxFilter bounds what may be typed.
const maxFilter = 40

// Model is the screen's state. Its methods are the program's (bubbletea): one goroutine calls them.
type Model struct {
	opts          Options
	ask           tea.Cmd // nil in tests
	width, height int
	known, view   viewed // what is known, and what of it is drawn: less while the screen is held
	mode          mode
	pane          int
	at            [panes]int    // the chosen row
	pick          [panes]string // its id, which it keeps when it moves; "" while the first one is chosen, whichever that is
	order         [panes]int    // by which column
}

// viewed is what is known of the node.
type viewed struct {
	now     time.Time
	last    *Snapshot // nil before the first
	why     string    // why the last look found nobody, "" when it found the node
	since   time.Time // of why
	traffic traffic
	tail    []api.Event // oldest first
	refused string      // why changes cannot come, "" when they can
}

// mode is what the keys mean now, and what covers the panes.
type mode struct {
	help, detail   bool
	paused, typing bool
	filter         string
}

// New is the model before the first look.
func New(o Options) *Model {
	return &Model{opts: o, width: 80, height: 24, order: [panes]int{}}
}

// Init asks for the first look.
func (m *Model) Init() tea.Cmd { return m.ask }

// Update takes in a key, a size or an answer.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		cmd := m.key(msg)
		m.pin()
		return m, cmd
	case Looked:
		m.looked(msg)
		return m, tea.Tick(lookEvery, func(time.Time) tea.Msg { return look{} })
	case look:
		return m, m.ask
	}
	return m, nil
}

// looked takes in what a look found. What was seen last stays when the node is gone, with the word that it is old.
func (m *Model) looked(l Looked) {
	k := &m.known
	k.now, k.refused = l.At, l.Unfollowed
	k.tail = append(k.tail, l.Events...)
	k.tail = k.tail[max(0, len(k.tail)-maxTail):] // nothing is moved: what is held still has it
	if l.Err != nil {
		if k.why == "" {
			k.since = l.At
		}
		k.why = l.Err.Error()
		k.traffic = traffic{} // its counters may begin anew
	} else {
		k.why, k.since, k.last = "", time.Time{}, l.Snapshot
		k.traffic.add(l.At, l.Snapshot.Topics)
	}
	m.show()
}

// show draws what is known. While the screen is held only the time and what is wrong move on it, once there is a picture.
func (m *Model) show() {
	next := m.known
	if m.mode.paused && m.view.last != nil {
		next.last, next.traffic, next.tail = m.view.last, m.view.traffic, m.view.tail
	}
	m.view = next
	m.pin()
}

// key does what a key means.
func (m *Model) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	if name == "ctrl+c" {
		return tea.Quit
	}
	if m.mode.typing {
		m.typed(name, k.Text)
		return nil
	}
	switch name {
	case "q":
		return tea.Quit
	case "esc":
		m.mode = mode{paused: m.mode.paused}
	case "?", "h":
		m.mode.help = !m.mode.help
	case "p", "space":
		m.mode.paused = !m.mode.paused
		m.show()
	case "f", "/":
		m.mode.typing = true
	case "s":
		m.order[m.pane]++
	case "tab", "right", "l":
		m.pane = (m.pane + 1) % panes
	case "shift+tab", "left":
		m.pane = (m.pane + panes - 1) % panes
	case "enter":
		m.mode.detail = !m.mode.detail
	case "down", "j":
		m.move(1)
	case "up", "k":
		m.move(-1)
	case "pgdown":
		m.move(10)
	case "pgup":
		m.move(-10)
	}
	return nil
}

// typed takes a key into the filter.
func (m *Model) typed(name, text string) {
	switch name {
	case "enter":
		m.mode.typing = false
	case "esc":
		m.mode.typing, m.mode.filter = false, ""
	case "backspace":
		_, n := utf8.DecodeLastRuneInString(m.mode.filter)
		m.mode.filter = m.mode.filter[:len(m.mode.filter)-n]
	default:
		if utf8.RuneCountInString(m.mode.filter+text) <= maxFilter {
			m.mode.filter += text
		}
	}
}

// move chooses another row.
func (m *Model) move(by int) {
	rows := m.rowsOf(m.pane)
	i := max(0, min(m.chosen(m.pane, rows)+by, len(rows)-1))
	m.at[m.pane], m.pick[m.pane] = i, ""
	if i > 0 {
		m.pick[m.pane] = rows[i].id
	}
}

// chosen is the place of the chosen row: wherever it is now, or where it was when it is gone.
func (m *Model) chosen(pane int, rows []row) int {
	if i := placeOf(m.pick[pane], rows); i >= 0 {
		m.at[pane] = i
	}
	m.at[pane] = max(0, min(m.at[pane], len(rows)-1))
	return m.at[pane]
}

// pin keeps to the row that is shown in detail, also when that is the first one.
func (m *Model) pin() {
	if rows := m.rowsOf(m.pane); m.mode.detail && m.pick[m.pane] == "" && len(rows) > 0 {
		m.pick[m.pane] = rows[m.chosen(m.pane, rows)].id
	}
}

// placeOf finds a row by its id; -1 when there is none.
func placeOf(id string, rows []row) int {
	return slices.IndexFunc(rows, func(r row) bool { return id != "" && r.id == id })
}
