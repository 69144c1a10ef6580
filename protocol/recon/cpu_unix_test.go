//go:build unix

package recon

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has used: other than the
// clock on the wall it does not care who else is busy.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
