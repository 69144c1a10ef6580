package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/audit")

// markEvery is how many lines lie between two places that the open log remembers:
// what is read begins at one of them.
const markEvery = 1024

// mark is a place in the file: the line with a sequence number, or a later one, begins at offset.
type mark struct {
	seq    uint64
	offset int64
}

// Log is the open log. All methods may be called concurrently.
type Log struct {
	path string

	// commit is held while a batch is written and synced: who gets it writes all that waits.
	commit sync.Mutex

	mu     sync.Mutex // guards what follows; may be taken while commit is held, never the other way round
	file   *os.File   // nil once closed
	size   int64      // bytes that are synced: nothing behind them is read
	head   place      // of the newest synced entry
	tail   place      // of the newest entry, synced or waiting
	batch  *batch     // what waits to be written; nil for nothing
	places            // of the lines in the file
	tree   tree       // over the synced entries
	broken error      // why nothing can be written any more
	grown  chan struct{}
}

// places are the lines' places in the file, as far as they are remembered.
type places struct {
	marks []mark // ascending in both
	since int    // lines since the last mark
}

// place is an entry's number and hash: what the next one is chained to.
type place struct {
	seq  uint64
	hash protocol.Digest
}

// batch is what is written and synced at once. lines and places belong to mu until the batch is
// taken; done and err to commit.
type batch struct {
	lines  []byte
	starts []mark // of each line, the offset counted from the batch's start
	hashes []protocol.Digest
	end    place
	begins uint64 // the entry with which the tree begins anew; 0 for none
	done   bool
	err    error
}

// Append writes an entry for the actor of ctx, durable when it returns nil. Entries that
// wait at the same time share one sync. An error means that nothing was written and
// what the entry is about must not be done.
func (l *Log) Append(ctx context.Context, e Event) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, fmt.Errorf("write %s to the audit log: %w", e.Action, err)
	}
	e, err := e.from(ctx).bounded()
	if err != nil {
		return Entry{}, err
	}
	entry := Entry{Actor: ActorOf(ctx), Event: e}
	b, err := l.queue(&entry, nil)
	if err == nil {
		err = l.write(b)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("write %s to the audit log: %w", e.Action, err)
	}
	return entry, nil
}

// queue dates an entry, chains it to the newest one and puts it into the batch that waits.
// A segment entry is chained to prev instead.
func (l *Log) queue(entry *Entry, prev *protocol.Digest) (*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.file == nil:
		return nil, errClosed
	case l.broken != nil:
		return nil, l.broken
	}
	entry.Seq, entry.At, entry.Prev = l.tail.seq+1, time.Now().UTC().Truncate(time.Millisecond), l.tail.hash
	entry.Actor.User = cut(entry.Actor.User, maxUser)
	if prev != nil {
		entry.Prev = *prev
	}
	line, err := encodeLine(entry)
	if err != nil {
		return nil, err
	}
	if l.batch == nil {
		l.batch = new(batch)
	}
	b := l.batch
	b.starts = append(b.starts, mark{entry.Seq, int64(len(b.lines))})
	b.lines = append(b.lines, line...)
	b.hashes = append(b.hashes, entry.Hash)
	if prev != nil || entry.Action == ActionRestored {
		b.begins = entry.Seq
	}
	l.tail = place{entry.Seq, entry.Hash}
	b.end = l.tail
	return b, nil
}

var errClosed = errors.New("it is closed")

// write returns when the batch is durable or has failed. The first of those who wait writes for
// all: a batch that is not done when commit is ours is the one that waits.
func (l *Log) write(b *batch) error {
	l.commit.Lock()
	defer l.commit.Unlock()
	if b.done {
		return b.err
	}
	l.mu.Lock()
	file, size := l.file, l.size
	l.batch = nil // from here on others wait in the next one
	l.mu.Unlock()
	err, usable := errClosed, true
	if file != nil {
		err, usable = appendTo(file, size, b.lines)
	}
	b.done, b.err = true, err
	l.settle(b, usable)
	return err
}

// appendTo writes and syncs behind size. usable is false when nobody knows any more what stands in the file.
func appendTo(file *os.File, size int64, lines []byte) (err error, usable bool) {
	info, err := file.Stat()
	if err != nil {
		return err, true
	}
	if info.Size() != size {
		return reason.New(reason.AuditDamaged, fmt.Sprintf("%s has %d bytes, and had %d when the last entry was written: "+
			"somebody else changed it; start the node anew, it then goes on in a new segment", file.Name(), info.Size(), size)), false
	}
	if _, err := file.Write(lines); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			err = reason.Wrap(reason.StoreFull, "the disk is full", err)
		}
		return err, file.Truncate(size) == nil
	}
	// After a failed sync the system may have dropped what it could not write.
	if err := file.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err), false
	}
	return nil, true
}

// settle makes a batch that was written visible. One that failed takes those with
// it that were chained to it since.
func (l *Log) settle(b *batch, usable bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.err != nil {
		log.Errorw("audit entries were not written", "path", l.path, "entries", len(b.starts), "err", b.err)
		if !usable {
			l.broken = b.err
		}
		if l.batch != nil {
			l.batch.done, l.batch.err = true, b.err
			l.batch = nil
		}
		l.tail = l.head
		return
	}
	for i, start := range b.starts {
		l.remember(start.seq, l.size+start.offset)
		l.tree.add(start.seq, b.hashes[i], start.seq == b.begins)
	}
	l.size += int64(len(b.lines))
	l.head = b.end
	close(l.grown)
	l.grown = make(chan struct{})
}

// remember keeps a line's place when it is time for one. The caller holds mu, or is Open.
func (l *Log) remember(seq uint64, offset int64) {
	l.since++
	if len(l.marks) > 0 && (l.since < markEvery || seq <= l.marks[len(l.marks)-1].seq) {
		return
	}
	l.marks, l.since = append(l.marks, mark{seq, offset}), 0
}

// Head is the sequence number and hash of the newest entry.
func (l *Log) Head() (uint64, protocol.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head.seq, l.head.hash
}

// Newest returns the number of the newest entry, and what is closed when there is another one or the log
// closes. A closed log is an error.
func (l *Log) Newest() (seq uint64, grown <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		err = errClosed
	}
	return l.head.seq, l.grown, err
}

// Wait returns when there is an entry after a sequence number, or ctx ends.
func (l *Log) Wait(ctx context.Context, after uint64) error {
	for {
		seq, grown, err := l.Newest()
		switch {
		case seq > after:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-grown:
		}
	}
}

// Close releases the file; who waits is let go. It may be called more than once.
func (l *Log) Close() error {
	l.commit.Lock() // what is being written is written first
	defer l.commit.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	file := l.file
	l.file = nil
	close(l.grown)
	l.grown = make(chan struct{})
	return file.Close()
}
