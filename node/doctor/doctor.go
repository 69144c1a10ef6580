// Package doctor examines a node: independent checks that run side by side within a time limit, each with what it
// found and what to do about it.
package doctor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Budget is how long an examination may take; what is not done by then is a failure of that check.
const Budget = 5 * time.Second

// State is what a check found.
type State string

// The states, best first. Skip means that there is nothing to check here, and says why.
const (
	OK   State = "ok"
	Skip State = "skip"
	Warn State = "warn"
	Fail State = "fail"
)

// Check is one thing to examine.
type Check struct {
	// Name is stable: alerts and runbooks name it.
	Name string
	// Run examines; it must end soon after ctx.
	Run func(ctx context.Context) Finding
}

// Finding is what a check found. Fix says what to do, as a command where there is one; it is "" for OK and Skip only.
type Finding struct {
	State State  `json:"state"`
	Text  string `json:"text"`
	Fix   string `json:"fix,omitempty"`
}

// Result is a finding with the check's name and duration.
type Result struct {
	Name string `json:"name"`
	Finding
	TookMS int64 `json:"took_ms"`
}

// Good is the finding of a check that is content.
func Good(format string, args ...any) Finding { return Finding{OK, fmt.Sprintf(format, args...), ""} }

// None is the finding of a check that has nothing to look at.
func None(format string, args ...any) Finding { return Finding{Skip, fmt.Sprintf(format, args...), ""} }

// Odd is the finding of a check that warns.
func Odd(fix, format string, args ...any) Finding {
	return Finding{Warn, fmt.Sprintf(format, args...), fix}
}

// Bad is the finding of a check that failed.
func Bad(fix, format string, args ...any) Finding {
	return Finding{Fail, fmt.Sprintf(format, args...), fix}
}

// Examine runs checks side by side within Budget and gives results in the order of the checks. A check that panics has failed.
// It does not wait for a check that ignores the end of its context, such as one whose disk hangs: that one's goroutine
// ends when the disk answers, and what it finds is thrown away.
func Examine(ctx context.Context, checks []Check) []Result {
	ctx, cancel := context.WithTimeout(ctx, Budget)
	defer cancel()
	results := make([]Result, len(checks))
	var running sync.WaitGroup
	for i, c := range checks {
		running.Go(func() { results[i] = examine(ctx, c) })
	}
	running.Wait()
	return results
}

// OneAtATime gives checks none of which runs twice at once, whoever examines: what comes while one runs waits for it, and what
// comes while one has not answered within Budget is told since when. So a disk that hangs costs one goroutine, however often it is
// looked at.
func OneAtATime(checks []Check) []Check {
	out := make([]Check, len(checks))
	for i, c := range checks {
		t := &turn{slot: make(chan struct{}, 1), run: c.Run}
		out[i] = Check{Name: c.Name, Run: t.take}
	}
	return out
}

// turn lets one examination after the other run a check.
type turn struct {
	run   func(context.Context) Finding
	slot  chan struct{}             // taken by the one that runs
	since atomic.Pointer[time.Time] // when that began
}

func (t *turn) take(ctx context.Context) Finding {
	select {
	case t.slot <- struct{}{}:
	default:
		if since := t.since.Load(); since != nil && time.Since(*since) > Budget {
			return Bad(lateFix, "not measured: still no answer since %s", since.UTC().Format("2006-01-02 15:04:05Z"))
		}
		select {
		case t.slot <- struct{}{}:
		case <-ctx.Done():
			return late(ctx)
		}
	}
	now := time.Now()
	t.since.Store(&now)
	defer func() {
		t.since.Store(nil)
		<-t.slot
	}()
	return t.run(ctx)
}

// lateFix is what to do when a check gives no answer.
const lateFix = "see the log, and the disk and network that this check looks at"

func late(ctx context.Context) Finding {
	return Bad(lateFix, "not measured: no answer in time (%v)", ctx.Err())
}

// grace is how long after the end of its context a check may still deliver.
const grace = 200 * time.Millisecond

// examine runs one check and gives up on it when the time is over.
func examine(ctx context.Context, c Check) Result {
	start := time.Now()
	found := make(chan Finding, 1)
	go func() {
		defer func() {
			if fault := recover(); fault != nil {
				found <- Bad("report this with 'tocsin debug bugreport'", "the check itself broke: %v", fault)
			}
		}()
		found <- c.Run(ctx)
	}()
	f := wait(ctx, found)
	return Result{Name: c.Name, Finding: f, TookMS: time.Since(start).Milliseconds()}
}

func wait(ctx context.Context, found <-chan Finding) Finding {
	select {
	case f := <-found:
		return f
	case <-ctx.Done():
	}
	end := time.NewTimer(grace)
	defer end.Stop()
	select {
	case f := <-found:
		return f
	case <-end.C:
		return late(ctx)
	}
}

// Worst is the worst state among results, OK for none; Skip counts as OK.
func Worst(results []Result) State {
	worst := OK
	for _, r := range results {
		if r.State == Fail || r.State == Warn && worst == OK {
			worst = r.State
		}
	}
	return worst
}
