package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Salvaged is what Rebuild did.
type Salvaged struct {
	// Kept counts records that are in the new store, in quarantine and rejected ones among them.
	Kept int
	// Counts are what a store counts of those.
	Counts Counts
	// Lost are records that the old store had and of which too little is left.
	Lost []protocol.RecordID
	// Loose are records of which only what was sent is whole: they are in files of LooseDir, and the node takes them in anew.
	Loose int
	// Aside is the folder of the damaged store.
	Aside string
	// Damage says what was found damaged, a sentence each.
	Damage []string
}

// LooseDir is where Rebuild puts records that have to be judged anew, one a file, beside the store.
func LooseDir(dir string) string { return dir + ".loose" }

// Rebuild makes a fresh store of whatever in a damaged one still verifies, from badger's files and without badger: each record is
// taken over with its index when its bytes have their hash. The damaged store is kept aside. What is lost comes back by catch-up. It
// fails with node.running when a node has the store, and store.full when there is no room for the copy; the old store
// stands until the new one is whole.
func Rebuild(dir string) (Salvaged, error) {
	var done Salvaged
	if err := Settle(dir); err != nil {
		return done, fmt.Errorf("repair store %s: %w", dir, err)
	}
	if _, err := os.Stat(dir); err != nil {
		return done, fmt.Errorf("repair store %s: %w", dir, err)
	}
	free, err := whileFree(dir, func() (err error) {
		done, err = rebuildStore(dir)
		return err
	})
	if !free {
		return done, reason.New(reason.NodeRunning, "repair store "+dir+": another process has it")
	}
	if err != nil {
		return done, fmt.Errorf("repair store %s: %w", dir, err)
	}
	return done, nil
}

func rebuildStore(dir string) (Salvaged, error) {
	v := &salvage{dir: dir, found: map[string]rawPlace{}, files: map[int]*os.File{}}
	if err := v.read(); err != nil {
		return v.done, err
	}
	fresh := dir + suffixRepair
	for _, leftover := range []string{fresh, dir + suffixNew} { // of what was interrupted while the store was there
		if err := os.RemoveAll(leftover); err != nil {
			return v.done, err
		}
	}
	if err := errors.Join(v.write(fresh), syncTree(fresh)); err != nil {
		return v.done, errors.Join(err, os.RemoveAll(fresh))
	}
	v.done.Aside = dir + suffixDamaged + time.Now().UTC().Format("20060102T150405")
	return v.done, exchange(dir, fresh, v.done.Aside)
}

// exchange puts a repaired store in the place of the damaged one. If we stop before the second line, the next repair begins anew; between
// the second and the third, Settle does the third.
func exchange(dir, fresh, aside string) error {
	if err := rename(fresh, dir+suffixNew); err != nil {
		return err
	}
	if err := rename(dir, aside); err != nil {
		return err
	}
	if err := rename(dir+suffixNew, dir); err != nil {
		return fmt.Errorf("the repaired store is whole in %s, the damaged one in %s: %w", dir+suffixNew, aside, err)
	}
	return nil
}

// rawPlace is where the newest version of a key is.
type rawPlace struct {
	version uint64
	// deleted is a key that was deleted, doubtful one from a damaged block.
	deleted, doubtful bool
	file              int // of names
	at                int64
	length            int
	log               bool // the value stands in the value log, with its own checksum, in front of which at and length are
}

// salvage is one repair.
type salvage struct {
	dir   string
	names []string // of files, as rawPlace counts them
	found map[string]rawPlace
	// incomplete says that tables are damaged: what the value log has may be missing there.
	incomplete bool
	files      map[int]*os.File
	done       Salvaged
}

func (v *salvage) damage(format string, args ...any) {
	v.done.Damage = append(v.done.Damage, fmt.Sprintf(format, args...))
}

// read finds the newest whole version of every key.
func (v *salvage) read() error {
	names, err := listStore(v.dir)
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(v.dir, manifestName))
	var tables map[uint64]bool
	if err == nil {
		tables, err = readManifest(manifest)
	}
	if err != nil {
		v.damage("%s: %v", manifestName, err)
	}
	v.names = slices.DeleteFunc(names, func(n string) bool { return !isData(n) })
	for i, name := range v.names {
		if filepath.Ext(name) == valueLogSuffix {
			continue // read last
		}
		if n, numbered := number(name); filepath.Ext(name) == tableSuffix && tables != nil && (numbered != nil || !tables[n]) {
			continue // left over from a compaction
		}
		raw, err := os.ReadFile(filepath.Join(v.dir, name))
		if err != nil {
			return err
		}
		if filepath.Ext(name) == tableSuffix {
			readTable(raw, func(e rawEntry) { v.take(i, e) }, func(err error) {
				v.incomplete = true
				v.damage("table %s: %v", name, err)
			})
			delete(tables, mustNumber(name))
			continue
		}
		v.readDamagedLog(i, raw, true)
	}
	for id := range tables {
		v.incomplete = true
		v.damage("table %s is missing", tableName(id))
	}
	return v.readValueLogs()
}

func mustNumber(name string) uint64 {
	n, _ := number(name) // whoever asks has asked before
	return n
}

// readValueLogs looks for keys in the value log, where tables or memtables were damaged: what it has is whole, but may have been
// deleted since, which shows when the records are put together.
func (v *salvage) readValueLogs() error {
	for i, name := range v.names {
		if filepath.Ext(name) != valueLogSuffix || !v.incomplete {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(v.dir, name))
		if err != nil {
			return err
		}
		v.readDamagedLog(i, raw, false)
	}
	return nil
}

