//go:build linux || darwin || freebsd

package space

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// measure asks the file system that holds a folder.
func measure(dir string) (Disk, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Disk{}, fmt.Errorf("measure the disk of %s: %w", dir, err)
	}
	d := Disk{Total: int64(s.Blocks) * int64(s.Bsize), Free: int64(s.Bavail) * int64(s.Bsize), Inodes: int64(s.Ffree)}
	if s.Files == 0 { // the file system makes inodes as it needs them
		d.Inodes = -1
	}
	return d, nil
}

// isFull reports whether an error says that there is no room.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
