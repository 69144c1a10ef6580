// Package trust is the local trust list and the arithmetic of belief: who is
// listed at which level and for what, and how claims about one value become a
// score that a person can redo by hand. It is pure: the same claims, list and
// time give the same assessment on every machine. It knows no storage.
package trust

import (
	"strconv"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// Level is how far an organisation's word counts here.
type Level int8

// The levels, low to high. Own is this node's own organisation and is never
// written in a list.
const (
	Blocked Level = iota - 1
	Unknown
	Observed
	Partner
	Anchor
	Own
)

// String gives the level as it stands in a trust list.
func (l Level) String() string {
	switch l {
	case Blocked:
		return "blocked"
	case Unknown:
		return "unknown"
	case Observed:
		return "observed"
	case Partner:
		return "partner"
	case Anchor:
		return "anchor"
	case Own:
		return "own"
	}
	return "level " + strconv.Itoa(int(l))
}

// ParseLevel reads blocked, observed, partner or anchor.
func ParseLevel(s string) (Level, error) {
	for _, l := range [...]Level{Blocked, Observed, Partner, Anchor} {
		if s == l.String() {
			return l, nil
		}
	}
	return Unknown, reason.New(reason.UsageInvalid, "level "+strconv.Quote(s)+": write blocked, observed, partner or anchor")
}

// listed reports whether a list may say this level of an organisation.
func (l Level) listed() bool { return l == Blocked || l >= Observed && l <= Anchor }

// weight is the level's weight in 1/10,000.
func (l Level) weight() int {
	switch l {
	case Unknown:
		return 1000
	case Observed:
		return 2000
	case Partner:
		return 5000
	case Anchor:
		return 8000
	case Own:
		return 9500
	}
	return 0
}

// Entry is what a trust list says of one organisation.
type Entry struct {
	Org protocol.OrgID
	// Petname is the local name, "" for none; no two entries of a list share one.
	Petname    string
	Level      Level
	Scopes     []Scope
	Automation Automation
	Vouch      *Vouch
	// Rate is "", "low", "normal" or "high".
	Rate       string
	DirectPeer bool
	// Expires is a day: the entry holds until that day ends in UTC.
	Expires  time.Time
	Verified *Verified
	Reason   string
}

// Scope limits or changes an entry for some topics and kinds of observables.
type Scope struct {
	// Topics are topic names or "*".
	Topics []string
	// Kinds are observable types; empty means all.
	Kinds []pattern.Type
	// Level overrides the entry's level inside this scope when set.
	Level *Level
	// MaxTLPIn and MaxTLPOut are ceilings, or "" for none.
	MaxTLPIn, MaxTLPOut string
}

// Automation says what an entry's word may trigger.
type Automation struct {
	Allow     []pattern.Type
	MaxPerDay int
}

// Vouch says what weight the organisation's vouching has.
type Vouch struct {
	Depth, MaxOrgs int
	LevelCap       Level
	Scopes         []string
}

// Verified records how the fingerprint was compared.
type Verified struct {
	How string
	By  []string
	On  time.Time
}

// GroupRule makes several voices count as one: those of the organisations it
// names, and those that state its upstream label and no other about the value. An
// organisation that a rule names belongs to that rule whatever upstream it states.
type GroupRule struct {
	Name     string
	Upstream string
	Orgs     []protocol.OrgID
}

// Claim is one voice about one value, as storage knows it. What the arithmetic reads
// stands first, side by side.
type Claim struct {
	Org  protocol.OrgID
	Kind pattern.Type
	// Own marks this node's own organisation, sensors and analysts.
	Own bool
	// Held marks quarantined content: never in the gate score.
	Held bool
	// Refutes marks a voice against.
	Refutes bool
	// Absent marks a sighting with count 0: looked for and not seen. It is shown and weighs nothing.
	Absent bool
	// Claimed is the stated confidence 0..100, -1 when silent (counts as 50).
	Claimed int
	// Q is the ledger factor in 1/10,000; 0 means no ledger yet (1.0).
	Q int
	// Since is when the age starts: the first record of that org with this version.
	Since time.Time
	// Seen is the last sighting by a counted source (partner, anchor, own); it resets
	// the age of what supports when it is later than Since. Zero for none. It is the time of the sighting's
	// record, which cannot be far ahead, and not what the sighting says of itself.
	Seen time.Time
	// ValidFrom and ValidUntil bound the claim; zero means unbounded.
	ValidFrom, ValidUntil time.Time
	// Barred is why the organisation is out of automation now (org.stale, org.disputed,
	// org.tripped), or "": its voice then counts as an observed one at most.
	Barred   reason.Code
	Upstream string
	Topic    string
	// Object and Record say where it stands (echoed in terms).
	Object string
	Record protocol.RecordID
}

// Term is one line of the explanation: v = weight * q * min(claimed,95)/100 * decay.
// The four factors and V are integers of 1/10,000.
type Term struct {
	Claim   Claim
	Petname string
	Level   Level
	Group   string
	Weight  int
	Q       int
	Claimed int
	Decay   int
	V       int
	// Counted is false for a voice that its group's strongest member stands for,
	// that expired, is held or has no weight; Why says which. Why also says, counted
	// or not, what bars a voice from counting as more than an observed one.
	Counted bool
	Why     string
}

// Assessment is what the arithmetic gives. Scores are integers of 1/10,000 of
// 100 points: 8350 is 83.5.
type Assessment struct {
	// Shown is the displayed score, Gate the one that outputs and thresholds use
	// (partner, anchor and own groups only).
	Shown, Gate int
	// Support and Refute are S and R of the formula, shown part.
	Support, Refute int
	// Terms has one term per claim, counted ones first, the strongest first.
	Terms []Term
	// Disputed is true when a counted voice refutes.
	Disputed bool
	// Expired is true when there were supporting claims and all are past
	// valid_until. Held claims and those of blocked organisations are left out of this.
	Expired bool
	// Next is when a threshold (80, 50, 20, an expiry) is crossed next, or zero.
	// It looks at the gate score alone; where voices refute it may be early, never late.
	Next time.Time
}

// The thresholds of the gate score, in its unit.
const (
	Actionable = 8000
	Alert      = 5000
	Context    = 2000
)

// Points rounds a score half up to whole points, 0..100.
func Points(score int) int { return (score + 50) / 100 }
