// Package upkeep is what a node does by the clock, or because something changed, and not
// because somebody asked: it lets records expire, holds what does not
// stand any more and takes back what does again, publishes proofs of forks. It owns no state but its
// schedule.
package upkeep

import (
	"context"
	"fmt"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"golang.org/x/sync/errgroup"

	"tocsin/node/audit"
	"tocsin/node/breaker"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/outbox"
	"tocsin/node/pledges"
	"tocsin/node/policy"
	"tocsin/node/review"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/upkeep")

// How often each duty is looked at.
const (
	// ExpireEvery is how often stored records are checked for their end.
	ExpireEvery = time.Hour
	// QuarantineEvery is how often the quarantine is checked for what has been in it for too long, and for
	// what time alone has cured.
	QuarantineEvery = 24 * time.Hour
	// CountEvery is how often the counts of the circuit breakers may be written.
	CountEvery = time.Minute
	// VacuumEvery is how often the store is vacuumed when something in it has gone; VacuumLook is how often that is asked.
	VacuumEvery = 7 * 24 * time.Hour
	VacuumLook  = time.Hour
	// QuarantineAge is how long something is held when nobody says otherwise.
	QuarantineAge = 30 * 24 * time.Hour
)

// Deps is what a keeper works with.
type Deps struct {
	Store  *storage.Store
	Intake *intake.Pipeline
	Outbox *outbox.Publisher
	Own    protocol.OrgID
	// QuarantineAge is how long a record is held as a whole before it is dropped; 0
	// means the constant of that name.
	QuarantineAge time.Duration
	// Vacuumed is told how long a vacuum of the store took; may be nil.
	Vacuumed func(took time.Duration)
	Books
}

// Books are the node's live tables that a keeper watches and feeds.
type Books struct {
	Policy   *policy.Book
	Identity *identity.Book
	Standing *standing.Book
	Breakers *breaker.Book
	Pledges  *pledges.Book
	Review   *review.Queue
	Audit    *audit.Log
}

// Keeper does a node's regular duties.
type Keeper struct {
	d Deps
	// later holds what others found and the keeper does when it gets to it.
	later chan func(context.Context) error
	// trips and forks stood when the keeper was made: what a run before found. Later ones wait in later.
	trips     []standing.Trip
	forks     []standing.Fork
	strangers allowance  // of proofs of strangers' forks
	sweeping  sync.Mutex // guards sweep: one at a time
	sweep     sweep
}

// maxLater is how much waits for the keeper. It is more than the standing can bring at once;
// what does not fit is logged and left out.
const maxLater = 1024

// New wires a keeper; it starts nothing.
func New(d Deps) *Keeper {
	if d.QuarantineAge == 0 {
		d.QuarantineAge = QuarantineAge
	}
	return &Keeper{
		d: d, later: make(chan func(context.Context) error, maxLater),
		trips: d.Standing.Trips(), forks: d.Standing.Forks(),
	}
}

// duty is one thing a keeper sees to. when calls do whenever it is due, until ctx ends.
type duty struct {
	name string
	when func(ctx context.Context, do func(context.Context) error)
	do   func(context.Context) error
}

// duties is all that a keeper does.
func (k *Keeper) duties() []duty {
	return []duty{
		{"let records expire", every(ExpireEvery), k.expire},
		{"let the quarantine expire", every(QuarantineEvery), k.expireHeld},
		{"vacuum the store", every(VacuumLook), k.vacuum},
		{"keep the counts of circuit breakers", every(CountEvery), func(context.Context) error { return k.d.Breakers.Save(false) }},
		{"rejudge after a change of the trust list", changes(k.d.Policy.Version, k.d.Policy.Wait), k.rejudge},
		{"sweep after a change of standing", changes(k.d.Standing.Version, k.d.Standing.Wait), k.Sweep},
	}
}

// Run does the duties until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, d := range k.duties() {
		g.Go(func() error {
			d.when(ctx, func(ctx context.Context) error {
				err := d.do(ctx)
				if err != nil && ctx.Err() == nil {
					log.Errorw("regular duty", "duty", d.name, "err", err)
				}
				return err
			})
			return nil
		})
	}
	g.Go(func() error { return k.d.Pledges.Run(ctx, func() { k.applyPledges(ctx) }) })
	g.Go(func() error {
		if err := k.keepErased(ctx); err != nil && ctx.Err() == nil {
			log.Errorw("see to what was erased before", "err", err)
		}
		if err := k.reconcile(ctx); err != nil && ctx.Err() == nil {
			log.Errorw("see to what was found before the last stop", "err", err)
		}
		k.work(ctx)
		return nil
	})
	err := g.Wait()
	if e := k.d.Breakers.Save(true); e != nil && err == nil {
		err = e
	}
	return err
}

