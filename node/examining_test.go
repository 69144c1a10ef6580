package node

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/doctor"
)

// What the doctor finds wrong is there for live events a minute after the start, and goes when it is mended.
func TestExaminer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := doctor.Fail
		check := func(name string, s *doctor.State) doctor.Check {
			return doctor.Check{Name: name, Run: func(context.Context) doctor.Finding { return doctor.Finding{State: *s, Text: time.Now().String()} }}
		}
		fine := doctor.OK
		e := &examiner{checks: func() []doctor.Check { return []doctor.Check{check("disk", &state), check("clock", &fine)} }}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.run(ctx) }()
		time.Sleep(examineFirst - time.Second)
		synctest.Wait()
		if e.turns() != nil {
			t.Errorf("while it starts: %v", e.turns())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		first := e.turns()
		if !maps.Equal(first, map[string]any{"disk": doctorTurn{doctor.Fail}}) {
			t.Errorf("after a minute: %v", first)
		}
		time.Sleep(examineEvery)
		synctest.Wait()
		if !maps.Equal(first, e.turns()) {
			t.Errorf("nothing changed, and yet: %v", e.turns())
		}
		state = doctor.OK
		time.Sleep(examineEvery)
		synctest.Wait()
		if left := slices.Collect(maps.Keys(e.turns())); len(left) != 0 {
			t.Errorf("mended, and yet: %v", left)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
