package storage

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// soundStore makes a store with something of everything and returns the ids of
// an accepted record, its successor, a held and a rejected one.
func soundStore(t *testing.T, dir string) []protocol.RecordID {
	t.Helper()
	s := openDisk(t, dir)
	a, b := newAuthor(t, "A"), newAuthor(t, "B")
	mixed := indicators(10, 60) // above the value threshold
	mixed[3].State = Held
	entries := []Entry{
		a.entry(draft{leaves: mixed}),
		a.entry(draft{leaves: indicators(100, 2)}),
		b.entry(draft{leaves: indicators(200, 2), state: Held, reason: reason.TrustUnknown}),
		b.entry(draft{leaves: indicators(300, 2), state: Held, reason: reason.TrustUnknown}),
		b.entry(draft{leaves: indicators(400, 2), expires: testNow.AddDate(0, 0, 1)}),
	}
	var ids []protocol.RecordID
	for _, e := range entries {
		ids = append(ids, accept(t, s, e))
	}
	must(t, s.Reject(t.Context(), ids[3], reason.OperatorRejected))
	if _, err := s.Expire(t.Context(), testNow.AddDate(0, 0, 2)); err != nil {
		t.Fatal(err)
	}
	must(t, s.Close())
	return ids
}

// TestCheckFindsDamage: whatever is changed behind the store's back is named.
func TestCheckFindsDamage(t *testing.T) {
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			b = bytes.Clone(b)
			b[(at+len(b))%len(b)] ^= 4
			return b
		}
	}
	gone := func([]byte) []byte { return nil }
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	letters := regexp.MustCompile(`'[aqx]'|'\x00'|among the (,|$)`)
	for _, c := range []struct {
		name   string
		key    func(ids []protocol.RecordID) []byte
		change func([]byte) []byte
		want   string // %s stands for the record the problem must name
		about  int
	}{
		{"raw flipped", func(ids []protocol.RecordID) []byte { return recordKey('a', 'r', ids[0]) }, flip(-20), "record %s: its bytes have changed", 0},
		{"raw header flipped", func(ids []protocol.RecordID) []byte { return recordKey('a', 'r', ids[1]) }, flip(30), "record %s: its bytes have changed", 1},
		{"raw cut", func(ids []protocol.RecordID) []byte { return recordKey('a', 'r', ids[1]) }, cut, "record %s: it is missing or cut off", 1},
		{"raw missing", func(ids []protocol.RecordID) []byte { return recordKey('a', 'r', ids[0]) }, gone, "record %s: it is missing or cut off", 0},
		{"held raw flipped", func(ids []protocol.RecordID) []byte { return recordKey('q', 'r', ids[2]) }, flip(-20), "record %s: its bytes have changed", 2},
		{"rejected header flipped", func(ids []protocol.RecordID) []byte { return recordKey('x', 'r', ids[3]) }, flip(20), "record %s: its bytes have changed", 3},
		{"index missing", func(ids []protocol.RecordID) []byte { return recordKey('a', 'p', ids[0]) }, gone, "record %s: the change sequence says that it is kept", 0},
		{"held index missing", func(ids []protocol.RecordID) []byte { return recordKey('q', 'p', ids[2]) }, gone, "record %s: the change sequence says that it is kept", 2},
		{"index cut", func(ids []protocol.RecordID) []byte { return recordKey('a', 'p', ids[0]) }, cut, "record %s: a part of its index value is missing", 0},
		{"state", func(ids []protocol.RecordID) []byte { return recordKey('a', 'p', ids[0]) }, flip(6), "record %s: it is kept as accepted", 0},
		{"sequence", func(ids []protocol.RecordID) []byte { return recordKey('a', 'p', ids[0]) }, flip(56), "record %s: its sequence is 1", 0},
		{"created", func(ids []protocol.RecordID) []byte { return recordKey('a', 'p', ids[0]) }, flip(24), "record %s: its created time", 0},
		{"expires", func(ids []protocol.RecordID) []byte { return recordKey('a', 'p', ids[0]) }, flip(32), "record %s: its end of life", 0},
		{"object hash", func(ids []protocol.RecordID) []byte { return recordKey('a', 'p', ids[0]) }, flip(160), "record %s: object 0", 0},
		{"leaf state", func(ids []protocol.RecordID) []byte { return recordKey('a', 'p', ids[0]) }, func(b []byte) []byte {
			b = bytes.Clone(b)
			b[160+72*5+68] = byte(Refused)
			return b
		}, "the store should hold 2 records", 0},
		{"value text", func(ids []protocol.RecordID) []byte { return recordKey('a', 'p', ids[0]) }, flip(-1), "is not what its hash says", 0},
		{"another record's bytes", func(ids []protocol.RecordID) []byte { return recordKey('a', 'p', ids[0]) }, flip(130), "record %s: its bytes have changed", 0},
		{"change missing", func([]protocol.RecordID) []byte { return changeKey(2) }, gone, "changes 2 to 2 are missing", 0},
		{"last change missing", func([]protocol.RecordID) []byte { return changeKey(8) }, gone, "the last change is 7, the totals say 8", 0},
		{"change unreadable", func([]protocol.RecordID) []byte { return changeKey(3) }, func(b []byte) []byte { return b[:20] }, "change 3 is unreadable", 0},
		{"totals", func([]protocol.RecordID) []byte { return metaKey(metaTotals) }, flip(0), "the store should hold", 0},
		{"totals cut", func([]protocol.RecordID) []byte { return metaKey(metaTotals) }, cut, "the totals are unreadable", 0},
		{"version", func([]protocol.RecordID) []byte { return metaKey(metaVersion) }, flip(3), "the schema version is", 0},
		{"network", func([]protocol.RecordID) []byte { return metaKey(metaNetwork) }, flip(0), "record %s: its bytes are those of another record", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ids := soundStore(t, dir)
			if r, err := Check(dir); err != nil || len(r.Problems) > 0 || r.Records != 2 || r.Objects != 61 || r.Held != 3 {
				t.Fatalf("a sound store: %+v, %v", r, err)
			}
			tamper(t, dir, c.key(ids), c.change)
			r, err := Check(dir)
			must(t, err)
			want := c.want
			if strings.Contains(want, "%s") {
				want = fmt.Sprintf(want, ids[c.about])
			}
			if !slices.ContainsFunc(r.Problems, func(p string) bool { return strings.Contains(p, want) }) {
				t.Errorf("problems %q, want one with %q", r.Problems, want)
			}
			if slices.ContainsFunc(r.Problems, letters.MatchString) {
				t.Errorf("problems %q name places by the letters of their keys", r.Problems)
			}
		})
	}
}

