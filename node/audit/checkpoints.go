package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"tocsin/node/durable"
	"tocsin/node/tlog"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// How often a checkpoint is signed when something was written (EVD-09).
const (
	CheckpointEntries = 1000
	CheckpointEvery   = 5 * time.Minute
)

// ActionCut says that a checkpoint which this node signed covers entries that the log does not hold any more.
const ActionCut = "audit.cut"

// ActionDamaged says that a file of the node's state was not what was written.
const ActionDamaged = "state.damaged"

// What bounds the file of checkpoints: at a start, a longer one is thinned out.
const (
	checkpointBytes = 4 << 20
	checkpointDays  = 7  // all of these are kept, and one of every day before
	cosignReach     = 64 // how many checkpoints later one may still be cosigned
)

// Held is a checkpoint that was kept, with the signature lines that it had by then.
type Held struct {
	tlog.Checkpoint
	// At is when it was signed.
	At   time.Time
	Note []byte
	// Witness names who showed it when this node did not know it any more; empty for what it signed itself.
	Witness string
}

// Checkpoints are the signed heads of the log that this node keeps, in a file that only grows. All methods
// may be called concurrently.
type Checkpoints struct {
	path string
	log  *Log
	deps CheckpointDeps

	making sync.Mutex // one is made at a time; taken before mu

	mu      sync.Mutex // guards what follows and the file
	list    []Held     // in the order in which they were signed
	size    int64      // of the file, as far as it is known to be whole; below 0 when it must be written anew
	damaged bool       // the file has lines that are none, and no copy of it was kept yet
}

// CheckpointDeps says who signs.
type CheckpointDeps struct {
	Network string
	Org     protocol.OrgID
	// Signer is the record key in use.
	Signer func() protocol.Signer
	Chains func() *protocol.Chains
}

// checkpointLine is a line of the file. A later line of the same checkpoint has more signatures.
type checkpointLine struct {
	At   time.Time `json:"at"`
	Note string    `json:"note"`
	// Witness is who showed it: it is no place to go on from.
	Witness string `json:"witness,omitempty"`
	// Sum is the hash of the other fields, so that a damaged line is not taken for another checkpoint. Files of older
	// versions lack it.
	Sum string `json:"sum,omitempty"`
}

// sum is what Sum should be.
func (l checkpointLine) sum() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%q\n%q", l.At.UTC().Format(time.RFC3339Nano), l.Note, l.Witness))
	return hex.EncodeToString(sum[:16])
}

// OpenCheckpoints reads the kept checkpoints and holds the log against them: a log that lacks what they cover is
// said to be cut, here and in the log itself. Lines that are none are passed over, and the file is kept aside as it was.
func OpenCheckpoints(path string, l *Log, d CheckpointDeps) (*Checkpoints, error) {
	found, err := readCheckpoints(path)
	if err != nil {
		return nil, err
	}
	c := &Checkpoints{path: path, log: l, deps: d, list: found.list, size: found.size, damaged: found.bad > 0}
	if found.bad > 0 || found.torn > 0 || found.size > checkpointBytes {
		c.list = thin(c.list, time.Now())
		if err := c.rewrite(c.list); err != nil { // it stands as it is; whatever is written next begins with this
			c.size = -1
			log.Errorw("the file of checkpoints was not put in order", "path", path, "err", err)
		}
	}
	if found.torn > 0 {
		log.Warnw("the file of checkpoints was torn; its end is left out", "path", path, "bytes", found.torn)
	}
	if err := c.compare(); err != nil {
		return nil, err
	}
	if found.bad > 0 {
		why := fmt.Sprintf("%d lines are no checkpoints and are left out; the file was copied before it was written anew", found.bad)
		l.NoteDamaged(path, why)
	}
	return c, nil
}

// ReadCheckpoints reads the checkpoints that a node keeps, without the node; none when there is no such file. Their
// signatures are not checked.
func ReadCheckpoints(path string) ([]Held, error) {
	found, err := readCheckpoints(path)
	return found.list, err
}

// checkpointFile is what a file of checkpoints turned out to be.
type checkpointFile struct {
	list []Held
	size int64
	bad  int   // whole lines that are no checkpoints
	torn int64 // bytes of a last line without an end, as a power cut leaves it
}

