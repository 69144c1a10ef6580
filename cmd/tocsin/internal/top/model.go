package top

import (
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
	// Events are the changes since the look before.
	Events []api.Event
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
	view          viewed
	mode          mode
	pane          int
	at            [panes]int // the selected row
	order         [panes]int // by which column
	tail          []api.Event
}

// viewed is what is known of the node.
type viewed struct {
	now     time.Time
	last    *Snapshot // nil before the first
	why     string    // why the last look found nobody, "" when it found the node
	since   time.Time // of why
	traffic traffic
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
		return m, m.key(msg)
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
	v := &m.view
	v.now = l.At
	if l.Err != nil {
		if v.why == "" {
			v.since = l.At
		}
		v.why = l.Err.Error()
		v.traffic = traffic{} // its counters may begin anew
		return
	}
	v.why, v.since = "", time.Time{}
	if m.mode.paused {
		return
	}
	v.last = l.Snapshot
	v.traffic.add(l.At, l.Snapshot.Topics)
	m.tail = append(m.tail, l.Events...)
	if over := len(m.tail) - maxTail; over > 0 {
		m.tail = append(m.tail[:0], m.tail[over:]...)
	}
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

// move selects another row; the view keeps it within what there is.
func (m *Model) move(by int) { m.at[m.pane] = max(0, m.at[m.pane]+by) }