// tamper changes one value through badger; nil deletes it.
func tamper(t *testing.T, dir string, key []byte, change func([]byte) []byte) {
	t.Helper()
	db, err := badger.Open(badgerOptions(dir, Options{}).WithLogger(nil))
	must(t, err)
	must(t, db.Update(func(txn *badger.Txn) error {
		old, ok, err := get(txn, key)
		if err != nil || !ok {
			return fmt.Errorf("key %q is not there: %v", key, err)
		}
		if value := change(old); value != nil {
			return txn.Set(key, value)
		}
		return txn.Delete(key)
	}))
	must(t, db.Close())
}

// TestDamageIsNoAbsence: what the tables say is there and the database lacks is
// damage, and so is what has changed; nothing wrong is ever served.
func TestDamageIsNoAbsence(t *testing.T) {
	dir := t.TempDir()
	ids := soundStore(t, dir)
	tamper(t, dir, recordKey('a', 'r', ids[0]), func(b []byte) []byte { return append(bytes.Clone(b[:len(b)-1]), b[len(b)-1]^1) })
	s := openDisk(t, dir)
	_, _, err := s.Record(ids[0])
	wantCode(t, err, reason.StoreDamaged)
	_, err = s.Object(Ref{ids[0], 0})
	wantCode(t, err, reason.StoreDamaged)
	if s.Damage() != nil {
		t.Error("a start does not open records, but found", s.Damage())
	}
	must(t, s.db.Update(func(txn *badger.Txn) error { return txn.Delete(recordKey('a', 'r', ids[1])) }))
	_, _, err = s.Record(ids[1])
	wantCode(t, err, reason.StoreDamaged)
	must(t, s.db.Update(func(txn *badger.Txn) error { return txn.Delete(recordKey('a', 'p', ids[1])) }))
	s.caches.packed = newCache[spot, indexed](packedCacheBytes)
	_, err = s.Leaves(ids[1])
	wantCode(t, err, reason.StoreDamaged)
	if _, _, err := s.Lookup(domain(100), nil); reason.Of(err) != reason.StoreDamaged {
		t.Errorf("look-up gives %v", err)
	}
	must(t, s.Close())
	s = openDisk(t, dir)
	if reason.Of(s.Damage()) != reason.StoreDamaged || s.Has(ids[1]) {
		t.Errorf("the start after it says %v", s.Damage())
	}
}

// TestFlippedFile flips bits in the files themselves: nothing panics, and what is
// served is what was stored.
func TestFlippedFile(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	soundStore(t, source)
	s := openDisk(t, source)
	want := map[protocol.RecordID][]byte{}
	for i := range s.tables.records {
		id := s.tables.records[i].id
		if raw, _, err := s.Record(id); err == nil {
			want[id] = raw
		}
	}
	must(t, s.Close())
	files, err := filepath.Glob(filepath.Join(source, "*"))
	must(t, err)
	found := 0
	for n := range 24 {
		dir := t.TempDir()
		for _, f := range files {
			b, err := os.ReadFile(f)
			must(t, err)
			if ext := filepath.Ext(f); ext == ".sst" && n%2 == 0 || ext == ".vlog" && n%2 == 1 {
				used := len(bytes.TrimRight(b, "\x00"))
				b[(n*7919+20)%used] ^= 1 << (n % 8)
			}
			must(t, os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o600))
		}
		if report, err := Check(dir); err != nil || len(report.Problems) > 0 {
			found++
		}
		s, err := Open(dir, Options{})
		if err != nil {
			continue // a clear refusal is fine
		}
		for id, raw := range want {
			if got, _, err := s.Record(id); err == nil && !bytes.Equal(got, raw) {
				t.Errorf("flip %d: record %s is served wrong", n, id)
			}
		}
		s.Close()
	}
	if found < 18 {
		t.Errorf("Check found %d of 24 flipped bits", found)
	}
	t.Logf("Check found %d of 24 flipped bits; the others hit bytes that nothing reads", found)
}

