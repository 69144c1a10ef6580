package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// upgrade brings a store of an older version forward. Each step reads what it has done already
// as it is, and the version comes last: if we stop before, the next start does it again. From
// version 1 the totals change, which now have the bytes held: packed values without voices are
// read as they are and written anew when their record changes. From version 2 the keys
// of key logs change, which now begin with the organisation.
func (s *Store) upgrade(from uint32, totals Counts) error {
	if err := s.renameLogs(); err != nil {
		return fmt.Errorf("bring the key logs from schema version %d to %d: %w", from, schemaVersion, err)
	}
	err := s.db.Update(func(txn *badger.Txn) error {
		if err := txn.Set(metaKey(metaTotals), packTotals(totals, s.seq)); err != nil {
			return err
		}
		return txn.Set(metaKey(metaVersion), binary.BigEndian.AppendUint32(nil, schemaVersion))
	})
	if err != nil {
		return fmt.Errorf("bring the store from schema version %d to %d: %w", from, schemaVersion, err)
	}
	log.Infow("store brought forward", "from", from, "to", schemaVersion)
	return nil
}

// renameLogs puts key logs of versions 1 and 2 under keys that name their organisation. Each
// moves within one transaction, since a log under both would count twice.
func (s *Store) renameLogs() error {
	var old, moved []write
	err := s.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{familyLog}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			value, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			key := it.Item().KeyCopy(nil)
			l, err := unpackLog(key, value)
			if err != nil || bytes.Equal(key, logRecordKey(l.logKey())) {
				continue // rebuild said that it is unreadable; or it is moved already
			}
			old, moved = append(old, write{key, nil}), append(moved, write{logRecordKey(l.logKey()), value})
		}
		return nil
	})
	const batch = 1000
	for n := 0; n < len(old) && err == nil; n += batch {
		end := min(n+batch, len(old))
		err = s.db.Update(func(txn *badger.Txn) error {
			for _, w := range slices.Concat(old[n:end], moved[n:end]) {
				err := txn.Delete(w.key)
				if w.value != nil {
					err = txn.Set(w.key, w.value)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}
