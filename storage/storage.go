// Package storage is what the node remembers: records as they came, a packed
// index of what they hold, quarantine, key logs and the change sequence, in one
// badger database behind one group-commit writer. It knows protocol's types and
// never libp2p or HTTP, judges nothing, and hands out no badger type.
package storage

import (
	"context"
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
func (s State) String() string { panic("unwritten") }

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
	// RecordHeld is true when the whole record is in quarantine.
	RecordHeld bool
	// Alone is true when the looked-up value by itself satisfies the object's pattern.
	Alone bool
}

// Change is one entry of the change sequence: the only event bus.
type Change struct {
	// Seq numbers changes without gaps from 1, across restarts.
	Seq uint64
	// At is when it was committed.
	At time.Time
	// Kind is accepted, held, released, rejected or expired.
	Kind   string
	Record protocol.RecordID
	Org    protocol.OrgID
	Topic  protocol.Topic
	// Objects counts the objects the change is about.
	Objects int
	Reason  reason.Code
}

// Log is the state of one key log.
type Log struct {
	Org   protocol.OrgID
	Key   protocol.KeyID
	Topic protocol.Topic
	// Head is the highest sequence held, HeadID its record, Count how many are held: Head-Count are missing.
	Head   uint64
	HeadID protocol.RecordID
	Count  uint64
}

// Counts are the store's totals.
type Counts struct {
	// Records and Objects count what is accepted.
	Records, Objects int
	// Held counts held objects, HeldRecords records held as a whole.
	Held, HeldRecords int
}

// Options are the few things that differ between stores.
type Options struct {
	// Memory keeps everything in memory (tests); Dir is then not used.
	Memory bool
}

// Store is an open store. All methods may be called concurrently.
type Store struct{}

// Open opens or creates the store in dir, checks its schema version and
// rebuilds the in-memory tables. It fails with node.running when another process has it.
func Open(dir string, o Options) (*Store, error) { panic("unwritten") }

// Close waits for the writer and releases the database.
func (s *Store) Close() error { panic("unwritten") }

// Accept stores an entry: durable (synced) and visible to every reader when
// it returns nil. It takes part in a group commit. A record already
// accepted gives dup.held; one in quarantine moves out of it when e.State is
// Accepted. A second record at one place of a key log gives log.fork and nothing
// is stored.
func (s *Store) Accept(ctx context.Context, e Entry) error { panic("unwritten") }

// Has reports whether the record is held, accepted or in quarantine. Memory only.
func (s *Store) Has(id protocol.RecordID) bool { panic("unwritten") }

// At returns the record at a place of a key log. Memory only.
func (s *Store) At(key protocol.KeyID, topic protocol.Topic, seq uint64) (protocol.RecordID, bool) {
	panic("unwritten")
}

// Head returns the state of one key log; ok is false when nothing is held.
func (s *Store) Head(key protocol.KeyID, topic protocol.Topic) (l Log, ok bool) { panic("unwritten") }

// Logs returns all key logs. The caller owns the slice.
func (s *Store) Logs() []Log { panic("unwritten") }

// Record returns a record as sent and its state. The bytes are re-hashed; damage gives
// store.damaged. not.found when absent.
func (s *Store) Record(id protocol.RecordID) (raw []byte, state State, err error) {
	panic("unwritten")
}

// Object returns an object's bytes exactly as published.
func (s *Store) Object(r Ref) ([]byte, error) { panic("unwritten") }

// Lookup returns the objects that name a value: of each organisation and STIX id only the newest
// version, revoked ones included; held ones too. For an address, objects that name a
// network around it are found as well.
func (s *Store) Lookup(o pattern.Observable) ([]Hit, error) { panic("unwritten") }

// Versions returns every version of a STIX id by every organisation, newest first.
func (s *Store) Versions(object string) ([]Hit, error) { panic("unwritten") }

// Leaves returns what the index keeps of a record.
func (s *Store) Leaves(id protocol.RecordID) ([]Hit, error) { panic("unwritten") }

// Complete finds the full forms of an abbreviated STIX id or record id, at most limit.
func (s *Store) Complete(prefix string, limit int) ([]string, error) { panic("unwritten") }

// Changes returns up to limit changes after a sequence number, in order.
func (s *Store) Changes(after uint64, limit int) ([]Change, error) { panic("unwritten") }

// Sequence returns the number of the last change.
func (s *Store) Sequence() uint64 { panic("unwritten") }

// Wait returns when there are changes after a sequence number, or ctx ends.
func (s *Store) Wait(ctx context.Context, after uint64) error { panic("unwritten") }

// HeldObject is one line of the quarantine.
type HeldObject struct {
	Hit
	// Since is when it was held, From who sent it.
	Since time.Time
	From  string
}

// Quarantine lists held objects in order of Ref after a cursor, up to limit; next is the cursor to go on
// with, zero at the end.
func (s *Store) Quarantine(after Ref, limit int) (items []HeldObject, next Ref, err error) {
	panic("unwritten")
}

// HeldRecords lists records held as a whole with one reason ("" for any).
func (s *Store) HeldRecords(why reason.Code) ([]protocol.RecordID, error) { panic("unwritten") }

// Source says when and from whom a record came.
func (s *Store) Source(id protocol.RecordID) (received time.Time, from string, err error) {
	panic("unwritten")
}

// Decide sets the fate of one held object of an accepted record; durable on return.
func (s *Store) Decide(ctx context.Context, r Ref, state State, why reason.Code) error {
	panic("unwritten")
}

// Reject drops a record held as a whole: its body goes, its header stays so that it is not taken
// again. Durable on return.
func (s *Store) Reject(ctx context.Context, id protocol.RecordID, why reason.Code) error {
	panic("unwritten")
}

// Expire removes records whose storage life ended before now and returns how many.
func (s *Store) Expire(ctx context.Context, now time.Time) (int, error) { panic("unwritten") }

// Counts returns the totals. Memory only.
func (s *Store) Counts() Counts { panic("unwritten") }

// Report is what Check found.
type Report struct {
	Records, Objects, Held int
	// Problems are sentences, each naming the record and what is wrong; empty means sound.
	Problems []string
}

// Check reads a closed store record by record and holds everything against
// everything else. It shares no code with the writer.
func Check(dir string) (Report, error) { panic("unwritten") }
