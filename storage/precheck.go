package storage

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"tocsin/protocol/reason"
)

// RepairCommand is what repairs a damaged store.
const RepairCommand = "tocsin fsck --repair"

// registrySanity is what a key registry without a key begins with, after its initial vector.
const registrySanity = "Hello Badger"

// damaged is the error of a store that must not be opened: badger would panic, or take the damage for the end of a file
// and cut off what is good behind it.
func damaged(format string, args ...any) error {
	return reason.New(reason.StoreDamaged, fmt.Sprintf(format, args...)+"; nothing was changed. Run: "+RepairCommand)
}

// rawStore is what the files of a store hold, as far as the check before the opening needs it.
type rawStore struct {
	dir string
	// logs are the sizes of the value logs, lastLog the newest of them, pointed how far any pointer into that reaches.
	logs             map[uint32]int64
	lastLog, pointed uint32
	// beyond are pointers that lead out of the value logs. It is shared by who reads tables.
	beyond *beyond
	// seq is the newest change sequence in a memtable's log, 0 for none.
	seq uint64
}

// precheck reads the files of a store before badger does, and says what it must not be given: store.damaged. What a
// crash leaves behind is no damage. A store that does not exist yet is sound.
func precheck(dir string) error {
	names, err := listStore(dir)
	if err != nil || len(names) == 0 {
		return err
	}
	if names, err = mendSmall(dir, names); err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		if slices.ContainsFunc(names, func(n string) bool { return isData(n) }) {
			return damaged("%s is missing, and badger would delete all tables", manifestName)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", manifestName, err)
	}
	tables, err := readManifest(raw)
	if err != nil {
		return damaged("%s: %v", manifestName, err)
	}
	r := &rawStore{dir: dir, beyond: &beyond{}}
	if r.lastLog, err = lastValueLog(names); err != nil {
		return err
	}
	if r.logs, err = valueLogSizes(dir, names); err != nil {
		return err
	}
	read := func() error { return cmp.Or(r.checkTables(tables), r.checkMemtables(names)) }
	if err := read(); err != nil {
		return err
	}
	if err := r.checkBeyond(read); err != nil {
		return err
	}
	return r.checkValueLogs(names)
}

// precheckFree is precheck for a store that no process has open; node.running when one has.
func precheckFree(dir string) error {
	free, err := whileFree(dir, func() error { return precheck(dir) })
	if !free {
		return reason.Wrap(reason.NodeRunning, "another process has it", err)
	}
	return err
}

// listStore lists the files of a store, none when the folder is absent.
func listStore(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func isData(name string) bool {
	ext := filepath.Ext(name)
	return ext == tableSuffix || ext == valueLogSuffix || ext == memSuffix
}

// number reads the number in the name of a file.
func number(name string) (uint64, error) {
	n, err := strconv.ParseUint(strings.TrimSuffix(name, filepath.Ext(name)), 10, 32)
	if err != nil {
		return 0, damaged("file %s has no number", name)
	}
	return n, nil
}

// mendSmall sees to what holds no data, and returns the files that are left. A registry of keys is of no use without encryption: a
// damaged one is put aside and made anew. A memtable's log or a newest value log of no bytes is what a crash leaves between making
// and sizing it, and badger would stumble over it at every start.
func mendSmall(dir string, names []string) ([]string, error) {
	if slices.Contains(names, registryName) {
		path := filepath.Join(dir, registryName)
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", registryName, err)
		}
		if len(raw) != 16+len(registrySanity) || string(raw[16:]) != registrySanity {
			log.Warnw("key registry is damaged, it is made anew: nothing is encrypted with it", "file", path)
			if err := os.Rename(path, path+".damaged"); err != nil {
				return nil, fmt.Errorf("move the damaged %s aside: %w", registryName, err)
			}
		}
	}
	newest, err := lastValueLog(names)
	if err != nil {
		return nil, err
	}
	left := names[:0]
	for _, name := range names {
		path := filepath.Join(dir, name)
		if filepath.Ext(name) == memSuffix || name == valueLogName(newest) {
			info, err := os.Stat(path)
			if err != nil {
				return nil, fmt.Errorf("look at %s: %w", name, err)
			}
			if info.Size() == 0 {
				if err := os.Remove(path); err != nil {
					return nil, fmt.Errorf("remove the empty %s: %w", name, err)
				}
				continue
			}
		}
		left = append(left, name)
	}
	return left, nil
}

func lastValueLog(names []string) (last uint32, err error) {
	for _, name := range names {
		if filepath.Ext(name) == valueLogSuffix {
			n, err := number(name)
			if err != nil {
				return 0, err
			}
			last = max(last, uint32(n))
		}
	}
	return last, nil
}

func valueLogName(n uint32) string { return fmt.Sprintf("%06d%s", n, valueLogSuffix) }

func tableName(id uint64) string { return fmt.Sprintf("%06d%s", id, tableSuffix) }

// tableReaders is how many tables are read at a time.
const tableReaders = 2

