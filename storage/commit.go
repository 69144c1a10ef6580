package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// How long the writer lets others join a batch: at once when it is idle; under
// load until nobody has come for quietWait, and never longer than maxWait.
const (
	quietWait = time.Millisecond
	maxWait   = 50 * time.Millisecond
)

// op is one thing that a caller wants to be written.
type op struct {
	// plan says what to write, from what is durable now. It runs in the writer,
	// and again when the batch before it had to be committed first.
	plan func() (step, error)
	done chan error // holds one, so that the writer waits for no caller
	// alone is done instead of a plan, with nothing else under way.
	alone func(*writer) error
}

// step is the outcome of a plan.
type step struct {
	// touches are the subjects that the plan looked at: within a batch each has one step.
	touches []subject
	// body may be written before tail, in transactions of its own, and means
	// nothing without it. tail is written as a whole or not at all.
	body, tail []write
	changes    []Change // Seq and At are given at the commit
	counts     Counts   // what the totals grow by
	expired    []lapse  // places of logs whose record expires
	// apply tells the tables when it is durable.
	apply func(*tables) error
}

// lapse is a place of a key log whose record expires.
type lapse struct {
	log uint32
	seq uint64
}

// subject is a record, or a place in a key log.
type subject struct {
	id  protocol.RecordID
	log logKey
	seq uint64
}

// batch is what goes in one transaction with one sync.
type batch struct {
	ops     []*op
	steps   []step
	touched map[subject]bool
	size    int
	count   int
}

// writer owns every write to the database. Its fields belong to its goroutine.
type writer struct {
	s        *Store
	batch    batch
	maxSize  int
	maxCount int
	// busy is true when the last batch had more than one op.
	busy bool
	// failed is the error of a commit after which nobody knows what is on disk.
	failed error
}

func newWriter(s *Store) *writer {
	// badger counts a little more than we do.
	return &writer{s: s, maxSize: int(s.db.MaxBatchSize() / 10 * 9), maxCount: int(s.db.MaxBatchCount() / 10 * 9)}
}

// do hands work to the writer and waits until it is durable. When ctx ends
// first the caller is let go, but the work may still be done.
func (s *Store) do(ctx context.Context, plan func() (step, error)) error {
	o, err := s.send(ctx, plan)
	if err != nil {
		return err
	}
	return o.wait(ctx)
}

func (s *Store) send(ctx context.Context, plan func() (step, error)) (*op, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o := &op{plan: plan, done: make(chan error, 1)}
	return o, s.queue(ctx, o)
}

func (s *Store) queue(ctx context.Context, o *op) error {
	select {
	case s.work.queue <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.work.quit:
		return errClosed()
	}
}

