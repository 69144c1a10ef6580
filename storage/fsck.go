package storage

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Report is what Check found.
type Report struct {
	Records, Objects, Held int
	// Problems are sentences, each naming the record and what is wrong; empty means sound.
	Problems []string
}

// Check reads a closed store record by record and holds everything against
// everything else: bytes against hashes, records against the index, key logs
// against themselves, and all of it against the change sequence and the totals. It
// shares no code with the writer. It fails with node.running when a node has the
// store; what is wrong inside is in the Report.
func Check(dir string) (Report, error) {
	// Even to look, badger cuts off what it takes for the end of a log.
	if err := cmp.Or(Settle(dir), precheckFree(dir)); err != nil {
		return Report{}, fmt.Errorf("check store %s: %w", dir, err)
	}
	db, err := fsckOpen(dir)
	if err != nil {
		return Report{}, fmt.Errorf("check store %s: %w", dir, err)
	}
	c := &checker{spaces: map[protocol.RecordID]byte{}, logs: map[fsckLog]map[uint64]fsckPlace{}, holds: map[protocol.RecordID]bool{}}
	if err := fsckTables(db); err != nil {
		c.complain("a table of the database is damaged: %v", err)
	}
	err = db.View(func(txn *badger.Txn) error {
		c.txn = txn
		c.run()
		c.checkBeside(dir)
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return c.report, fmt.Errorf("check store %s: %w", dir, err)
	}
	return c.report, nil
}

// fsckOpen opens the database without writing, or, after a crash, lets badger
// finish what it has in its log first.
func fsckOpen(dir string) (*badger.DB, error) {
	opts := badger.DefaultOptions(dir).WithLogger(nil).WithMetricsEnabled(false).
		WithMemTableSize(8 << 20).WithValueThreshold(2 << 10).WithValueLogFileSize(64 << 20).
		WithCompression(options.None).WithBlockCacheSize(0).
		WithChecksumVerificationMode(options.OnBlockRead).WithVerifyValueChecksum(true)
	db, err := badger.Open(opts.WithReadOnly(true))
	if err == nil {
		return db, nil
	}
	if !strings.Contains(err.Error(), "Cannot acquire directory lock") {
		db, err = badger.Open(opts)
	}
	if err != nil && strings.Contains(err.Error(), "Cannot acquire directory lock") {
		return nil, reason.New(reason.NodeRunning, "another process has it")
	}
	return db, err
}

// fsckTables verifies the checksums of all tables. badger reads a damaged block and
// then uses the block that it did not get, so a panic is its way to say so.
func fsckTables(db *badger.DB) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a block does not have its checksum")
		}
	}()
	return db.VerifyChecksum()
}

// fsckPlaces are the places of records as people know them.
var fsckPlaces = map[byte]string{'a': "accepted records", 'q': "held records", 'x': "rejected records"}

// checker holds what was read so far.
type checker struct {
	txn     *badger.Txn
	report  Report
	network string
	totals  fsckTotals
	sum     fsckTotals
	version uint32
	// spaces says what each record counts with: 'a', 'q' or 'x'.
	spaces map[protocol.RecordID]byte
	logs   map[fsckLog]map[uint64]fsckPlace
	// holds are the records that are held where accepted ones stand.
	holds map[protocol.RecordID]bool
}

type fsckLog struct {
	org   [32]byte
	key   [32]byte
	topic string
}

// fsckPlace is a record at its place in a key log.
type fsckPlace struct {
	id, previous protocol.RecordID
	known        bool // previous is known: the record could be read
}

func (c *checker) complain(format string, args ...any) {
	c.report.Problems = append(c.report.Problems, fmt.Sprintf(format, args...))
}

func (c *checker) about(id protocol.RecordID, format string, args ...any) {
	c.complain("record %s: %s", id, fmt.Sprintf(format, args...))
}

