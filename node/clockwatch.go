package node

import (
	"context"
	"sync"
	"time"
)

const (
	// clockLook is how often the clock is held against the time that passes.
	clockLook = 5 * time.Second
	// clockStep is what the two must differ by at a look for the clock to have been set; a time service that keeps it
	// right moves it by less.
	clockStep = time.Second
)

// clockWatch notices when this machine's clock is set: what came before says nothing of the clock as it is now.
// A machine that slept counts as one whose clock was set. It may be used concurrently.
type clockWatch struct {
	mu    sync.Mutex
	ahead time.Duration // how far the clock went beyond the time that passed, at the last look; guarded by mu
	since time.Time     // since when it stands as it does, by itself; guarded by mu
	by    time.Duration // by how much it was set then; guarded by mu
}

// newClockWatch watches from now on.
func newClockWatch(now time.Time) *clockWatch { return &clockWatch{since: now.Round(0)} }

// run looks until ctx ends.
func (w *clockWatch) run(ctx context.Context) error {
	begun, tick := time.Now(), time.NewTicker(clockLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := time.Now()
			w.look(now.Round(0), now.Round(0).Sub(begun.Round(0))-now.Sub(begun))
		}
	}
}

// look takes the clock's time, and how far it went beyond the time that passed.
func (w *clockWatch) look(now time.Time, ahead time.Duration) {
	if step := w.step(now, ahead); step != 0 {
		log.Warnw("this machine's clock was set, or it slept", "by", step)
	}
}

// step notes a look, and gives by how much the clock was set since the one before, 0 for not at all.
func (w *clockWatch) step(now time.Time, ahead time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	step := ahead - w.ahead
	w.ahead = ahead
	if step.Abs() < clockStep {
		return 0
	}
	w.since, w.by = now, step
	return step
}

// standing says since when the clock stands as it does, and by how much it was set then: 0 when it was not since the start.
func (w *clockWatch) standing() (since time.Time, by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.since, w.by
}
