// Package space keeps a full disk from killing the node: it watches free space and inodes, holds a ballast file that it gives up in
// need, and says when the store may be written and opened.
package space

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/figures"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/space")

// Level is how much room there is.
type Level uint8

// The levels. Each refuses what the one before it does.
const (
	// OK refuses nothing.
	OK Level = iota
	// Low refuses what strangers send.
	Low
	// Stop refuses whatever would be stored. What was acknowledged stays.
	Stop
)

// String gives the level's word: ok, low, stop.
func (l Level) String() string {
	switch l {
	case OK:
		return "ok"
	case Low:
		return "low"
	}
	return "stop"
}

const (
	// lookEvery is how often somebody looks when nobody asks.
	lookEvery = time.Second
	// probeEvery is how often it is tried whether room that is said to be free can be had: quotas and thin disks do
	// not show in what the file system says.
	probeEvery = 10 * time.Second
	probeBytes = 8 << 20

	// minInodes stop the store, which makes a few files at a time; lowInodes are few.
	minInodes, lowInodes = 256, 2048

	// Where nobody says otherwise: the store stops at a fiftieth of the disk and at most maxFloor, strangers are
	// refused at a twentieth and at most maxLow, and the ballast is a hundredth and at most maxBallast.
	maxFloor   = 1 << 30
	maxLow     = 2 << 30
	maxBallast = 64 << 20
)

// Disk is what a file system says of itself.
type Disk struct {
	// Total and Free are bytes, Free what this process may take.
	Total, Free int64
	// Inodes are free ones; -1 where there is no such number.
	Inodes int64
}

// Config says what is watched.
type Config struct {
	// Dir is the data folder. Ballast and probe lie in it.
	Dir string
	// Floor is how many bytes stay free before the store stops; 0 means the default. It is never less than Need.
	Floor int64
	// Ballast is the size of the file that is deleted in need; 0 means the default, negative none.
	Ballast int64
	// Need is what the store needs to be written without danger; asked now and then.
	Need func() int64
	// Measure asks the file system; nil means that of Dir. Tests give their own.
	Measure func() (Disk, error)
}

// Status is a snapshot.
type Status struct {
	Level Level
	// Why says what there is too little of, "" at level ok.
	Why  string
	Disk Disk
	// Floor and LowAt are the bytes free below which the store stops and strangers are refused.
	Floor, LowAt int64
	// Ballast is how many bytes the ballast holds now.
	Ballast int64
	// Since is when the level began.
	Since time.Time
}

// Keeper watches one disk. Its methods may be called concurrently.
type Keeper struct {
	c Config

	mu      sync.Mutex // guards what follows, and the ballast file
	now     Status
	probed  error // of the last probe
	changed chan struct{}
}

// Open measures, and makes the ballast when there is room. It starts nothing.
func Open(c Config) (*Keeper, error) {
	if c.Measure == nil {
		c.Measure = func() (Disk, error) { return measure(c.Dir) }
	}
	if c.Need == nil {
		c.Need = func() int64 { return 0 }
	}
	k := &Keeper{c: c, changed: make(chan struct{})}
	k.now.Since = time.Now()
	k.now.Ballast = k.onDisk()
	if err := os.Remove(k.probePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the probe that was left behind: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k, k.look(true)
}

func (k *Keeper) ballastPath() string { return filepath.Join(k.c.Dir, "ballast") }
func (k *Keeper) probePath() string   { return filepath.Join(k.c.Dir, "ballast.probe") }

func (k *Keeper) onDisk() int64 {
	info, err := os.Stat(k.ballastPath())
	if err != nil {
		return 0
	}
	return info.Size()
}

// Status measures and says how things are.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note(k.look(false))
	return k.now
}

// Guard is what the store asks before each commit: store.full at level stop, tight at level low.
func (k *Keeper) Guard() (tight bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note(k.look(false))
	if k.now.Level == Stop {
		return true, k.refusal()
	}
	return k.now.Level == Low, nil
}

// Strangers is nil when records of strangers may be stored.
func (k *Keeper) Strangers() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now.Level == OK {
		return nil
	}
	return k.refusal()
}

func (k *Keeper) refusal() error { return reason.New(reason.StoreFull, k.now.Why) }

// Changed is closed when the level changes next.
func (k *Keeper) Changed() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}

// Run watches until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	look, probe := time.NewTicker(lookEvery), time.NewTicker(probeEvery)
	defer look.Stop()
	defer probe.Stop()
	for {
		full := true
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			full = false
		case <-probe.C:
			k.probe()
		}
		k.mu.Lock()
		k.note(k.look(full))
		k.mu.Unlock()
	}
}

