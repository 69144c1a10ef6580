package top

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"tocsin/node/admin/api"
)

var update = flag.Bool("update", false, "write the golden screens anew")

var t0 = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// snapshot is a node with three peers, one of which is not reached, and two topics.
func snapshot(received uint64) *Snapshot {
	return &Snapshot{
		Status: &api.Status{Name: "Northland CERT", Country: "XA", State: api.StateRunning, Version: "v0.3.1", Started: t0.Add(-3 * time.Hour), Peers: 2, Unreached: 1, Records: 1200, Objects: 184302, Held: 17},
		Peers: []api.Peer{
			{ID: "12D3KooWSouth", Petname: "southport", Level: "anchor", Connected: true, Kept: true, Score: 41, LatencyMS: 38, Topics: 6, Mesh: 5, State: "connected"},
			{ID: "12D3KooWUnknownPeer000k8Q", Level: "unknown", Connected: true, Score: -14, LatencyMS: 96, Topics: 4, Rejected: 31, State: "connected"},
			{ID: "12D3KooWBank", Petname: "银行 SOC", Level: "partner", Kept: true, Addrs: []string{"/ip4/192.0.2.7/tcp/8469"}, State: "not connected: dial /ip4/192.0.2.7/tcp/8469: connection refused"},
		},
		Topics: []api.Topic{
			{Name: "phishing", Joined: true, Peers: 3, Mesh: 3, Received: received, Ignored: 12},
			{Name: "ransomware", Joined: true, Peers: 5, Mesh: 1, Received: 2, Rejected: 1},
			{Name: "elsewhere", Peers: 9},
		},
		CaughtUp: "to 8 s ago · 2 of 2 equal",
	}
}

func events() []api.Event {
	return []api.Event{
		{Seq: 41, At: t0.Add(-time.Minute), Kind: "accepted", Record: "0011223344556677", Org: "sha256:00ff00ff00ff00ff", Petname: "southport", Topic: "phishing", Objects: 12},
		{Seq: 42, At: t0, Kind: "held", Record: "8899aabbccddeeff", Org: "sha256:aa11aa11aa11aa11", Topic: "phishing", Objects: 3, Reason: "trust.unknown"},
	}
}

func testModel() *Model {
	return New(Options{Clean: func(s string) string { return strings.ReplaceAll(s, "\x1b", "<esc>") }, Zone: time.UTC})
}

// feedModel gives a model messages, and keys by their names.
func feedModel(m *Model, msgs ...any) *Model {
	for _, msg := range msgs {
		if text, ok := msg.(string); ok {
			msg = press(text)
		}
		m.Update(msg)
	}
	return m
}

// press is a key: a name such as "enter", or what it types.
func press(name string) tea.KeyPressMsg {
	if code, ok := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "down": tea.KeyDown, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp}[name]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

// two are two looks, so that there is a rate.
func two() []any {
	return []any{
		Looked{Snapshot: snapshot(100), At: t0.Add(-30 * time.Second)},
		Looked{Snapshot: snapshot(120), At: t0, Events: events()},
	}
}

var errGone = errors.New("no node answers on /run/tocsin/admin.sock: start it with tocsin run, or name its folder with --data")

