package storage

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tocsin/protocol/reason"
)

// badger writes through mappings of sparse files. When the disk has no block left for a page
// that it touches, the kernel kills the process, in whichever goroutine of badger's that is; nothing
// can be recovered. So nobody may write unless there is room for all that badger may write before it asks again.
const (
	memTableBytes = 8 << 20
	memTables     = 2
	valueLogBytes = 64 << 20

	// transactionBytes is the largest transaction: badger takes 15 % of a memtable.
	transactionBytes = memTableBytes * 15 / 100
	// logRoom is one transaction in the value log and one in the memtable's own log.
	logRoom = 2 * transactionBytes
	// flushRoom is what goes to tables when all memtables are flushed: those that wait and the active one, each over
	// its size by one transaction, with a tenth for index, filter and checksums.
	flushRoom = (memTables + 1) * (memTableBytes + transactionBytes) * 11 / 10
	// maxCompaction bounds what compactions write before they delete what they read. Concurrent ones share no table, so
	// that it is never more than all tables; the largest single one is level 0 at its stall of 15 tables with the level
	// below it, and beside it a table of the last level with ten that it overlaps.
	maxCompaction = 512 << 20
	// otherRoom is for manifest, discard statistics, marks, audit log and the small files of the node.
	otherRoom = 8 << 20
)

// Need is how many bytes must be free on the disk of dir for a store there to be opened and written to: the logs of the
// transaction under way, the flush of every memtable, and a compaction of all tables there are.
func Need(dir string) int64 {
	tables := int64(0)
	entries, _ := os.ReadDir(dir) // absent: no tables
	for _, e := range entries {
		if filepath.Ext(e.Name()) == tableSuffix {
			tables += sizeOf(e)
		}
	}
	return logRoom + flushRoom + otherRoom + min(tables+flushRoom, maxCompaction)
}

func sizeOf(e fs.DirEntry) int64 {
	info, err := e.Info()
	if err != nil {
		return 0
	}
	return info.Size()
}

// settleTime is how long a commit waits for compactions when room is tight.
const settleTime = 2 * time.Second

// room asks the guard whether the next commit may be made. When room is tight, badger must be done
// with its own work first, so that none of it is left over when the disk is full.
func (s *Store) room() error {
	if s.guard == nil {
		return nil
	}
	tight, err := s.guard()
	if err != nil || !tight {
		return full(err)
	}
	for end := time.Now().Add(settleTime); !s.settled(); {
		if time.Now().After(end) {
			return reason.New(reason.StoreFull, "little room is left, and the store still compacts: try again")
		}
		select {
		case <-s.work.quit:
			return errClosed()
		case <-time.After(10 * time.Millisecond):
		}
		if _, err := s.guard(); err != nil {
			return full(err)
		}
	}
	return nil
}

// full gives an error of the guard its code.
func full(err error) error {
	if err == nil || reason.Of(err) == reason.StoreFull {
		return err
	}
	return reason.Wrap(reason.StoreFull, "write to the store", err)
}

// settled reports whether no compaction is due.
func (s *Store) settled() bool {
	for _, l := range s.db.Levels() {
		if l.Adjusted >= 1 {
			return false
		}
	}
	return true
}

// Room is nil when the store can be written to, else store.full and why. What depends on a later commit asks
// before it does anything that cannot be taken back.
func (s *Store) Room() error {
	if s.guard == nil {
		return nil
	}
	_, err := s.guard()
	if err != nil {
		return fmt.Errorf("write to the store: %w", full(err))
	}
	return nil
}