// readDamagedLog reads a log, and goes on behind an entry that is damaged: the entries behind it are found again by their checksums.
func (v *salvage) readDamagedLog(file int, raw []byte, txns bool) {
	if len(raw) < logHeader {
		return
	}
	take := func(e rawEntry, at, length int) {
		if !txns { // the whole entry, so that its checksum is checked again when it is read
			e.at, e.value = at, raw[at:at+length]
			v.takeAt(file, e, true)
			return
		}
		v.take(file, e)
	}
	end := readLog(raw, txns, take)
	used := len(bytes.TrimRight(raw, "\x00"))
	for at := end + 1; at < used; {
		e, length, ok := logEntry(raw[at:], at)
		if !ok || len(e.key) == 0 {
			at++
			continue
		}
		if !v.incomplete {
			v.incomplete = true
			v.damage("log %s is damaged at byte %d", v.names[file], end)
		}
		if e.meta&metaFinTxn == 0 {
			take(e, at, length)
		}
		at += length
	}
	if txns && !isZero(raw[end:]) && !v.incomplete {
		v.incomplete = true
		v.damage("log %s is damaged at byte %d", v.names[file], end)
	}
}

func (v *salvage) take(file int, e rawEntry) { v.takeAt(file, e, false) }

// takeAt keeps an entry that is newer than what was found of its key.
func (v *salvage) takeAt(file int, e rawEntry, logged bool) {
	old, known := v.found[string(e.key)]
	if e.doubtful && (known || !isRaw(e.key)) {
		return
	}
	if known && !old.doubtful && old.version >= e.version || bytes.HasPrefix(e.key, []byte("!badger!")) {
		return
	}
	place := rawPlace{version: e.version, deleted: e.meta&metaDeleted != 0, doubtful: e.doubtful, file: file, at: int64(e.at), length: len(e.value), log: logged}
	if p, ok := e.pointer(); ok {
		place.log, place.at, place.length = true, int64(p.offset), int(p.length)
		place.file = slices.Index(v.names, fmt.Sprintf("%06d%s", p.fid, valueLogSuffix))
	}
	v.found[string(e.key)] = place
}

// isRaw reports whether a key is that of a record as sent, which has a hash of its own.
func isRaw(key []byte) bool { return len(key) >= recordKeyBytes && key[1] == kindRaw }

// get reads the value of a key; ok is false when there is none that is whole.
func (v *salvage) get(key []byte) (value []byte, ok bool) {
	p, known := v.found[string(key)]
	if !known || p.deleted || p.file < 0 || p.length > maxRawValue {
		return nil, false
	}
	f := v.files[p.file]
	if f == nil {
		var err error
		if f, err = os.Open(filepath.Join(v.dir, v.names[p.file])); err != nil {
			return nil, false
		}
		v.files[p.file] = f
	}
	value = make([]byte, p.length)
	if _, err := io.ReadFull(io.NewSectionReader(f, p.at, int64(p.length)), value); err != nil {
		return nil, false
	}
	if !p.log {
		return value, true
	}
	e, _, ok := logEntry(value, 0)
	return e.value, ok && bytes.Equal(e.key, key)
}

// maxRawValue is more than one value with its key takes.
const maxRawValue = partBytes + 2*maxRawKey

// whole puts a split value together.
func (v *salvage) whole(sp space, kind byte, id protocol.RecordID, shape func([]byte) (int, uint32)) (value []byte, writes []write, ok bool) {
	head, ok := v.get(recordKey(sp, kind, id))
	if !ok {
		return nil, nil, false
	}
	writes = []write{{recordKey(sp, kind, id), head}}
	value = slices.Clone(head)
	size, gen := shape(head)
	for part := 1; part*partBytes < size; part++ {
		more, ok := v.get(partKey(sp, kind, id, gen, part))
		if !ok {
			return nil, nil, false
		}
		value = append(value, more...)
		writes = append(writes, write{partKey(sp, kind, id, gen, part), more})
	}
	return value, writes, true
}

// write fills a fresh store.
func (v *salvage) write(dir string) error {
	db, err := openBadger(badgerOptions(dir, Options{}).WithLogger(&syncErrors{}))
	if err != nil {
		return err
	}
	w := &salvageWriter{
		salvage: v, batch: &roomyBatch{WriteBatch: db.NewWriteBatch(), dir: dir},
		kept: map[protocol.RecordID]bool{}, apart: map[protocol.RecordID]bool{}, told: map[protocol.RecordID]Change{},
	}
	err = w.all()
	v.done.Counts = w.totals
	for _, f := range v.files {
		err = errors.Join(err, f.Close())
	}
	return errors.Join(err, db.Close())
}

// roomyBatch asks now and then whether there is room to write on.
type roomyBatch struct {
	*badger.WriteBatch
	dir   string
	bytes int // since it was asked last
}

// Set writes one key.
func (b *roomyBatch) Set(key, value []byte) error {
	if b.bytes += len(key) + len(value); b.bytes > loaderDirty {
		b.bytes = 0
		if err := copyFloor(b.dir); err != nil {
			return err
		}
	}
	return b.WriteBatch.Set(key, value)
}

// RepairRoom is store.full when a second copy of the store does not fit on the disk.
func RepairRoom(dir string) error {
	size, err := treeBytes(dir)
	if err != nil {
		return err
	}
	if free, ok := freeBytes(dir); ok && free < size+flushRoom {
		return reason.New(reason.StoreFull, fmt.Sprintf("repair store %s: the copy may take %d bytes, %d are free", dir, size+flushRoom, free))
	}
	return nil
}