// readCheckpoints reads every line that is a checkpoint: one that was damaged takes no other with it.
func readCheckpoints(path string) (f checkpointFile, err error) {
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, fmt.Errorf("read the checkpoints: %w", err)
	}
	f.size = int64(len(raw))
	for line := range bytes.Lines(raw) {
		var l checkpointLine
		if line[len(line)-1] != '\n' {
			f.torn = int64(len(line))
			break
		}
		err := json.Unmarshal(line, &l)
		if err == nil && l.Sum != "" && l.Sum != l.sum() {
			err = errors.New("its sum is another one")
		}
		var cp tlog.Checkpoint
		if err == nil {
			cp, err = tlog.Peek([]byte(l.Note))
		}
		if err != nil {
			f.bad++
			continue
		}
		f.list = withHeld(f.list, Held{Checkpoint: cp, At: l.At, Note: []byte(l.Note), Witness: l.Witness})
	}
	return f, nil
}

// withHeld puts a checkpoint into the list, or in the place of the same one with fewer signatures.
func withHeld(list []Held, h Held) []Held {
	for i := len(list) - 1; i >= max(0, len(list)-cosignReach); i-- {
		if list[i].Checkpoint == h.Checkpoint && list[i].Witness == h.Witness {
			list[i].Note = h.Note
			return list
		}
	}
	return append(list, h)
}

// thin keeps all of the last days and the last of each day before; of other logs always the last.
func thin(list []Held, now time.Time) []Held {
	var out []Held
	for i, h := range list {
		last := i+1 == len(list) || list[i+1].Origin != h.Origin || h.Witness != ""
		if last || now.Sub(h.At) < checkpointDays*24*time.Hour || !sameDay(h.At, list[i+1].At) {
			out = append(out, h)
		}
	}
	return out
}

func sameDay(a, b time.Time) bool {
	return a.UTC().Format(time.DateOnly) == b.UTC().Format(time.DateOnly)
}

func encodeHeld(h Held) []byte {
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	line := checkpointLine{At: h.At, Note: string(h.Note), Witness: h.Witness}
	line.Sum = line.sum()
	_ = j.Encode(line) // texts: cannot fail
	return b.Bytes()
}

// rewrite replaces the file; what was damaged is copied before. The caller holds mu, or is OpenCheckpoints.
func (c *Checkpoints) rewrite(list []Held) error {
	if c.damaged {
		if _, err := durable.CopyAside(c.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		c.damaged = false
	}
	var raw []byte
	for _, h := range list {
		raw = append(raw, encodeHeld(h)...)
	}
	if err := durable.Write(c.path, raw, fileMode); err != nil {
		return err
	}
	c.size = int64(len(raw))
	return nil
}

// compare holds the log as it was found against the newest checkpoint. EVD-10
func (c *Checkpoints) compare() error {
	newest, ok := c.Newest()
	if !ok {
		return nil
	}
	t := c.log.Tree()
	why := ""
	switch root, err := t.RootAt(min(newest.Size, t.Size()), t.Leaves); {
	case newest.Origin != tlog.AuditOrigin(c.deps.Network, c.deps.Org, t.ID):
		if why, err = c.compareBefore(newest, t); err != nil {
			return err
		}
	case newest.Size > t.Size():
		why = fmt.Sprintf("the log has %d entries, the newest checkpoint covers %d: its end was cut off", t.Size(), newest.Size)
	case err != nil:
		return err
	case root != newest.Root:
		why = fmt.Sprintf("the first %d entries are not those of the newest checkpoint", newest.Size)
	}
	if why == "" {
		return nil
	}
	log.Errorw("the audit log is not the one of the newest checkpoint; see tocsin audit verify", "why", why, "checkpoint", newest.Size, "entries", t.Size())
	_, err := c.log.Append(WithActor(context.Background(), Node()), Event{Action: ActionCut, Target: newest.Root.String(), Reason: why,
		Detail: map[string]string{"checkpoint": fmt.Sprint(newest.Size), "entries": fmt.Sprint(t.Size()), "signed": newest.At.Format(time.RFC3339)}})
	return err
}

// compareBefore holds the log against a checkpoint of another tree than the present one. That is in order when the
// present one began in this file behind all that the checkpoint covers: then its first entry says what was found.
func (c *Checkpoints) compareBefore(newest Held, t Tree) (why string, err error) {
	_, _, id, err := tlog.OrgOf(newest.Origin)
	if err != nil {
		return "", err
	}
	switch first, err := c.log.find(id); {
	case err != nil:
		return "", err
	case first == 0:
		return "the log is another one than that of the newest checkpoint: it does not hold the entry with which that begins", nil
	case t.First < first+newest.Size && !c.log.is(t.First, ActionRestored): // a backup may have the later checkpoint
		return fmt.Sprintf("the log goes on in a new segment with entry %d, the newest checkpoint covers entries %d to %d: the last of them were cut off or changed", t.First, first, first+newest.Size-1), nil
	}
	return "", nil
}

// find gives the number of the entry with a hash; 0 for none.
func (l *Log) find(hash protocol.Digest) (uint64, error) {
	lines, err := l.linesFrom(0)
	if err != nil {
		return 0, err
	}
	one := sha256.New()
	for {
		line, err := lines.next(func([]byte) {})
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("look for entry %s of the audit log: %w", hash, err)
		}
		if f, ok := readFrame(one, line.text()); ok && f.sound && f.hash == hash {
			return f.seq, nil
		}
	}
}

