package node

import (
	"syscall"
	"time"

	"tocsin/node/doctor"
)

// staUnsync is the kernel's mark of a clock that nobody keeps right (STA_UNSYNC of adjtimex).
const staUnsync = 0x40

// clockFix is what to do about a clock that is wrong or may be.
const clockFix = "let a time service keep it ('timedatectl set-ntp true', chrony or ntpd)"

// kernelClock asks the kernel whether a time service keeps the clock right.
func kernelClock() doctor.Finding {
	var t syscall.Timex
	if _, err := syscall.Adjtimex(&t); err != nil {
		return doctor.None("not measured: the kernel does not say (%v)", err)
	}
	if t.Status&staUnsync != 0 {
		return doctor.Odd(clockFix, "no time service keeps this clock right, says the kernel; it shows %s", time.Now().UTC().Format(time.RFC3339))
	}
	return doctor.Good("kept right by a time service, to %d ms as the kernel thinks", t.Maxerror/1000)
}
