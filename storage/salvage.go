package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Salvaged is what Rebuild did.
type Salvaged struct {
	// Kept counts records that are in the new store, in quarantine and rejected ones among them.
	Kept int
	// Lost are records that the old store had and of which too little is left.
	Lost []protocol.RecordID
	// Loose are records of which only what was sent is whole: they are in files of LooseDir, and the node takes them in anew.
	Loose int
	// Aside is the folder of the damaged store.
	Aside string
	// Damage says what was found damaged, a sentence each.
	Damage []string
}

// LooseDir is where Rebuild puts records that have to be judged anew, one a file, beside the store.
func LooseDir(dir string) string { return dir + ".loose" }

// Rebuild makes a fresh store of whatever in a damaged one still verifies, from badger's files and without badger: each record is
// taken over with its index when its bytes have their hash. The damaged store is kept aside. What is lost comes back by catch-up. It
// fails with node.running when a node has the store, and store.full when there is no room for the copy; the old store
// stands until the new one is whole.
func Rebuild(dir string) (Salvaged, error) {
	var done Salvaged
	free, err := whileFree(dir, func() (err error) {
		done, err = rebuildStore(dir)
		return err
	})
	if !free {
		return done, reason.New(reason.NodeRunning, "repair store "+dir+": another process has it")
	}
	if err != nil {
		return done, fmt.Errorf("repair store %s: %w", dir, err)
	}
	return done, nil
}

func rebuildStore(dir string) (Salvaged, error) {
	v := &salvage{dir: dir, found: map[string]rawPlace{}, files: map[int]*os.File{}}
	if err := v.read(); err != nil {
		return v.done, err
	}
	fresh := dir + ".repair"
	if err := os.RemoveAll(fresh); err != nil {
		return v.done, err
	}
	if err := v.write(fresh); err != nil {
		return v.done, errors.Join(err, os.RemoveAll(fresh))
	}
	// If we stop between the two renames there is no store, and both copies: the next repair would find none to repair, and says
	// where they are.
	v.done.Aside = dir + ".damaged-" + time.Now().UTC().Format("20060102T150405")
	if err := os.Rename(dir, v.done.Aside); err != nil {
		return v.done, err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return v.done, fmt.Errorf("the repaired store is whole in %s, the damaged one in %s: %w", fresh, v.done.Aside, err)
	}
	return v.done, syncDir(filepath.Dir(dir))
}

// rawPlace is where the newest version of a key is.
type rawPlace struct {
	version uint64
	// deleted is a key that was deleted, doubtful one from a damaged block.
	deleted, doubtful bool
	file              int // of names
	at                int64
	length            int
	log               bool // the value stands in the value log, with its own checksum, in front of which at and length are
}

// salvage is one repair.
type salvage struct {
	dir   string
	names []string // of files, as rawPlace counts them
	found map[string]rawPlace
	// incomplete says that tables are damaged: what the value log has may be missing there.
	incomplete bool
	files      map[int]*os.File
	done       Salvaged
}

func (v *salvage) damage(format string, args ...any) {
	v.done.Damage = append(v.done.Damage, fmt.Sprintf(format, args...))
}

// read finds the newest whole version of every key.
func (v *salvage) read() error {
	names, err := listStore(v.dir)
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(v.dir, manifestName))
	var tables map[uint64]bool
	if err == nil {
		tables, err = readManifest(manifest)
	}
	if err != nil {
		v.damage("%s: %v", manifestName, err)
	}
	v.names = slices.DeleteFunc(names, func(n string) bool { return !isData(n) })
	for i, name := range v.names {
		if filepath.Ext(name) == valueLogSuffix {
			continue // read last
		}
		if n, numbered := number(name); filepath.Ext(name) == tableSuffix && tables != nil && (numbered != nil || !tables[n]) {
			continue // left over from a compaction
		}
		raw, err := os.ReadFile(filepath.Join(v.dir, name))
		if err != nil {
			return err
		}
		if filepath.Ext(name) == tableSuffix {
			readTable(raw, func(e rawEntry) { v.take(i, e) }, func(err error) {
				v.incomplete = true
				v.damage("table %s: %v", name, err)
			})
			delete(tables, mustNumber(name))
			continue
		}
		v.readDamagedLog(i, raw, true)
	}
	for id := range tables {
		v.incomplete = true
		v.damage("table %s is missing", tableName(id))
	}
	return v.readValueLogs()
}

func mustNumber(name string) uint64 {
	n, _ := number(name) // whoever asks has asked before
	return n
}

// readValueLogs looks for keys in the value log, where tables or memtables were damaged: what it has is whole, but may have been
// deleted since, which shows when the records are put together.
func (v *salvage) readValueLogs() error {
	for i, name := range v.names {
		if filepath.Ext(name) != valueLogSuffix || !v.incomplete {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(v.dir, name))
		if err != nil {
			return err
		}
		v.readDamagedLog(i, raw, false)
	}
	return nil
}

