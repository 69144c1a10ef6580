package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// salvageWriter writes what can be kept.
type salvageWriter struct {
	*salvage
	batch   *roomyBatch
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