func (c *checker) run() {
	c.checkMeta()
	c.readHolds()
	for _, sp := range []byte{'a', 'q', 'x'} {
		c.each([]byte{sp, 'p'}, func(key, value []byte) {
			if len(key) == 34 {
				c.checkRecord(sp, protocol.RecordID(key[2:]), value)
			}
		})
	}
	c.checkHolds()
	c.checkLogs()
	c.checkChanges()
	c.report.Records, c.report.Objects, c.report.Held = int(c.sum.Records), int(c.sum.Objects), int(c.sum.Held)
	if c.version != 1 && c.sum.HeldBytes != c.totals.HeldBytes {
		c.complain("the quarantine should take %d bytes, found are %d", c.totals.HeldBytes, c.sum.HeldBytes)
	}
	c.sum.Sequence, c.sum.HeldBytes = c.totals.Sequence, c.totals.HeldBytes
	if c.sum != c.totals {
		c.complain("the store should hold %d records and %d objects, with %d objects held and %d records held as a whole; found are %d, %d, %d and %d",
			c.totals.Records, c.totals.Objects, c.totals.Held, c.totals.HeldRecords, c.sum.Records, c.sum.Objects, c.sum.Held, c.sum.HeldRecords)
	}
}

// checkBeside holds the change sequence against what is noted outside the database.
func (c *checker) checkBeside(dir string) {
	if seq, _ := readMark(dir); seq > c.totals.Sequence {
		c.complain("change %d was acknowledged, the totals say %d", seq, c.totals.Sequence)
	}
	point, err := readCheckpoint(dir)
	if err != nil {
		c.complain("the file %s is unreadable (the next stop makes it anew): %v", checkpointName, err)
	} else if point != nil && point.Sequence > c.totals.Sequence {
		c.complain("the checkpoint is of change %d, the totals say %d", point.Sequence, c.totals.Sequence)
	}
}

// each calls fn with copies of every key and value under a prefix, in order.
func (c *checker) each(prefix []byte, fn func(key, value []byte)) {
	it := c.txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		value, err := it.Item().ValueCopy(nil)
		if err != nil {
			c.complain("key %x: its value is unreadable: %v", it.Item().Key(), err)
			continue
		}
		fn(it.Item().KeyCopy(nil), value)
	}
}

func (c *checker) checkMeta() {
	meta := map[string][]byte{}
	c.each([]byte("m"), func(key, value []byte) { meta[string(key[1:])] = value })
	if v := meta["version"]; len(v) == 4 {
		c.version = binary.BigEndian.Uint32(v)
	}
	if c.version < 1 || c.version > 4 {
		c.complain("the schema version is %x, this program knows 1 to 4", meta["version"])
	}
	c.network = string(meta["network"])
	if v, ok := meta["totals"]; ok {
		if c.version == 1 { // without the bytes held
			v = append(v, make([]byte, 8)...)
		}
		if _, err := binary.Decode(v, binary.LittleEndian, &c.totals); err != nil || len(v) != 48 {
			c.complain("the totals are unreadable")
		}
	}
}

// checkRecord holds one record against its index value.
func (c *checker) checkRecord(sp byte, id protocol.RecordID, head []byte) {
	if other, twice := c.spaces[id]; twice {
		c.about(id, "it stands in two places, among the %s and among the %s", fsckPlaces[other], fsckPlaces[sp])
		return
	}
	c.spaces[id] = sp
	if c.holds[id] && sp == 'a' {
		c.spaces[id] = 'q'
	}
	value, ok := head, true
	if len(head) >= 56 {
		value, ok = c.whole([]byte{sp, 'p'}, id, head, binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[52:]))
	}
	if !ok {
		c.about(id, "a part of its index value is missing")
		return
	}
	x, problems := fsckParse(value)
	for _, p := range problems {
		c.about(id, "%s", p)
	}
	if len(problems) > 0 {
		return
	}
	c.count(sp, id, x)
	place := fsckPlace{id: id}
	defer func() { c.place(x, place) }()
	raw, ok, err := c.get(slices.Concat([]byte{sp, 'r'}, id[:]))
	if ok {
		raw, ok = c.whole([]byte{sp, 'r'}, id, raw, x.head.Raw, uint32(x.head.What.Shape>>2))
	}
	switch {
	case err != nil:
		c.about(id, "it is unreadable: %v", err)
	case !ok:
		c.about(id, "it is missing or cut off, only its index value is whole")
	case len(raw) != int(x.head.Raw) || sha256.Sum256(raw) != x.head.Sum:
		c.about(id, "its bytes have changed")
	case sp == 'x':
	default:
		place.previous, place.known = c.checkBody(id, raw, x)
	}
}

