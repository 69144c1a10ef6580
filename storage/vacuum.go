package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol/reason"
)

// badger keeps what was deleted: neither its own deletion nor compaction, collection of the value log or dropping of
// prefixes takes bytes off the disk (docs/decisions/055). So what is live is copied into a fresh database beside the
// old one, and the folders change places:
//
//	STORE.part  a copy in the making
//	STORE.new   a whole copy
//	STORE       the store
//	STORE.old   the store before, until its files are overwritten and gone
//
// If we stop on any line there is either STORE, or STORE.new and STORE.old: finishSwap makes the one of the other.
const (
	suffixPart = ".part"
	suffixNew  = ".new"
	suffixOld  = ".old"
)

// metaVacuum says when the store was vacuumed last, in Unix ms, and at which change.
const metaVacuum = "vacuum"

// swapPatience is how long a vacuum waits for who reads the store before it gives up: a backup may read for long, and while the
// vacuum waits for the lock nobody else gets it.
const swapPatience = 10 * time.Second

// Vacuumed is what a vacuum did.
type Vacuumed struct {
	// Before and After are the bytes of the store's files.
	Before, After int64
	// Paused is how long nothing could be written, of it Swap how long nothing could be read.
	Paused, Swap time.Duration
}

// Vacuum takes off the disk what is not live: what was erased, has expired or was rejected. Writers wait while the live content is
// copied, readers while the folders change places; then the old files are overwritten and removed. A store in memory has
// nothing to do. store.full when there is no room for a copy, conflict when a backup reads the store or another vacuum runs,
// store.damaged when something cannot be read, which is then neither copied nor thrown away: the store stays as it was. How much
// the overwriting is worth depends on file system and disk (docs/erasure.md).
func (s *Store) Vacuum(ctx context.Context) (Vacuumed, error) {
	if s.memory {
		return Vacuumed{}, nil
	}
	if !s.work.vacuuming.TryLock() {
		return Vacuumed{}, reason.New(reason.Conflict, "vacuum the store: one is under way")
	}
	defer s.work.vacuuming.Unlock()
	var v Vacuumed
	o := &op{done: make(chan error, 1), alone: func(w *writer) (err error) {
		v, err = w.vacuum(ctx)
		return err
	}}
	err := s.queue(ctx, o)
	if err == nil {
		select {
		case err = <-o.done: // whoever waits must know how it ended, even when nobody wants it any more
		case <-s.work.done:
			err = errClosed()
		}
	}
	if err == nil {
		err = errors.Join(wipeTree(s.dir+suffixOld), s.dropBefore(0))
	}
	if err != nil {
		return v, fmt.Errorf("vacuum the store: %w", err)
	}
	log.Infow("store vacuumed", "before", v.Before, "after", v.After, "paused", v.Paused, "swap", v.Swap, "aside", len(s.Aside()))
	return v, nil
}

// vacuum runs in the writer: nothing changes meanwhile.
func (w *writer) vacuum(ctx context.Context) (v Vacuumed, err error) {
	s, began := w.s, time.Now()
	if w.failed != nil {
		return v, fmt.Errorf("after an earlier error: %w", w.failed)
	}
	if v.Before, err = treeBytes(s.dir); err != nil {
		return v, err
	}
	if err := s.copyRoom(v.Before); err != nil {
		return v, err
	}
	for _, leftover := range []string{suffixPart, suffixNew, suffixOld} {
		if err := wipeTree(s.dir + leftover); err != nil {
			return v, err
		}
	}
	if err := s.copyLive(ctx, s.dir+suffixPart); err != nil {
		return v, errors.Join(err, wipeTree(s.dir+suffixPart))
	}
	if v.After, err = treeBytes(s.dir + suffixPart); err != nil {
		return v, err
	}
	// If we stop before this line, the next start removes the part; after it, the copy, which is not needed while the store is there.
	if err := rename(s.dir+suffixPart, s.dir+suffixNew); err != nil {
		return v, err
	}
	swapping, err := w.swap(ctx)
	v.Paused, v.Swap = time.Since(began), swapping
	return v, err
}

// copyRoom asks for as many bytes as the store has, and what it needs to be written to afterwards.
func (s *Store) copyRoom(size int64) error {
	if err := s.Room(); err != nil {
		return err
	}
	free, ok := freeBytes(s.dir)
	if need := size + Need(s.dir); ok && free < need {
		return reason.New(reason.StoreFull, fmt.Sprintf("a copy may take %d bytes, %d are free", need, free))
	}
	return nil
}

// copyLive fills a new store with what the tables know. Parts of values that nothing refers to, as interrupted writes leave them,
// stay behind; what the tables should know and do not is damage.
func (s *Store) copyLive(ctx context.Context, to string) error {
	l, err := NewLoader(to)
	if err != nil {
		return err
	}
	l.room = s.Room
	err = s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{PrefetchValues: true, PrefetchSize: 16})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			key := it.Item().KeyCopy(nil)
			live, err := s.liveKey(txn, key)
			if err != nil {
				return err
			}
			if !live {
				continue
			}
			value, err := it.Item().ValueCopy(nil)
			if err != nil {
				return reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read key %x", key), err)
			}
			if err := l.Set(key, value); err != nil {
				return err
			}
		}
		at := binary.LittleEndian.AppendUint64(nil, uint64(time.Now().UnixMilli()))
		return l.Set(metaKey(metaVacuum), binary.LittleEndian.AppendUint64(at, s.seq))
	})
	if err != nil {
		return errors.Join(err, l.Abort())
	}
	if err := l.Close(); err != nil {
		return err
	}
	for _, beside := range []string{markName, checkpointName} {
		if err := copyFile(filepath.Join(s.dir, beside), filepath.Join(to, beside)); err != nil {
			return err
		}
	}
	return syncTree(to)
}

