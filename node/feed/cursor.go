package feed

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"tocsin/protocol/reason"
)

// maxCursor bounds a cursor's text.
const maxCursor = 96

// cursor is a place in all sources: the number of the last change and audit entry, and of the
// last moment of one run of the node.
type cursor struct {
	change, audit uint64
	boot          string
	live          uint64
}

// text is CHANGE.AUDIT.BOOT.LIVE.
func (c cursor) text() string {
	b := make([]byte, 0, maxCursor)
	b = append(strconv.AppendUint(b, c.change, 10), '.')
	b = append(strconv.AppendUint(b, c.audit, 10), '.')
	b = append(append(b, c.boot...), '.')
	return string(strconv.AppendUint(b, c.live, 10))
}

// parseCursor reads what text writes, and nothing else.
func parseCursor(text string) (c cursor, err error) {
	parts := strings.Split(text[:min(len(text), maxCursor+1)], ".")
	if len(text) > maxCursor || len(parts) != 4 {
		return c, errNoCursor
	}
	for i, into := range []*uint64{0: &c.change, 1: &c.audit, 3: &c.live} {
		if into == nil {
			continue
		}
		if *into, err = strconv.ParseUint(parts[i], 10, 64); err != nil {
			return c, errNoCursor
		}
	}
	c.boot = parts[2]
	if c.boot == "" || strings.Trim(c.boot, "0123456789abcdefghijklmnopqrstuvwxyz") != "" || c.text() != text {
		return c, errNoCursor
	}
	return c, nil
}

var errNoCursor = errors.New("want a number, or an id of an event")

// begin is the place that a text names: "" for now, a number behind that change and now for the rest.
func (h *Hub) begin(text string) (cursor, error) {
	c := h.now()
	if text == "" {
		return c, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		c.change = n
		return c, nil
	}
	c, err := parseCursor(text)
	if err != nil {
		return c, reason.Wrap(reason.UsageInvalid, fmt.Sprintf("after %.100q", text), err)
	}
	return c, nil
}

// now is behind all that has happened.
func (h *Hub) now() cursor {
	head, _ := h.sources.Audit.Head()
	live, _ := h.live.newest()
	return cursor{h.sources.Store.Sequence(), head, h.boot, live}
}

// none is a run of the node that never was: whoever comes from there has missed something.
const none = "0"

// Since is the cursor behind which all lies that happened at a time or later, by this node's clock.
func (h *Hub) Since(at time.Time) (string, error) {
	c := h.now()
	var fault error
	c.change = firstSince(c.change, func(n uint64) (time.Time, bool) {
		found, err := h.sources.Store.Changes(n, 1)
		if err != nil || len(found) == 0 {
			fault = err
			return time.Time{}, false
		}
		return found[0].At, true
	}, at)
	c.audit = firstSince(c.audit, func(n uint64) (time.Time, bool) {
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
