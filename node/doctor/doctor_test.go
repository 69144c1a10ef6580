package doctor

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestExamineKeepsOrderAndBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := []Check{
			{"slow", func(ctx context.Context) Finding { <-ctx.Done(); return Bad("wait", "gave up") }},
			{"good", func(context.Context) Finding { return Good("%d of %d", 2, 2) }},
			{"panics", func(context.Context) Finding { panic("oh no") }},
			{"deaf", func(context.Context) Finding { time.Sleep(time.Hour); return Good("too late") }},
			{"late", func(ctx context.Context) Finding { time.Sleep(4 * time.Second); return Odd("hurry", "slow") }},
		}
		start := time.Now()
		got := Examine(t.Context(), checks)
		if took := time.Since(start); took > Budget+grace {
			t.Errorf("it took %v", took)
		}
		want := []struct {
			name  string
			state State
			text  string
			ms    int64
		}{
			{"slow", Fail, "gave up", 5000},
			{"good", OK, "2 of 2", 0},
			{"panics", Fail, "oh no", 0},
			{"deaf", Fail, "no answer in time", 5200},
			{"late", Warn, "slow", 4000},
		}
		for i, w := range want {
			r := got[i]
			if r.Name != w.name || r.State != w.state || !strings.Contains(r.Text, w.text) || r.TookMS != w.ms {
				t.Errorf("result %d is %+v, want %+v", i, r, w)
			}
			if (r.State == Warn || r.State == Fail) != (r.Fix != "") {
				t.Errorf("%s: %s has the fix %q", r.Name, r.State, r.Fix)
			}
		}
		time.Sleep(2 * time.Hour) // the deaf one ends by itself
	})
}

// A check whose disk hangs is not begun a second time: examinations come and go, it stays one. Once the disk answers it runs again.
func TestAHungCheckIsBegunOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun atomic.Int32
		disk := make(chan struct{})
		checks := OneAtATime([]Check{
			{"hangs", func(context.Context) Finding { begun.Add(1); <-disk; return Good("here") }},
			{"good", func(context.Context) Finding { return Good("fine") }},
		})
		first := Examine(t.Context(), checks)[0]
		if first.State != Fail || !strings.Contains(first.Text, "no answer in time") {
			t.Errorf("at first: %+v", first)
		}
		for range 50 {
			got := Examine(t.Context(), checks)
			if got[0].State != Fail || !strings.Contains(got[0].Text, "still no answer since") || got[0].Fix == "" || got[0].TookMS != 0 || got[1].State != OK {
				t.Fatalf("while it hangs: %+v", got)
			}
			time.Sleep(time.Minute)
		}
		if n := begun.Load(); n != 1 {
			t.Errorf("begun %d times", n)
		}
		close(disk)
		synctest.Wait()
		if got := Examine(t.Context(), checks)[0]; got.State != OK || begun.Load() != 2 {
			t.Errorf("when the disk answers again: %+v, begun %d times", got, begun.Load())
		}
	})
}

// Two examinations at once both get an answer, one after the other; a check that breaks can be run again.
func TestChecksTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at, most atomic.Int32
		checks := OneAtATime([]Check{
			{"slow", func(context.Context) Finding {
				most.Store(max(most.Load(), at.Add(1)))
				defer at.Add(-1)
				time.Sleep(time.Second)
				return Good("done")
			}},
			{"panics", func(context.Context) Finding { panic("oh no") }},
		})
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				got := Examine(t.Context(), checks)
				if got[0].State != OK || !strings.Contains(got[1].Text, "oh no") {
					t.Errorf("one of two at once: %+v", got)
				}
			})
		}
		both.Wait()
		if most.Load() != 1 {
			t.Errorf("%d ran at once", most.Load())
		}
	})
}

func TestWorst(t *testing.T) {
	of := func(states ...State) (r []Result) {
		for _, s := range states {
			r = append(r, Result{Finding: Finding{State: s}})
		}
		return r
	}
	tests := []struct {
		results []Result
		want    State
	}{
		{nil, OK}, {of(Skip), OK}, {of(OK, Warn, Skip), Warn}, {of(Warn, Fail, Warn), Fail}, {of(Fail, OK), Fail},
	}
	for _, test := range tests {
		if got := Worst(test.results); got != test.want {
			t.Errorf("%v: %s, want %s", test.results, got, test.want)
		}
	}
}
