//go:build linux || darwin || freebsd

package node

import (
	"os"
	"syscall"
)

// sameDisk reports whether two folders lie on one file system; false when nobody can say.
func sameDisk(a, b string) bool {
	var on [2]syscall.Stat_t
	for i, folder := range []string{a, b} {
		info, err := os.Stat(folder)
		if err != nil {
			return false
		}
		s, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return false
		}
		on[i] = *s
	}
	return on[0].Dev == on[1].Dev
}
