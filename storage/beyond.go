package storage

import (
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// beyond are the keys that have a pointer out of the value logs: into a file that is not there, or behind the end of one. Such a
// pointer is no damage when its key was written anew or deleted since, as what badger's collection of the value log leaves
// behind. So the tables are read once more where there are any, for the newest version of just these keys: a store has too many to
// remember them all.
type beyond struct {
	mu   sync.Mutex // guards what follows
	seed maphash.Seed
	// keys are known by their hash.
	keys map[uint64]newest
	// resolve is true in the second reading; nobody reads while it is set.
	resolve bool
}

// newest is what is known of the newest version of a key.
type newest struct {
	version uint64
	// whole is a value that lies within its file, or none; two files may have the same version, since collection moves values.
	whole bool
	at    pointer
}

// note takes one version of a key, and whether its pointer stays inside the value logs.
func (b *beyond) note(e rawEntry, p pointer, inside bool) {
	if !b.resolve && inside {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys == nil {
		b.seed, b.keys = maphash.MakeSeed(), map[uint64]newest{}
	}
	key := maphash.Bytes(b.seed, e.key)
	old, known := b.keys[key]
	switch {
	case !known && b.resolve:
	case !known, e.version > old.version, e.version == old.version && inside:
		b.keys[key] = newest{e.version, inside, p}
	}
}

// checkBeyond says store.damaged when the newest version of a key leads out of the value logs. read reads all keys again.
func (r *rawStore) checkBeyond(read func() error) error {
	if len(r.beyond.keys) == 0 {
		return nil
	}
	r.beyond.resolve = true
	if err := read(); err != nil {
		return err
	}
	lost, at := 0, pointer{}
	for _, k := range r.beyond.keys {
		if !k.whole {
			lost++
			at = k.at
		}
	}
	if lost == 0 {
		return nil
	}
	name := valueLogName(at.fid)
	size, there := r.logs[at.fid]
	if !there {
		return damaged("value log %s is missing: %d values cannot be read", name, lost)
	}
	return damaged("value log %s ends at byte %d, and should go on to %d at least: %d values cannot be read", name, size, int64(at.offset)+int64(at.length), lost)
}

// valueLogSizes gives the size of each value log.
func valueLogSizes(dir string, names []string) (map[uint32]int64, error) {
	sizes := map[uint32]int64{}
	for _, name := range names {
		if filepath.Ext(name) != valueLogSuffix {
			continue
		}
		n, err := number(name)
		var info fs.FileInfo
		if err == nil {
			info, err = os.Stat(filepath.Join(dir, name))
		}
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", name, err)
		}
		sizes[uint32(n)] = info.Size()
	}
	return sizes, nil
}
