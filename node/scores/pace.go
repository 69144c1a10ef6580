package scores

import (
	"context"
	"time"

	"tocsin/storage"
)

// Pace makes background work give way: while the store takes records in, it rests
// as long as it worked. It is of one goroutine.
type Pace struct {
	Store *storage.Store
	began time.Time
	seq   uint64
}

// longestRest keeps a pause short when a step took long.
const longestRest = 250 * time.Millisecond

// Start begins a step of work.
func (p *Pace) Start() { p.began, p.seq = time.Now(), p.Store.Sequence() }

// Rest ends a step and begins the next: between them it pauses if the store took records in
// meanwhile. It returns ctx's error when ctx ends.
func (p *Pace) Rest(ctx context.Context) error {
	if p.Store.Sequence() != p.seq {
		rest := time.NewTimer(min(time.Since(p.began), longestRest))
		defer rest.Stop()
		select {
		case <-rest.C:
		case <-ctx.Done():
		}
	}
	p.Start()
	return ctx.Err()
}