// whole puts a value together from its head and its further parts.
func (c *checker) whole(prefix []byte, id protocol.RecordID, head []byte, size, gen uint32) ([]byte, bool) {
	value := slices.Clone(head)
	for part := uint16(1); len(value) < int(size); part++ {
		key := slices.Concat(prefix, id[:], binary.BigEndian.AppendUint32(nil, gen), binary.BigEndian.AppendUint16(nil, part))
		more, ok, _ := c.get(key)
		if !ok || len(more) == 0 {
			return nil, false
		}
		value = append(value, more...)
	}
	return value, true
}

func (c *checker) get(key []byte) (value []byte, ok bool, err error) {
	item, err := c.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err == nil {
		value, err = item.ValueCopy(nil)
	}
	return value, err == nil, err
}

// count adds a record to the sums.
func (c *checker) count(sp byte, id protocol.RecordID, x fsckIndex) {
	as := c.spaces[id]
	switch as {
	case 'a':
		c.sum.Records++
	case 'q':
		c.sum.HeldRecords++
		c.sum.HeldBytes += uint64(x.head.Raw)
	}
	want := map[byte]uint8{'a': uint8(Accepted), 'q': uint8(Held), 'x': uint8(Refused)}[sp]
	if x.head.What.State != want {
		c.about(id, "it is kept as %s and its index value says %s", State(want), State(x.head.What.State))
	}
	for i, l := range x.leaves {
		switch state := State(l.State); {
		case state < Accepted || state > NotEvaluated:
			c.about(id, "object %d has the unknown state %d", i, l.State)
		case state == Refused:
		case as == 'q' || state == Held:
			c.sum.Held++
		default:
			c.sum.Objects++
		}
	}
}

// place notes where in its key log a record stands.
func (c *checker) place(x fsckIndex, p fsckPlace) {
	log := fsckLog{x.head.Org, x.head.Key, x.topic}
	if c.logs[log] == nil {
		c.logs[log] = map[uint64]fsckPlace{}
	}
	if other, taken := c.logs[log][x.head.Sequence]; taken {
		c.about(p.id, "it stands at place %d of its key log, where record %s stands too", x.head.Sequence, other.id)
		return
	}
	c.logs[log][x.head.Sequence] = p
}

// checkBody opens a record and holds header and leaves against the index value.
func (c *checker) checkBody(id protocol.RecordID, raw []byte, x fsckIndex) (previous protocol.RecordID, ok bool) {
	if c.network != "" {
		if got, err := protocol.StoredID(c.network, raw); err != nil || got != id {
			c.about(id, "its bytes are those of another record (%s, %v)", got, err)
			return previous, false
		}
	}
	h, leaves, err := protocol.OpenStored(raw)
	if err != nil && x.cause != string(reason.Of(err)) { // held for just that
		c.about(id, "it does not open: %v", err)
		return previous, false
	}
	if err == nil {
		c.checkHeader(id, h, x)
	}
	// A record held before it was opened has no objects in the index.
	if len(x.leaves) > 0 && len(x.leaves) != len(leaves) {
		c.about(id, "it has %d objects and its index value %d", len(leaves), len(x.leaves))
		return h.Previous, err == nil
	}
	for i, object := range x.objects {
		var o map[string]json.RawMessage // a struct would take "ID" for "id"
		var got string
		err := json.Unmarshal(leaves[i].Object, &o)
		if err == nil {
			err = json.Unmarshal(o["id"], &got)
		}
		if (err != nil || got != object) && State(x.leaves[i].State) != Refused {
			c.about(id, "object %d is %q and its index value says %q", i, got, object)
		}
	}
	return h.Previous, err == nil
}

func (c *checker) checkHeader(id protocol.RecordID, h protocol.Header, x fsckIndex) {
	differs := func(what string, record, index any) {
		if record != index {
			c.about(id, "its %s is %v and its index value says %v", what, record, index)
		}
	}
	differs("topic", h.Topic.String(), x.topic)
	differs("sequence", h.Sequence, x.head.Sequence)
	differs("kind", uint16(h.Kind), x.head.What.Kind)
	differs("TLP level", uint8(h.TLP), x.head.What.TLP)
	differs("created time", h.Created, time.UnixMilli(x.head.Created).UTC())
	differs("end of life", h.Expires, time.UnixMilli(x.head.Expires).UTC())
	differs("upstream label", h.Upstream, x.upstream)
	differs("body length", h.BodyLength, int(x.head.Body))
}

