// Package top draws a running node on one screen: how it fares, its topics and peers, and what comes in. It asks the node once a
// second through functions that it is given, goes on when the node goes away, and says why. It knows no command line.
package top

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"tocsin/node/admin/api"
)

// The pace of the screen.
const (
	lookEvery = time.Second
	lookTime  = 5 * time.Second // for one look; a node that takes longer is not well
	frames    = 10              // a second, at most
	maxTail   = 500             // changes that are kept
)

// Snapshot is what the node said at one moment.
type Snapshot struct {
	Status *api.Status `json:"status"`
	Peers  []api.Peer  `json:"peers"`
	Topics []api.Topic `json:"topics"`
	// CaughtUp says in words how far catch-up is, "" where there is none.
	CaughtUp string `json:"caught_up,omitempty"`
}

// Source is the node, as two functions.
type Source struct {
	// Look asks the node how it is; its error is shown as it reads.
	Look func(ctx context.Context) (*Snapshot, error)
	// Follow calls each for every change behind a cursor ("" for the last minutes and on) until ctx ends or the node goes, and
	// gives the cursor to go on with.
	Follow func(ctx context.Context, after string, each func(api.Event) error) (last string, err error)
}

// Options say how to draw.
type Options struct {
	// Clean makes text of strangers safe to show; required.
	Clean func(string) string
	// Color allows colours. Nothing is said by colour alone.
	Color bool
	// Zone is where times are shown.
	Zone *time.Location
}

// Run draws until somebody quits (nil) or ctx ends.
func Run(ctx context.Context, src Source, o Options, in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	var follower sync.WaitGroup
	defer follower.Wait()
	defer stop()
	f := new(feed)
	follower.Go(func() { f.run(ctx, src.Follow) })
	m := New(o)
	m.ask = func() tea.Msg {
		bounded, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		s, err := src.Look(bounded)
		return Looked{Snapshot: s, Err: err, At: time.Now(), Events: f.take()}
	}
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithFPS(frames), tea.WithoutSignalHandler())
	_, err := p.Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// feed gathers changes between two looks, so that a flood of them costs one drawing.
type feed struct {
	mu     sync.Mutex
	events []api.Event
}

// run follows the node until ctx ends; when the node goes away it tries again, and goes on where it was.
func (f *feed) run(ctx context.Context, follow func(context.Context, string, func(api.Event) error) (string, error)) {
	after := ""
	for ctx.Err() == nil {
		if last, _ := follow(ctx, after, f.add); last != "" { // why it ended is what the next look says
			after = last
		}
		wait := time.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}

func (f *feed) add(e api.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events) == maxTail {
		f.events = append(f.events[:0], f.events[1:]...)
	}
	f.events = append(f.events, e)
	return nil
}

// take gives what has come since the last time.
func (f *feed) take() []api.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.events
	f.events = nil
	return out
}
