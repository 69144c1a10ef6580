package metrics

import (
	"math"
	"sync"
	"time"
)

const (
	// trendStep is the least time between two samples, trendSpan how far back they reach.
	trendStep = 10 * time.Minute
	trendSpan = 24 * time.Hour
	// trendLeast is how much time must have passed before anything is foretold.
	trendLeast = time.Hour
)

// trend foretells when a disk is full by how it filled within the last day. The zero value is ready.
type trend struct {
	mu      sync.Mutex // guards samples
	samples []sample   // oldest first; at most trendSpan / trendStep and one
}

type sample struct {
	at   time.Time
	free int64
}

// left is how many seconds there are until no more than floor is free; infinite when no end is in sight.
func (t *trend) left(now time.Time, free, floor int64) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.samples) > 0 && now.Sub(t.samples[0].at) > trendSpan {
		t.samples = t.samples[1:]
	}
	if n := len(t.samples); n == 0 || now.Sub(t.samples[n-1].at) >= trendStep {
		t.samples = append(t.samples, sample{now, free})
	}
	if free <= floor {
		return 0
	}
	first := t.samples[0]
	passed, gone := now.Sub(first.at), first.free-free
	if passed < trendLeast || gone <= 0 {
		return math.Inf(1)
	}
	return float64(free-floor) / float64(gone) * passed.Seconds()
}
