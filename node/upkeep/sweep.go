package upkeep

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"tocsin/node/audit"
	"tocsin/node/intake"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// sweepBatch is how many records are moved at once; between batches others get their turn.
const sweepBatch = 1000

// sweep remembers what was swept in this run, so that a change costs what it
// changes. It is empty after a start: then all logs are looked at once.
type sweep struct {
	logs  map[place]swept
	trips map[scope]bool
}

// swept is how a log was left: up to head everything from the first void place on is held. What came
// behind head was judged when it came. reach is up to where nothing was held for coming late.
type swept struct {
	void, head, reach uint64
}

// place is a key log.
type place struct {
	org   protocol.OrgID
	key   protocol.KeyID
	topic protocol.Topic
}

type scope struct {
	org   protocol.OrgID
	topic string
}

// Sweep brings the store in line with the standing now, for whoever waits for the effect of a decision.
func (k *Keeper) Sweep(ctx context.Context) error {
	k.sweeping.Lock()
	defer k.sweeping.Unlock()
	return k.sweepAll(ctx)
}

// sweepAll brings the store in line with the standing: what does not stand any more
// goes into quarantine, what does again is judged again. If it stops on the way, the
// next sweep goes on: what is moved already is passed over.
func (k *Keeper) sweepAll(ctx context.Context) error {
	first := k.sweep.logs == nil
	if first {
		k.sweep.logs = map[place]swept{}
		if err := k.back(ctx, intake.Unstable()...); err != nil {
			k.sweep.logs = nil
			return err
		}
	}
	for _, l := range k.d.Store.Logs() {
		if err := k.sweepLog(ctx, l, first); err != nil {
			return fmt.Errorf("sweep log %s of %s: %w", l.Topic, l.Key, err)
		}
	}
	return k.sweepTrips(ctx)
}

// sweepLog holds a log from the first place on that does not stand, and takes back what
// stands again before it: also what came since the last sweep and was held then. fresh says that all
// that is held was judged again just now.
func (k *Keeper) sweepLog(ctx context.Context, l storage.Log, fresh bool) error {
	at := place{l.Org, l.Key, l.Topic}
	left, seen := k.sweep.logs[at]
	switch {
	case !seen && fresh:
		left = swept{void: l.Head + 1, reach: math.MaxUint64}
	case !seen:
		left = swept{void: 1, reach: math.MaxUint64} // all of it is judged again
	}
	void, why := k.firstVoid(l)
	for _, s := range [][2]uint64{{void, min(left.void-1, l.Head)}, {max(void, left.void, left.head+1), l.Head}} {
		if s[0] > s[1] {
			continue
		}
		if err := k.hold(ctx, l, s[0], s[1], why); err != nil {
			return err
		}
	}
	if left.void < void {
		if err := k.admit(ctx, k.d.Store.Range(l.Org, l.Key, l.Topic, left.void, void-1)); err != nil {
			return err
		}
	}
	// VER-18: a status names more of what came late, or the key has a certificate again.
	reach := k.d.Standing.Reach(l.Org, l.Key, l.Topic)
	if last := min(reach, void-1); left.reach < last {
		if err := k.admit(ctx, k.d.Store.Range(l.Org, l.Key, l.Topic, left.reach, last)); err != nil {
			return err
		}
	}
	k.sweep.logs[at] = swept{void, l.Head, reach}
	return nil
}

// firstVoid finds the first place of a log that does not stand, behind the head when
// all do. What voids a place voids every later one.
func (k *Keeper) firstVoid(l storage.Log) (from uint64, why error) {
	judge := func(sequence uint64) error {
		id := l.HeadID
		if sequence != l.Head {
			id, _ = k.d.Store.At(l.Org, l.Key, l.Topic, sequence)
		}
		return k.d.Standing.Position(l.Org, protocol.Head{Key: l.Key, Topic: l.Topic, Sequence: sequence, ID: id})
	}
	if why = judge(l.Head); why == nil {
		return l.Head + 1, nil
	}
	low, high := uint64(1), l.Head
	for low < high {
		middle := low + (high-low)/2
		if err := judge(middle); err != nil {
			high, why = middle, err
		} else {
			low = middle + 1
		}
	}
	return low, why
}

// hold moves the records of a stretch of a log into quarantine.
func (k *Keeper) hold(ctx context.Context, l storage.Log, from, to uint64, why error) error {
	code, moved := reason.Of(why), 0
	for ids := range slices.Chunk(k.d.Store.Range(l.Org, l.Key, l.Topic, from, to), sweepBatch) {
		held, err := k.d.Store.Hold(ctx, ids, code)
		moved += len(held)
		if err != nil {
			return err
		}
	}
	if moved == 0 {
		return nil
	}
	log.Warnw("records do not stand any more and are held", "org", l.Org, "key", l.Key, "topic", l.Topic, "from", from, "records", moved, "err", why)
	if l.Topic == protocol.TopicControl {
		k.d.Pledges.Changed()
	}
	_, err := k.d.Audit.Append(ctx, audit.Event{
		Action: "records.hold", Target: l.Org.String(), Reason: why.Error(),
		Detail: map[string]string{"key": l.Key.String(), "topic": l.Topic.String(), "from": strconv.FormatUint(from, 10), "records": strconv.Itoa(moved), "code": string(code)},
	})
	return err
}

// sweepTrips takes back what was held for breakers that are closed now. What came
// before a breaker opened stays as it is.
func (k *Keeper) sweepTrips(ctx context.Context) error {
	open := map[scope]bool{}
	for _, t := range k.d.Standing.Trips() {
		open[scope{t.Org, t.Topic}] = true
	}
	closed := false
	for s := range k.sweep.trips {
		closed = closed || !open[s]
	}
	if closed {
		if err := k.back(ctx, reason.OrgTripped); err != nil {
			return err
		}
	}
	k.sweep.trips = open
	return nil
}

// back judges again what is held for some reasons.
func (k *Keeper) back(ctx context.Context, why ...reason.Code) error {
	n, err := k.d.Intake.Rejudge(ctx, why...)
	restored(n)
	return err
}

// admit judges some held records again.
func (k *Keeper) admit(ctx context.Context, ids []protocol.RecordID) error {
	n, err := k.d.Intake.Reconsider(ctx, ids)
	restored(n)
	return err
}

func restored(objects int) {
	if objects > 0 {
		log.Infow("taken out of quarantine: they stand again", "objects", objects)
	}
}
