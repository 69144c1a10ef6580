//go:build unix

// Package cputime tells what processor time this process has used. Tests and benchmarks hold limits against it instead of the
// clock on the wall, which goes on while others have the machine. No product code imports it.
package cputime

import (
	"syscall"
	"time"
)

// Used is the user and system time of this process so far (getrusage(2)). It may be called concurrently.
func Used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("getrusage: " + err.Error()) // it fails for no process that asks about itself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
