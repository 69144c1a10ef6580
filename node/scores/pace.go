package scores

import (
	"context"
	"time"

	"tocsin/storage"
)

// Pace makes background work give way: while the store takes records in, it rests
// as long as it worked. The zero value with a Store is ready; it is of one goroutine.
type Pace struct {
	Store *storage.Store
	began time.Time
	seq   uint64
}

// longestRest keeps a pause short when a step took long.
const longestRest = 250 * time.Millisecond

// Rest ends one step of the work: it pauses if the store took records in since the last
// call. It returns ctx's error when ctx ends.
func (p *Pace) Rest(ctx context.Context) error {
	now, seq := time.Now(), p.Store.Sequence()
	if !p.began.IsZero() && seq != p.seq {
		rest := time.NewTimer(min(now.Sub(p.began), longestRest))
		defer rest.Stop()
		select {
		case <-rest.C:
		case <-ctx.Done():
		}
	}
	p.began, p.seq = time.Now(), seq
	return ctx.Err()
}
