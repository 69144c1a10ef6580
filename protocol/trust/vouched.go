package trust

import (
	"time"

	"tocsin/protocol"
)

// VouchFact is one vouch as a record states it, the newest of its author about its subject.
type VouchFact struct {
	Voucher, Subject protocol.OrgID
	Topics           []string
	Made, Until      time.Time
}

// WithVouches returns a list that also applies vouches: a subject that the list does
// not name gets the level that the voucher's entry grants (vouch.level_cap), on the
// topics that both the vouch and the entry's vouch.scopes cover, while the voucher is an anchor with
// vouch.depth 1, for the first vouch.max_orgs subjects by (Made, Subject). A vouched
// organisation counts as one voice with its voucher. Depth is 1: the vouched cannot vouch. The
// order of facts does not matter.
func (l *List) WithVouches(facts []VouchFact) *List { return l }

// Voucher says through whom an unlisted organisation has a level now; the strongest, then the lowest id.
func (l *List) Voucher(org protocol.OrgID, topic string, now time.Time) (protocol.OrgID, bool) {
	return protocol.OrgID{}, false
}

// Difference is one thing that differs between two lists.
type Difference struct {
	Org protocol.OrgID // zero for a group rule
	// Name is the petname, or the group's name.
	Name string
	// Field is as in the file: "entry" (Before or After ""), "level", "expires", "automation", ...
	Field         string
	Before, After string
}

// Diff lists what changes from before to after, ordered by (Name, Org, Field).
func Diff(before, after *List) []Difference { panic("unwritten") }
