package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestLeaveInTime: work that ends is waited for, work that hangs is left behind.
func TestLeaveInTime(t *testing.T) {
	fault := errors.New("fault")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		if err := leaveInTime(ctx, func() error { time.Sleep(time.Hour); return fault }); !errors.Is(err, fault) {
			t.Errorf("work that fails by itself: %v", err)
		}
		cancel()
		if err := leaveInTime(ctx, func() error { time.Sleep(leaveTime - time.Millisecond); return nil }); err != nil {
			t.Errorf("work that ends in time: %v", err)
		}
		hang, began := make(chan struct{}), time.Now()
		err := leaveInTime(ctx, func() error { <-hang; return nil })
		if err == nil || time.Since(began) != leaveTime {
			t.Errorf("work that hangs: %v after %v", err, time.Since(began))
		}
		close(hang)
	})
}