// readDamagedLog reads a log, and goes on behind an entry that is damaged: the entries behind it are found again by their checksums.
func (v *salvage) readDamagedLog(file int, raw []byte, txns bool) {
	if len(raw) < logHeader {
		return
	}
	take := func(e rawEntry, at, length int) {
		if !txns { // the whole entry, so that its checksum is checked again when it is read
			e.at, e.value = at, raw[at:at+length]
			v.takeAt(file, e, true)
			return
		}
		v.take(file, e)
	}
	end := readLog(raw, txns, take)
	used := len(bytes.TrimRight(raw, "\x00"))
	for at := end + 1; at < used; {
		e, length, ok := logEntry(raw[at:], at)
		if !ok || len(e.key) == 0 {
			at++
			continue
		}
		if !v.incomplete {
			v.incomplete = true
			v.damage("log %s is damaged at byte %d", v.names[file], end)
		}
		if e.meta&metaFinTxn == 0 {
			take(e, at, length)
		}
		at += length
	}
	if txns && !isZero(raw[end:]) && !v.incomplete {
		v.incomplete = true
		v.damage("log %s is damaged at byte %d", v.names[file], end)
	}
}

func (v *salvage) take(file int, e rawEntry) { v.takeAt(file, e, false) }

// takeAt keeps an entry that is newer than what was found of its key.
func (v *salvage) takeAt(file int, e rawEntry, logged bool) {
	old, known := v.found[string(e.key)]
	if e.doubtful && (known || !isRaw(e.key)) {
		return
	}
	if known && !old.doubtful && old.version >= e.version || bytes.HasPrefix(e.key, []byte("!badger!")) {
		return
	}
	place := rawPlace{version: e.version, deleted: e.meta&metaDeleted != 0, doubtful: e.doubtful, file: file, at: int64(e.at), length: len(e.value), log: logged}
	if p, ok := e.pointer(); ok {
		place.log, place.at, place.length = true, int64(p.offset), int(p.length)
		place.file = slices.Index(v.names, fmt.Sprintf("%06d%s", p.fid, valueLogSuffix))
	}
	v.found[string(e.key)] = place
}

// isRaw reports whether a key is that of a record as sent, which has a hash of its own.
func isRaw(key []byte) bool { return len(key) >= recordKeyBytes && key[1] == kindRaw }

// get reads the value of a key; ok is false when there is none that is whole.
func (v *salvage) get(key []byte) (value []byte, ok bool) {
	p, known := v.found[string(key)]
	if !known || p.deleted || p.file < 0 || p.length > maxRawValue {
		return nil, false
	}
	f := v.files[p.file]
	if f == nil {
		var err error
		if f, err = os.Open(filepath.Join(v.dir, v.names[p.file])); err != nil {
			return nil, false
		}
		v.files[p.file] = f
	}
	value = make([]byte, p.length)
	if _, err := io.ReadFull(io.NewSectionReader(f, p.at, int64(p.length)), value); err != nil {
		return nil, false
	}
	if !p.log {
		return value, true
	}
	e, _, ok := logEntry(value, 0)
	return e.value, ok && bytes.Equal(e.key, key)
}

// maxRawValue is more than one value with its key takes.
const maxRawValue = partBytes + 2*maxRawKey

// whole puts a split value together.
func (v *salvage) whole(sp space, kind byte, id protocol.RecordID, shape func([]byte) (int, uint32)) (value []byte, writes []write, ok bool) {
	head, ok := v.get(recordKey(sp, kind, id))
	if !ok {
		return nil, nil, false
	}
	writes = []write{{recordKey(sp, kind, id), head}}
	value = slices.Clone(head)
	size, gen := shape(head)
	for part := 1; part*partBytes < size; part++ {
		more, ok := v.get(partKey(sp, kind, id, gen, part))
		if !ok {
			return nil, nil, false
		}
		value = append(value, more...)
		writes = append(writes, write{partKey(sp, kind, id, gen, part), more})
	}
	return value, writes, true
}

// write fills a fresh store.
func (v *salvage) write(dir string) error {
	db, err := openBadger(badgerOptions(dir, Options{}).WithLogger(&syncErrors{}))
	if err != nil {
		return err
	}
	w := &salvageWriter{
		salvage: v, batch: db.NewWriteBatch(),
		kept: map[protocol.RecordID]bool{}, apart: map[protocol.RecordID]bool{}, told: map[protocol.RecordID]Change{},
	}
	err = w.all()
	for _, f := range v.files {
		err = errors.Join(err, f.Close())
	}
	return errors.Join(err, db.Close())
}

