package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"tocsin/protocol/reason"
)

// The schedule of a node that has a folder for backups.
const (
	// lookEvery is how often it is looked whether something is due.
	lookEvery = 5 * time.Minute
	// backupEvery and fullEvery are the ages at which a backup, and a full one, is made anew.
	backupEvery = time.Hour
	fullEvery   = 24 * time.Hour
	// drillEvery is how often one is restored to see that it can be.
	drillEvery = 7 * 24 * time.Hour
	// restAfterFailure is how long nothing is tried again after a failure.
	restAfterFailure = 30 * time.Minute
)

// Duty is what a schedule asks for.
type Duty uint8

// The duties.
const (
	Nothing Duty = iota
	Increment
	FullBackup
	Rehearsal
)

// Due says what is to be done now, by how the backups stand.
func Due(s Status, now time.Time) Duty {
	since := func(t time.Time) time.Duration {
		if age := now.Sub(t); !t.IsZero() && age >= 0 {
			return age
		}
		return 1 << 62 // never, or a clock that was ahead
	}
	switch {
	case since(s.Failed) < restAfterFailure || since(s.Unsound) < restAfterFailure:
		return Nothing
	case since(s.Full) >= fullEvery, !s.Unsound.IsZero() && s.Full.Before(s.Unsound):
		return FullBackup // also when the last chain was found bad
	case since(s.Made) >= backupEvery:
		return Increment
	case since(s.Drilled) >= drillEvery, !s.Unsound.IsZero():
		return Rehearsal
	}
	return Nothing
}

// Deps are what a runner works with.
type Deps struct {
	Source Source
	// Folder is where scheduled backups go, "" for none; it must be there: a disk that is not
	// mounted must not fill another one.
	Folder string
	// Recipients can open scheduled backups; none means a key that is made at the first one.
	Recipients []string
	// Keep is how many chains of scheduled backups are kept.
	Keep int
	// Free tells how many bytes are free where a folder is; may be nil.
	Free func(folder string) int64
}

// Runner makes the backups of a running node, one at a time. All methods may be called concurrently.
type Runner struct {
	d Deps

	work sync.Mutex // held while a backup is made or checked

	mu     sync.Mutex // guards status
	status Status
}

// NewRunner wires a runner; it starts nothing.
func NewRunner(d Deps) *Runner {
	return &Runner{d: d, status: readMemory(d.Source.Data).Status}
}

// Keeps says how many chains the schedule keeps; 0 is all.
func (r *Runner) Keeps() int {
	if r.d.Folder == "" {
		return 0
	}
	return r.d.Keep
}

// Status says how the backups stand. Folder is "" when none were made and none are scheduled.
func (r *Runner) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	if s.Folder == "" {
		s.Folder = r.d.Folder
	}
	return s
}

// Run keeps to the schedule until ctx ends. Failures are in the status and in the log.
func (r *Runner) Run(ctx context.Context) error {
	if r.d.Folder == "" {
		return nil
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		if err := r.turn(ctx); err != nil && ctx.Err() == nil {
			log.Errorw("scheduled backup", "err", err)
		}
	}
}

// turn does what is due.
func (r *Runner) turn(ctx context.Context) error {
	switch duty := Due(r.Status(), time.Now()); duty {
	case Increment, FullBackup:
		if _, err := os.Stat(r.d.Folder); errors.Is(err, fs.ErrNotExist) {
			err = reason.Wrap(reason.NotFound, "back up to "+r.d.Folder+" (make the folder, or mount its disk)", err)
			return r.note(func(m *memory) { m.Failed, m.Why = time.Now().UTC(), err.Error() }, err)
		}
		_, err := r.Create(ctx, CreateOptions{Folder: r.d.Folder, Full: duty == FullBackup, Keep: r.d.Keep,
			Sealing: Sealing{Recipients: r.d.Recipients}})
		return err
	case Rehearsal:
		_, err := r.Drill(ctx, r.d.Folder, "", Access{})
		return err
	}
	return nil
}

// Create makes a backup now: see the function of that name.
func (r *Runner) Create(ctx context.Context, o CreateOptions) (Made, error) {
	r.work.Lock()
	defer r.work.Unlock()
	made, err := Create(ctx, r.d.Source, o)
	if err != nil && ctx.Err() == nil {
		return made, r.note(func(m *memory) { m.Failed, m.Why = time.Now().UTC(), err.Error() }, err)
	}
	return made, r.note(nil, err)
}

// CreateKeys writes the private keys to a file of their own: see the function of that name.
func (r *Runner) CreateKeys(path string, s Sealing) ([]string, error) {
	return CreateKeys(r.d.Source.Data, r.d.Source.Org, path, s)
}

// Verify reads a backup whole; the node's own key is tried as well.
func (r *Runner) Verify(ctx context.Context, folder, id string, a Access) (Checked, error) {
	r.work.Lock()
	defer r.work.Unlock()
	a.Data, a.Org = r.d.Source.Data, r.d.Source.Org
	return Verify(ctx, folder, id, a)
}

// Drill restores a backup for a look, beside the node's data; the node's own key is tried as well.
func (r *Runner) Drill(ctx context.Context, folder, id string, a Access) (Checked, error) {
	r.work.Lock()
	defer r.work.Unlock()
	a.Data, a.Org = r.d.Source.Data, r.d.Source.Org
	c, err := Drill(ctx, folder, id, a, r.d.Source.Data, r.d.Free)
	now := time.Now().UTC()
	switch {
	case err == nil:
		err = r.note(func(m *memory) { m.Drilled, m.Unsound, m.UnsoundWhy = now, time.Time{}, "" }, nil)
	case ctx.Err() == nil && folder == r.Status().Folder:
		err = r.note(func(m *memory) {
			m.Unsound, m.UnsoundWhy = now, err.Error()
			if reason.Of(err) == reason.BackupDamaged {
				m.Last = nil // nothing goes on from a bad one
			}
		}, err)
	}
	return c, err
}

// note changes what is remembered, and keeps the status up to date; err is handed through.
func (r *Runner) note(change func(*memory), err error) error {
	m := readMemory(r.d.Source.Data)
	if change != nil {
		change(&m)
		err = errors.Join(err, m.write(r.d.Source.Data))
	}
	r.mu.Lock()
	r.status = m.Status
	r.mu.Unlock()
	return err
}

// Sweep removes what interrupted drills left in a data folder. It is called when no other runs.
func Sweep(data string) error {
	left, err := filepath.Glob(filepath.Join(data, ".drill-*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return fmt.Errorf("remove what drills left: %w", err)
	}
	return nil
}
