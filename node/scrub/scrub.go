// Package scrub looks for damage in the store by hashes, by the completeness of key logs and by counts kept outside
// it, and has what it finds repaired from peers.
package scrub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/scrub")

const (
	// nightHour is when the nightly round begins, by the clock of the machine; soonAfter is how long after its start a
	// node looks that found damage when it opened its store.
	nightHour = 3
	soonAfter = time.Minute
	// retryAfter is when it is tried again to repair what nobody had.
	retryAfter = time.Hour
	// nightShare and askedShare are how many times the work of a part its rest takes: a tenth of a processor by night, a
	// half when somebody waits for it.
	nightShare = 9
	askedShare = 1
	// fetchAtOnce is how many records are asked for at a time.
	fetchAtOnce = 64
	// maxNamed bounds the records that are named in a report.
	maxNamed = 1000
)

// Deps is what a scrub works with.
type Deps struct {
	Store *storage.Store
	// Fetch brings records as sent from peers, and returns which it got; nil has no peers.
	Fetch func(ctx context.Context, topic protocol.Topic, ids []protocol.RecordID) (map[protocol.RecordID][]byte, error)
	// Take takes a record in that is here no more, verified as any other.
	Take func(ctx context.Context, raw []byte) error
	// Note writes to the audit log.
	Note func(ctx context.Context, e audit.Event) error
}

// Report is what the last round found, or has found so far.
type Report struct {
	Running      bool
	Began, Ended time.Time
	// Records is how many were read, Repaired how many were put back.
	Records, Repaired int
	// Lost are the records that are damaged and that nobody has; at most maxNamed are named.
	Lost []storage.Flaw
	// Problems are sentences about what is no record.
	Problems []string
	// Error is why the round ended early, "" when it did not.
	Error string
}

// Sound reports whether everything is as it should be.
func (r Report) Sound() bool { return len(r.Lost) == 0 && len(r.Problems) == 0 && r.Error == "" }

// Keeper scrubs. Its methods may be called concurrently.
type Keeper struct {
	d Deps

	round sync.Mutex // held by the round that runs

	mu   sync.Mutex // guards last
	last Report
}

// New wires a keeper; it starts nothing.
func New(d Deps) *Keeper { return &Keeper{d: d} }

// Report is a snapshot. Before the first round has ended it says what was found at the start.
func (k *Keeper) Report() Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.last
	r.Lost, r.Problems = slices.Clone(r.Lost), slices.Clone(r.Problems)
	if err := k.d.Store.Damage(); err != nil && r.Ended.IsZero() {
		r.Problems = append(r.Problems, "found at the start: "+err.Error())
	}
	return r
}

// Run scrubs every night until ctx ends, soon after the start where the store was found damaged, and again after an hour while
// something is lost.
func (k *Keeper) Run(ctx context.Context) error {
	wait := untilNight(time.Now())
	if k.d.Store.Damage() != nil {
		wait = soonAfter
	}
	for {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		r, err := k.run(ctx, nightShare)
		if err != nil && ctx.Err() == nil {
			log.Errorw("scrub ended early", "err", err)
		}
		if wait = untilNight(time.Now()); len(r.Lost) > 0 {
			wait = min(wait, retryAfter)
		}
	}
}

func untilNight(now time.Time) time.Duration {
	night := time.Date(now.Year(), now.Month(), now.Day(), nightHour, 0, 0, 0, now.Location())
	if !night.After(now) {
		night = night.AddDate(0, 0, 1)
	}
	return night.Sub(now)
}

// Now scrubs at once and says what was found. When a round runs already, it waits for that one first.
func (k *Keeper) Now(ctx context.Context) (Report, error) { return k.run(ctx, askedShare) }

func (k *Keeper) run(ctx context.Context, share int) (Report, error) {
	k.round.Lock()
	defer k.round.Unlock()
	k.set(func(r *Report) { *r = Report{Running: true, Began: time.Now()} })
	f, err := k.d.Store.Scrub(ctx, resting(share))
	var lost []storage.Flaw
	if err == nil {
		lost, err = k.repair(ctx, f.Flaws)
	}
	if err == nil && len(f.Flaws) > len(lost) { // what was put back is read again, and what the damage was called is forgotten
		var again storage.Findings
		if again, err = k.d.Store.Scrub(ctx, resting(share)); err == nil {
			f.Problems, lost = again.Problems, still(again.Flaws, lost)
		}
	}
	k.set(func(r *Report) {
		r.Running, r.Ended, r.Records, r.Repaired = false, time.Now(), f.Records, max(0, len(f.Flaws)-len(lost))
		r.Lost, r.Problems = lost[:min(len(lost), maxNamed)], f.Problems
		if err != nil {
			r.Error, r.Repaired = err.Error(), 0
		}
	})
	r := k.Report()
	if err != nil {
		return r, fmt.Errorf("scrub the store: %w", err)
	}
	if len(f.Flaws) > 0 || len(f.Problems) > 0 {
		k.tell(ctx, r)
		return r, nil
	}
	log.Infow("store is sound", "records", r.Records, "took", r.Ended.Sub(r.Began))
	if err := k.d.Store.Checkpoint(); err != nil {
		log.Warnw("no checkpoint", "err", err)
	}
	return r, nil
}

