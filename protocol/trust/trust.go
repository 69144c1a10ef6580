// Package trust is the local trust list and the arithmetic of belief: who is
// listed at which level and for what, and how claims about one value become a
// score that a person can redo by hand. It is pure: the same claims, list and
// time give the same assessment on every machine. It knows no storage.
package trust

import (
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
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
func (l Level) String() string { panic("unwritten") }

// ParseLevel reads blocked, observed, partner or anchor.
func ParseLevel(s string) (Level, error) { panic("unwritten") }

// Entry is what a trust list says of one organisation.
type Entry struct {
	Org        protocol.OrgID
	Petname    string
	Level      Level
	Scopes     []Scope
	Automation Automation
	Vouch      *Vouch
	Rate       string
	DirectPeer bool
	Expires    time.Time
	Verified   *Verified
	Reason     string
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

// GroupRule makes several voices count as one.
type GroupRule struct {
	Name     string
	Upstream string
	Orgs     []protocol.OrgID
}

// List is a trust list: immutable, safe for concurrent use.
type List struct{}

// Parse reads a trust list in TOML, strictly: unknown or duplicate keys, a
// short fingerprint, a missing expiry and the like are errors (trust.file) that
// name file, line and column. name is the file's name for messages.
func Parse(name string, raw []byte) (*List, error) { panic("unwritten") }

// Empty is a list without entries.
func Empty() *List { panic("unwritten") }

// Merge lays over's entries over l's (by organisation) and joins group rules.
func (l *List) Merge(over *List) *List { panic("unwritten") }

// With returns a list in which e stands, in place of an earlier entry of that organisation.
func (l *List) With(e Entry) (*List, error) { panic("unwritten") }

// Without returns a list that does not name org.
func (l *List) Without(org protocol.OrgID) *List { panic("unwritten") }

// Entries returns the entries ordered by OrgID. The caller owns the slice.
func (l *List) Entries() []Entry { panic("unwritten") }

// Entry returns what the list says of org.
func (l *List) Entry(org protocol.OrgID) (Entry, bool) { panic("unwritten") }

// Encode writes the list as TOML that Parse reads back to the same list.
func (l *List) Encode() []byte { panic("unwritten") }

// Digest identifies the list's contents for audits and explanations.
func (l *List) Digest() protocol.Digest { panic("unwritten") }

// Level is the effective level of org for a topic and kind of observable at now:
// expiry applied (anchor and partner become observed, observed unknown,
// blocked stays), the first matching scope applied. An entry with scopes none of
// which match counts as observed at most. topic or kind "" means any.
func (l *List) Level(org protocol.OrgID, topic string, kind pattern.Type, now time.Time) Level {
	panic("unwritten")
}

// Claim is one voice about one value, as storage knows it.
type Claim struct {
	Org      protocol.OrgID
	Topic    string
	Upstream string
	Kind     pattern.Type
	// Own marks this node's own organisation, sensors and analysts.
	Own bool
	// Held marks quarantined content: never in the gate score.
	Held bool
	// Refutes marks a voice against.
	Refutes bool
	// Claimed is the stated confidence 0..100, -1 when silent (counts as 50).
	Claimed int
	// Q is the ledger factor in 1/10,000; 0 means no ledger yet (1.0).
	Q int
	// Since is when the age starts: the first record of that org with this version.
	Since time.Time
	// ValidFrom and ValidUntil bound the claim; zero means unbounded.
	ValidFrom, ValidUntil time.Time
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
	// that expired, is held or has no weight; Why says which.
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
	Terms           []Term
	// Disputed is true when a counted voice refutes.
	Disputed bool
	// Expired is true when there were supporting claims and all are past valid_until.
	Expired bool
	// Next is when a threshold (80, 50, 20, an expiry) is crossed next, or zero.
	Next time.Time
}

// Points rounds a score half up to whole points, 0..100.
func Points(score int) int { return (score + 50) / 100 }

// Assess judges the claims about one value. warn is the weight in 1/10,000 of
// a warning list hit (9500 hard, 5000 soft, 0 none), which refutes. The order of claims does
// not matter.
func (l *List) Assess(claims []Claim, warn int, now time.Time) Assessment { panic("unwritten") }
