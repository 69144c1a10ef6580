package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"tocsin/node/audit"
	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// How facts are written and committed to (EVD-03).
const (
	followBatch  = 1000             // changes read at once
	followRest   = time.Second      // between two syncs
	followRetry  = time.Minute      // after a failure, such as a full disk
	cursorEvery  = 30 * time.Second // a cursor that lags only costs looking again
	commitFacts  = 1000
	commitEvery  = 5 * time.Minute
	ActionCommit = "evidence.commit"
)

// cursor is how far the changes of the store were followed. Record tells whether it is still the same store.
type cursor struct {
	Seq    uint64            `json:"seq"`
	Record protocol.RecordID `json:"record"`
}

// Run follows the change sequence of the store, keeps a fact for each new record and commits to them until ctx ends.
func (b *Book) Run(ctx context.Context) error {
	if b.store == nil {
		<-ctx.Done()
		return nil
	}
	at, saved := b.loadCursor(), time.Now()
	defer func() { b.saveCursor(at) }()
	for {
		wait, cancel := context.WithDeadline(ctx, b.due(time.Now()))
		err := b.store.Wait(wait, at.Seq)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("follow the store for first-seen facts: %w", err)
		}
		next, more, err := b.follow(at)
		at = next
		pause := followRest
		if err != nil {
			log.Errorw("first-seen facts were not written", "err", err)
			pause = followRetry
		}
		if err := b.commitDue(ctx, time.Now()); err != nil && ctx.Err() == nil {
			log.Errorw("first-seen facts were not committed to", "err", err)
		}
		if time.Since(saved) > cursorEvery {
			b.saveCursor(at)
			saved = time.Now()
		}
		if !more && !rest(ctx, pause) {
			return nil
		}
	}
}

// rest waits; false when ctx ended.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// follow takes up what happened in the store. more says that there is more at once.
func (b *Book) follow(at cursor) (next cursor, more bool, err error) {
	changes, err := b.store.Changes(at.Seq, followBatch)
	if err != nil && len(changes) == 0 {
		log.Warnw("a change of the store cannot be read; a fact may be missing", "change", at.Seq+1, "err", err)
		return cursor{Seq: at.Seq + 1, Record: at.Record}, false, nil
	}
	var ids []protocol.RecordID
	for _, c := range changes {
		switch c.Kind {
		case "accepted", "held", "released":
			ids = append(ids, c.Record)
		}
	}
	if err := b.see(ids); err != nil {
		return at, false, err
	}
	if n := len(changes); n > 0 {
		at = cursor{Seq: changes[n-1].Seq, Record: changes[n-1].Record}
	}
	return at, len(changes) == followBatch, nil
}

// see writes the facts of records that have none. A record that is gone again has none.
func (b *Book) see(ids []protocol.RecordID) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	var entries [][]byte
	fresh := map[protocol.RecordID]bool{}
	for _, id := range ids {
		if fresh[id] || len(b.own.find(id)) > 0 {
			continue // EVD-01: the oldest fact stands, whatever the store says now
		}
		seen, from, err := b.store.Source(id)
		if err != nil {
			if reason.Of(err) != reason.NotFound {
				log.Warnw("the store does not say where a record is from", "record", id, "err", err)
			}
			continue
		}
		fresh[id] = true
		entries = append(entries, encodeFact(Fact{Record: id, Seen: seen, From: from}, false))
	}
	if err := b.own.append(entries); err != nil {
		return err
	}
	b.committing.Lock()
	defer b.committing.Unlock()
	if b.waiting.IsZero() && b.own.size() > b.committed {
		b.waiting = time.Now()
	}
	return nil
}

// resume finds the newest commitment in the audit log.
func (b *Book) resume() error {
	if b.log == nil {
		return nil
	}
	last, err := b.log.Last(1, audit.Filter{Action: ActionCommit, Text: ActionCommit})
	if err != nil {
		return fmt.Errorf("find the newest commitment to first-seen facts: %w", err)
	}
	if len(last) == 0 {
		return nil
	}
	size, root, err := readCommit(last[0])
	if err != nil {
		return nil // not one that we can read: a new one will be made
	}
	t := b.own.snapshot()
	found, err := t.RootAt(min(size, t.Size()), b.own.leaves)
	if size > t.Size() || err != nil || found != root {
		log.Errorw("the first-seen facts are not those that the audit log commits to", "committed", size, "kept", t.Size(), "err", err)
		return nil // all are committed to anew
	}
	b.committed = size
	return nil
}

// due is when Run must wake although nothing happens in the store.
func (b *Book) due(now time.Time) time.Time {
	b.committing.Lock()
	defer b.committing.Unlock()
	if b.waiting.IsZero() {
		if b.own.size() == b.committed {
			return now.Add(24 * time.Hour)
		}
		b.waiting = now // facts that a stop left
	}
	return b.waiting.Add(commitEvery)
}

// commitDue commits when it is time.
func (b *Book) commitDue(ctx context.Context, now time.Time) error {
	b.committing.Lock()
	waiting := b.own.size() - b.committed
	due := waiting >= commitFacts || waiting > 0 && !b.waiting.IsZero() && !now.Before(b.waiting.Add(commitEvery))
	b.committing.Unlock()
	if !due {
		return nil
	}
	_, err := b.Commit(ctx)
	if err != nil {
		b.committing.Lock()
		b.waiting = now // tried again in a while
		b.committing.Unlock()
	}
	return err
}

// Commit writes the head of the tree over all facts into the audit log now. EVD-03
func (b *Book) Commit(ctx context.Context) (audit.Entry, error) {
	b.committing.Lock()
	defer b.committing.Unlock()
	t := b.own.snapshot()
	e, err := b.log.Append(audit.WithActor(ctx, audit.Node()), audit.Event{Action: ActionCommit,
		Detail: map[string]string{"size": strconv.FormatUint(t.Size(), 10), "root": t.Root().String()}})
	if err != nil {
		return e, err
	}
	b.committed, b.waiting = t.Size(), time.Time{}
	return e, nil
}

// readCommit reads what an entry commits to.
func readCommit(e audit.Entry) (size uint64, root protocol.Digest, err error) {
	if e.Action != ActionCommit {
		return 0, root, fmt.Errorf("entry %d is %s and no commitment", e.Seq, e.Action)
	}
	if size, err = strconv.ParseUint(e.Detail["size"], 10, 64); err != nil {
		return 0, root, fmt.Errorf("entry %d commits to no number of facts", e.Seq)
	}
	root, err = protocol.ParseDigest(e.Detail["root"])
	return size, root, err
}

// loadCursor says where to go on; the start when the store is another one, or went back: what is known already is
// passed over.
func (b *Book) loadCursor() cursor {
	var at cursor
	if b.own.size() == 0 {
		return at // there are no facts, or they begin anew
	}
	raw, err := os.ReadFile(filepath.Join(b.dir, cursorFile))
	if err != nil || json.Unmarshal(raw, &at) != nil || at.Seq == 0 || at.Seq > b.store.Sequence() {
		return cursor{}
	}
	changes, err := b.store.Changes(at.Seq-1, 1)
	if err != nil || len(changes) != 1 || changes[0].Record != at.Record {
		return cursor{}
	}
	return at
}

func (b *Book) saveCursor(at cursor) {
	raw, err := json.Marshal(at)
	if err == nil {
		err = durable.Write(filepath.Join(b.dir, cursorFile), raw, 0o600)
	}
	if err != nil {
		log.Warnw("how far the store was followed is not kept; the next start looks again", "err", err)
	}
}
