package storage

import (
	"context"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/recon"
)

// Set is what is held of a topic, for reconciliation (SYN-01): created and id of every unexpired record
// whose verified header is kept: accepted, in quarantine, rejected and erased ones. It is a snapshot and costs nothing.
func (s *Store) Set(topic protocol.Topic) *recon.Tree { panic("unwritten") }

// Form is how much of a record is there.
type Form uint8

// The forms of SYN-08.
const (
	// Full is the record as sent.
	Full Form = iota + 1
	// Pruned lacks some leaves, whose hashes stand for them.
	Pruned
	// HeaderOnly is the signed header alone.
	HeaderOnly
)

// Fetch returns what there is of a record for a peer, a bundle or a backup: a record as sent, a pruned one
// (protocol.VerifyPruned) or a header. The bytes are checked; damage gives store.damaged, nothing at all not.found.
func (s *Store) Fetch(id protocol.RecordID) (form Form, raw []byte, err error) { panic("unwritten") }

// Gap is a run of places of a key log that are missing: From to To, both missing.
type Gap struct {
	Org      protocol.OrgID
	Key      protocol.KeyID
	Topic    protocol.Topic
	From, To uint64
}

// Gaps lists what is missing below the heads of key logs, at most limit runs; places below the first that is held
// and places that may have expired are left out. Memory only.
func (s *Store) Gaps(limit int) []Gap { panic("unwritten") }

// Erase takes objects of a record away for good, by leaf index, all when leaves is nil: object and salt go, the leaf's hash
// stays and tells nothing. The record is pruned from then on. The bytes are gone from the disk after Vacuum.
func (s *Store) Erase(ctx context.Context, id protocol.RecordID, leaves []int, why reason.Code) error {
	panic("unwritten")
}