func (o *op) wait(ctx context.Context) error {
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run serves the queue until the store closes. What it received it answers.
func (w *writer) run() {
	defer close(w.s.work.done)
	for {
		select {
		case o := <-w.s.work.queue:
			ops := w.gather(o)
			w.busy = len(ops) > 1
			for _, o := range ops {
				w.plan(o)
			}
			w.commit()
		case <-w.s.work.quit:
			return
		}
	}
}

// gather takes everything that waits, and under load what comes within moments.
func (w *writer) gather(first *op) []*op {
	ops := []*op{first}
	for more := true; more; {
		select {
		case o := <-w.s.work.queue:
			ops = append(ops, o)
		default:
			more = false
		}
	}
	if w.s.memory || !w.busy && len(ops) == 1 {
		return ops
	}
	quiet, end := time.NewTimer(quietWait), time.NewTimer(maxWait)
	defer quiet.Stop()
	defer end.Stop()
	for len(ops) < w.maxCount/8 {
		select {
		case o := <-w.s.work.queue:
			ops = append(ops, o)
			quiet.Reset(quietWait)
		case <-quiet.C:
			return ops
		case <-end.C:
			return ops
		}
	}
	return ops
}

// plan adds an op to the batch, and commits the batch before it where the two do not go together.
func (w *writer) plan(o *op) {
	if o.alone != nil {
		w.commit()
		o.done <- o.alone(w)
		return
	}
	st, err := o.plan()
	if err == nil && w.meets(st) {
		w.commit()
		st, err = o.plan()
	}
	if err != nil {
		o.done <- err
		return
	}
	size, count := st.measure()
	if w.batch.size+size > w.maxSize || w.batch.count+count > w.maxCount {
		w.commit()
	}
	if size > w.maxSize || count > w.maxCount {
		if err := w.writeBody(st.body); err != nil {
			o.done <- err
			return
		}
		st.body = nil
		size, count = st.measure()
	}
	b := &w.batch
	b.ops, b.steps = append(b.ops, o), append(b.steps, st)
	b.size, b.count = b.size+size, b.count+count
	if b.touched == nil {
		b.touched = map[subject]bool{}
	}
	for _, sub := range st.touches {
		b.touched[sub] = true
	}
}

// meets reports whether the batch already holds a step about a subject of st.
func (w *writer) meets(st step) bool {
	for _, sub := range st.touches {
		if w.batch.touched[sub] {
			return true
		}
	}
	return false
}

// stepOverhead is more than the change, log and totals entries of a step take.
const stepOverhead = 512

func (st step) measure() (size, count int) {
	size = stepOverhead * (1 + len(st.changes))
	for _, w := range st.body {
		size += w.size()
	}
	for _, w := range st.tail {
		size += w.size()
	}
	return size, len(st.body) + len(st.tail) + len(st.changes) + len(st.expired) + 1
}

// commit makes the batch durable, then visible, then acknowledges it.
func (w *writer) commit() {
	b := w.batch
	w.batch = batch{}
	if len(b.steps) == 0 {
		return
	}
	changes := w.number(b.steps)
	err := w.write(w.writes(b.steps, changes))
	if err == nil {
		// If we stop on this line everything in the batch is durable, nobody has been
		// told, and the next start finds it: a publisher repeats itself and gets dup.held.
		err = w.apply(b.steps, changes)
	}
	for _, o := range b.ops {
		o.done <- err
	}
}

// number gives the changes of a batch their place in the sequence.
func (w *writer) number(steps []step) []Change {
	now := time.Now().UTC().Round(0)
	var out []Change
	for _, st := range steps {
		for _, c := range st.changes {
			c.Seq, c.At = w.s.seq+uint64(len(out))+1, now
			out = append(out, c)
		}
	}
	return out
}

// writes lists everything that a batch writes. The order does not matter: it is one transaction.
func (w *writer) writes(steps []step, changes []Change) []write {
	var out []write
	totals := w.s.tables.counts
	expired := map[uint32]keyLog{}
	for _, st := range steps {
		out = append(append(out, st.body...), st.tail...)
		totals = totals.plus(st.counts)
		for _, at := range st.expired {
			l, ok := expired[at.log]
			if !ok {
				l = w.s.tables.logs[at.log]
			}
			l.lapse(at.seq)
			expired[at.log] = l
		}
	}
	for _, c := range changes {
		out = append(out, write{changeKey(c.Seq), packChange(c)})
	}
	for _, l := range expired {
		out = append(out, write{logRecordKey(l.logKey()), packLog(l)})
	}
	return append(out, write{metaKey(metaTotals), packTotals(totals, w.s.seq+uint64(len(changes)))})
}

// writeBody writes what is too large to go with its tail. If we stop after it, it
// is parts of a value that does not exist; the next attempt writes them again.
func (w *writer) writeBody(body []write) error {
	for len(body) > 0 {
		n, size := 0, 0
		for n < len(body) && n < w.maxCount && size+body[n].size() <= w.maxSize {
			size += body[n].size()
			n++
		}
		if n == 0 {
			return reason.New(reason.Internal, fmt.Sprintf("one value of %d bytes does not fit in a transaction", body[0].size()))
		}
		if err := w.write(body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

// write is the one place where the database changes: one transaction, one
// sync. Nothing is written when the guard finds no room. After an error nobody
// knows what reached the disk, so that nothing more is written until a restart has read it.
func (w *writer) write(writes []write) error {
	if w.failed != nil {
		return fmt.Errorf("write to the store after an earlier error: %w", w.failed)
	}
	if err := w.s.room(); err != nil { // nothing was written, and the next attempt may succeed
		return err
	}
	txn := w.s.db.NewTransaction(true)
	defer txn.Discard()
	for _, wr := range writes {
		var err error
		if wr.value == nil {
			err = txn.Delete(wr.key)
		} else {
			err = txn.Set(wr.key, wr.value)
		}
		if err != nil { // nothing was written
			return fmt.Errorf("write to the store: %w", err)
		}
	}
	err := txn.Commit()
	if errors.Is(err, badger.ErrTxnTooBig) { // nothing was written
		return fmt.Errorf("commit to the store: %w", err)
	}
	if err = cmp.Or(err, w.s.synced.err()); err != nil {
		w.failed = err
		log.Errorw("store stopped writing", "err", err)
		return fmt.Errorf("commit to the store: %w", err)
	}
	return nil
}

// apply tells readers what is durable now.
func (w *writer) apply(steps []step, changes []Change) error {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, st := range steps {
		errs = append(errs, st.apply(s.tables))
		for _, at := range st.expired {
			s.tables.logs[at.log].lapse(at.seq)
		}
	}
	if s.tables.worthCompacting() {
		s.tables.compact()
	}
	if len(changes) > 0 {
		s.seq += uint64(len(changes))
		if err := s.mark.set(s.seq, false); err != nil {
			log.Warnw("acknowledged, and not marked: a later start may not notice its loss", "err", err)
		}
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return errors.Join(errs...)
}
