package audit

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"
)

// scanBytes is how much of the file one call of Read looks through at most, so that a filter
// that selects little answers in time: the caller goes on.
const scanBytes = 16 << 20

// Filter selects entries; zero fields select all.
type Filter struct {
	// Action is a whole action or its first part ("trust").
	Action string
	// Target and Text match parts in any case, Text anywhere in the line.
	Target, Text string
	// UID and User are an account's number and its name.
	UID  *int
	User string
	// Since is included, Until is not.
	Since, Until time.Time
	// Before is a number that entries are below, 0 for none.
	Before uint64
}

// selects reports whether the filter lets an entry through; Text was looked for before.
func (f *Filter) selects(e *Entry) bool {
	switch {
	case f.Action != "" && e.Action != f.Action && !strings.HasPrefix(e.Action, f.Action+"."),
		f.Target != "" && !strings.Contains(strings.ToLower(e.Target), strings.ToLower(f.Target)),
		f.UID != nil && e.Actor.UID != *f.UID,
		f.User != "" && e.Actor.User != f.User,
		f.Before != 0 && e.Seq >= f.Before,
		!f.Since.IsZero() && e.At.Before(f.Since),
		!f.Until.IsZero() && !e.At.Before(f.Until):
		return false
	}
	return true
}

// needle is Text as it would stand in a line: escaped as JSON, in lower case.
func (f *Filter) needle() []byte {
	if f.Text == "" {
		return nil
	}
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	_ = j.Encode(f.Text) // a string: cannot fail
	return bytes.ToLower(bytes.Trim(bytes.TrimSpace(b.Bytes()), `"`))
}

// reading is a stretch of the file that is being read.
type reading struct {
	lines  *lineReader
	filter Filter
	needle []byte
	one    hash.Hash
	last   uint64 // only what is later is given: damage may have put lines in any order
}

// next gives the next sound entry after last, selected or not; io.EOF at the end. What is damaged is passed over:
// Verify names it.
func (r *reading) next() (e Entry, selected bool, err error) {
	for {
		line, err := r.lines.next(func([]byte) {})
		if err != nil {
			return e, false, err
		}
		f, ok := readFrame(r.one, line.text())
		if !ok || !f.sound || !line.ended || f.seq <= r.last {
			continue
		}
		r.last = f.seq
		e = Entry{Seq: f.seq}
		if r.needle != nil && !bytes.Contains(bytes.ToLower(line.raw), r.needle) {
			return e, false, nil
		}
		if e, err = decodeLine(line.raw); err != nil {
			continue
		}
		return e, r.filter.selects(&e), nil
	}
}

// read begins to read at a place, up to another or, with 0, to the end.
func (l *Log) read(from, to int64, after uint64, f Filter) (*reading, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil, fmt.Errorf("read the audit log: %w", errClosed)
	}
	if to == 0 || to > l.size {
		to = l.size
	}
	return &reading{
		lines:  newLineReader(io.NewSectionReader(l.file, from, to-from), from),
		filter: f, needle: f.needle(), one: sha256.New(), last: after,
	}, nil
}

// Read returns up to limit entries after a sequence number that the filter selects,
// and the sequence number to go on from, 0 at the end. It may return fewer
// and still say where to go on: one call looks through so much and no more.
func (l *Log) Read(after uint64, limit int, f Filter) (entries []Entry, next uint64, err error) {
	l.mu.Lock()
	start := int64(0)
	if i, found := slices.BinarySearchFunc(l.marks, after+1, func(m mark, seq uint64) int { return cmp.Compare(m.seq, seq) }); found {
		start = l.marks[i].offset
	} else if i > 0 {
		start = l.marks[i-1].offset
	}
	l.mu.Unlock()
	r, err := l.read(start, 0, after, f)
	if err != nil {
		return nil, 0, err
	}
	for len(entries) < limit && (r.lines.offset < start+scanBytes || r.last == after) {
		e, selected, err := r.next()
		if errors.Is(err, io.EOF) {
			return entries, 0, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read the audit log: %w", err)
		}
		if selected {
			entries = append(entries, e)
		}
	}
	return entries, r.last, nil
}

// Last returns the newest n entries that the filter selects, oldest first.
func (l *Log) Last(n int, f Filter) ([]Entry, error) {
	l.mu.Lock()
	marks, end := slices.Clone(l.marks), l.size
	l.mu.Unlock()
	var parts [][]Entry // newest first
	for count := 0; len(marks) > 0 && count < n; {
		from := marks[len(marks)-1]
		r, err := l.read(from.offset, end, from.seq-1, f)
		if err != nil {
			return nil, err
		}
		part, err := r.newest(n - count)
		if err != nil {
			return nil, err
		}
		parts, count = append(parts, part), count+len(part)
		marks, end = marks[:len(marks)-1], from.offset
	}
	slices.Reverse(parts)
	return slices.Concat(parts...), nil
}

// newest gives the last n selected entries of the stretch.
func (r *reading) newest(n int) ([]Entry, error) {
	var out []Entry
	for {
		e, selected, err := r.next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		if selected {
			out = append(out, e)
		}
		if len(out) > n {
			out = out[1:]
		}
	}
}

// Export gives the log's bytes as they stand now, and how many they are.
func (l *Log) Export() (io.Reader, int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil, 0, fmt.Errorf("export the audit log: %w", errClosed)
	}
	return io.NewSectionReader(l.file, 0, l.size), l.size, nil
}
