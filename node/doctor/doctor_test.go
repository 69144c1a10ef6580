package doctor

import (
	"context"
	"strings"
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
