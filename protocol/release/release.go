// Package release is the outbound guard: it decides whether an object may
// leave to an audience. It fails closed, and it is the only place that says
// yes. It knows no network.
package release

import (
	"fmt"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// Audience is who would be able to read. The zero value is nobody.
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

// Decide judges one object whose strictest marking is tlp. TLP:CLEAR and
// TLP:GREEN may go to an open audience, the other labels only to a closed one
// that has members; anything else stays.
func Decide(tlp stix.TLP, to Audience) Decision {
	switch tlp {
	case stix.Clear, stix.Green:
		if to.Open {
			return Decision{Allow: true, Why: fmt.Sprintf("%s may go to an open topic", tlp)}
		}
	case stix.Amber, stix.AmberStrict, stix.Red:
		if to.Open {
			return deny(reason.OutTLP, fmt.Sprintf("%s does not leave on an open topic, which anybody may join", tlp))
		}
	default:
		return deny(reason.OutTLP, fmt.Sprintf("marking %d is no TLP label known here", uint8(tlp)))
	}
	if to.Members <= 0 {
		return deny(reason.OutAudience, "the audience has no members, and an empty audience is nobody")
	}
	return Decision{Allow: true, Why: fmt.Sprintf("%s may go to a closed audience of %d", tlp, to.Members)}
}

func deny(code reason.Code, why string) Decision { return Decision{Code: code, Why: why} }
