package storage

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	logging "github.com/ipfs/go-log/v2"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/storage")

// Options are the few things that differ between stores.
type Options struct {
	// Memory keeps everything in memory (tests); Dir is then not used.
	Memory bool
	// Network is the name of the network that the records are signed for. It is
	// kept in the store, which then opens for no other, and lets Check compute record
	// ids. Optional.
	Network string
	// Guard is asked before every commit: an error refuses it with store.full, and nothing is lost; tight says that room
	// is running out, and commits then wait for badger's own work. It must be quick, and is called from several goroutines. nil refuses nothing.
	Guard func() (tight bool, err error)
}

// Store is an open store. All methods may be called concurrently.
type Store struct {
	db     *badger.DB
	synced *syncErrors
	home

	// life is held for reading while the database is read, for writing by Close.
	life   sync.RWMutex
	closed bool

	work work

	// mu guards what readers see. Only the writer changes it, after a commit: what is
	// here is durable.
	mu      sync.RWMutex
	tables  *tables
	seq     uint64
	changed chan struct{} // closed and replaced at every change

	caches caches
	// damage is what Open found, until Scrub finds all well.
	damage error
}

// home is where a store is. It is set by Open and never after; what mark points at is the writer's, and Close's after it.
type home struct {
	dir     string // "" in memory
	network string
	memory  bool
	guard   func() (tight bool, err error)
	mark    *mark // nil in memory
}

// work joins callers and the writer: ops go through queue; the writer ends when
// quit is closed, and closes done.
type work struct {
	queue      chan *op
	quit, done chan struct{}
	vacuuming  sync.Mutex // one vacuum at a time
}

// caches hold what was decoded last; both have their own lock.
type caches struct {
	packed *cache[spot, indexed]
	bodies *cache[body, []protocol.Leaf]
}

// The bounds of the caches in bytes: a page of look-ups that hit few records
// should not decode one of them twice, and no more.
const (
	packedCacheBytes = 4 << 20
	bodyCacheBytes   = 8 << 20
)

// inlineBytes is the size from which values go to the value log: no record is smaller, and no index value that says anything.
const inlineBytes = 192

// badgerOptions is the one place where badger is configured. It is badger
// v4.9.6; docs/decisions/020 has the measurements.
func badgerOptions(dir string, o Options) badger.Options {
	b := badger.DefaultOptions(dir).
		// Acknowledged means synced.
		WithSyncWrites(true).
		// The writer is alone, and nobody reads the metrics.
		WithDetectConflicts(false).WithMetricsEnabled(false).
		// Memory follows from the memtable and table sizes, not from the caches: each
		// flush and each compactor holds arenas of twice its table.
		WithMemTableSize(memTableBytes).WithNumMemtables(memTables).
		WithBaseTableSize(2 << 20).WithBaseLevelSize(8 << 20).WithNumCompactors(2).
		// Records are compressed already. Without compression blocks are read from
		// the mapped file and need no cache.
		WithCompression(options.None).WithBlockCacheSize(0).WithIndexCacheSize(0).
		// A flipped bit becomes an error or a missing key, never wrong bytes.
		WithChecksumVerificationMode(options.OnBlockRead).WithVerifyValueChecksum(true).
		// Records and packed values live in the value log: in the LSM they would be
		// rewritten again and again, with hundreds of MB of builders, and badger removes tables and the logs of
		// memtables whenever it likes: what they hold could not be overwritten (docs/decisions/055).
		WithValueThreshold(inlineBytes).WithValueLogFileSize(valueLogBytes)
	if o.Memory {
		// There is no value log, so that every value must be under the threshold; and no
		// compaction, so that nothing may ever wait for one.
		b = b.WithDir("").WithValueDir("").WithInMemory(true).WithSyncWrites(false).WithValueThreshold(1 << 20).
			WithNumCompactors(0).WithNumLevelZeroTablesStall(1 << 20)
	}
	return b
}

// lockTaken is in badger's error when another process has the directory; the
// cause is not wrapped. A test holds it to that.
const lockTaken = "Cannot acquire directory lock"

// Open opens or creates the store in dir, checks its schema version and
// rebuilds the in-memory tables. It fails with node.running when another process has it.
func Open(dir string, o Options) (*Store, error) { return openWith(dir, o, badgerOptions(dir, o)) }

