package storage

import (
	"encoding/binary"

	"tocsin/protocol"
)

// Every key of the database is made here. The first byte is the family.
//
//	'a' kind id [gen part]  accepted records            kind: 'r' record as sent or pruned, 'p' packed index value
//	'q' kind id [gen part]  quarantine: records held as a whole, the same shape
//	'x' kind id [gen part]  rejected records: 'r' holds the header only, 'p' has no leaves
//	'h' id                  a hold: the accepted record of this id is in quarantine where it is
//	'c' seq                 the change sequence, 8 bytes big endian
//	'l' org key topic       a key log of which records have expired
//	'm' name                facts of the store as a whole: version, network, totals
//
// What makes a record exist is its packed key without gen and part: it is
// written last. Values above partBytes go on under [gen part]; a rewritten
// packed value takes the next generation, a rewritten record the other of 0 and 1, so that old and new parts never mix.
// Positions in key logs, observables and versions have no keys: they follow
// from the packed values.
const (
	spaceAccepted space = 'a'
	spaceHeld     space = 'q'
	spaceRejected space = 'x'

	kindRaw    = 'r'
	kindPacked = 'p'

	familyHold   = 'h'
	familyChange = 'c'
	familyLog    = 'l'
	familyMeta   = 'm'

	metaVersion = "version"
	metaNetwork = "network"
	metaTotals  = "totals"
)

// space is where the keys of a record are; the three are never mixed. A record under
// hold has its keys where accepted ones have theirs.
type space byte

// schemaVersion is raised whenever an older program would misread the store. Version 2
// brought voices, holds and the bytes held, version 3 the organisation in the keys of key
// logs, version 4 pruned records and the last expired place in key logs; an older store is brought forward at its first open, see upgrade.
const schemaVersion = 4

// partBytes is the largest single value: some of them fit in a transaction, and
// a store in memory takes them, which has no value log.
const partBytes = 256 << 10

const recordKeyBytes = 2 + 32

func recordKey(sp space, kind byte, id protocol.RecordID) []byte {
	k := make([]byte, 0, recordKeyBytes+6)
	k = append(k, byte(sp), kind)
	return append(k, id[:]...)
}

// partKey is the key of a value's continuation; part counts from 1.
func partKey(sp space, kind byte, id protocol.RecordID, gen uint32, part int) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(recordKey(sp, kind, id), gen), uint16(part))
}

func holdKey(id protocol.RecordID) []byte { return append([]byte{familyHold}, id[:]...) }

func changeKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{familyChange}, seq)
}

func logRecordKey(k logKey) []byte {
	b := append([]byte{familyLog}, k.org[:]...)
	b = append(b, k.key[:]...)
	return append(b, k.topic.String()...)
}

func metaKey(name string) []byte { return append([]byte{familyMeta}, name...) }

// write is one key to set, or to delete when value is nil.
type write struct {
	key, value []byte
}

func (w write) size() int { return len(w.key) + len(w.value) + 16 }

// splitValue gives the writes of a value: the continuation parts, and the head that
// makes it exist.
func splitValue(sp space, kind byte, id protocol.RecordID, gen uint32, value []byte) (parts []write, head write) {
	head = write{recordKey(sp, kind, id), value[:min(len(value), partBytes)]}
	for n := 1; n*partBytes < len(value); n++ {
		end := min(len(value), (n+1)*partBytes)
		parts = append(parts, write{partKey(sp, kind, id, gen, n), value[n*partBytes : end]})
	}
	return parts, head
}

// eraseValue gives the deletes of a value of size bytes.
func eraseValue(sp space, kind byte, id protocol.RecordID, gen uint32, size int) []write {
	return append([]write{{recordKey(sp, kind, id), nil}}, eraseParts(sp, kind, id, gen, size)...)
}

// eraseParts gives the deletes of the continuation of a value of size bytes.
func eraseParts(sp space, kind byte, id protocol.RecordID, gen uint32, size int) []write {
	var w []write
	for n := 1; n*partBytes < size; n++ {
		w = append(w, write{partKey(sp, kind, id, gen, n), nil})
	}
	return w
}