// salvageWriter writes what can be kept.
type salvageWriter struct {
	*salvage
	batch   *badger.WriteBatch
	network string
	totals  Counts
	// kept are in the new store, apart in the folder of loose ones.
	kept, apart map[protocol.RecordID]bool
	// arrived are kept records of whose coming no change tells any more.
	arrived []Change
	// told is the last change of each record but judgements, last the number of the last change.
	told map[protocol.RecordID]Change
	last uint64
}

func (w *salvageWriter) all() error {
	defer w.batch.Cancel()
	if name, ok := w.get(metaKey(metaNetwork)); ok {
		w.network = string(name)
	}
	if err := w.changes(); err != nil {
		return err
	}
	holds, err := w.holds()
	if err != nil {
		return err
	}
	// A record stands in one space. Where a deletion was lost, what came later counts: rejected after held, held before accepted.
	for _, sp := range []space{spaceRejected, spaceHeld, spaceAccepted} {
		for _, id := range w.ids(sp, kindPacked) {
			if err := w.record(sp, id, holds); err != nil {
				return err
			}
		}
	}
	if err := w.loose(); err != nil {
		return err
	}
	if err := w.farewells(); err != nil {
		return err
	}
	if err := w.logs(); err != nil {
		return err
	}
	version := binary.BigEndian.AppendUint32(nil, schemaVersion)
	if have, ok := w.get(metaKey(metaVersion)); ok && len(have) == 4 {
		version = have
	}
	for _, m := range []write{
		{metaKey(metaVersion), version}, {metaKey(metaNetwork), []byte(w.network)}, {metaKey(metaTotals), packTotals(w.totals, w.last)},
	} {
		if err := w.batch.Set(m.key, m.value); err != nil {
			return err
		}
	}
	return w.batch.Flush()
}

// keys lists the keys of a prefix that are there, in order.
func (w *salvageWriter) keys(prefix []byte, length int) [][]byte {
	var out [][]byte
	for k, p := range w.found {
		if !p.deleted && bytes.HasPrefix([]byte(k), prefix) && (length == 0 || len(k) == length) {
			out = append(out, []byte(k))
		}
	}
	slices.SortFunc(out, bytes.Compare)
	return out
}

func (w *salvageWriter) ids(sp space, kind byte) []protocol.RecordID {
	var out []protocol.RecordID
	for _, k := range w.keys([]byte{byte(sp), kind}, recordKeyBytes) {
		out = append(out, protocol.RecordID(k[2:]))
	}
	return out
}

// holds are the holds of accepted records: those that are there, and those that the change sequence tells of. Without them
// the records of a stolen key would count again.
func (w *salvageWriter) holds() (map[protocol.RecordID][]byte, error) {
	out := map[protocol.RecordID][]byte{}
	for id, c := range w.told {
		if c.Kind == changeHeld && c.moved {
			out[id] = packHold(hold{c.At.UnixMilli(), c.Reason})
		}
	}
	for _, k := range w.keys([]byte{familyHold}, 1+32) {
		value, ok := w.get(k)
		if _, err := unpackHold(value); ok && err == nil {
			out[protocol.RecordID(k[1:])] = value
		}
	}
	return out, nil
}

// record takes over one record whose index value is readable and whose bytes have its hash.
func (w *salvageWriter) record(sp space, id protocol.RecordID, holds map[protocol.RecordID][]byte) error {
	if w.kept[id] {
		return nil
	}
	value, packedWrites, ok := w.whole(sp, kindPacked, id, packedShape)
	if !ok {
		return nil // what was sent may be whole: see loose
	}
	p, err := checkPacked(value)
	var info recordInfo
	if err == nil {
		info, _, err = p.unpack()
	}
	if err != nil {
		return nil
	}
	raw, rawWrites, ok := w.whole(sp, kindRaw, id, func([]byte) (int, uint32) { return p.rawLength(), p.rawGeneration() })
	if !ok || sha256.Sum256(raw) != p.sum() {
		return nil
	}
	w.kept[id] = true
	as, writes := sp, append(rawWrites, packedWrites...)
	if line, held := holds[id]; held && sp == spaceAccepted {
		as, writes = spaceHeld, append(writes, write{holdKey(id), line})
	}
	for _, wr := range writes {
		if err := w.batch.Set(wr.key, wr.value); err != nil {
			return err
		}
	}
	counts := countsOf(p, as)
	w.totals = w.totals.plus(counts)
	w.done.Kept++
	if c, ok := w.told[id]; !ok || c.Kind == changeExpired && !c.moved {
		w.arrived = append(w.arrived, arrivalOf(id, info, as, counts)...)
	}
	return nil
}

