package storage

import (
	"context"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// Voice says what an object says about the values or objects that it names.
type Voice uint8

// The voices. A Claim speaks for badness; the others answer somebody else's object, which
// they name as a value of type pattern.ObjectRef.
const (
	NoVoice Voice = iota
	// Refutes is an opinion "disagree" or "strongly-disagree".
	Refutes
	// Confirms is an opinion "agree" or "strongly-agree".
	Confirms
	// Sighting was seen, Absent was looked for and not seen (count 0).
	Sighting
	Absent
)

// Usage is what an organisation, or all together, occupies of the quarantine.
type Usage struct {
	Records int
	Bytes   int64
}

// HeldFilter selects from the quarantine; zero fields select all.
type HeldFilter struct {
	Org    protocol.OrgID
	Record protocol.RecordID
	Reason reason.Code
	// Text is part of a STIX id, type or value.
	Text string
}

// Hold moves accepted records, bodies and all, into quarantine as a whole with a reason, in a few
// group commits; durable on return. Records that are absent or held already are passed
// over; it returns those that moved. Each gives a change of kind "held".
func (s *Store) Hold(ctx context.Context, ids []protocol.RecordID, why reason.Code) ([]protocol.RecordID, error) {
	panic("unwritten")
}

// Records lists the accepted and held records of a kind other than objects, in the order
// of (created, id). Memory and index only.
func (s *Store) Records(kind protocol.Kind) ([]protocol.RecordID, error) { panic("unwritten") }

// Range lists the records held at places from..to of a key log, in order; gaps are left out.
func (s *Store) Range(key protocol.KeyID, topic protocol.Topic, from, to uint64) []protocol.RecordID {
	panic("unwritten")
}

// Held says what an organisation occupies of the quarantine by records held as a whole;
// HeldTotal what all do together. Memory only.
func (s *Store) Held(org protocol.OrgID) Usage { panic("unwritten") }

// HeldTotal is Held for all organisations together.
func (s *Store) HeldTotal() Usage { panic("unwritten") }

// ExpireHeld drops records held as a whole that came before a time, as Reject does (their
// headers stay), with the change kind "expired". It returns how many.
func (s *Store) ExpireHeld(ctx context.Context, before time.Time) (int, error) { panic("unwritten") }

// QuarantineWhere is Quarantine for what a filter selects.
func (s *Store) QuarantineWhere(f HeldFilter, after Ref, limit int) (items []HeldObject, next Ref, err error) {
	panic("unwritten")
}

// Survey calls f for each distinct value that an accepted claim of a record received at or
// after since names, in no particular order. f may take long; the store goes on meanwhile, and
// what comes in meanwhile may or may not be visited. f's error ends it.
func (s *Store) Survey(ctx context.Context, since time.Time, f func(pattern.Observable) error) error {
	panic("unwritten")
}

// Judged writes a change of kind "judged": verdicts of objects of this record changed
// without a new record (trust list, warning list, ledger), so that cursors look again.
func (s *Store) Judged(ctx context.Context, ids []protocol.RecordID, why reason.Code) error {
	panic("unwritten")
}
