package storage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// age makes a store what a program of an older schema version would have left behind.
func age(t *testing.T, dir string, version byte) {
	t.Helper()
	db, err := badger.Open(badgerOptions(dir, Options{}).WithLogger(nil))
	must(t, err)
	must(t, db.Update(func(txn *badger.Txn) error {
		ageLogs(t, txn, version)
		if version > 1 {
			return txn.Set(metaKey(metaVersion), []byte{0, 0, 0, version})
		}
		for _, sp := range []space{spaceAccepted, spaceHeld, spaceRejected} {
			it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{byte(sp), kindPacked}})
			for it.Rewind(); it.Valid(); it.Next() {
				value, err := it.Item().ValueCopy(nil)
				must(t, err)
				if key := it.Item().KeyCopy(nil); len(key) == recordKeyBytes {
					value[4] = 1
					must(t, txn.Set(key, value))
				}
			}
			it.Close()
		}
		value, _, err := get(txn, metaKey(metaTotals))
		must(t, err)
		must(t, txn.Set(metaKey(metaTotals), value[:40]))
		return txn.Set(metaKey(metaVersion), []byte{0, 0, 0, 1})
	}))
	must(t, db.Close())
}

// ageLogs takes the last expired place out of key logs and, before version 3, the organisation out of their keys.
func ageLogs(t *testing.T, txn *badger.Txn, version byte) {
	t.Helper()
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{familyLog}})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		value, err := it.Item().ValueCopy(nil)
		must(t, err)
		key := it.Item().KeyCopy(nil)
		if version < 3 {
			must(t, txn.Delete(key))
			key = append([]byte{familyLog}, key[33:]...)
		}
		must(t, txn.Set(key, value[:toplessLogBytes]))
	}
}

// TestUpgrade: an older store answers as before, and is one of today's version from then on.
func TestUpgrade(t *testing.T) {
	for _, version := range []byte{1, 2, 3} {
		t.Run(fmt.Sprint(version), func(t *testing.T) { testUpgrade(t, version) })
	}
}

func testUpgrade(t *testing.T, from byte) {
	dir := t.TempDir()
	ids := soundStore(t, dir)
	s := openDisk(t, dir)
	a := newAuthor(t, "Expired")
	short := a.entry(draft{leaves: indicators(500, 1), expires: testNow.Add(time.Hour)})
	accept(t, s, short)
	accept(t, s, a.entry(draft{leaves: indicators(501, 1)}))
	n, err := s.Expire(t.Context(), testNow.Add(2*time.Hour))
	if n != 1 || err != nil {
		t.Fatalf("%d expired, %v", n, err)
	}
	before, counts := answers(t, s, ids), s.Counts()
	must(t, s.Close())
	age(t, dir, from)
	report, err := Check(dir)
	must(t, err)
	if len(report.Problems) > 0 {
		t.Fatalf("an old store has problems %q", report.Problems)
	}
	for range 2 {
		s = openDisk(t, dir)
		if s.Damage() != nil || s.Counts() != counts || s.HeldTotal().Bytes == 0 {
			t.Fatalf("damage %v, counts %+v, want %+v", s.Damage(), s.Counts(), counts)
		}
		after := answers(t, s, ids)
		for question, answer := range before {
			if after[question] != answer {
				t.Errorf("%s was\n%s\nand after it was brought forward is\n%s", question, answer, after[question])
			}
		}
		version, _, err := s.meta(metaVersion)
		must(t, err)
		totals, _, err := s.meta(metaTotals)
		must(t, err)
		if binary.BigEndian.Uint32(version) != schemaVersion || len(totals) != totalsBytes {
			t.Errorf("version %x, totals of %d bytes", version, len(totals))
		}
		report, err := checkClosed(t, s, dir)
		must(t, err)
		if len(report.Problems) > 0 {
			t.Fatalf("problems %q", report.Problems)
		}
	}
	// Records of the old format go through everything.
	s = openDisk(t, dir)
	must(t, s.Decide(t.Context(), Ref{ids[0], 3}, Refused, reason.OperatorRejected))
	moved, err := s.Hold(t.Context(), ids, reason.KeyRevoked)
	if len(moved) != 2 || err != nil {
		t.Errorf("%d moved, %v", len(moved), err)
	}
	must(t, s.Reject(t.Context(), ids[1], reason.OperatorRejected))
	must(t, s.Reject(t.Context(), ids[2], reason.OperatorRejected))
	report, err = checkClosed(t, s, dir)
	must(t, err)
	if len(report.Problems) > 0 {
		t.Errorf("problems %q", report.Problems)
	}
}

// TestUpgradeDamaged: what an old store lacks is still said when it is brought forward.
func TestUpgradeDamaged(t *testing.T) {
	dir := t.TempDir()
	ids := soundStore(t, dir)
	age(t, dir, 1)
	tamper(t, dir, recordKey('a', 'p', ids[0]), func([]byte) []byte { return nil })
	for range 2 {
		s := openDisk(t, dir)
		if reason.Of(s.Damage()) != reason.StoreDamaged {
			t.Errorf("damage %v", s.Damage())
		}
		must(t, s.Close())
	}
}

// TestOldFormat: flags that format 1 does not know mean nothing there, and are no round trip.
func TestOldFormat(t *testing.T) {
	leaves := []packedLeaf{{Leaf: indicator(stixID(1), testNow, domain(1)), decided: true}}
	leaves[0].Voice = Confirms
	p := pack(recordInfo{topic: topicOf(t, "fraud"), kind: protocol.KindObjects}, leaves, 0)
	old := packed(bytes.Clone(p))
	old[4] = 1
	l, err := old.leafAt(0)
	if err != nil || l.Voice != NoVoice || l.decided || !l.Claim {
		t.Errorf("leaf %+v, %v", l, err)
	}
	if _, _, err := old.unpack(); err == nil {
		t.Error("flags of a newer format pass")
	}
	old[headerBytes+69] &= muteFlags
	if _, got, err := old.unpack(); err != nil || got[0].Voice != NoVoice {
		t.Errorf("an old value does not unpack: %v", err)
	}
	for _, format := range []byte{0, 3, 255} {
		old[4] = format
		if _, err := checkPacked(old); err == nil {
			t.Errorf("format %d passes", format)
		}
	}
}
