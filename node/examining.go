package node

import (
	"context"
	"sync/atomic"
	"time"

	"tocsin/node/doctor"
)

// When the node examines itself for the live events: not while it still starts, and seldom, since some checks read files.
const (
	examineFirst = time.Minute
	examineEvery = 5 * time.Minute
)

// examiner keeps what the last examination found.
type examiner struct {
	checks func() []doctor.Check
	last   atomic.Pointer[map[string]any]
}

// doctorTurn is what live events compare: texts hold ages and sizes, which move all the time.
type doctorTurn struct {
	State doctor.State `json:"state"`
}

// run examines until ctx ends.
func (e *examiner) run(ctx context.Context) error {
	next := time.NewTimer(examineFirst)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		found := map[string]any{}
		for _, r := range doctor.Examine(ctx, e.checks()) {
			if r.State == doctor.Warn || r.State == doctor.Fail {
				found[r.Name] = doctorTurn{r.State}
			}
		}
		if ctx.Err() == nil { // one that was broken off found nothing
			e.last.Store(&found)
		}
		next.Reset(examineEvery)
	}
}

// turns are the checks that found something, as they stood last; none before the first time.
func (e *examiner) turns() map[string]any {
	if found := e.last.Load(); found != nil {
		return *found
	}
	return nil
}