func openWith(dir string, o Options, b badger.Options) (*Store, error) {
	synced := &syncErrors{}
	if !o.Memory {
		if err := cmp.Or(Settle(dir), precheckFree(dir)); err != nil {
			return nil, fmt.Errorf("open store %s: %w", dir, err)
		}
	}
	db, err := openBadger(b.WithLogger(synced))
	if err != nil && strings.Contains(err.Error(), lockTaken) {
		return nil, reason.Wrap(reason.NodeRunning, fmt.Sprintf("open store %s", dir), err)
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, asDamage(err))
	}
	s := &Store{
		db: db, synced: synced, home: home{dir: dir, network: o.Network, memory: o.Memory, guard: o.Guard},
		work:    work{queue: make(chan *op), quit: make(chan struct{}), done: make(chan struct{})},
		changed: make(chan struct{}),
		caches: caches{
			packed: newCache[spot, indexed](packedCacheBytes),
			bodies: newCache[body, []protocol.Leaf](bodyCacheBytes),
		},
	}
	if err := s.tidy(); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", dir, err), db.Close())
	}
	if err := s.start(o.Network); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", dir, err), db.Close())
	}
	if err := s.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", dir, err), db.Close())
	}
	w := newWriter(s)
	go w.run() // ends with quit; Close waits for done
	return s, nil
}

// openBadger turns a panic at damage into an error. Only those of the calling goroutine can be caught; precheck is there
// for the others.
func openBadger(b badger.Options) (db *badger.DB, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			db, err = nil, damaged("the database panics: %.200v", fault)
		}
	}()
	return badger.Open(b)
}

// asDamage says what to do about an error of badger's that is not the system's: it does not understand what it reads.
func asDamage(err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok || reason.Of(err) != "" || errors.Is(err, syscall.ENOSPC) || errors.Is(err, fs.ErrPermission) {
		return err
	}
	return damaged("the database says: %v", err)
}

// begin holds what was read against what was noted outside the database, and notes that the store is open.
func (s *Store) begin() (err error) {
	if s.memory {
		return nil
	}
	if seq, _ := readMark(s.dir); seq > s.seq {
		return damaged("change %d was acknowledged, the last that could be read is %d", seq, s.seq)
	}
	c, err := readCheckpoint(s.dir)
	if err != nil {
		log.Errorw("checkpoint unreadable", "err", err) // the next one replaces it
	} else if c != nil && c.Sequence > s.seq {
		// What is written from here on would hide that changes are lost which nothing else tells of.
		return damaged("a clean stop was at change %d, the last that could be read is %d", c.Sequence, s.seq)
	} else if c != nil {
		s.found(c.against(s.count()))
	}
	if s.damage == nil { // a week of clean starts
		if err := s.dropBefore(beforeAge); err != nil {
			log.Warnw("the store of an older version was not removed", "err", err)
		}
	}
	if s.mark, err = openMark(s.dir); err != nil {
		return fmt.Errorf("open %s: %w", markName, err)
	}
	return s.mark.set(s.seq, false)
}

// found keeps the first damage that Open comes upon.
func (s *Store) found(err error) {
	if err == nil || s.damage != nil {
		return
	}
	s.damage = err
	log.Errorw("store damaged", "err", err)
}

// start checks what kind of store this is and reads it.
func (s *Store) start(network string) error {
	version, err := s.checkSchema(network)
	if err != nil {
		return err
	}
	if version < schemaVersion {
		if err := s.keepBefore(version); err != nil {
			return err
		}
	}
	totals, err := s.rebuild(version)
	if err == nil && version < schemaVersion {
		err = s.upgrade(version, totals)
	}
	return err
}

// checkSchema refuses a store that this program would misread, and marks an empty
// one. It returns the version that the store has.
func (s *Store) checkSchema(network string) (version uint32, err error) {
	value, known, err := s.meta(metaVersion)
	if err != nil {
		return 0, err
	}
	version = schemaVersion
	if known {
		if len(value) != 4 || binary.BigEndian.Uint32(value) == 0 {
			return 0, reason.New(reason.StoreDamaged, "the schema version is unreadable")
		}
		if version = binary.BigEndian.Uint32(value); version > schemaVersion {
			return 0, reason.New(reason.StoreVersion,
				fmt.Sprintf("the store has schema version %d, this program knows up to %d", version, schemaVersion))
		}
	}
	have, _, err := s.meta(metaNetwork)
	if err != nil {
		return 0, err
	}
	if len(have) > 0 && network != "" && string(have) != network {
		return 0, reason.New(reason.Conflict, fmt.Sprintf("the store is of network %q, not %q", have, network))
	}
	if known && (network == "" || len(have) > 0) {
		return version, nil
	}
	return version, s.db.Update(func(txn *badger.Txn) error {
		if err := txn.Set(metaKey(metaVersion), binary.BigEndian.AppendUint32(nil, version)); err != nil {
			return err
		}
		return txn.Set(metaKey(metaNetwork), []byte(network))
	})
}