// checkLogs follows every key log where two neighbours are there.
func (c *checker) checkLogs() {
	for log, places := range c.logs {
		for _, seq := range slices.Sorted(maps.Keys(places)) {
			before, ok := places[seq-1]
			if p := places[seq]; ok && p.known && p.previous != before.id {
				c.about(p.id, "as number %d of log %x %s it says that it follows record %s, but number %d is record %s",
					seq, log.key, log.topic, p.previous, seq-1, before.id)
			}
		}
	}
	c.each([]byte("l"), func(key, value []byte) {
		name := key[1:]
		known := len(value) == 96 || len(value) == 88 // the last expired place is not there before version 4
		if known {
			name = bytes.TrimPrefix(name, value[:32]) // not there before version 3
		}
		if len(name) < 33 || !known {
			c.complain("key %x: it is no key log", key)
			return
		}
		log := fsckLog{[32]byte(value), [32]byte(name), string(name[32:])}
		count, head := binary.LittleEndian.Uint64(value[80:]), binary.LittleEndian.Uint64(value[32:])
		if held := uint64(len(c.logs[log])); count == 0 || head < count || held+count > max(head, slices.Max(append(slices.Collect(maps.Keys(c.logs[log])), 0))) {
			c.complain("log %x %s has more records than places: %d held, %d expired, head %d", log.key, log.topic, held, count, head)
		}
	})
}

// checkChanges replays the change sequence and holds its outcome against the records.
func (c *checker) checkChanges() {
	states := map[protocol.RecordID]byte{}
	next := uint64(1)
	c.each([]byte("c"), func(key, value []byte) {
		seq := binary.BigEndian.Uint64(append(make([]byte, 8), key[1:]...)[len(key)-1:])
		if seq != next {
			c.complain("changes %d to %d are missing", next, seq-1)
		}
		next = seq + 1
		var ch fsckChange
		if n, err := binary.Decode(value, binary.LittleEndian, &ch); err != nil || n != 81 || ch.Kind < 1 || ch.Kind > 10 {
			c.complain("change %d is unreadable", seq)
			return
		}
		states[ch.Record] = fsckReplay(states[ch.Record], ch.Kind)
	})
	if next != c.totals.Sequence+1 {
		c.complain("the last change is %d, the totals say %d", next-1, c.totals.Sequence)
	}
	for _, id := range fsckSorted(states) {
		switch want, have := states[id], c.spaces[id]; {
		case want == have || want == 'x' && have == 0: // rejected ones expire silently
		case want == 0:
			c.about(id, "the change sequence says that it expired, found among the %s", fsckPlaces[have])
		case have == 0:
			c.about(id, "the change sequence says that it is kept among the %s, but it is missing", fsckPlaces[want])
		default:
			c.about(id, "the change sequence says that it is kept among the %s, found among the %s", fsckPlaces[want], fsckPlaces[have])
		}
	}
	for id, sp := range c.spaces {
		if _, ok := states[id]; !ok {
			c.about(id, "it is kept among the %s, but the change sequence does not know it", fsckPlaces[sp])
		}
	}
}

// fsckReplay gives the place of a record after a change: 1 accepted, 2 held, 3
// released, 4 rejected, 5 expired, 6 held after it was accepted, 7 judged anew, 8 expired
// in quarantine, 9 some objects erased, 10 nothing but the header left, or come. Of an accepted record, 2 to 4 are about single objects.
func fsckReplay(now byte, kind uint8) byte {
	switch {
	case kind == 5:
		return 0
	case kind == 1, kind == 3 && now == 'q':
		return 'a'
	case kind == 2 && now != 'a', kind == 6 && now == 'a':
		return 'q'
	case kind == 4 && now == 'q', kind == 8 && now == 'q', kind == 10:
		return 'x'
	}
	return now
}