func (k *Keeper) note(err error) {
	if err != nil {
		log.Errorw("free space cannot be measured", "dir", k.c.Dir, "err", err)
	}
}

// probe takes probeBytes for a moment. At level stop it is left out, since it would take the last room from others, unless
// it is what led there.
func (k *Keeper) probe() {
	k.mu.Lock()
	try := k.now.Level != Stop || k.probed != nil
	k.mu.Unlock()
	var err error
	if try {
		err = errors.Join(reserve(k.probePath(), probeBytes), os.Remove(k.probePath()))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.probed = nil; isFull(err) {
		k.probed = err
	}
}

// look measures and moves to the level that follows; the lock is held. all asks again what changes slowly.
func (k *Keeper) look(all bool) error {
	d, err := k.c.Measure()
	if err != nil {
		return err // unknown is no reason to stop
	}
	k.now.Disk = d
	if all || k.now.Floor == 0 {
		k.now.Floor, k.now.LowAt = k.floors(d)
	}
	if level, why := k.judge(); level == Stop {
		k.drop()
		k.enter(level, why)
	} else {
		// The ballast comes back first, and only where nobody is refused for it.
		if level == OK && k.now.Ballast == 0 {
			k.fill()
		}
		k.enter(level, why)
	}
	return nil
}

func (k *Keeper) floors(d Disk) (floor, low int64) {
	floor = k.c.Floor
	if floor == 0 {
		floor = min(d.Total/50, maxFloor)
	}
	floor = max(floor, k.c.Need())
	return floor, max(2*floor, min(d.Total/20, maxLow))
}

// judge says which level what was measured means. To leave level stop takes an eighth more than to stay out of it, so
// that it does not flutter.
func (k *Keeper) judge() (Level, string) {
	d, floor := k.now.Disk, k.now.Floor
	if k.now.Level == Stop {
		floor += floor / 8
	}
	switch {
	case d.Free < floor:
		return Stop, fmt.Sprintf("%s are free on the disk of %s; the store stops below %s and goes on at %s",
			figures.Bytes(d.Free), k.c.Dir, figures.Bytes(k.now.Floor), figures.Bytes(k.now.Floor+k.now.Floor/8))
	case d.Inodes >= 0 && d.Inodes < minInodes:
		return Stop, fmt.Sprintf("%d more files fit on the disk of %s", d.Inodes, k.c.Dir)
	case k.probed != nil:
		return Stop, fmt.Sprintf("%s are said to be free on the disk of %s, and cannot be had: %v", figures.Bytes(d.Free), k.c.Dir, k.probed)
	case d.Free < k.now.LowAt:
		return Low, fmt.Sprintf("%s are free on the disk of %s, and strangers are refused below %s", figures.Bytes(d.Free), k.c.Dir, figures.Bytes(k.now.LowAt))
	case d.Inodes >= 0 && d.Inodes < lowInodes:
		return Low, fmt.Sprintf("%d more files fit on the disk of %s", d.Inodes, k.c.Dir)
	}
	return OK, ""
}

func (k *Keeper) enter(level Level, why string) {
	before := k.now.Level
	k.now.Level, k.now.Why = level, why
	if level == before {
		return
	}
	k.now.Since = time.Now()
	close(k.changed)
	k.changed = make(chan struct{})
	if level == OK {
		log.Infow("there is room again", "free", k.now.Disk.Free)
		return
	}
	log.Warnw("room runs out", "level", level.String(), "why", why)
}

// drop gives the ballast up; the lock is held.
func (k *Keeper) drop() {
	if k.now.Ballast == 0 {
		return
	}
	if err := os.Remove(k.ballastPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Errorw("the ballast cannot be given up", "err", err)
		return
	}
	log.Warnw("ballast given up", "bytes", k.now.Ballast)
	k.now.Ballast = 0
}

// fill makes the ballast where as much as it takes is left above the low mark; the lock is held.
func (k *Keeper) fill() {
	want := k.c.Ballast
	if want == 0 {
		want = min(k.now.Disk.Total/100, maxBallast)
	}
	if want <= 0 || k.now.Disk.Free-want < k.now.LowAt {
		return
	}
	if err := reserve(k.ballastPath(), want); err != nil {
		log.Warnw("no ballast", "bytes", want, "err", err)
		_ = os.Remove(k.ballastPath()) // what there is of it takes room only
		return
	}
	k.now.Ballast = want
}