// checkTables verifies every block of every table: badger leaves a table out that is damaged in one way, and panics at another.
func (r *rawStore) checkTables(tables map[uint64]bool) error {
	queue := make(chan uint64)
	results := make([]rawStore, tableReaders)
	errs := make([]error, tableReaders)
	var readers sync.WaitGroup
	for i := range tableReaders {
		results[i] = rawStore{dir: r.dir, logs: r.logs, lastLog: r.lastLog, beyond: r.beyond}
		readers.Go(func() {
			var buf bytes.Buffer
			for id := range queue {
				if errs[i] == nil {
					errs[i] = results[i].checkTable(tableName(id), &buf)
				}
			}
		})
	}
	for id := range tables {
		queue <- id
	}
	close(queue)
	readers.Wait()
	for _, found := range results {
		r.pointed = max(r.pointed, found.pointed)
	}
	return errors.Join(errs...)
}

func (r *rawStore) checkTable(name string, buf *bytes.Buffer) error {
	f, err := os.Open(filepath.Join(r.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return damaged("table %s is missing", name)
	}
	if err != nil {
		return fmt.Errorf("read table %s: %w", name, err)
	}
	buf.Reset()
	_, err = buf.ReadFrom(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("read table %s: %w", name, err)
	}
	var bad error
	readTable(buf.Bytes(), r.note, func(err error) { bad = errors.Join(bad, err) })
	if bad != nil {
		return damaged("table %s: %v", name, bad)
	}
	return nil
}

// note keeps how far pointers into the newest value log reach, and which lead out of any.
func (r *rawStore) note(e rawEntry) {
	p, ok := e.pointer()
	inside := !ok || int64(p.offset)+int64(p.length) <= r.logs[p.fid]
	if ok && p.fid == r.lastLog && inside {
		r.pointed = max(r.pointed, p.offset+p.length)
	}
	r.beyond.note(e, p, inside)
}

// checkMemtables reads the logs of memtables. All but the newest were whole when the next one was begun. The newest
// ends where a crash cut it off, but never before what was acknowledged.
func (r *rawStore) checkMemtables(names []string) error {
	var logs []string
	for _, name := range names {
		if filepath.Ext(name) == memSuffix {
			if _, err := number(name); err != nil {
				return err
			}
			if _, err := os.Stat(filepath.Join(r.dir, name)); err == nil { // an empty one was removed
				logs = append(logs, name)
			}
		}
	}
	totals := metaKey(metaTotals)
	written := false
	for i, name := range logs { // in the order of their numbers, which have five digits
		raw, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if len(raw) < logHeader {
			continue
		}
		if !isZero(raw[:8]) {
			return damaged("log %s: its header is damaged", name)
		}
		end := readLog(raw, true, func(e rawEntry, _, _ int) {
			r.note(e)
			written = true
			if bytes.Equal(e.key, totals) && len(e.value) >= muteTotalsBytes {
				r.seq = max(r.seq, binary.LittleEndian.Uint64(e.value[4*8:]))
			}
		})
		if i < len(logs)-1 && !isZero(raw[end:]) {
			return damaged("log %s is damaged at byte %d", name, end)
		}
		written = written || !isZero(raw[end:])
	}
	if acknowledged, _ := readMark(r.dir); written && acknowledged > r.seq {
		return damaged("the newest log ends at change %d, and change %d was acknowledged", r.seq, acknowledged)
	}
	return nil
}

// checkValueLogs makes sure that badger, which cuts the newest value log off at the first entry that is not whole, cuts
// off nothing that is pointed at.
func (r *rawStore) checkValueLogs(names []string) error {
	for _, name := range names {
		if filepath.Ext(name) != valueLogSuffix {
			continue
		}
		f, err := os.Open(filepath.Join(r.dir, name))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		var header [logHeader]byte
		n, _ := f.ReadAt(header[:], 0)
		if err := f.Close(); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if n == logHeader && !isZero(header[:8]) {
			return damaged("value log %s: its header is damaged", name)
		}
	}
	if r.pointed == 0 {
		return nil
	}
	name := valueLogName(r.lastLog)
	f, err := os.Open(filepath.Join(r.dir, name))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	if end, err := wholeUntil(f, int64(r.pointed)); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	} else if end < int64(r.pointed) {
		return damaged("value log %s is damaged at byte %d", name, end)
	}
	return nil
}

// wholeUntil says up to where the entries of a log are whole, up to a limit. A log may be large, and the window is not.
func wholeUntil(f io.ReaderAt, limit int64) (end int64, err error) {
	window := make([]byte, 4*maxRawValue)
	for end = logHeader; end < limit; {
		n, err := f.ReadAt(window[:min(int64(len(window)), limit-end)], end)
		if err != nil && !errors.Is(err, io.EOF) {
			return end, err
		}
		began := end
		for at := 0; ; {
			_, length, ok := logEntry(window[at:n], 0)
			if !ok {
				break
			}
			at += length
			end += int64(length)
		}
		if end == began { // not even one entry in a window that holds the largest
			return end, nil
		}
	}
	return end, nil
}
