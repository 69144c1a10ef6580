//go:build linux || darwin || freebsd

package node

import "syscall"

// diskBytes is the size of the disk that holds a folder, 0 when nobody can say.
func diskBytes(folder string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0
	}
	return int64(s.Blocks) * int64(s.Bsize)
}

// freeBytes is what this process may still write where a folder is, 0 when nobody can say.
func freeBytes(folder string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
