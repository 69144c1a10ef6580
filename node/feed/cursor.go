package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"
	"strconv"
	"strings"
	"time"

	"tocsin/node/audit"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// maxCursor bounds a cursor's text.
const maxCursor = 96

// cursor is a place in all sources: the last change and audit entry, and the last moment of one run of the node.
type cursor struct {
	change, audit place
	boot          string
	live          uint64
}

// place is a place in a durable sequence. The mark tells what stood there, so that a store or a log that was put back from an
// older copy and has grown since is known for another one; 0 tells nothing.
type place struct {
	seq  uint64
	mark uint32
}

// base is that of the letters and digits in cursors.
const base = 36

// append writes SEQ, and the mark elsewhere.
func (p place) append(b []byte) []byte { return append(strconv.AppendUint(b, p.seq, 10), '.') }

// placeOfChange is the place behind a change.
func placeOfChange(c *storage.Change) place {
	b := make([]byte, 0, len(c.Record)+8)
	b = binary.BigEndian.AppendUint64(append(b, c.Record[:]...), uint64(c.At.UnixNano()))
	return place{c.Seq, crc32.ChecksumIEEE(b)}
}

// placeOfEntry is the place behind an audit entry.
func placeOfEntry(e *audit.Entry) place {
	return place{e.Seq, binary.BigEndian.Uint32(e.Hash[:])}
}

// text is CHANGE.AUDIT.BOOT.LIVE.MARK.MARK, the marks of the change and of the entry.
func (c cursor) text() string {
	b := make([]byte, 0, maxCursor)
	b = c.audit.append(c.change.append(b))
	b = append(append(b, c.boot...), '.')
	b = append(strconv.AppendUint(b, c.live, 10), '.')
	b = append(strconv.AppendUint(b, uint64(c.change.mark), base), '.')
	return string(strconv.AppendUint(b, uint64(c.audit.mark), base))
}

// short is CHANGE.MARK, for readers of nothing else.
func (c cursor) short() string {
	return string(strconv.AppendUint(c.change.append(make([]byte, 0, maxCursor)), uint64(c.change.mark), base))
}

// parseCursor reads what text and short write, and nothing else. What a short one does not name is left as it is in rest.
func parseCursor(text string, rest cursor) (c cursor, err error) {
	parts := strings.Split(text[:min(len(text), maxCursor+1)], ".")
	if len(text) > maxCursor {
		return c, errNoCursor
	}
	c = rest
	switch len(parts) {
	case 2:
		err = errors.Join(number(parts[0], &c.change.seq), mark(parts[1], &c.change.mark))
		if err != nil || c.short() != text {
			return c, errNoCursor
		}
	case 6:
		err = errors.Join(number(parts[0], &c.change.seq), number(parts[1], &c.audit.seq), number(parts[3], &c.live),
			mark(parts[4], &c.change.mark), mark(parts[5], &c.audit.mark))
		c.boot = parts[2]
		if err != nil || c.boot == "" || strings.Trim(c.boot, "0123456789abcdefghijklmnopqrstuvwxyz") != "" || c.text() != text {
			return c, errNoCursor
		}
	default:
		return c, errNoCursor
	}
	return c, nil
}

var errNoCursor = errors.New("want a number, or an id of an event")

func number(text string, into *uint64) (err error) {
	*into, err = strconv.ParseUint(text, 10, 64)
	return err
}

func mark(text string, into *uint32) error {
	n, err := strconv.ParseUint(text, base, 32)
	*into = uint32(n)
	return err
}

// begin is the place that a text names: "" for now, a number behind that change and now for the rest. other tells the
// kinds whose sequence had something else at that place.
func (h *Hub) begin(text string) (c cursor, other map[string]bool, err error) {
	c = h.now()
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		c.change = place{seq: n}
	} else if text != "" {
		if c, err = parseCursor(text, c); err != nil {
			return c, nil, reason.Wrap(reason.UsageInvalid, fmt.Sprintf("after %.100q", text), err)
		}
	}
	other = map[string]bool{
		KindObject: c.change.another(h.changeAt(c.change.seq)),
		KindAudit:  c.audit.another(h.entryAt(c.audit.seq)),
	}
	return c, other, nil
}

// another reports whether the place is of another sequence than that which has now at its number; else it takes the mark of now.
func (p *place) another(now place) bool {
	if p.mark != 0 && now.mark != 0 && p.mark != now.mark {
		return true
	}
	p.mark = now.mark
	return false
}

// now is behind all that has happened.
func (h *Hub) now() cursor {
	head, _ := h.sources.Audit.Head()
	live, _ := h.live.newest()
	return cursor{place{seq: h.sources.Store.Sequence()}, place{seq: head}, h.boot, live}
}

// changeAt is the place behind the change of that number, without a mark where there is none to be read.
func (h *Hub) changeAt(seq uint64) place {
	if seq > 0 && seq <= h.sources.Store.Sequence() {
		if found, err := h.sources.Store.Changes(seq-1, 1); err == nil && len(found) == 1 && found[0].Seq == seq {
			return placeOfChange(&found[0])
		}
	}
	return place{seq: seq}
}

// entryAt is the place behind the audit entry of that number, without a mark where there is none to be read.
func (h *Hub) entryAt(seq uint64) place {
	if head, _ := h.sources.Audit.Head(); seq > 0 && seq <= head {
		if found, err := h.readAudit(seq-1, 1); err == nil && len(found) == 1 && found[0].Seq == seq {
			return placeOfEntry(&found[0])
		}
	}
	return place{seq: seq}
}

// none is a run of the node that never was: whoever comes from there has missed something.
const none = "0"

// Since is the cursor behind which all lies that happened at a time or later, by this node's clock.
func (h *Hub) Since(at time.Time) (string, error) {
	c := h.now()
	var fault error
	c.change.seq = firstSince(c.change.seq, func(n uint64) (time.Time, bool) {
		found, err := h.sources.Store.Changes(n, 1)
		if err != nil || len(found) == 0 {
			fault = err
			return time.Time{}, false
		}
		return found[0].At, true
	}, at)
	c.audit.seq = firstSince(c.audit.seq, func(n uint64) (time.Time, bool) {
		found, err := h.readAudit(n, 1)
		if err != nil || len(found) == 0 {
			fault = err
			return time.Time{}, false
		}
		return found[0].At, true
	}, at)
	if fault != nil {
		return "", fmt.Errorf("find what happened since %s: %w", at.Format(time.RFC3339), fault)
	}
	if at.UnixMilli() < h.started.UnixMilli() {
		c.boot, c.live = none, 0
	} else {
		c.live = h.live.since(at)
	}
	return c.text(), nil
}

// firstSince finds by halves the number before the first entry at a time or later; when gives the time of the entry behind a number.
func firstSince(last uint64, when func(after uint64) (time.Time, bool), at time.Time) uint64 {
	return uint64(sort.Search(int(last), func(n int) bool {
		then, ok := when(uint64(n))
		return ok && !then.Before(at)
	}))
}
