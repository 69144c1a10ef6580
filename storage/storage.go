// Package storage is what the node remembers: records as they came, a packed
// index of what they hold, quarantine, key logs and the change sequence, in one
// badger database behind one group-commit writer. It knows protocol's types and
// never libp2p or HTTP, judges nothing, and hands out no badger type.
package storage

import (
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// State is the fate of an object or a record in this store.
type State uint8

// The fates.
const (
	Accepted State = iota + 1
	Held
	Refused
	// NotEvaluated marks accepted objects whose pattern this node cannot evaluate.
	NotEvaluated
)

// String gives the state's word: accepted, held, refused, not-evaluated.
func (s State) String() string {
	switch s {
	case Accepted:
		return "accepted"
	case Held:
		return "held"
	case Refused:
		return "refused"
	case NotEvaluated:
		return "not-evaluated"
	}
	return "none"
}

// Leaf is what the index keeps of one object of a record.
type Leaf struct {
	// Object is the STIX id, Type the object's type.
	Object, Type string
	// Modified is the version; for observables the record's created.
	Modified time.Time
	// State and Reason are the object's fate here.
	State  State
	Reason reason.Code
	// Claim is true when the object speaks for badness (an indicator).
	Claim bool
	// Voice is what the object says about other objects; NoVoice for most.
	Voice Voice
	// Revoked is true when this version takes the object back.
	Revoked bool
	// Confidence is the stated or defaulted confidence, -1 when silent.
	Confidence int
	// ValidFrom and ValidUntil bound the claim, defaults applied; zero means unbounded.
	ValidFrom, ValidUntil time.Time
	// Values are the values the object can be looked up by.
	Values []pattern.Value
}

// Entry is one record with what intake found in it.
type Entry struct {
	Record *protocol.Record
	// State is Accepted, or Held for the whole record (then Leaves may still be
	// given, so that held objects are counted and can be looked up).
	State  State
	Reason reason.Code
	// Leaves has one element per object in leaf order; empty for kinds without objects.
	Leaves []Leaf
	// Received is when it came, From the peer id or "local".
	Received time.Time
	From     string
}

// Ref points at one object in a record.
type Ref struct {
	Record protocol.RecordID
	Index  int
}

// Hit is one object found, with what its record says.
type Hit struct {
	Ref
	Leaf
	Org      protocol.OrgID
	Topic    protocol.Topic
	TLP      stix.TLP
	Upstream string
	// Created is the record's; First is the created of the first record of that
	// organisation that carried this version: where age starts.
	Created, First time.Time
	Expires        time.Time
	// RecordHeld is true when the whole record is in quarantine, RecordReason says why.
	RecordHeld   bool
	RecordReason reason.Code
	// Alone is true when the looked-up value by itself satisfies the object's pattern.
	Alone bool
}

// Log is the state of one key log.
type Log struct {
	Org   protocol.OrgID
	Key   protocol.KeyID
	Topic protocol.Topic
	// Head is the highest sequence held, HeadID its record, Count how many are held: Head-Count are missing.
	Head   uint64
	HeadID protocol.RecordID
	// HeadCreated is the created of the head's record.
	HeadCreated time.Time
	Count       uint64
}

// Counts are the store's totals.
type Counts struct {
	// Records and Objects count what is accepted.
	Records, Objects int
	// Held counts held objects, HeldRecords records held as a whole.
	Held, HeldRecords int
	// HeldBytes are the bytes as sent of the records held as a whole.
	HeldBytes int64
}
