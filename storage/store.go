package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

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
}

// Store is an open store. All methods may be called concurrently.
type Store struct {
	db     *badger.DB
	memory bool

	// life is held for reading while the database is read, for writing by Close.
	life   sync.RWMutex
	closed bool

	// queue carries work to the writer, which ends when quit is closed and says so by done.
	queue      chan *op
	quit, done chan struct{}

	// mu guards what readers see. Only the writer changes it, after a commit: what is
	// here is durable.
	mu      sync.RWMutex
	tables  *tables
	seq     uint64
	changed chan struct{} // closed and replaced at every change

	caches caches
	// damage is set by Open and never after.
	damage error
}

// caches hold what was decoded last; both have their own lock.
type caches struct {
	packed *cache[spot, indexed]
	bodies *cache[protocol.RecordID, []protocol.Leaf]
}

// The bounds of the caches in bytes: a page of look-ups that hit few records
// should not decode one of them twice, and no more.
const (
	packedCacheBytes = 4 << 20
	bodyCacheBytes   = 8 << 20
)

// badgerOptions is the one place where badger is configured (docs/decisions/020
// has the measurements).
func badgerOptions(dir string, o Options) badger.Options {
	b := badger.DefaultOptions(dir).
		WithLogger(badgerLog{}).
		// Acknowledged means synced.
		WithSyncWrites(true).
		// The writer is alone, and nobody reads the metrics.
		WithDetectConflicts(false).WithMetricsEnabled(false).
		// Memory follows from the memtable and table sizes, not from the caches: each
		// flush and each compactor holds an arena of twice its table.
		WithMemTableSize(16 << 20).WithNumMemtables(2).
		WithBaseTableSize(4 << 20).WithBaseLevelSize(64 << 20).WithNumCompactors(2).
		// Records are compressed already. Without compression blocks are read from
		// the mapped file and need no cache.
		WithCompression(options.None).WithBlockCacheSize(0).WithIndexCacheSize(0).
		// A flipped bit becomes an error or a missing key, never wrong bytes.
		WithChecksumVerificationMode(options.OnBlockRead).WithVerifyValueChecksum(true).
		// Every value is under partBytes and stays in the LSM: the value log's sync
		// errors are only logged. It holds nothing, so its file is small.
		WithValueThreshold(1 << 20).WithValueLogFileSize(16 << 20)
	if o.Memory {
		// No compaction, so nothing may ever wait for one.
		b = b.WithDir("").WithValueDir("").WithInMemory(true).WithSyncWrites(false).
			WithMemTableSize(8 << 20).WithNumCompactors(0).WithNumLevelZeroTablesStall(1 << 20)
	}
	return b
}

// lockTaken is in badger's error when another process has the directory; the
// cause is not wrapped. A test holds it to that.
const lockTaken = "Cannot acquire directory lock"

// Open opens or creates the store in dir, checks its schema version and
// rebuilds the in-memory tables. It fails with node.running when another process has it.
func Open(dir string, o Options) (*Store, error) {
	db, err := badger.Open(badgerOptions(dir, o))
	if err != nil && strings.Contains(err.Error(), lockTaken) {
		return nil, reason.Wrap(reason.NodeRunning, fmt.Sprintf("open store %s", dir), err)
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	s := &Store{
		db: db, memory: o.Memory,
		queue: make(chan *op), quit: make(chan struct{}), done: make(chan struct{}),
		changed: make(chan struct{}),
		caches: caches{
			packed: newCache[spot, indexed](packedCacheBytes),
			bodies: newCache[protocol.RecordID, []protocol.Leaf](bodyCacheBytes),
		},
	}
	if err := s.start(o.Network); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", dir, err), db.Close())
	}
	w := newWriter(s)
	go w.run() // ends with quit; Close waits for done
	return s, nil
}

// start checks what kind of store this is and reads it.
func (s *Store) start(network string) error {
	if err := s.checkSchema(network); err != nil {
		return err
	}
	return s.rebuild()
}

// checkSchema refuses a store that this program would misread, and marks an empty one.
func (s *Store) checkSchema(network string) error {
	version, known, err := s.meta(metaVersion)
	if err != nil {
		return err
	}
	if known {
		if len(version) != 4 || binary.BigEndian.Uint32(version) == 0 {
			return reason.New(reason.StoreDamaged, "the schema version is unreadable")
		}
		if v := binary.BigEndian.Uint32(version); v > schemaVersion {
			return reason.New(reason.StoreVersion,
				fmt.Sprintf("the store has schema version %d, this program knows up to %d", v, schemaVersion))
		}
	}
	have, _, err := s.meta(metaNetwork)
	if err != nil {
		return err
	}
	if len(have) > 0 && network != "" && string(have) != network {
		return reason.New(reason.Conflict, fmt.Sprintf("the store is of network %q, not %q", have, network))
	}
	if known && (network == "" || len(have) > 0) {
		return nil
	}
	return s.db.Update(func(txn *badger.Txn) error {
		if err := txn.Set(metaKey(metaVersion), binary.BigEndian.AppendUint32(nil, schemaVersion)); err != nil {
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
	close(s.quit)
	<-s.done
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
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

// badgerLog passes badger's log on to ours.
type badgerLog struct{}

func (badgerLog) Errorf(format string, args ...any)   { log.Errorf(format, args...) }
func (badgerLog) Warningf(format string, args ...any) { log.Warnf(format, args...) }
func (badgerLog) Infof(format string, args ...any)    { log.Debugf(format, args...) }
func (badgerLog) Debugf(string, ...any)               {}
