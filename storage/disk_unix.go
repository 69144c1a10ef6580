//go:build linux || darwin || freebsd

package storage

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// freeBytes is what is left for us on the disk of a folder; ok is false when nobody can say.
func freeBytes(dir string) (n int64, ok bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}

// links is how many names a file has, 0 when nobody can say.
func links(f *os.File) int {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return int(s.Nlink)
}

// usedBytes is what a file takes, holes left out.
func usedBytes(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return min(info.Size(), s.Blocks*512)
	}
	return info.Size()
}

// noMoreData is how a search for data says that there is none up to the end.
func noMoreData(err error) bool { return errors.Is(err, syscall.ENXIO) }
