package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// maxBreaches is how many breaches are told one by one.
const maxBreaches = 20

// scratch begins the names of scratch folders.
const scratch = "tocsinrig"

// skipped is an error that says what a rig lacks here.
type skipped string

// Error makes it an error.
func (s skipped) Error() string { return "not run: " + string(s) }

// run is one run of a rig. Its methods may be called from several goroutines, but for those of rand.
type run struct {
	options
	// dir is a scratch folder on disk, short enough for a socket; it is removed afterwards.
	dir string
	// bin is the program under test.
	bin string
	// rand is seeded; only the rig's own goroutine draws.
	rand *rand.Rand
	out  io.Writer

	mu       sync.Mutex // guards all below
	figures  []string
	breaches []string
	untold   int
	cleanup  []func() error
}

func newRun(o options, seed uint64, bin string, out io.Writer) (*run, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", scratch)
	if err != nil {
		return nil, err
	}
	r := &run{options: o, dir: dir, bin: bin, rand: newRand(seed), out: out}
	r.atEnd(func() error { return os.RemoveAll(dir) })
	return r, nil
}

// atEnd has something undone when the rig is over, however it ends; the newest first.
func (r *run) atEnd(undo func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanup = append(r.cleanup, undo)
}

// undo runs what atEnd was given. All of it runs, whatever fails.
func (r *run) undo() error {
	r.mu.Lock()
	todo := r.cleanup
	r.cleanup = nil
	if r.untold > 0 {
		r.breaches = append(r.breaches, fmt.Sprintf("and %d more", r.untold))
		r.untold = 0
	}
	r.mu.Unlock()
	var errs []error
	for _, f := range slices.Backward(todo) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// breach writes down what must not happen. The rig goes on, so that one run shows all there is.
func (r *run) breach(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.breaches) >= maxBreaches {
		r.untold++
		return
	}
	r.breaches = append(r.breaches, fmt.Sprintf(format, args...))
}

// figure writes down what was measured, for the summary.
func (r *run) figure(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.figures = append(r.figures, fmt.Sprintf(format, args...))
}

// progress prints a line for whoever watches.
func (r *run) progress(format string, args ...any) {
	fmt.Fprintf(r.out, "  "+format+"\n", args...)
}
