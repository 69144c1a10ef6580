//go:build !linux && !darwin && !freebsd

package space

import "math"

// measure cannot ask here, so nothing is ever refused.
func measure(string) (Disk, error) {
	return Disk{Total: math.MaxInt64, Free: math.MaxInt64, Inodes: -1}, nil
}

func isFull(error) bool { return false }
