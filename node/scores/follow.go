package scores

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// The pace of the follower.
const (
	// batch is how many changes are looked at between two rests.
	batch = 16
	// saveEvery is how often the file is written while there is something new.
	saveEvery = time.Minute
)

// Run follows the change sequence until ctx ends, and keeps the totals every minute and at the end.
func (b *Book) Run(ctx context.Context) error {
	pace := Pace{Store: b.Store}
	b.saved = time.Now()
	for ctx.Err() == nil {
		pace.Start()
		n, err := b.step(time.Now())
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("follow the change sequence: %w", err)
		}
		if now := time.Now(); now.Sub(b.saved) >= saveEvery {
			if err := b.save(now); err != nil {
				log.Errorw("scorecards were not kept", "err", err)
				b.saved = now // the next minute tries again
			}
		}
		if n == 0 {
			err = b.wait(ctx)
		} else {
			err = pace.Rest(ctx)
		}
		if err != nil && ctx.Err() == nil {
			return errors.Join(fmt.Errorf("follow the change sequence: %w", err), b.save(time.Now()))
		}
	}
	return b.save(time.Now())
}

// wait returns when there is something to look at, or to save.
func (b *Book) wait(ctx context.Context) error {
	wait, cancel := ctx, context.CancelFunc(func() {})
	if b.dirty {
		wait, cancel = context.WithDeadline(ctx, b.saved.Add(saveEvery))
	}
	defer cancel()
	err := b.Store.Wait(wait, b.totals.cursor)
	if wait.Err() != nil {
		return nil
	}
	return err
}

// step looks at the next changes and returns how many there were.
func (b *Book) step(now time.Time) (int, error) {
	changes, err := b.Store.Changes(b.totals.cursor, batch)
	if err != nil && len(changes) == 0 {
		if reason.Of(err) != reason.StoreDamaged {
			return 0, err
		}
		// A change that cannot be read is lost to the ledger, and no more than that one.
		log.Errorw("change left out of the scorecards", "after", b.totals.cursor, "err", err)
		b.apply(nil, b.totals.cursor+1)
		return 1, nil
	}
	look := eye{Book: b, list: b.Policy.List(), now: now}
	touched := map[seat]bool{}
	for _, c := range changes {
		events, err := look.at(c)
		if err != nil {
			log.Errorw("record left out of the scorecards", "record", c.Record, "err", err)
		}
		b.apply(events, c.Seq)
		for i := range events {
			e := &events[i]
			touched[e.seat()] = true
			if len(e.records) > 0 && b.Refuted != nil && now.Sub(e.at) < day {
				b.Refuted(e.org, e.topic.String(), slices.Collect(maps.Values(e.records)))
			}
		}
	}
	b.abuses(&look, touched)
	for at := range touched {
		b.consider(&look, at)
	}
	return len(changes), nil
}

// event is what one change brought to one seat.
type event struct {
	org   protocol.OrgID
	topic protocol.Topic
	at    time.Time // when the record came that brought it
	counts
	lead, retraction []time.Duration
	// records are those with claims that are upheld as refuted by this, and when they came.
	records map[protocol.RecordID]time.Time
	// came is true when the organisation itself sent the record.
	came bool
}

// counts are what is added to a card.
type counts struct {
	// objects counts claims; unique may fall when a second voice names a value.
	objects, unique               int
	confirmed, refuted, withdrawn int
	// abused counts false positives that somebody else's abuse costs this voucher.
	abused int
	// upheld counts claims that are refuted beyond one voice's word, upheldBy the groups that say so.
	upheld, upheldBy int
}

func (e *event) seat() seat { return seat{e.org, e.topic.String()} }

// apply adds events to the totals and moves the cursor, in one.
func (b *Book) apply(events []event, cursor uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.totals.cursor, b.dirty = cursor, true
	for i := range events {
		e := &events[i]
		c := b.totals.at(e.seat())
		if c == nil {
			log.Warnw("too many scorecards: one more organisation is not counted", "org", e.org, "topic", e.topic)
			continue
		}
		c.add(e)
	}
}

func (c *card) add(e *event) {
	if e.came {
		if c.Work.First.IsZero() || e.at.Before(c.Work.First) {
			c.Work.First = e.at
		}
		if e.at.After(c.Work.Last) {
			c.Work.Last = e.at
		}
	}
	c.Work.Objects += e.objects
	c.Work.Unique = max(0, c.Work.Unique+e.unique)
	c.Ledger.Confirmed += e.confirmed
	c.Ledger.Refuted += e.refuted
	c.Ledger.Withdrawn += e.withdrawn
	c.Ledger.Upheld += e.upheld
	for _, d := range e.lead {
		c.Lead.add(d)
	}
	for _, d := range e.retraction {
		c.Retraction.add(d)
	}
	if e.confirmed+e.refuted+e.withdrawn+e.abused+e.upheldBy > 0 {
		c.tally(tally{
			Tally:  trust.Tally{Day: dayOf(e.at), Good: uint32(e.confirmed), Bad: uint32(e.refuted + e.abused), Withdrawn: uint32(e.withdrawn)},
			Upheld: uint32(e.upheldBy + e.abused),
		})
	}
}

func dayOf(t time.Time) int32 { return int32(t.Unix() / (24 * 60 * 60)) }

// refute notes that groups more speak against a claim that began with began, after those before.
func (e *event) refute(began *first, before, now verdict) {
	groups := now.groups - before.groups
	if groups <= 0 {
		return
	}
	e.refuted += groups
	switch {
	case before.upheld():
		e.upheldBy += groups
	case now.upheld():
		e.upheld++
		e.upheldBy += now.groups
		if e.records == nil {
			e.records = map[protocol.RecordID]time.Time{}
		}
		e.records[began.id] = began.at
	}
}

// abuses charges vouchers for breakers that tripped for whom they vouched, once a trip.
func (b *Book) abuses(look *eye, touched map[seat]bool) {
	if b.Standing == nil || b.Standing.Version() == b.seen {
		return
	}
	b.seen = b.Standing.Version()
	for _, trip := range b.Standing.Trips() {
		mark := abuse{trip.Org, trip.Topic, trip.At.UTC()}
		voucher, ok := look.list.Voucher(trip.Org, trip.Topic, look.now)
		topic, err := protocol.ParseTopic(trip.Topic)
		if !ok || err != nil || b.charged(mark) {
			continue
		}
		e := event{org: voucher, topic: topic, at: look.now, counts: counts{abused: trust.VouchedAbuse}}
		b.apply([]event{e}, b.totals.cursor)
		b.mu.Lock()
		b.totals.abuses = append(b.totals.abuses, mark)
		b.totals.abuses = b.totals.abuses[max(0, len(b.totals.abuses)-maxMarks):]
		b.mu.Unlock()
		touched[e.seat()] = true
		log.Infow("breaker tripped for a vouched organisation: its voucher's ledger pays", "org", trip.Org, "voucher", voucher, "topic", trip.Topic)
	}
}

func (b *Book) charged(mark abuse) bool {
	for _, have := range b.totals.abuses {
		if have.Org == mark.Org && have.Topic == mark.Topic && have.At.Equal(mark.At) {
			return true
		}
	}
	return false
}

// changed says whether a change brings a record to look at: a new one, or one that was let
// out of quarantine as a whole.
func changed(c storage.Change) bool { return c.Kind == "accepted" || c.Kind == "released" }