// arrivalOf are the changes that tell of a record as it is.
func arrivalOf(id protocol.RecordID, info recordInfo, as space, counts Counts) []Change {
	c := Change{Kind: changeAccepted, Record: id, Org: info.org, Topic: info.topic, Reason: info.fate.why, Objects: counts.Objects}
	if as == spaceAccepted {
		return []Change{c}
	}
	c.Kind, c.Objects = changeHeld, counts.Held
	if as == spaceHeld {
		return []Change{c}
	}
	gone := c
	gone.Kind = changeRejected
	return []Change{c, gone}
}

// loose puts records whose index is lost, and whose bytes as sent are whole, where the node finds them; the others are lost.
func (w *salvageWriter) loose() error {
	lost := map[protocol.RecordID]bool{}
	for _, sp := range []space{spaceAccepted, spaceHeld, spaceRejected} {
		for _, kind := range []byte{kindPacked, kindRaw} {
			for _, id := range w.ids(sp, kind) {
				if !w.kept[id] && !w.apart[id] {
					lost[id] = true
				}
			}
		}
		for id := range lost {
			raw, _, ok := w.whole(sp, kindRaw, id, func(head []byte) (int, uint32) { return w.rawSize(sp, id, head), 0 })
			if !ok || sp == spaceRejected || w.network == "" {
				continue
			}
			if got, err := protocol.StoredID(w.network, raw); err != nil || got != id {
				continue
			}
			dir := LooseDir(w.dir)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			if err := replaceFile(filepath.Join(dir, id.String()), raw); err != nil {
				return err
			}
			delete(lost, id)
			w.apart[id] = true
			w.done.Loose++
		}
	}
	w.done.Lost = fsckSorted(lost)
	return nil
}

// rawSize is how long a record is of which only the parts tell.
func (w *salvageWriter) rawSize(sp space, id protocol.RecordID, head []byte) int {
	size := len(head)
	for part := 1; size == part*partBytes; part++ {
		more, ok := w.get(partKey(sp, kindRaw, id, 0, part))
		if !ok {
			break
		}
		size += len(more)
	}
	return size
}

// changes takes the change sequence over. In the place of a change that is lost stands one that says nothing, so that the
// numbers stay.
func (w *salvageWriter) changes() error {
	last := uint64(0)
	if totals, ok := w.get(metaKey(metaTotals)); ok && len(totals) >= muteTotalsBytes {
		last = binary.LittleEndian.Uint64(totals[4*8:])
	}
	acknowledged, _ := readMark(w.dir)
	last = max(last, acknowledged)
	for _, k := range w.keys([]byte{familyChange}, 1+8) {
		last = max(last, binary.BigEndian.Uint64(k[1:]))
	}
	now := time.Now().UTC().Round(0)
	for seq := uint64(1); seq <= last; seq++ {
		value, ok := w.get(changeKey(seq))
		c, err := unpackChange(seq, value)
		if !ok || err != nil {
			c = Change{Seq: seq, At: now, Kind: changeJudged, Topic: protocol.TopicControl}
		} else {
			w.note(c)
		}
		if err := w.change(c); err != nil {
			return err
		}
	}
	w.last = last
	return nil
}

func (w *salvageWriter) note(c Change) {
	if c.Kind != changeJudged {
		w.told[c.Record] = c
	}
}

func (w *salvageWriter) change(c Change) error { return w.batch.Set(changeKey(c.Seq), packChange(c)) }

// farewells tells of the records that are there and that no change tells of, and of those that the change sequence knows and that
// are not there any more: they have gone, and may come again.
func (w *salvageWriter) farewells() error {
	now := time.Now().UTC().Round(0)
	for _, c := range w.arrived {
		w.last++
		c.Seq, c.At = w.last, now
		if err := w.change(c); err != nil {
			return err
		}
	}
	for _, id := range fsckSorted(w.told) {
		c := w.told[id]
		if w.kept[id] || c.Kind == changeExpired && !c.moved {
			continue
		}
		w.last++
		gone := Change{Seq: w.last, At: now, Kind: changeExpired, Record: id, Org: c.Org, Topic: c.Topic, Reason: reason.StoreDamaged}
		if err := w.change(gone); err != nil {
			return err
		}
	}
	return nil
}

// logs takes over what is known of key logs beyond their records.
func (w *salvageWriter) logs() error {
	for _, k := range w.keys([]byte{familyLog}, 0) {
		value, ok := w.get(k)
		if !ok {
			continue
		}
		if err := w.batch.Set(k, value); err != nil {
			return err
		}
	}
	return nil
}

// RepairRoom is store.full when a second copy of the store does not fit on the disk.
func RepairRoom(dir string) error {
	size, err := treeBytes(dir)
	if err != nil {
		return err
	}
	if free, ok := freeBytes(dir); ok && free < size+flushRoom {
		return reason.New(reason.StoreFull, fmt.Sprintf("repair store %s: the copy may take %d bytes, %d are free", dir, size+flushRoom, free))
	}
	return nil
}
