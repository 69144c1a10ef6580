package storage

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// metaLineage names the series of versions that this database gives to its keys. A database that
// was filled from another one numbers anew: it has another lineage, or none, so that
// nobody takes its numbers for the other's. It never goes into a backup.
const metaLineage = "lineage"

// Snapshot is a store as it was at one moment, for a backup. It keeps the store from
// closing until it is closed itself. It is used by one goroutine.
type Snapshot struct {
	s   *Store
	txn *badger.Txn
	Facts
}

// Facts are what a store holds at one moment, to be compared with another time or place.
type Facts struct {
	// Lineage and Version say what of the store is newer than an earlier snapshot: within one
	// lineage, what has a version above the earlier one's.
	Lineage string `json:"lineage,omitempty"`
	Version uint64 `json:"version,omitempty"`
	// Schema is the version of the layout.
	Schema uint32 `json:"schema"`
	// Changes is the newest number of the change sequence.
	Changes uint64 `json:"changes"`
	Counts  Counts `json:"counts"`
	// At is the moment: what has expired by then is in no topic's set.
	At time.Time `json:"at"`
	// Logs are all key logs, Topics the sets of records, topic by topic.
	Logs   []Log      `json:"-"`
	Topics []TopicSum `json:"topics"`
}

// TopicSum is the digest of what is held of a topic: equal sets have equal ones (SYN-01).
type TopicSum struct {
	Topic       string `json:"topic"`
	Records     int    `json:"records"`
	Fingerprint string `json:"fingerprint"`
}

// Snapshot takes the store as it is between two commits: what Facts say is exactly what
// Each reads. store.damaged when the store was found to lack something at its start.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := s.Damage(); err != nil {
		return nil, fmt.Errorf("take a snapshot of the store: %w", err)
	}
	if err := s.ensureLineage(ctx); err != nil {
		return nil, fmt.Errorf("take a snapshot of the store: %w", err)
	}
	var t taking
	err := s.do(ctx, func() (step, error) {
		// The writer is here: nothing is in the database that the tables do not have. And no vacuum waits for the lock, which would
		// have to give up: one that is under way is done.
		if !s.life.TryRLock() { // until Close; only the store's end may have it
			return step{}, errClosed()
		}
		if s.closed {
			s.life.RUnlock()
			return step{}, errClosed()
		}
		sn := &Snapshot{s: s, txn: s.db.NewTransaction(false)}
		sn.Facts = s.Facts(time.Now())
		sn.Version = sn.txn.ReadTs()
		t.put(sn)
		return step{apply: func(*tables) error { return nil }}, nil
	})
	sn := t.end()
	if err == nil {
		if sn.Lineage, err = sn.lineage(); err == nil {
			return sn, nil
		}
	}
	if sn != nil {
		sn.Close()
	}
	return nil, fmt.Errorf("take a snapshot of the store: %w", err)
}

// taking hands a snapshot from the writer to who waits for it, or no longer does.
type taking struct {
	mu   sync.Mutex // guards both
	sn   *Snapshot
	over bool
}

// put takes the newest one: when the batch before had to be committed first, there are two.
func (t *taking) put(sn *Snapshot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		sn.Close()
		return
	}
	if t.sn != nil {
		t.sn.Close()
	}
	t.sn = sn
}

func (t *taking) end() *Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	return t.sn
}

// Close lets the moment go.
func (sn *Snapshot) Close() {
	sn.txn.Discard()
	sn.s.life.RUnlock()
}

// Facts are what the store holds, with the sets of its topics as of a moment. Memory only.
func (s *Store) Facts(at time.Time) Facts {
	f := Facts{Schema: schemaVersion, At: at.UTC().Truncate(time.Millisecond), Logs: s.Logs()}
	s.mu.RLock()
	f.Counts, f.Changes = s.tables.counts, s.seq
	s.mu.RUnlock()
	f.Topics = s.topicSums(f.At)
	return f
}

