package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// fileMode lets nobody but the node's own account read the log.
const fileMode = 0o600

// Open opens or creates the log and checks its chain. A torn last line, which a power cut
// leaves, is moved beside the log and named in an entry. When the chain does not
// hold, the error carries audit.damaged and the log is usable all the same: it goes on in
// a new segment, whose first entry names the break. Every other error comes without a log.
func Open(path string) (*Log, error) {
	l := &Log{path: path, grown: make(chan struct{})}
	err := l.open()
	if err != nil && reason.Of(err) != reason.AuditDamaged {
		err = fmt.Errorf("open the audit log: %w", err)
		if l.file != nil {
			err = errors.Join(err, l.file.Close())
		}
		return nil, err
	}
	return l, err
}

func (l *Log) open() (err error) {
	_, err = os.Lstat(l.path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if l.file, err = os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, fileMode); err != nil {
		return err
	}
	if err := l.file.Chmod(fileMode); err != nil {
		return err
	}
	if fresh {
		return durable.SyncFolder(filepath.Dir(l.path))
	}
	found, err := l.scan()
	if err != nil {
		return err
	}
	var torn *Event
	if found.torn {
		if torn, err = l.cutOff(found.size); err != nil {
			return err
		}
	}
	l.size, l.head = found.size, found.head
	l.tail = l.head
	if err := l.resume(found, torn); err != nil {
		return err
	}
	if len(found.problems) == 0 {
		return nil
	}
	return reason.New(reason.AuditDamaged, fmt.Sprintf("audit log %s: %s", l.path, told(found.problems)))
}

// scanned is what an existing file turned out to be.
type scanned struct {
	size int64 // bytes up to what is torn
	torn bool
	head place
	// problems are all that were found; fresh says that no segment entry names some of them.
	problems []string
	fresh    bool
}

// scan checks every line and remembers places.
func (l *Log) scan() (scanned, error) {
	c, lines := newChecker(), newLineReader(l.file, 0)
	// What is torn begins with a line that has no end, or with one in which the file system
	// left zeros, when nothing sound comes behind it: then what was found from there on is no damage.
	var cut *scanned
	for {
		before := scanned{size: lines.offset, torn: true, head: place{c.top, c.last.hash}, problems: c.problems, fresh: c.fresh > 0}
		line, f, sound, err := c.next(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return scanned{}, err
		}
		if sound {
			l.remember(f.seq, line.offset)
			l.tree.add(f.seq, f.hash, beginsTree(line.raw))
			cut = nil
			continue
		}
		if cut == nil && (!line.ended || line.null) {
			cut = &before
		}
	}
	if cut != nil {
		return *cut, nil
	}
	return scanned{size: lines.offset, head: place{c.top, c.last.hash}, problems: c.problems, fresh: c.fresh > 0}, nil
}

// sum is the hash of the whole file.
func (l *Log) sum(size int64) (d protocol.Digest, err error) {
	h := sha256.New()
	_, err = io.Copy(h, io.NewSectionReader(l.file, 0, size))
	h.Sum(d[:0])
	return d, err
}

// cutOff moves everything behind size beside the log. If we stop between the two steps, the
// next start does both again: nothing is lost, one copy is too many.
func (l *Log) cutOff(size int64) (*Event, error) {
	info, err := l.file.Stat()
	if err != nil {
		return nil, err
	}
	beside, name, err := besides(l.path)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(beside, sum), io.NewSectionReader(l.file, size, info.Size()-size))
	if err := errors.Join(err, beside.Sync(), beside.Close()); err != nil {
		return nil, err
	}
	if err := durable.SyncFolder(filepath.Dir(l.path)); err != nil {
		return nil, err
	}
	if err := errors.Join(l.file.Truncate(size), l.file.Sync()); err != nil {
		return nil, err
	}
	return &Event{Action: ActionTorn, Target: filepath.Base(name), Reason: "the last line had no end: it was moved beside the log",
		Detail: map[string]string{"bytes": fmt.Sprint(info.Size() - size), "sha256": fmt.Sprintf("%x", sum.Sum(nil))}}, nil
}

// besides makes a file beside the log that was not there before.
func besides(path string) (*os.File, string, error) {
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.torn-%d", path, n)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
		if errors.Is(err, fs.ErrExist) && n < 10_000 {
			continue
		}
		return f, name, err
	}
}

// resume writes what the log must say of itself before anything else.
func (l *Log) resume(found scanned, torn *Event) error {
	ctx := WithActor(context.Background(), Node())
	if found.fresh {
		entry := Entry{Actor: Node(), Event: Event{
			Action: ActionSegment, Reason: cut(told(found.problems), MaxReason),
			Detail: map[string]string{"problems": fmt.Sprint(len(found.problems)), "bytes": fmt.Sprint(found.size)},
		}}
		sum, err := l.sum(found.size)
		if err != nil {
			return err
		}
		b, err := l.queue(&entry, &sum)
		if err == nil {
			err = l.write(b)
		}
		if err != nil {
			return fmt.Errorf("begin a new segment: %w", err)
		}
	}
	if torn != nil {
		log.Warnw("the last line of the audit log was torn", "path", l.path, "moved", torn.Target, "bytes", torn.Detail["bytes"])
		if _, err := l.Append(ctx, *torn); err != nil {
			return err
		}
	}
	return nil
}

// told names the first problems in one line.
func told(problems []string) string {
	const most = 5
	if len(problems) <= most {
		return strings.Join(problems, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(problems[:most], "; "), len(problems)-most)
}
