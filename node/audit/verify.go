package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"tocsin/node/tlog"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// The actions of the log's own entries.
const (
	// ActionSegment begins a new segment behind damage. Its Prev is SHA-256 over all bytes
	// of the file before it: what was found is evidence too.
	ActionSegment = "audit.segment"
	// ActionTorn says that a line which a power cut had torn was moved beside the log.
	ActionTorn = "audit.torn"
	// ActionRestored says that the log came back from a backup, at which size and root, and goes on from there. The chain
	// goes on with it; the tree begins anew, since later entries, which others may have witnessed, are lost.
	ActionRestored = "audit.restored"
)

// maxProblems bounds how many problems are told one by one.
const maxProblems = 100

// Verification is what Verify found.
type Verification struct {
	Entries uint64          `json:"entries"`
	Head    protocol.Digest `json:"head"`
	// Problems are sentences that name the line; empty means sound.
	Problems []string `json:"problems"`
}

// Verify checks a log file from its bytes alone: every line against its hash and against the
// line before. Entries missing at the end are found only by whoever knows a later one:
// see VerifyHolding. A log that went on behind damage is never sound again.
func Verify(path string) (Verification, error) { return VerifyAgainst(path, nil, nil) }

// VerifyHolding is Verify for who knows the hash of an entry, such as an earlier Head:
// it is a problem when the file does not hold it.
func VerifyHolding(path string, head protocol.Digest) (Verification, error) {
	return VerifyAgainst(path, &head, nil)
}

// VerifyAgainst is Verify for who knows heads of the log's tree as well, such as those that a peer keeps: it is a
// problem when the file does not hold what they cover. head may be nil.
func VerifyAgainst(path string, head *protocol.Digest, checkpoints []tlog.Checkpoint) (Verification, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Verification{}, reason.Wrap(reason.NotFound, "verify the audit log", err)
	}
	if err != nil {
		return Verification{}, fmt.Errorf("verify the audit log: %w", err)
	}
	defer f.Close()
	v, err := verify(f, head, checkpoints)
	if err != nil {
		return Verification{}, fmt.Errorf("verify the audit log: %w", err)
	}
	return v, nil
}

// Verify checks the open log as VerifyAgainst does its file, up to the newest entry, which the file must hold. It ends with ctx.
func (l *Log) Verify(ctx context.Context, checkpoints []tlog.Checkpoint) (Verification, error) {
	l.mu.Lock()
	closed, size, newest := l.file == nil, l.size, l.head
	l.mu.Unlock()
	if closed {
		return Verification{}, fmt.Errorf("verify the audit log: %w", errClosed)
	}
	f, err := os.Open(l.path) // what stands there, which may be another file by now
	if err != nil {
		return Verification{}, fmt.Errorf("verify the audit log: %w", err)
	}
	defer f.Close()
	var head *protocol.Digest
	if newest.seq > 0 {
		head = &newest.hash
	}
	in := io.NewSectionReader(f, 0, size)
	v, err := verify(readFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return in.Read(p)
	}), head, checkpoints)
	if err != nil {
		return Verification{}, fmt.Errorf("verify the audit log: %w", err)
	}
	return v, nil
}

// readFunc is a reader made of a function.
type readFunc func(p []byte) (int, error)

// Read implements io.Reader.
func (r readFunc) Read(p []byte) (int, error) { return r(p) }

// verify reads a log to its end.
func verify(r io.Reader, head *protocol.Digest, checkpoints []tlog.Checkpoint) (Verification, error) {
	c, held := newChecker(), false
	c.deep = true
	covered := newCoverage(checkpoints)
	lines := newLineReader(r, 0)
	for {
		line, f, sound, err := c.next(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Verification{}, err
		}
		if sound {
			covered.add(f, beginsTree(line.raw))
		}
		held = held || sound && head != nil && f.hash == *head
	}
	if head != nil && !held {
		c.problem("the entry with hash %s is not in the file", head)
	}
	for _, text := range covered.missing() {
		c.problem("%s", text)
	}
	v := Verification{Entries: c.entries, Head: c.last.hash, Problems: c.problems}
	if c.untold > 0 {
		v.Problems = append(v.Problems, fmt.Sprintf("and %d problems more", c.untold))
	}
	if v.Problems == nil {
		v.Problems = []string{}
	}
	return v, nil
}

