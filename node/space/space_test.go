package space

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"context"

	"tocsin/protocol/reason"
)

const mb = 1 << 20

// fake is a disk whose free space a test sets; the ballast counts.
type fake struct {
	dir  string
	disk Disk
	err  error
}

func (f *fake) measure() (Disk, error) { return f.disk, f.err }

func open(t *testing.T, f *fake, c Config) *Keeper {
	t.Helper()
	f.dir = t.TempDir()
	c.Dir, c.Measure = f.dir, f.measure
	k, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (f *fake) ballast() bool {
	_, err := os.Stat(filepath.Join(f.dir, "ballast"))
	return err == nil
}

// TestLevels walks down and up again, at each mark and one byte beside it.
func TestLevels(t *testing.T) {
	f := &fake{disk: Disk{Total: 1000 * mb, Free: 900 * mb, Inodes: -1}}
	k := open(t, f, Config{Floor: 80 * mb, Ballast: mb, Need: func() int64 { return 40 * mb }})
	const floor, low, back = 80 * mb, 160 * mb, 90 * mb
	for _, step := range []struct {
		free   int64
		inodes int64
		want   Level
	}{
		{low, -1, OK}, {low - 1, -1, Low}, {floor, -1, Low}, {floor - 1, -1, Stop},
		{floor, -1, Stop}, {back - 1, -1, Stop}, {back, -1, Low}, {low, -1, OK},
		{low, minInodes, Low}, {low, minInodes - 1, Stop}, {low, lowInodes - 1, Low}, {low, lowInodes, OK}, {0, -1, Stop},
	} {
		f.disk.Free, f.disk.Inodes = step.free, step.inodes
		s := k.Status()
		if s.Level != step.want || (s.Why == "") != (step.want == OK) {
			t.Errorf("%d bytes, %d inodes: %s (%s), want %s", step.free, step.inodes, s.Level, s.Why, step.want)
		}
		tight, err := k.Guard()
		if tight != (step.want != OK) || (reason.Of(err) == reason.StoreFull) != (step.want == Stop) {
			t.Errorf("%d bytes: tight %v, %v", step.free, tight, err)
		}
		if err := k.Strangers(); (reason.Of(err) == reason.StoreFull) != (step.want != OK) {
			t.Errorf("%d bytes: strangers: %v", step.free, err)
		}
	}
}

// TestBallast is given up at the floor and made again where there is room for it above the low mark.
func TestBallast(t *testing.T) {
	f := &fake{disk: Disk{Total: 1000 * mb, Free: 900 * mb, Inodes: -1}}
	k := open(t, f, Config{Floor: 10 * mb, Ballast: 2 * mb})
	if !f.ballast() || k.Status().Ballast != 2*mb {
		t.Fatal("no ballast")
	}
	again, err := Open(Config{Dir: f.dir, Measure: f.measure, Floor: 10 * mb, Ballast: 2 * mb})
	if err != nil || again.Status().Ballast != 2*mb {
		t.Fatalf("the ballast of the run before: %v", err)
	}
	f.disk.Free = 10*mb - 1
	if k.Status(); f.ballast() {
		t.Error("it is kept although nothing is left")
	}
	f.disk.Free = k.Status().LowAt + 2*mb - 1
	if k.Status(); f.ballast() {
		t.Error("it is made although strangers would be refused for it")
	}
	f.disk.Free++
	if k.Status(); !f.ballast() {
		t.Error("it is not made again")
	}
	if none := open(t, f, Config{Ballast: -1}); none.Status().Ballast != 0 || f.ballast() {
		t.Error("it is made where none is wanted")
	}
}

// TestNeed: whatever the operator says, the store has what it needs.
func TestNeed(t *testing.T) {
	f := &fake{disk: Disk{Total: 1 << 40, Free: 1 << 39, Inodes: -1}}
	k := open(t, f, Config{Floor: mb, Ballast: -1, Need: func() int64 { return 70 * mb }})
	if s := k.Status(); s.Floor != 70*mb {
		t.Errorf("floor %d", s.Floor)
	}
	k = open(t, f, Config{Ballast: -1})
	if s := k.Status(); s.Floor != maxFloor || s.LowAt != maxLow {
		t.Errorf("by default of a large disk: %+v", s)
	}
}

// TestUnknown: a disk that cannot be measured stops nothing.
func TestUnknown(t *testing.T) {
	f := &fake{disk: Disk{Total: 1000 * mb, Free: 900 * mb, Inodes: -1}}
	k := open(t, f, Config{})
	f.err = errors.New("no such call")
	if _, err := k.Guard(); err != nil {
		t.Error(err)
	}
}

// TestRun notices by itself that room is gone and back, and tells who waits.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{disk: Disk{Total: 1000 * mb, Free: 900 * mb, Inodes: -1}}
		k := open(t, f, Config{Ballast: -1})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		for _, free := range []int64{0, 900 * mb} {
			changed := k.Changed()
			k.mu.Lock()
			f.disk.Free = free
			k.mu.Unlock()
			began := time.Now()
			<-changed
			if took := time.Since(began); took > 2*lookEvery {
				t.Errorf("noticed after %v", took)
			}
		}
		time.Sleep(2 * probeEvery)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(k.probePath()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the probe is left behind: %v", err)
		}
	})
}

// TestMeasure asks the real disk.
func TestMeasure(t *testing.T) {
	d, err := measure(t.TempDir())
	if err != nil || d.Total <= 0 || d.Free < 0 || d.Free > d.Total {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := measure(filepath.Join(t.TempDir(), "absent")); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("of an absent folder: %v", err)
	}
}
