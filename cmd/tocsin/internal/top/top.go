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
	// Follow calls opened once the node lets us, and each for every change behind a cursor ("" for the last minutes and on) until
	// ctx ends or the node goes, and gives the cursor to go on with. Its error is shown as it reads.
	Follow func(ctx context.Context, after string, opened func(), each func(api.Event) error) (last string, err error)
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
		events, why := f.take()
		return Looked{Snapshot: s, Err: err, At: time.Now(), Events: events, Unfollowed: why}
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
	why    string // why the node was not followed at the last attempt, "" when it is
}

// run follows the node until ctx ends; when the node goes away it tries again, and goes on where it was.
func (f *feed) run(ctx context.Context, follow func(context.Context, string, func(), func(api.Event) error) (string, error)) {
	after := ""
	for ctx.Err() == nil {
		last, err := follow(ctx, after, func() { f.ended(nil) }, f.add)
		if last != "" {
			after = last
		}
		f.ended(err)
		wait := time.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}

// ended notes why an attempt failed; nil when it did not.
func (f *feed) ended(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.why = ""
	if err != nil {
		f.why = err.Error()
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

// take gives what has come since the last time, and why nothing can come.
func (f *feed) take() (events []api.Event, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	events, f.events = f.events, nil
	return events, f.why
}