func TestCheckWhileRunning(t *testing.T) {
	dir := t.TempDir()
	openDisk(t, dir)
	_, err := Check(dir)
	wantCode(t, err, reason.NodeRunning)
}

func TestSchemaVersion(t *testing.T) {
	dir := t.TempDir()
	soundStore(t, dir)
	tamper(t, dir, metaKey(metaVersion), func([]byte) []byte { return []byte{0, 0, 0, schemaVersion + 1} })
	_, err := Open(dir, Options{})
	wantCode(t, err, reason.StoreVersion)
	tamper(t, dir, metaKey(metaVersion), func([]byte) []byte { return []byte{0, 0, 0, 0} })
	_, err = Open(dir, Options{})
	wantCode(t, err, reason.StoreDamaged)
}

// TestCheckFindsDamagedHolds: what is wrong with holds, voices and the bytes held is named.
func TestCheckFindsDamagedHolds(t *testing.T) {
	type ids = []protocol.RecordID
	hold := func(of ids) []byte { return holdKey(of[0]) }
	index := func(of ids) []byte { return recordKey('a', 'p', of[0]) }
	totals := func(ids) []byte { return metaKey(metaTotals) }
	set := func(at int, to byte) func([]byte) []byte {
		return func(b []byte) []byte {
			b = bytes.Clone(b)
			b[at] = to
			return b
		}
	}
	for _, c := range []struct {
		name   string
		key    func(ids) []byte
		change func([]byte) []byte
		want   string // %s stands for the record on hold
	}{
		{"hold missing", hold, func([]byte) []byte { return nil }, "record %s: the change sequence says that it is kept among the held records, found among the accepted records"},
		{"hold missing, totals", hold, func([]byte) []byte { return nil }, "the quarantine should take"},
		{"hold cut", hold, func(b []byte) []byte { return b[:len(b)-1] }, "it is no hold"},
		{"record of a hold missing", index, func([]byte) []byte { return nil }, "record %s: there is a hold on it, but it is not among the accepted records"},
		{"bytes held", totals, set(40, 1), "the quarantine should take"},
		{"totals without bytes", totals, func(b []byte) []byte { return b[:40] }, "the totals are unreadable"},
		{"unknown voice", index, set(160+69, 7<<3), "unknown flags"},
		{"voice in the old format", index, set(4, 1), "unknown flags"},
		{"unknown format", index, set(4, 3), "unknown format 3"},
		{"unknown change", func(ids) []byte { return changeKey(3) }, set(12, 11), "change 3 is unreadable"},
		{"hold of an accepted one", func(ids) []byte { return changeKey(3) }, set(12, 2), "record %s: the change sequence says that it is kept among the accepted records, found among the held records"},
		{"judged is no move", func(ids) []byte { return changeKey(5) }, set(12, 5), "the change sequence says that it expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openDisk(t, dir)
			a := newAuthor(t, "A")
			spoken := indicators(0, 3)
			spoken[0].Claim, spoken[0].Voice = false, Absent
			of := ids{accept(t, s, a.entry(draft{leaves: spoken})), accept(t, s, a.entry(draft{leaves: indicators(10, 2), state: Held}))}
			holdOne(t, s, of[0], reason.KeyRevoked)
			_, err := s.ExpireHeld(t.Context(), testNow.AddDate(0, 0, 1)) // the second
			must(t, err)
			must(t, s.Judged(t.Context(), of, reason.WarnHard))
			if r, err := checkClosed(t, s, dir); err != nil || len(r.Problems) > 0 || r.Records != 0 || r.Held != 3 {
				t.Fatalf("a sound store: %+v, %v", r, err)
			}
			tamper(t, dir, c.key(of), c.change)
			r, err := Check(dir)
			must(t, err)
			want := c.want
			if strings.Contains(want, "%s") {
				want = fmt.Sprintf(want, of[0])
			}
			if !slices.ContainsFunc(r.Problems, func(p string) bool { return strings.Contains(p, want) }) {
				t.Errorf("problems %q, want one with %q", r.Problems, want)
			}
			s, err = Open(dir, Options{}) // never a panic
			if err == nil {
				must(t, s.Close())
			}
		})
	}
}