// Close waits for the writer and releases the database.
func (s *Store) Close() error {
	s.life.Lock()
	closed := s.closed
	s.closed = true
	s.life.Unlock()
	if closed {
		return nil
	}
	close(s.work.quit)
	<-s.work.done
	s.mu.Lock()
	close(s.changed) // who waits learns of the end
	s.changed = make(chan struct{})
	s.mu.Unlock()
	defer s.mark.close() // what it says is true whether or not it can be synced
	if err := s.Room(); err != nil && !s.memory {
		// To close is to flush, and to flush without room would kill the process. All that was acknowledged is in the
		// logs, where the next start reads it; the process is about to end.
		log.Errorw("store is left as after a kill, since there is no room to close it", "err", err)
		return nil
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	if s.memory {
		return nil
	}
	// Both only help the next start to notice damage: the store is whole without them. What should be there stays noted.
	err := s.mark.set(s.seq, true)
	if s.Damage() == nil {
		err = errors.Join(err, s.Checkpoint())
	}
	if err != nil {
		log.Warnw("the clean stop was not noted", "err", err)
	}
	return nil
}

// errClosed is what every method that needs the database gives after Close.
func errClosed() error { return reason.New(reason.Internal, "the store is closed") }

// view reads the database; Close waits for it.
func (s *Store) view(fn func(*badger.Txn) error) error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.closed {
		return errClosed()
	}
	return s.db.View(fn)
}

func (s *Store) meta(name string) (value []byte, ok bool, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		value, ok, err = get(txn, metaKey(name))
		return err
	})
	return value, ok, err
}

// get copies one value out; ok is false when there is none.
func get(txn *badger.Txn, key []byte) (value []byte, ok bool, err error) {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	value, err = item.ValueCopy(nil)
	return value, err == nil, err
}

// getSplit puts a value of size bytes together. size is called with the head.
func getSplit(txn *badger.Txn, sp space, kind byte, id protocol.RecordID, shape func(head []byte) (size int, gen uint32)) (value []byte, ok bool, err error) {
	value, ok, err = get(txn, recordKey(sp, kind, id))
	if err != nil || !ok {
		return nil, false, err
	}
	size, gen := shape(value)
	for part := 1; part*partBytes < size; part++ {
		more, ok, err := get(txn, partKey(sp, kind, id, gen, part))
		if err != nil || !ok {
			return nil, false, err
		}
		value = append(value, more...)
	}
	return value, true, nil
}

// packedShape reads the shape of a packed value from its head.
func packedShape(head []byte) (size int, gen uint32) {
	if len(head) < headerBytes {
		return len(head), 0
	}
	return packed(head).length(), packed(head).generation()
}

// syncErrors passes badger's log on to ours and listens for the one error that
// badger logs and does not return: that the value log could not be synced. It comes
// before the commit returns, so that the writer sees it before it acknowledges.
type syncErrors struct {
	failed atomic.Bool
}

const syncError = "Error while curlf sync"

// Errorf implements badger's Logger.
func (l *syncErrors) Errorf(format string, args ...any) {
	if strings.HasPrefix(format, syncError) {
		l.failed.Store(true)
	}
	log.Errorf(format, args...)
}

// Warningf implements badger's Logger.
func (l *syncErrors) Warningf(format string, args ...any) { log.Warnf(format, args...) }

// Infof implements badger's Logger.
func (l *syncErrors) Infof(format string, args ...any) { log.Debugf(format, args...) }

// Debugf implements badger's Logger.
func (l *syncErrors) Debugf(string, ...any) {}

// err is nil as long as everything could be synced.
func (l *syncErrors) err() error {
	if l.failed.Load() {
		return errors.New("the value log could not be synced")
	}
	return nil
}
