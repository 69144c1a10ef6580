// Package release is the outbound guard: it decides whether an object may
// leave to an audience. It fails closed, and it is the only place that says
// yes. It knows no network.
package release

import (
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// Audience is who would be able to read.
type Audience struct {
	// Open is true for an open topic, which anybody may join.
	Open bool
	// Members counts the readers of a closed audience; 0 is nobody.
	Members int
}

// Decision is the outcome, with the rule that made it.
type Decision struct {
	Allow bool
	// Code names the rule that denied, "" when allowed.
	Code reason.Code
	// Why is one sentence for the operator.
	Why string
}

// Decide judges one object whose strictest marking is tlp.
func Decide(tlp stix.TLP, to Audience) Decision { panic("unwritten") }
