package node

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/doctor"
)

// What the doctor finds wrong is there for live events a minute after the start, and goes when it is mended.
func TestExaminer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		disk := func(context.Context) doctor.Finding {
			if mended.Load() {
				return doctor.Finding{State: doctor.OK, Text: time.Now().String()}
			}
			return doctor.Finding{State: doctor.Fail, Text: time.Now().String()}
		}
		clock := func(context.Context) doctor.Finding {
			return doctor.Finding{State: doctor.OK, Text: time.Now().String()}
		}
		e := &examiner{checks: func() []doctor.Check { return []doctor.Check{{Name: "disk", Run: disk}, {Name: "clock", Run: clock}} }}
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
		mended.Store(true)
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
