package storage

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// The kinds of changes.
const (
	changeAccepted = "accepted"
	changeHeld     = "held"
	changeReleased = "released"
	changeRejected = "rejected"
	changeExpired  = "expired"
	changeJudged   = "judged"
	changeErased   = "erased"
)

// ChangeKinds are all kinds of changes.
func ChangeKinds() []string {
	return []string{changeAccepted, changeHeld, changeReleased, changeRejected, changeExpired, changeJudged, changeErased}
}

// changeKind is a kind, and whether it moved a record that stays: one that was accepted is held as a
// whole, one that was held has expired but for its header, of one that was kept the header alone is left, or came.
type changeKind struct {
	name  string
	moved bool
}

// changeKinds are in the order of their numbers on disk, from 1.
func changeKinds() []changeKind {
	return []changeKind{
		{changeAccepted, false}, {changeHeld, false}, {changeReleased, false}, {changeRejected, false}, {changeExpired, false},
		{changeHeld, true}, {changeJudged, false}, {changeExpired, true},
		{changeErased, false}, {changeErased, true},
	}
}

// Change is one entry of the change sequence: the only event bus.
type Change struct {
	// Seq numbers changes without gaps from 1, across restarts.
	Seq uint64
	// At is when it was committed.
	At time.Time
	// Kind is accepted, held, released, rejected, expired, judged or erased. Of a record that
	// was accepted, held is about some of its objects or, after Hold, about all. Erased is about objects that
	// are gone, here or when the record came (object.missing).
	Kind   string
	Record protocol.RecordID
	Org    protocol.OrgID
	Topic  protocol.Topic
	// Objects counts the objects the change is about.
	Objects int
	Reason  reason.Code

	moved bool // see changeKind
	// rest is set for what is held of a record of which the change before told: it came, or was released, with that.
	rest bool
}

// Arrived reports whether a change that Changes gave is the one that brought its record: there is no more than one of a record
// that is here.
func (c *Change) Arrived() bool {
	return c.Kind == changeAccepted || c.Kind == changeHeld && !c.moved && !c.rest
}

// follows reports whether a change is of the same step as the one before it, as arrivals makes them.
func (c *Change) follows(before *Change) bool {
	return c.Kind == changeHeld && c.Record == before.Record && (before.Kind == changeAccepted || before.Kind == changeReleased)
}

const changeFixed = timeBytes + 1 + 32 + 32 + 4

// packChange encodes a change: time, kind u8, record, org, objects u32, then topic and reason as texts.
func packChange(c Change) []byte {
	b := make([]byte, changeFixed, changeFixed+48)
	putTime(b, c.At)
	b[12] = byte(slices.Index(changeKinds(), changeKind{c.Kind, c.moved}) + 1)
	copy(b[13:], c.Record[:])
	copy(b[45:], c.Org[:])
	binary.LittleEndian.PutUint32(b[77:], uint32(c.Objects))
	return appendText(appendText(b, c.Topic.String()), string(c.Reason))
}

func unpackChange(seq uint64, b []byte) (Change, error) {
	kinds := changeKinds()
	if len(b) < changeFixed || b[12] == 0 || int(b[12]) > len(kinds) {
		return Change{}, fmt.Errorf("%d bytes are no change", len(b))
	}
	r := textReader{rest: string(b[changeFixed:])}
	topic, err := protocol.ParseTopic(r.text())
	if err != nil {
		return Change{}, err
	}
	c := Change{
		Seq: seq, At: getTime(b), Kind: kinds[b[12]-1].name, moved: kinds[b[12]-1].moved,
		Record: protocol.RecordID(b[13:45]), Org: protocol.OrgID(b[45:77]),
		Objects: int(binary.LittleEndian.Uint32(b[77:])), Topic: topic, Reason: reason.Code(r.text()),
	}
	if r.bad || len(r.rest) != 0 {
		return Change{}, fmt.Errorf("the texts of a change do not fit it")
	}
	return c, nil
}

// Changes returns up to limit changes after a sequence number, in order. A
// change that is missing or unreadable is store.damaged; what came before it is returned.
func (s *Store) Changes(after uint64, limit int) ([]Change, error) {
	last := s.Sequence()
	if after >= last || limit <= 0 {
		return nil, nil
	}
	want := min(uint64(limit), last-after)
	out := make([]Change, 0, min(want, 1024))
	err := s.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{familyChange}})
		defer it.Close()
		var before Change // the first one is seen beside what is not asked for
		for it.Seek(changeKey(max(after, 1))); it.Valid() && uint64(len(out)) < want; it.Next() {
			seq := binary.BigEndian.Uint64(it.Item().Key()[1:])
			if seq > after && seq != after+uint64(len(out))+1 {
				break
			}
			var c Change
			err := it.Item().Value(func(b []byte) (err error) {
				c, err = unpackChange(seq, b)
				return err
			})
			switch {
			case seq <= after: // what is wrong with it is not this caller's
			case err != nil:
				return reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read change %d", seq), err)
			default:
				c.rest = c.follows(&before)
				out = append(out, c)
			}
			before = c
		}
		if uint64(len(out)) < want {
			return reason.New(reason.StoreDamaged, fmt.Sprintf("change %d is missing, the last is %d", after+uint64(len(out))+1, last))
		}
		return nil
	})
	return out, err
}

// Sequence returns the number of the last change.
func (s *Store) Sequence() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.seq
}

// Newest returns the number of the last change, and what is closed when there is another one or the store
// closes. A closed store is an error.
func (s *Store) Newest() (seq uint64, grown <-chan struct{}, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	select {
	case <-s.work.quit:
		return s.seq, s.changed, errClosed()
	default:
		return s.seq, s.changed, nil
	}
}

// Wait returns when there are changes after a sequence number, or ctx ends.
func (s *Store) Wait(ctx context.Context, after uint64) error {
	for {
		seq, grown, err := s.Newest()
		switch {
		case seq > after:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