// Screens, as they are at 80 by 24 unless they say otherwise.
func TestScreens(t *testing.T) {
	for name, msgs := range map[string][]any{
		"first":     nil,
		"running":   two(),
		"wide":      append(two(), tea.WindowSizeMsg{Width: 132, Height: 30}),
		"small":     append(two(), tea.WindowSizeMsg{Width: 40, Height: 10}),
		"too-small": append(two(), tea.WindowSizeMsg{Width: 39, Height: 24}),
		"gone":      append(two(), Looked{Err: errGone, At: t0.Add(time.Second)}, Looked{Err: errGone, At: t0.Add(90 * time.Second)}),
		"never":     {Looked{Err: errGone, At: t0}},
		"detail":    append(two(), "tab", "down", "down", "enter"),
		"help":      append(two(), "?"),
		"filter":    append(two(), "f", "r", "a", "n", "x", "backspace"),
		"sorted":    append(two(), "tab", "s", "s"),
		"refused":   {Looked{Snapshot: snapshot(1), At: t0, Unfollowed: "follow events: 32 follow already: end another one"}},
		"paused":    append(two(), "p", Looked{Snapshot: snapshot(900), At: t0.Add(time.Second)}),
		"degraded":  {Looked{At: t0, Snapshot: &Snapshot{Status: &api.Status{Name: "N", State: api.StateDegraded, Started: t0, Space: &api.Space{Level: "stop", Degraded: "3 MB are free, 40 MB are needed"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := feedModel(testModel(), msgs...)
			lines := m.lines()
			for _, l := range lines {
				if w := lipgloss.Width(l); w != m.width {
					t.Errorf("a line of %d columns on a screen of %d: %q", w, m.width, l)
				}
			}
			if m.width >= minWidth && len(lines) != m.height {
				t.Errorf("%d lines on a screen of %d", len(lines), m.height)
			}
			var got strings.Builder
			for _, l := range lines {
				got.WriteString(strings.TrimRight(l, " ") + "\n")
			}
			golden(t, name, got.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// With colours the words are the same: nothing is said by colour alone.
func TestColoursAddNothing(t *testing.T) {
	plainly := feedModel(testModel(), two()...)
	coloured := testModel()
	coloured.opts.Color = true
	feedModel(coloured, two()...)
	strip := func(s string) string {
		for {
			before, rest, ok := strings.Cut(s, "\x1b[")
			if !ok {
				return s
			}
			_, after, _ := strings.Cut(rest, "m")
			s = before + after
		}
	}
	with := coloured.View().Content
	if !strings.Contains(with, "\x1b[") {
		t.Error("no colours although they are wanted")
	}
	if strip(with) != plainly.View().Content {
		t.Errorf("with colours it says\n%s\nwithout\n%s", strip(with), plainly.View().Content)
	}
}

// A node that goes and comes back is said to be so; counters that begin anew give no rate below nothing.
func TestGoneAndBack(t *testing.T) {
	m := feedModel(testModel(), two()...)
	if s := strings.Join(m.lines(), "\n"); !strings.Contains(s, "in 40/min") || strings.Contains(s, "gone") {
		t.Fatalf("before:\n%s", s)
	}
	feedModel(m, Looked{Err: errGone, At: t0.Add(time.Minute)})
	if s := strings.Join(m.lines(), "\n"); !strings.Contains(s, "✗ gone") || !strings.Contains(s, "no node answers") || !strings.Contains(s, "southport") {
		t.Errorf("gone:\n%s", s)
	}
	feedModel(m, Looked{Snapshot: snapshot(3), At: t0.Add(2 * time.Minute)}, Looked{Snapshot: snapshot(4), At: t0.Add(2*time.Minute + 6*time.Second)})
	if s := strings.Join(m.lines(), "\n"); !strings.Contains(s, "in 10/min") || strings.Contains(s, "gone") {
		t.Errorf("back:\n%s", s)
	}
	feedModel(m, Looked{Snapshot: snapshot(0), At: t0.Add(3 * time.Minute)}) // restarted between two looks
	if s := strings.Join(m.lines(), "\n"); !strings.Contains(s, "in -/min") {
		t.Errorf("begun anew:\n%s", s)
	}
}

// What strangers wrote cannot steer the terminal.
func TestEscapes(t *testing.T) {
	s := snapshot(1)
	s.Status.Name, s.Peers[0].Petname, s.Topics[0].Name = "a\x1b[2J", "b\x1b[2J", "c\x1b[2J"
	e := events()
	e[0].Petname, e[0].Reason = "d\x1b[2J", "e\x1b[2J"
	for _, keys := range [][]any{nil, {"enter"}, {"tab", "enter"}, {"tab", "tab", "enter"}, {"f", "x"}} {
		m := feedModel(testModel(), Looked{Snapshot: s, At: t0, Events: e})
		feedModel(m, keys...)
		if strings.Contains(strings.Join(m.lines(), ""), "\x1b") {
			t.Errorf("after %v an escape is on the screen", keys)
		}
	}
	m := feedModel(testModel(), Looked{Err: errors.New("x\x1b[2J"), At: t0})
	if strings.Contains(strings.Join(m.lines(), ""), "\x1b") {
		t.Error("a cause steers the terminal")
	}
}

// Keys: quitting, typing, and a row that is chosen beyond the last.
func TestKeys(t *testing.T) {
	for _, k := range []tea.KeyPressMsg{press("q"), {Code: 'c', Mod: tea.ModCtrl}} {
		if cmd := testModel().key(k); cmd == nil || cmd() != tea.Quit() {
			t.Errorf("%s does not quit", k)
		}
	}
	m := feedModel(testModel(), two()...)
	feedModel(m, "f", "q") // a letter, while a filter is typed
	if m.mode.filter != "q" || !m.mode.typing {
		t.Errorf("typing: %+v", m.mode)
	}
	for range 2 * maxFilter {
		feedModel(m, "ü")
	}
	if n := len([]rune(m.mode.filter)); n != maxFilter {
		t.Errorf("a filter of %d letters", n)
	}
	feedModel(m, "esc", "pgdown", "pgdown")
	if m.lines(); m.at[topics] != 1 || m.mode.filter != "" {
		t.Errorf("row %d, filter %q", m.at[topics], m.mode.filter)
	}
}

// What comes in is bounded however much it is, and the newest stay.
func TestTailIsBounded(t *testing.T) {
	f := new(feed)
	for i := range 3 * maxTail {
		if err := f.add(api.Event{Seq: uint64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := f.take()
	if rest, _ := f.take(); len(got) != maxTail || got[maxTail-1].Seq != 3*maxTail-1 || len(rest) != 0 {
		t.Errorf("%d events, the last %d", len(got), got[len(got)-1].Seq)
	}
	m := testModel()
	for range 3 {
		feedModel(m, Looked{Snapshot: snapshot(1), At: t0, Events: got})
	}
	if len(m.view.tail) != maxTail {
		t.Errorf("%d changes are kept", len(m.view.tail))
	}
}

// change is a change that is told apart by its number and its organisation.
func change(seq int) api.Event {
	return api.Event{Seq: uint64(seq), At: t0.Add(time.Duration(seq) * time.Second), Kind: "accepted", Petname: fmt.Sprintf("org-%d", seq), Topic: "phishing", Objects: seq}
}

// screen is what stands on it.
func screen(m *Model) string { return strings.Join(m.lines(), "\n") }

// What came while the node did not answer, or while the screen is held, is there afterwards; held means that nothing moves.
func TestNothingIsLost(t *testing.T) {
	m := feedModel(testModel(), two()...)
	feedModel(m, Looked{Err: errGone, At: t0, Events: []api.Event{change(1)}})
	if !strings.Contains(screen(m), "org-1") {
		t.Errorf("it came with a look that failed:\n%s", screen(m))
	}
	feedModel(m, Looked{Snapshot: snapshot(121), At: t0}, "p")
	held := screen(m)
	for i := range 2 * maxTail {
		feedModel(m, Looked{Snapshot: snapshot(uint64(200 + i)), At: t0, Events: []api.Event{change(2 + i)}})
		if i%100 == 0 && screen(m) != held {
			t.Fatalf("held, and yet:\n%s\nbefore\n%s", screen(m), held)
		}
	}
	feedModel(m, "p")
	if s := screen(m); !strings.Contains(s, fmt.Sprintf("org-%d", 2*maxTail+1)) || strings.Contains(s, "PAUSED") {
		t.Errorf("let go:\n%s", s)
	}
	if n := len(m.view.tail); n != maxTail {
		t.Errorf("%d changes are kept", n)
	}
	m = feedModel(testModel(), "p", Looked{Snapshot: snapshot(1), At: t0})
	if s := screen(m); !strings.Contains(s, "PAUSED") || !strings.Contains(s, "Northland") {
		t.Errorf("held before there was a picture:\n%s", s)
	}
}

// That the node refuses to be followed is said where what comes in would stand, beside what had come, until it lets us.
func TestRefusalIsSaid(t *testing.T) {
	const why = "32 follow already"
	m := feedModel(testModel(), append(two(), Looked{Snapshot: snapshot(1), At: t0, Unfollowed: why})...)
	if s := screen(m); !strings.Contains(s, "! not followed: "+why) || !strings.Contains(s, "trust.unknown") {
		t.Errorf("refused:\n%s", s)
	}
	feedModel(m, "tab", "tab", "enter")
	if s := screen(m); !strings.Contains(s, "Change     42") {
		t.Errorf("refused, in detail:\n%s", s)
	}
	feedModel(m, "enter", Looked{Snapshot: snapshot(1), At: t0})
	if s := screen(m); strings.Contains(s, why) {
		t.Errorf("no more refused:\n%s", s)
	}
	feedModel(m, Looked{Err: errGone, At: t0, Unfollowed: errGone.Error()})
	if s := screen(m); strings.Contains(s, "not followed") {
		t.Errorf("that it is gone is said once:\n%s", s)
	}
	m = feedModel(testModel(), Looked{Snapshot: snapshot(1), At: t0, Unfollowed: why}, "tab", "tab", "enter")
	if s := screen(m); !strings.Contains(s, why) || strings.Contains(s, "nothing has come") {
		t.Errorf("refused from the first, in detail:\n%s", s)
	}
}

// The feed keeps why the last attempt failed until one begins.
func TestFeedKeepsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		n, f := 0, new(feed)
		go f.run(ctx, func(ctx context.Context, _ string, opened func(), _ func(api.Event) error) (string, error) {
			if n++; n < 3 {
				return "", errors.New("refused")
			}
			opened()
			<-ctx.Done()
			return "", nil
		})
		for i, want := range []string{"refused", "refused", ""} {
			synctest.Wait()
			if _, why := f.take(); why != want {
				t.Errorf("attempt %d: %q, want %q", i+1, why, want)
			}
			time.Sleep(lookEvery)
		}
	})
}

// A row that was chosen stays chosen when others come before it; the first row stays the first. What is shown in detail stays what it is.
func TestTheChosenStays(t *testing.T) {
	m := feedModel(testModel(), two()...)
	more := func(seq int) Looked { return Looked{Snapshot: snapshot(120), At: t0, Events: []api.Event{change(seq)}} }
	chosen := func() string {
		for _, l := range m.lines() {
			if strings.HasPrefix(l, ">") {
				return l
			}
		}
		return ""
	}
	feedModel(m, "tab", "tab", more(50))
	if !strings.Contains(chosen(), "org-50") {
		t.Errorf("at the top: %q", chosen())
	}
	feedModel(m, "down", more(51), more(52))
	if !strings.Contains(chosen(), "trust.unknown") {
		t.Errorf("one below it: %q", chosen())
	}
	feedModel(m, "enter", more(53))
	if !strings.Contains(screen(m), "Change     42") {
		t.Errorf("in detail:\n%s", screen(m))
	}
	feedModel(m, "enter", "pgup", "enter", more(54))
	if !strings.Contains(screen(m), "Change     53") {
		t.Errorf("the top one in detail:\n%s", screen(m))
	}
	for i := range maxTail {
		feedModel(m, more(100+i))
	}
	if s := screen(m); !strings.Contains(s, "not in the list any more") {
		t.Errorf("in detail, and forgotten:\n%s", s)
	}
	feedModel(m, "tab", Looked{Snapshot: snapshot(120), At: t0})
	if s := screen(m); !strings.Contains(s, "Topic      phishing") {
		t.Errorf("another pane in detail:\n%s", s)
	}
}

// Numbers are sorted as numbers, the most first.
func TestSortedByNumber(t *testing.T) {
	m := feedModel(testModel(), Looked{Snapshot: snapshot(1), At: t0, Events: []api.Event{change(9), change(100), change(10)}}, "tab", "tab", "s", "s")
	var got []string
	for _, r := range m.rowsOf(tail) {
		got = append(got, r.cells[2])
	}
	if strings.Join(got, " ") != "100 10 9" {
		t.Errorf("by objects: %q", got)
	}
}

// The follower goes on where it was when the node comes back, and ends with its context.
func TestFeedResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var asked []string
		f := new(feed)
		f.run(ctx, func(_ context.Context, after string, _ func(), each func(api.Event) error) (string, error) {
			asked = append(asked, after)
			n := len(asked)
			if n == 3 {
				return "", errors.New("no node")
			}
			if n == 5 {
				stop()
			}
			return fmt.Sprint("c", n), each(api.Event{Seq: uint64(n)})
		})
		if got := strings.Join(asked, ","); got != ",c1,c2,c2,c4" {
			t.Errorf("asked behind %s", got)
		}
		if got, _ := f.take(); len(got) != 4 {
			t.Error("events are lost")
		}
	})
}
