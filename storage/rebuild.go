package storage

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// rebuild fills the tables from packed values. What cannot be read is logged and
// left out, so that the node starts and fetches it again; Damage tells of it.
// totals are what the store should hold.
func (s *Store) rebuild(version uint32) (totals Counts, err error) {
	totals, seq, err := s.totals()
	if err != nil {
		return totals, err
	}
	objects := totals.Objects + totals.Held
	s.tables = newTables(totals.Records+totals.HeldRecords, objects, objects)
	s.seq = seq
	unreadable := 0
	err = s.db.View(func(txn *badger.Txn) error {
		if err := s.readLogs(txn); err != nil {
			return err
		}
		for _, sp := range []space{spaceAccepted, spaceHeld, spaceRejected} {
			n, err := s.readRecords(txn, sp)
			if err != nil {
				return err
			}
			if sp != spaceRejected { // those count as nothing
				unreadable += n
			}
		}
		return s.readHolds(txn)
	})
	s.tables.sets.build()
	if err != nil {
		return totals, err
	}
	if s.tables.counts.HeldRecords < totals.HeldRecords {
		if err := s.recoverHolds(); err != nil {
			return totals, err
		}
	}
	if version == 1 { // its totals do not say
		totals.HeldBytes = s.tables.counts.HeldBytes
	}
	if s.tables.counts != totals {
		s.damage = reason.New(reason.StoreDamaged, fmt.Sprintf("the store should hold %+v, %+v could be read", totals, s.tables.counts))
		log.Errorw("store damaged", "err", s.damage)
	}
	if unreadable > 0 { // the totals are of what could be read as soon as something was written after it
		s.found(reason.New(reason.StoreDamaged, fmt.Sprintf("%d index values cannot be read", unreadable)))
	}
	return totals, nil
}

// Damage says what was found missing when the store was opened, or nil.
// Missing records can be accepted again; Scrub forgets it when all is well.
func (s *Store) Damage() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.damage
}

// readRecords adds all records of a space to the tables, and counts those that cannot be read.
func (s *Store) readRecords(txn *badger.Txn, sp space) (unreadable int, err error) {
	err = eachPacked(txn, sp, nil, func(id protocol.RecordID, p packed, err error) error {
		if err == nil {
			err = s.tables.add(id, sp, p)
		}
		if err != nil {
			if unreadable++; unreadable <= maxSaid {
				log.Errorw("record unreadable", "record", id, "err", err)
			}
		}
		return nil
	})
	if unreadable > maxSaid {
		log.Errorw("further records unreadable", "records", unreadable-maxSaid)
	}
	return unreadable, err
}

// maxSaid is how many unreadable records of a space are named in the log; a look at the whole store names more.
const maxSaid = 20

// readHolds puts accepted records under hold.
func (s *Store) readHolds(txn *badger.Txn) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{familyHold}})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().Key()
		err := it.Item().Value(func(b []byte) error {
			line, err := unpackHold(b)
			if err != nil {
				return err
			}
			if len(key) != 1+32 {
				return fmt.Errorf("%d bytes are no key of a hold", len(key))
			}
			ord, ok := s.tables.find(protocol.RecordID(key[1:]))
			if !ok || s.tables.records[ord].space != spaceAccepted {
				return errors.New("the record that it holds is not there")
			}
			s.tables.hold(ord, line)
			return nil
		})
		if err != nil {
			log.Errorw("hold unreadable", "key", fmt.Sprintf("%x", key), "err", err)
		}
	}
	return nil
}

// recoverHolds puts back from the change sequence what the database has lost of holds, to
// damage that badger shows as missing keys: without them the records of a stolen key would
// count again.
func (s *Store) recoverHolds() error {
	lost := map[protocol.RecordID]hold{}
	err := s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{familyChange}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			err := it.Item().Value(func(b []byte) error {
				c, err := unpackChange(0, b)
				switch {
				case err != nil:
				case c.Kind == changeHeld && c.moved:
					lost[c.Record] = hold{c.At.UnixMilli(), c.Reason}
				case c.Kind != changeJudged:
					delete(lost, c.Record)
				}
				return err
			})
			if err != nil {
				log.Errorw("change unreadable", "err", err)
			}
		}
		return nil
	})
	batch := s.db.NewWriteBatch()
	defer batch.Cancel()
	for id, line := range lost {
		ord, ok := s.tables.find(id)
		if !ok || s.tables.records[ord].space != spaceAccepted || s.tables.records[ord].whole() {
			continue
		}
		s.tables.hold(ord, line)
		err = cmp.Or(err, batch.Set(holdKey(id), packHold(line)))
		log.Errorw("hold was lost, it is put back", "record", id, "reason", line.why)
	}
	if err = cmp.Or(err, batch.Flush()); err != nil {
		return fmt.Errorf("put back lost holds: %w", err)
	}
	return nil
}

