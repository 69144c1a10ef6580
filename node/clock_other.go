//go:build !linux

package node

import "tocsin/node/doctor"

// clockFix is what to do about a clock that is wrong or may be.
const clockFix = "let a time service keep it"

// kernelClock has nobody to ask.
func kernelClock() doctor.Finding {
	return doctor.None("not measured: this system does not say whether its clock is kept right")
}