// NoteDamaged writes down that a file of the node's state was damaged, and what became of it. That is done by then, so that an
// entry which cannot be written stops nothing.
func (l *Log) NoteDamaged(path, why string) {
	log.Errorw("a file of this node's state is damaged", "path", path, "why", why)
	e := Event{Action: ActionDamaged, Target: filepath.Base(path), Reason: cut(why, MaxReason)}
	if _, err := l.Append(WithActor(context.Background(), Node()), e); err != nil {
		log.Errorw("not in the audit log", "action", e.Action, "target", e.Target, "err", err)
	}
}

// Make signs a checkpoint of the log as it stands, durable when it returns nil; when nothing was written since the
// newest one, it is that.
func (c *Checkpoints) Make() (Held, error) {
	c.making.Lock()
	defer c.making.Unlock()
	t := c.log.Tree()
	if t.Size() == 0 {
		return Held{}, reason.New(reason.NotFound, "sign a checkpoint: the audit log is empty")
	}
	cp := tlog.Checkpoint{Origin: tlog.AuditOrigin(c.deps.Network, c.deps.Org, t.ID), Size: t.Size(), Root: t.Root()}
	if newest, ok := c.Newest(); ok && newest.Checkpoint == cp {
		return newest, nil
	}
	note, err := tlog.Sign(cp, c.deps.Signer())
	if err != nil {
		return Held{}, err
	}
	h := Held{Checkpoint: cp, At: time.Now().UTC().Truncate(time.Second), Note: note}
	return h, c.keep(h)
}

// keep adds a checkpoint to the file. What an earlier attempt left behind the last whole line is never built on.
func (c *Checkpoints) keep(h Held) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, line := withHeld(slices.Clone(c.list), h), encodeHeld(h)
	info, err := os.Stat(c.path)
	if err == nil && c.size > 0 && info.Size() == c.size {
		err = c.grow(line)
	} else {
		err = c.rewrite(next)
	}
	if err != nil {
		return fmt.Errorf("keep a checkpoint: %w", err)
	}
	c.list = next
	return nil
}