// checker holds the lines of a file against each other, one after the other.
type checker struct {
	deep     bool   // look into the JSON as well
	lines    uint64 // seen
	entries  uint64 // of these sound
	last     frame  // of the line before
	known    bool   // last can be relied on; false behind a line that is no entry
	top      uint64 // the highest sequence number of a sound line
	problems []string
	untold   int // problems beyond maxProblems
	// fresh counts the problems that no segment entry behind them names.
	fresh int
	// all is over all bytes in front of the line that is looked at; one is for single lines.
	all, one hash.Hash
}

func newChecker() *checker { return &checker{known: true, all: sha256.New(), one: sha256.New()} }

// next reads a line and looks at it. It gives the line's frame, and whether the line
// itself is sound; io.EOF when there is none.
func (c *checker) next(lines *lineReader) (line rawLine, f frame, sound bool, err error) {
	line, err = lines.next(func(part []byte) { c.all.Write(part) })
	if err != nil {
		return line, f, false, err
	}
	f, sound = c.check(line)
	c.all.Write(line.raw)
	return line, f, sound, nil
}

func (c *checker) problem(format string, args ...any) {
	c.fresh++
	if len(c.problems) == maxProblems {
		c.untold++
		return
	}
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// check holds a line against its hash and against the line before.
func (c *checker) check(line rawLine) (f frame, sound bool) {
	c.lines++
	f, ok := readFrame(c.one, line.text())
	switch {
	case !ok:
		c.problem("line %d is no entry", c.lines)
		c.known = false
		return f, false
	case !line.ended:
		c.problem("line %d has no end: it was torn, or cut off", c.lines)
	case !f.sound:
		c.problem("line %d (entry %d) was changed: its hash is not that of its text", c.lines, f.seq)
	case c.deep && !json.Valid(line.raw):
		c.problem("line %d (entry %d) is no JSON", c.lines, f.seq)
	default:
		sound = true
	}
	if sound && isSegment(line.raw) {
		c.segment(f)
	} else {
		c.follow(f)
	}
	c.last, c.known = f, true
	if sound {
		c.entries++
		c.top = max(c.top, f.seq)
	}
	return f, sound
}

// follow holds a frame against the one before. Behind a line that is no entry nothing is expected.
func (c *checker) follow(f frame) {
	switch want := c.last.seq + 1; {
	case !c.known:
	case c.lines == 1 && f.seq != 1:
		c.problem("line 1 is entry %d: the entries before it are missing", f.seq)
	case f.seq > want:
		c.problem("line %d is entry %d and follows entry %d: %d missing", c.lines, f.seq, c.last.seq, f.seq-want)
	case f.seq < want:
		c.problem("line %d is entry %d and follows entry %d: out of order, or twice", c.lines, f.seq, c.last.seq)
	case f.prev != c.last.hash:
		c.problem("line %d (entry %d) was made behind another entry than the one before it", c.lines, f.seq)
	}
}

// sum is the hash of all bytes in front of the line that is looked at.
func (c *checker) sum() (d protocol.Digest) {
	c.all.Sum(d[:0])
	return d
}

// segment takes up the chain behind damage, which is named from here on and no sounder for it.
func (c *checker) segment(f frame) {
	if f.prev != c.sum() {
		c.problem("line %d (entry %d) begins a new segment, but what stands before it is not what was found then", c.lines, f.seq)
		return
	}
	c.problem("line %d (entry %d): the node found the log damaged before this line and went on behind it", c.lines, f.seq)
	c.fresh = 0
}

// isSegment reports whether a sound line is a segment entry.
func isSegment(line []byte) bool { return isAction(line, ActionSegment) }

// beginsTree reports whether the log's tree begins anew with a sound line. EVD-06
func beginsTree(line []byte) bool { return isSegment(line) || isAction(line, ActionRestored) }

// isAction reports whether a sound line is an entry of an action. The member cannot stand inside a
// text, whose quotes are escaped, but it can in the details: so the line is read.
func isAction(line []byte, action string) bool {
	if !bytes.Contains(line, []byte(`"action":"`+action+`"`)) {
		return false
	}
	e, err := decodeLine(line)
	return err == nil && e.Action == action
}