func (s *Store) topicSums(at time.Time) []TopicSum {
	out := []TopicSum{}
	for _, t := range s.Topics() {
		set := s.setAt(t, at)
		sum := set.Fingerprint(0, set.Len())
		out = append(out, TopicSum{Topic: t.String(), Records: set.Len(), Fingerprint: hex.EncodeToString(sum[:])})
	}
	return out
}

// Lineage names the series of versions that this store gives now: see Facts.
func (s *Store) Lineage(ctx context.Context) (string, error) {
	sn, err := s.Snapshot(ctx)
	if err != nil {
		return "", err
	}
	defer sn.Close()
	return sn.Facts.Lineage, nil
}

// ensureLineage gives the database a lineage when it has none.
func (s *Store) ensureLineage(ctx context.Context) error {
	known := false
	err := s.view(func(txn *badger.Txn) (err error) {
		_, known, err = get(txn, metaKey(metaLineage))
		return err
	})
	if err != nil || known {
		return err
	}
	id := make([]byte, 16)
	rand.Read(id)
	return s.do(ctx, func() (step, error) {
		return step{tail: []write{{metaKey(metaLineage), id}}, apply: func(*tables) error { return nil }}, nil
	})
}

// lineage reads the name, and at which version it was written: a copy that gave the name a
// version of its own numbers everything anew.
func (sn *Snapshot) lineage() (string, error) {
	item, err := sn.txn.Get(metaKey(metaLineage))
	if err != nil {
		return "", fmt.Errorf("read the lineage: %w", err)
	}
	id, err := item.ValueCopy(nil)
	return fmt.Sprintf("%x-%d", id, item.Version()), err
}

// Pair is one key of a store with its value. Key and Value are only valid until the next one.
type Pair struct {
	Key     []byte
	Version uint64
	// Value is there when Fresh is true: the version is above what was asked for.
	Value []byte
	Fresh bool
}

// Each calls fn for every key in order, with the values of those above a version; 0 means all.
// What is unreadable is store.damaged. An error of fn ends it.
func (sn *Snapshot) Each(ctx context.Context, since uint64, fn func(Pair) error) error {
	o := badger.IteratorOptions{PrefetchValues: since == 0, PrefetchSize: 16}
	it := sn.txn.NewIterator(o)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		item := it.Item()
		p := Pair{Key: item.Key(), Version: item.Version(), Fresh: item.Version() > since}
		if bytes.Equal(p.Key, metaKey(metaLineage)) {
			continue
		}
		if !p.Fresh {
			if err := fn(p); err != nil {
				return err
			}
			continue
		}
		var failed error
		err := item.Value(func(value []byte) error {
			p.Value = value
			failed = fn(p)
			return failed
		})
		if failed != nil {
			return failed
		}
		if err != nil {
			return reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read key %x of the store", p.Key), err)
		}
	}
	return nil
}

// Loader fills a new store key by key, without a sync for each: the store is whole once Close
// returned, and worth nothing before. It is used by one goroutine.
type Loader struct {
	dir string
	db  *badger.DB
	txn *badger.Txn
	// size and count are of what the transaction holds; dirty are bytes since the last sync.
	size, count, dirty int
	maxCount           int
	// room is asked about the disk whenever the loader has written much; nil asks for what badger needs itself.
	room func() error
}

// The bounds of a loader's memory. badger's own batches count a value that goes into the value log as a few bytes, and
// would keep a whole store in memory; and pages that wait to be written back are none that the kernel can take away.
const (
	loaderBatch = 1 << 20
	loaderDirty = 16 << 20
)

// NewLoader makes a new store in dir, which must be empty or absent.
func NewLoader(dir string) (*Loader, error) {
	if there, err := os.ReadDir(dir); err == nil && len(there) > 0 {
		return nil, reason.New(reason.NodeExists, "fill a store: "+dir+" is not empty")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("fill a store: %w", err)
	}
	db, err := badger.Open(badgerOptions(dir, Options{}).WithSyncWrites(false).WithLogger(&syncErrors{}))
	if err != nil {
		return nil, fmt.Errorf("fill store %s: %w", dir, err)
	}
	return &Loader{dir: dir, db: db, txn: db.NewTransaction(true), maxCount: int(db.MaxBatchCount() / 10 * 9)}, nil
}