// eachPacked calls fn for every packed value of a space, in order of record id, from a
// key on (nil: the first). p is only valid within fn; err says that it is unreadable. An
// error of fn ends it.
func eachPacked(txn *badger.Txn, sp space, from []byte, fn func(id protocol.RecordID, p packed, err error) error) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{byte(sp), kindPacked}})
	defer it.Close()
	for it.Seek(from); it.Valid(); it.Next() {
		key := it.Item().Key()
		if len(key) != recordKeyBytes {
			continue // a continuation, read with its head
		}
		id := protocol.RecordID(key[2:])
		called := false
		err := it.Item().Value(func(head []byte) error {
			value := head
			if size, _ := packedShape(head); size > len(head) {
				whole, ok, err := getSplit(txn, sp, kindPacked, id, packedShape)
				if err != nil || !ok {
					return errors.Join(err, errors.New("a part of its index value is missing"))
				}
				value = whole
			}
			p, err := checkPacked(value)
			if err != nil {
				return err
			}
			called = true
			return fn(id, p, nil)
		})
		if err != nil && !called {
			err = fn(id, nil, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readLogs takes in what is known of logs beyond their live records.
func (s *Store) readLogs(txn *badger.Txn) error {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{familyLog}})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		err := it.Item().Value(func(b []byte) error {
			l, err := unpackLog(it.Item().Key(), b)
			if err == nil {
				have := &s.tables.logs[s.tables.note(l.Log)]
				have.expired, have.top = l.expired, l.top
			}
			return err
		})
		if err != nil {
			log.Errorw("key log unreadable", "err", err)
		}
	}
	return nil
}

const (
	logBytes = 32 + 8 + 32 + 8 + 8 + 8
	// toplessLogBytes are those of a log before schema version 4, without the last expired place.
	toplessLogBytes = logBytes - 8
	totalsBytes     = 6 * 8
	// muteTotalsBytes are the totals of schema version 1, without the bytes held.
	muteTotalsBytes = 5 * 8
)

// packLog encodes a log: org, head u64, head id, head created ms, expired u64, highest place of these u64.
func packLog(l keyLog) []byte {
	b := append([]byte(nil), l.Org[:]...)
	b = binary.LittleEndian.AppendUint64(b, l.Head)
	b = append(b, l.HeadID[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(l.HeadCreated.UnixMilli()))
	b = binary.LittleEndian.AppendUint64(b, l.expired)
	return binary.LittleEndian.AppendUint64(b, l.top)
}

// unpackLog reads what packLog writes; Count is of the expired records. An older value does not say which of them was the
// last: every place up to the head that it names may have expired.
func unpackLog(key, b []byte) (keyLog, error) {
	if len(b) != logBytes && len(b) != toplessLogBytes {
		return keyLog{}, fmt.Errorf("%d bytes are no key log", len(b))
	}
	rest := logName(key, b)
	if len(rest) < 32 {
		return keyLog{}, fmt.Errorf("%x is no key of a key log", key)
	}
	topic, err := protocol.ParseTopic(string(rest[32:]))
	if err != nil {
		return keyLog{}, err
	}
	le := binary.LittleEndian
	l := keyLog{expired: le.Uint64(b[80:]), top: le.Uint64(b[32:])}
	if len(b) == logBytes {
		l.top = le.Uint64(b[88:])
	}
	l.Log = Log{
		Org: protocol.OrgID(b[:32]), Key: protocol.KeyID(rest), Topic: topic,
		Head: le.Uint64(b[32:]), HeadID: protocol.RecordID(b[40:72]),
		HeadCreated: time.UnixMilli(int64(le.Uint64(b[72:]))).UTC(), Count: l.expired,
	}
	return l, nil
}

// logName is what follows the organisation in the key of a log: record key and topic. Before
// schema version 3 the organisation stood in the value only.
func logName(key, value []byte) []byte {
	if rest, ok := bytes.CutPrefix(key[1:], value[:32]); ok {
		return rest
	}
	return key[1:]
}

// packTotals encodes what every commit leaves behind, so that a start notices what is missing.
func packTotals(c Counts, seq uint64) []byte {
	b := make([]byte, 0, totalsBytes)
	for _, n := range []uint64{uint64(c.Records), uint64(c.Objects), uint64(c.Held), uint64(c.HeldRecords), seq, uint64(c.HeldBytes)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

func (s *Store) totals() (c Counts, seq uint64, err error) {
	b, ok, err := s.meta(metaTotals)
	if err != nil || !ok {
		return c, 0, err
	}
	if len(b) != totalsBytes && len(b) != muteTotalsBytes {
		return c, 0, reason.New(reason.StoreDamaged, "the totals are unreadable")
	}
	n := func(i int) uint64 { return binary.LittleEndian.Uint64(b[i*8:]) }
	c = Counts{Records: int(n(0)), Objects: int(n(1)), Held: int(n(2)), HeldRecords: int(n(3))}
	if len(b) == totalsBytes {
		c.HeldBytes = int64(n(5))
	}
	return c, n(4), nil
}