// still are the flaws that a second look finds, with the reason where one is known: what was put back by all appearances, and is
// not there, is lost as well.
func still(again, lost []storage.Flaw) []storage.Flaw {
	for i, f := range again {
		if at := slices.IndexFunc(lost, func(l storage.Flaw) bool { return l.Record == f.Record }); at >= 0 {
			again[i].Why = lost[at].Why
		} else {
			again[i].Why += "; it was put back, and is not there"
		}
	}
	return again
}

// resting rests share times as long as the work between two rests took.
func resting(share int) func(context.Context) error {
	worked := time.Now()
	return func(ctx context.Context) error {
		t := time.NewTimer(time.Duration(share) * time.Since(worked))
		defer t.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		worked = time.Now()
		return nil
	}
}

func (k *Keeper) set(change func(*Report)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.last)
}

// tell says what was found, in the log and in the audit log.
func (k *Keeper) tell(ctx context.Context, r Report) {
	log.Errorw("store is damaged", "repaired", r.Repaired, "lost", len(r.Lost), "problems", r.Problems)
	if k.d.Note == nil {
		return
	}
	err := k.d.Note(ctx, audit.Event{Action: "store.scrub", Detail: map[string]string{
		"records": fmt.Sprint(r.Records), "repaired": fmt.Sprint(r.Repaired), "lost": fmt.Sprint(len(r.Lost)), "problems": fmt.Sprint(len(r.Problems)),
	}})
	if err != nil {
		log.Errorw("not in the audit log", "action", "store.scrub", "err", err)
	}
}

// repair fetches damaged records from peers and puts them back. It returns those that nobody had.
func (k *Keeper) repair(ctx context.Context, flaws []storage.Flaw) (lost []storage.Flaw, err error) {
	byTopic := map[protocol.Topic][]storage.Flaw{}
	for _, f := range flaws {
		byTopic[f.Topic] = append(byTopic[f.Topic], f)
	}
	for topic, all := range byTopic {
		for part := range slices.Chunk(all, fetchAtOnce) {
			left, err := k.repairSome(ctx, topic, part)
			lost = append(lost, left...)
			if err != nil {
				return lost, err
			}
		}
	}
	return lost, nil
}

func (k *Keeper) repairSome(ctx context.Context, topic protocol.Topic, flaws []storage.Flaw) (lost []storage.Flaw, err error) {
	var found map[protocol.RecordID][]byte
	if k.d.Fetch != nil {
		ids := make([]protocol.RecordID, len(flaws))
		for i, f := range flaws {
			ids[i] = f.Record
		}
		if found, err = k.d.Fetch(ctx, topic, ids); err != nil {
			log.Warnw("damaged records were not fetched", "topic", topic, "records", len(ids), "err", err)
		}
	}
	for _, f := range flaws {
		if err := ctx.Err(); err != nil {
			return lost, err
		}
		raw, ok := found[f.Record]
		if !ok {
			lost = append(lost, f)
			continue
		}
		if err := k.putBack(ctx, f, raw); err != nil {
			log.Errorw("damaged record was not put back", "record", f.Record, "err", err)
			f.Why += "; it was not put back: " + err.Error()
			lost = append(lost, f)
		}
	}
	return lost, nil
}

// putBack repairs a record where it is, or takes it in anew where its index is lost as well.
func (k *Keeper) putBack(ctx context.Context, f storage.Flaw, raw []byte) error {
	if !f.Gone {
		return k.d.Store.Repair(ctx, f.Record, raw)
	}
	if err := k.d.Store.Forget(ctx, f.Record); err != nil && reason.Of(err) != reason.NotFound {
		return err
	}
	if k.d.Take == nil {
		return errors.New("nobody takes it in")
	}
	if err := k.d.Take(ctx, raw); err != nil && reason.Of(err) != reason.DupHeld {
		return err
	}
	return nil
}