// liveKey reports whether a key belongs to the live content. The writer calls it, which alone changes the tables.
func (s *Store) liveKey(txn *badger.Txn, key []byte) (bool, error) {
	sp := space(key[0])
	if sp != spaceAccepted && sp != spaceHeld && sp != spaceRejected {
		return true, nil
	}
	if len(key) != recordKeyBytes && len(key) != recordKeyBytes+6 {
		return false, nil
	}
	at, ok := s.where([32]byte(key[2:]))
	if !ok || at.space != sp {
		// Only the head of an index value makes a record exist; one that the tables lack could not be read.
		if len(key) == recordKeyBytes && key[1] == kindPacked {
			return false, reason.New(reason.StoreDamaged, fmt.Sprintf("record %x is not readable: repair it first", key[2:]))
		}
		return false, nil
	}
	if len(key) == recordKeyBytes {
		return true, nil
	}
	head, _, err := get(txn, recordKey(sp, kindPacked, at.id))
	if err != nil || len(head) < headerBytes {
		return false, reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read record %s", at.id), err)
	}
	size, gen := packedShape(head)
	if key[1] == kindRaw {
		size, gen = packed(head).rawLength(), packed(head).rawGeneration()
	}
	part := int(binary.BigEndian.Uint16(key[recordKeyBytes+4:]))
	return binary.BigEndian.Uint32(key[recordKeyBytes:]) == gen && part*partBytes < size, nil
}

// swap puts the copy in the place of the store. When it fails on the way, the store that is then in place is opened.
func (w *writer) swap(ctx context.Context) (took time.Duration, err error) {
	s := w.s
	if err := s.lockLife(ctx); err != nil {
		return 0, errors.Join(err, wipeTree(s.dir+suffixNew))
	}
	defer s.life.Unlock()
	began := time.Now()
	if err = errors.Join(s.mark.close(), s.db.Close()); err == nil {
		// If we stop between these two, finishSwap does the second.
		if err = rename(s.dir, s.dir+suffixOld); err == nil {
			err = rename(s.dir+suffixNew, s.dir)
		}
	}
	if err != nil {
		err = errors.Join(err, finishSwap(s.dir))
	}
	synced := &syncErrors{}
	db, openErr := openBadger(badgerOptions(s.dir, Options{}).WithLogger(synced))
	if openErr != nil {
		// Nothing works any more but what needs no database; the next start reads what is there.
		s.closed, w.failed = true, openErr
		return time.Since(began), errors.Join(err, openErr)
	}
	s.db, s.synced = db, synced
	mark, markErr := openMark(s.dir)
	if s.mark = mark; markErr == nil {
		markErr = mark.set(s.seq, false)
	}
	if markErr != nil {
		log.Warnw("a later start may not notice a loss", "err", markErr)
	}
	return time.Since(began), err
}

// lockLife waits for those who read the store, but keeps nobody else from it while it waits.
func (s *Store) lockLife(ctx context.Context) error {
	tick, end := time.NewTicker(5*time.Millisecond), time.NewTimer(swapPatience)
	defer tick.Stop()
	defer end.Stop()
	for !s.life.TryLock() {
		select {
		case <-tick.C:
		case <-end.C:
			return reason.New(reason.Conflict, "somebody reads the store and does not end: a backup, perhaps")
		case <-ctx.Done():
			return ctx.Err()
		case <-s.work.quit:
			return errClosed()
		}
	}
	if s.closed {
		s.life.Unlock()
		return errClosed()
	}
	return nil
}

// finishSwap ends what a vacuum left off: afterwards there is one store, the old or the new one, if there was one before.
func finishSwap(dir string) error {
	_, err := os.Stat(dir)
	for _, whole := range []string{suffixNew, suffixOld} {
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if _, err2 := os.Stat(dir + whole); err2 == nil {
			err = rename(dir+whole, dir)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there is none yet
	}
	return err
}

// tidy removes what a vacuum left behind beside the store, which this process has open.
func (s *Store) tidy() error {
	if s.memory {
		return nil
	}
	var errs []error
	for _, leftover := range []string{suffixPart, suffixNew, suffixOld} {
		errs = append(errs, wipeTree(s.dir+leftover))
	}
	return errors.Join(errs...)
}

// rename moves a folder for good.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// copyFile copies a small file if it is there.
func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// VacuumDue reports whether the last vacuum is older than age and something has gone since that is still on the disk.
func (s *Store) VacuumDue(age time.Duration) (bool, error) {
	if s.memory {
		return false, nil
	}
	var last, seq uint64
	err := s.view(func(txn *badger.Txn) error {
		b, ok, err := get(txn, metaKey(metaVacuum))
		if ok && len(b) == 16 {
			last, seq = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		}
		return err
	})
	if err != nil || time.Since(time.UnixMilli(int64(last))) < age {
		return false, err
	}
	const page = 1000
	for {
		changes, err := s.Changes(seq, page)
		for _, c := range changes {
			if c.Kind == changeErased || c.Kind == changeExpired || c.Kind == changeRejected {
				return true, nil
			}
			seq = c.Seq
		}
		if err != nil || len(changes) == 0 {
			return false, err
		}
	}
}
