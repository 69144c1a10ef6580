package audit

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"tocsin/node/tlog"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// tree is the Merkle tree over the log's entries (EVD-06): a leaf is an entry's hash. It begins with the first entry, and
// anew with each segment entry, whose Prev binds every byte before it, and with each restore. So one tree has no hole, and
// a log that was damaged, or lost its end with the machine, goes on under another name. It belongs to Log.mu; while Open scans, to Open.
type tree struct {
	tlog.Tree
	first uint64          // sequence number of leaf 0
	id    protocol.Digest // hash of the entry of leaf 0: the log's name
}

// add takes up an entry.
func (t *tree) add(seq uint64, hash protocol.Digest, begins bool) {
	if begins || t.Size() == 0 {
		*t = tree{first: seq, id: hash}
	}
	t.Append(tlog.LeafHash(hash[:]))
}

// Tree is the log's tree as it stands: what checkpoints and proofs are made of.
type Tree struct {
	tlog.Tree
	// First is the sequence number of the entry of leaf 0, ID its hash: the name of the log.
	First uint64
	ID    protocol.Digest
	log   *Log
}

// Tree is a snapshot of the tree over the synced entries.
func (l *Log) Tree() Tree {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Tree{Tree: l.tree.Snapshot(), First: l.tree.first, ID: l.tree.id, log: l}
}

// Leaves reads leaf hashes back from the file.
func (t *Tree) Leaves(chunk uint64) ([]protocol.Digest, error) {
	return t.log.leaves(t.First+chunk*tlog.ChunkLeaves, tlog.ChunkLeaves)
}

// leaves gives the leaf hashes of n entries from one on.
func (l *Log) leaves(from uint64, n int) ([]protocol.Digest, error) {
	lines, err := l.linesFrom(from)
	if err != nil {
		return nil, err
	}
	out, one := make([]protocol.Digest, 0, n), sha256.New()
	for len(out) < n {
		line, err := lines.next(func([]byte) {})
		if err != nil {
			return nil, fmt.Errorf("read entry %d of the audit log: %w", from+uint64(len(out)), err)
		}
		f, ok := readFrame(one, line.text())
		switch {
		case ok && f.seq < from:
		case !ok || !f.sound || f.seq != from+uint64(len(out)):
			return nil, reason.New(reason.AuditDamaged, fmt.Sprintf("entry %d of the audit log is damaged; see tocsin audit verify", from+uint64(len(out))))
		default:
			out = append(out, tlog.LeafHash(f.hash[:]))
		}
	}
	return out, nil
}

// linesFrom begins to read at the remembered place before an entry.
func (l *Log) linesFrom(seq uint64) (*lineReader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil, errClosed
	}
	i, found := slices.BinarySearchFunc(l.marks, seq, func(m mark, seq uint64) int { return cmp.Compare(m.seq, seq) })
	if !found && i > 0 {
		i--
	}
	start := int64(0)
	if i < len(l.marks) {
		start = l.marks[i].offset
	}
	return newLineReader(io.NewSectionReader(l.file, start, l.size-start), start), nil
}

// Line gives an entry's line as it stands in the file, without its end; not.found when there is none.
func (l *Log) Line(seq uint64) ([]byte, error) {
	lines, err := l.linesFrom(seq)
	if err != nil {
		return nil, err
	}
	one := sha256.New()
	for {
		line, err := lines.next(func([]byte) {})
		if errors.Is(err, io.EOF) {
			return nil, reason.New(reason.NotFound, fmt.Sprintf("entry %d of the audit log", seq))
		}
		if err != nil {
			return nil, fmt.Errorf("read entry %d of the audit log: %w", seq, err)
		}
		if f, ok := readFrame(one, line.text()); ok && f.sound && f.seq == seq {
			return slices.Clone(line.text()), nil
		}
	}
}

// ParseLine reads an entry from its line and checks its hash, whatever log it is of. Errors carry audit.damaged.
func ParseLine(line []byte) (Entry, error) {
	if len(line) > maxLine {
		return Entry{}, reason.New(reason.AuditDamaged, fmt.Sprintf("an entry of %d bytes, the limit is %d", len(line), maxLine))
	}
	f, ok := readFrame(sha256.New(), line)
	if !ok || !f.sound {
		return Entry{}, reason.New(reason.AuditDamaged, "this is no entry of an audit log, or it was changed: its hash is not that of its text")
	}
	e, err := decodeLine(line)
	if err != nil || e.Seq != f.seq || e.Hash != f.hash || e.Prev != f.prev {
		return Entry{}, reason.New(reason.AuditDamaged, "this entry of an audit log cannot be read")
	}
	return e, nil
}
