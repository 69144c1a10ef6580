package release

import (
	"math"
	"strings"
	"testing"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

func TestDecide(t *testing.T) {
	open, nobody, group := Audience{Open: true}, Audience{}, Audience{Members: 3}
	tests := []struct {
		tlp  stix.TLP
		to   Audience
		code reason.Code
	}{
		{stix.Clear, open, ""},
		{stix.Green, open, ""},
		{stix.Amber, open, reason.OutTLP},
		{stix.AmberStrict, open, reason.OutTLP},
		{stix.Red, open, reason.OutTLP},
		{stix.Red + 1, open, reason.OutTLP},
		{math.MaxUint8, open, reason.OutTLP},
		// naming members does not make an open audience closed
		{stix.Amber, Audience{Open: true, Members: 3}, reason.OutTLP},
		{stix.Clear, nobody, reason.OutAudience},
		{stix.Green, nobody, reason.OutAudience},
		{stix.Amber, nobody, reason.OutAudience},
		{stix.Red, nobody, reason.OutAudience},
		{stix.Green, Audience{Members: -1}, reason.OutAudience},
		{stix.Clear, group, ""},
		{stix.Amber, group, ""},
		{stix.AmberStrict, group, ""},
		{stix.Red, group, ""},
		{stix.Red, Audience{Members: 1}, ""},
		{stix.Red + 1, group, reason.OutTLP},
	}
	for _, test := range tests {
		d := Decide(test.tlp, test.to)
		if d.Code != test.code || d.Allow != (test.code == "") {
			t.Errorf("%d to %+v: %+v, want code %q", test.tlp, test.to, d, test.code)
		}
		if d.Why == "" || strings.Contains(d.Why, "\n") {
			t.Errorf("%d to %+v: why %q", test.tlp, test.to, d.Why)
		}
		if _, ok := reason.Lookup(d.Code); !d.Allow && !ok {
			t.Errorf("%d to %+v: code %q is not in the catalogue", test.tlp, test.to, d.Code)
		}
	}
}

// TestDecideFailsClosed walks every label and audience: outside the two rules
// that allow, nothing is allowed.
func TestDecideFailsClosed(t *testing.T) {
	for tlp := range 256 {
		for _, open := range []bool{false, true} {
			for members := -2; members < 3; members++ {
				d := Decide(stix.TLP(tlp), Audience{Open: open, Members: members})
				mayOpen := open && tlp <= int(stix.Green)
				mayClosed := !open && members > 0 && tlp <= int(stix.Red)
				if d.Allow != (mayOpen || mayClosed) || d.Allow != (d.Code == "") {
					t.Fatalf("label %d, open %v, members %d: %+v", tlp, open, members, d)
				}
			}
		}
	}
}