// Set writes one key. It keeps nothing of its arguments.
func (l *Loader) Set(key, value []byte) error {
	if bytes.Equal(key, metaKey(metaLineage)) {
		return nil
	}
	w := write{bytes.Clone(key), bytes.Clone(value)}
	var err error
	if l.count == l.maxCount || l.count > 0 && l.size+w.size() > loaderBatch {
		err = l.commit()
	}
	if err == nil {
		l.size, l.count = l.size+w.size(), l.count+1
		err = l.txn.Set(w.key, w.value)
	}
	if err != nil {
		return fmt.Errorf("fill store %s: %w", l.dir, err)
	}
	return nil
}

func (l *Loader) commit() error {
	err := l.txn.Commit()
	l.txn = l.db.NewTransaction(true)
	if l.dirty += l.size; err == nil && l.dirty > loaderDirty {
		// Others write, too, while this goes on for minutes: what was free at the beginning may be gone.
		if err = copyFloor(l.dir); err == nil && l.room != nil {
			err = l.room()
		}
		l.dirty, err = 0, cmp.Or(err, l.db.Sync())
	}
	l.size, l.count = 0, 0
	return err
}

// Close makes everything durable.
func (l *Loader) Close() error {
	err := l.commit()
	l.txn.Discard()
	if err = errors.Join(err, l.db.Close()); err == nil {
		err = syncTree(l.dir)
	}
	if err != nil {
		return fmt.Errorf("fill store %s: %w", l.dir, err)
	}
	return nil
}

// Abort gives up; what is in the folder is no store.
func (l *Loader) Abort() error {
	l.txn.Discard()
	return l.db.Close()
}

// syncTree makes all files of a folder durable, and the folder.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// RawCheck holds the records in a stream of pairs, in order of their keys, against their ids. It is
// used by one goroutine.
type RawCheck struct {
	// Network is what the records are signed for.
	Network string
	// Records counts those that are what they say.
	Records int

	// large has the shapes of records that are more than one pair; what an interrupted write left
	// of others is passed over.
	large map[protocol.RecordID]rawShape
	at    []byte // key of the record that raw is of
	raw   []byte
}

type rawShape struct {
	gen  uint32
	size int
}

// Pair takes the next pair; store.damaged names a record that is not what its id says.
func (c *RawCheck) Pair(key, value []byte) error {
	if len(c.at) > 0 && len(key) == len(c.at)+6 && bytes.HasPrefix(key, c.at) {
		shape := c.large[protocol.RecordID(c.at[2:])]
		if binary.BigEndian.Uint32(key[len(c.at):]) == shape.gen && len(c.raw)+len(value) <= shape.size {
			c.raw = append(c.raw, value...)
		}
		return nil
	}
	if err := c.End(); err != nil {
		return err
	}
	if len(key) != recordKeyBytes || space(key[0]) != spaceAccepted && space(key[0]) != spaceHeld {
		return nil
	}
	if p := packed(value); key[1] == kindPacked && len(p) >= headerBytes && p.rawLength() > partBytes {
		if c.large == nil {
			c.large = map[protocol.RecordID]rawShape{}
		}
		c.large[protocol.RecordID(key[2:])] = rawShape{p.rawGeneration(), p.rawLength()}
	}
	if key[1] == kindRaw {
		c.at, c.raw = append(c.at[:0], key...), append(c.raw[:0], value...)
	}
	return nil
}

// End checks the last record.
func (c *RawCheck) End() error {
	if len(c.at) == 0 {
		return nil
	}
	id := protocol.RecordID(c.at[2:])
	c.at = c.at[:0]
	delete(c.large, id)
	if got, err := protocol.StoredID(c.Network, c.raw); err != nil || got != id {
		return reason.Wrap(reason.StoreDamaged, fmt.Sprintf("record %s: its bytes are those of another record (%s)", id, got), err)
	}
	c.Records++
	return nil
}