// every is due each period. A fault of one round is logged; the next round tries again.
func every(period time.Duration) func(context.Context, func(context.Context) error) {
	return func(ctx context.Context, do func(context.Context) error) {
		tick := time.NewTicker(period)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_ = do(ctx) // the caller logs it
			}
		}
	}
}

// retryAfter is how long a duty that failed waits when nothing changes meanwhile.
const retryAfter = time.Minute

// changes is due at start and after each change of what has a version. After a fault it is due
// again soon, since the next change may be far.
func changes(version func() uint64, wait func(context.Context, uint64) error) func(context.Context, func(context.Context) error) {
	return func(ctx context.Context, do func(context.Context) error) {
		for ctx.Err() == nil {
			seen := version()
			pause, cancel := ctx, context.CancelFunc(func() {})
			if do(ctx) != nil {
				pause, cancel = context.WithTimeout(ctx, retryAfter)
			}
			_ = wait(pause, seen) // changed, time to retry, or the end
			cancel()
		}
	}
}

// do hands something to the keeper that must not be done where it is found.
func (k *Keeper) do(what string, f func(context.Context) error) {
	select {
	case k.later <- func(ctx context.Context) error {
		if err := f(ctx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}:
	default:
		log.Errorw("left out: too much waits for the keeper", "what", what)
	}
}

// work does what was handed to the keeper, one after the other.
func (k *Keeper) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-k.later:
			if err := f(ctx); err != nil && ctx.Err() == nil {
				log.Errorw("keeper", "err", err)
			}
		}
	}
}

func (k *Keeper) expire(ctx context.Context) error {
	n, err := k.d.Store.Expire(ctx, time.Now())
	if n > 0 {
		log.Infow("records expired", "records", n)
		k.d.Pledges.Changed()
	}
	return err
}

// vacuum takes off the disk what has gone from the store, once a week when something has.
func (k *Keeper) vacuum(ctx context.Context) error {
	due, err := k.d.Store.VacuumDue(VacuumEvery)
	if err != nil || !due {
		return err
	}
	began := time.Now()
	if _, err = k.d.Store.Vacuum(ctx); err == nil && k.d.Vacuumed != nil {
		k.d.Vacuumed(time.Since(began))
	}
	return err
}

// expireHeld drops what was in quarantine for too long, and sweeps: an organisation that
// was held for three forks may be due to come back.
func (k *Keeper) expireHeld(ctx context.Context) error {
	n, err := k.d.Store.ExpireHeld(ctx, time.Now().Add(-k.d.QuarantineAge))
	if n > 0 {
		log.Infow("dropped from quarantine: nobody decided on it in time", "records", n, "after", k.d.QuarantineAge)
	}
	k.d.Standing.Changed(time.Now())
	return err
}

// rejudge takes records out of quarantine when their author is listed now. It sweeps first: what was
// learned of the author's keys while he was not listed was no change of the standing.
func (k *Keeper) rejudge(ctx context.Context) error {
	if err := k.Sweep(ctx); err != nil {
		return err
	}
	n, err := k.d.Intake.Rejudge(ctx, intake.Curable()...)
	if n > 0 {
		log.Infow("taken out of quarantine: their author is listed now", "objects", n)
	}
	return err
}