// grow appends a line; on an error the file is cut back to what it was. The caller holds mu.
func (c *Checkpoints) grow(line []byte) error {
	f, err := os.OpenFile(c.path, os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(line, c.size)
	if err := errors.Join(err, f.Sync()); err != nil {
		return errors.Join(err, f.Truncate(c.size), f.Close())
	}
	c.size += int64(len(line))
	return f.Close()
}

// Cosigned adds a witness's line to a checkpoint that is kept. It must verify and count.
func (c *Checkpoints) Cosigned(cp tlog.Checkpoint, line []byte) (*tlog.Signed, error) {
	c.making.Lock()
	defer c.making.Unlock()
	h, ok := c.find(cp)
	if !ok {
		return nil, reason.New(reason.NotFound, fmt.Sprintf("no checkpoint of size %d is kept", cp.Size))
	}
	chains := c.deps.Chains()
	signed, err := tlog.Open(h.Note, chains)
	if err != nil {
		return nil, err
	}
	more, err := signed.With(line, chains)
	if err != nil {
		return nil, err
	}
	if len(more.Cosignatures) == len(signed.Cosignatures) {
		return more, nil
	}
	if err := timely(more.Cosignatures[len(more.Cosignatures)-1], h.At, chains); err != nil {
		return nil, fmt.Errorf("take a cosignature: %w", err)
	}
	h.Note = more.Note
	return more, c.keep(h)
}

// timely refuses a cosignature that no verifier would count. EVD-20
func timely(s tlog.Cosignature, made time.Time, chains *protocol.Chains) error {
	if ahead := time.Until(s.At); ahead > protocol.ClockSkew {
		return reason.New(reason.TimeFuture, fmt.Sprintf("it is dated %s from now", ahead.Round(time.Second)))
	}
	if !s.Counts(chains) {
		return reason.New(reason.KeyRevoked, fmt.Sprintf("witness key %s of %s is not in force", s.Key, s.Org))
	}
	return s.Dated(chains, made)
}

func (c *Checkpoints) find(cp tlog.Checkpoint) (Held, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range slices.Backward(c.list[max(0, len(c.list)-cosignReach):]) {
		if h.Checkpoint == cp {
			return h, true
		}
	}
	return Held{}, false
}

// Newest is the newest checkpoint that this node signed; false when there is none.
func (c *Checkpoints) Newest() (Held, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range slices.Backward(c.list) {
		if h.Witness == "" {
			return h, true
		}
	}
	return Held{}, false
}

// Mine reports whether a checkpoint is of this log.
func (c *Checkpoints) Mine(s *tlog.Signed) bool {
	return s.Origin == tlog.AuditOrigin(c.deps.Network, c.deps.Org, c.log.Tree().ID)
}

// Contradicted keeps a checkpoint of this log that the log does not continue, as somebody else showed it, and says so in
// the log, once for each. EVD-16
func (c *Checkpoints) Contradicted(ctx context.Context, s *tlog.Signed, why string) error {
	c.making.Lock()
	defer c.making.Unlock()
	for _, h := range c.List() {
		if h.Checkpoint == s.Checkpoint && h.Witness != "" {
			return nil
		}
	}
	log.Errorw("the audit log does not continue a checkpoint; see tocsin audit verify", "why", why)
	t := c.log.Tree()
	_, err := c.log.Append(WithActor(context.WithoutCancel(ctx), Node()), Event{Action: ActionCut, Target: s.Root.String(), Reason: why,
		Detail: map[string]string{"checkpoint": fmt.Sprint(s.Size), "entries": fmt.Sprint(t.Size())}})
	if err != nil {
		return err
	}
	return c.keep(Held{Checkpoint: s.Checkpoint, At: time.Now().UTC().Truncate(time.Second), Note: s.Note, Witness: cut(why, maxUser)})
}

// List gives the kept checkpoints, oldest first. The caller owns the slice.
func (c *Checkpoints) List() []Held {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// Run signs a checkpoint after so many entries, or so long after something was written, until ctx ends.
// made is called after each, and must return at once; it may be nil. What is written when the node stops is for
// the one who stops it.
func (c *Checkpoints) Run(ctx context.Context, made func()) error {
	for {
		size := uint64(0)
		t := c.log.Tree()
		if newest, ok := c.Newest(); ok && newest.Origin == tlog.AuditOrigin(c.deps.Network, c.deps.Org, t.ID) && newest.Size <= t.Size() {
			size = newest.Size
		}
		if err := c.log.Wait(ctx, t.First+max(size, 1)-1); err != nil {
			return ignore(ctx, err)
		}
		patience, cancel := context.WithTimeout(ctx, CheckpointEvery)
		err := c.log.Wait(patience, t.First+size+CheckpointEntries-2)
		cancel()
		if ctx.Err() != nil || err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return ignore(ctx, err)
		}
		if _, err := c.Make(); err != nil {
			log.Errorw("no checkpoint was signed", "err", err)
			if err := pause(ctx, time.Minute); err != nil {
				return nil
			}
			continue
		}
		if made != nil {
			made()
		}
	}
}

// pause waits; its error is ctx's.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// ignore is nil when ctx ended, which is how Run ends.
func ignore(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, errClosed) {
		return nil
	}
	return err
}
