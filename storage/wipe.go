package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// wipeChunk is how much is overwritten at once.
const wipeChunk = 1 << 20

// Where lseek finds data and holes, where the system knows; elsewhere it is an error.
const (
	seekData = 3
	seekHole = 4
)

// wipeTree overwrites the files of a folder in place, makes that durable, and removes the folder; it need not be there. On a file
// system that writes in place the old bytes are gone then. A file that has another name elsewhere is only unlinked.
func wipeTree(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return wipeFile(path)
	})
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return fmt.Errorf("wipe %s: %w", dir, err)
	}
	return nil
}

// wipeFile overwrites a file and unlinks it.
func wipeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if links(f) <= 1 {
		err = errors.Join(overwrite(f), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Remove(path)
}

// overwrite writes zeros over all that a file holds. Holes stay holes: badger makes files large and sparse.
func overwrite(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, wipeChunk)
	for at := int64(0); at < info.Size(); {
		from, err := f.Seek(at, seekData)
		end := info.Size()
		switch {
		case err == nil:
			if hole, err := f.Seek(from, seekHole); err == nil {
				end = hole
			}
		case noMoreData(err):
			return nil
		default:
			from = at // nobody can say where the data is: all of it
		}
		for from < end {
			n, err := f.WriteAt(zeros[:min(wipeChunk, end-from)], from)
			if err != nil {
				return err
			}
			from += int64(n)
		}
		at = end
	}
	return nil
}

// treeBytes sums the sizes of the files of a folder, holes left out where the system tells.
func treeBytes(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // badger removed it just now
		}
		if err == nil {
			n += usedBytes(info)
		}
		return err
	})
	return n, err
}
