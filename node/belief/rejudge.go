package belief

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"tocsin/node/scores"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

const (
	// notesAtOnce is how many records one note to the store names.
	notesAtOnce = 500
	// lookEvery is how often ledger and standing are looked at without being told: an
	// organisation falls silent, and a ledger grows, without an event.
	lookEvery = time.Hour
	// settleFor is how long a change waits for others: a list that is read anew is many.
	settleFor = 500 * time.Millisecond
)

// Progress says how far the background judgement is.
type Progress struct {
	// Running is true while it works; the rest is about this run, or else the last one.
	Running bool
	// Why says what changed: trust list, warning lists or standing.
	Why   string
	Began time.Time
	Took  time.Duration
	// Values were judged, Changed have another verdict or band, Records name them.
	Values, Changed, Records int
}

// PerSecond is the rate of the run.
func (p Progress) PerSecond() int {
	if p.Took <= 0 {
		return 0
	}
	return int(float64(p.Values) / p.Took.Seconds())
}

// Progress says what the background judgement does, or did last.
func (d *Desk) Progress() Progress {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.progress
	if p.Running {
		p.Took = time.Since(p.Began)
	}
	return p
}

// Run judges everything stored again whenever the trust list, a warning list or somebody's standing changes,
// and notes in the change sequence which records' verdicts are others now, so that
// cursors look again. It gives way to intake. A run always comes to its end, however often something changes: what changes
// meanwhile, once or often, makes one more run after it. It returns nil when ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	w := newWatch()
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, source := range d.sources() {
		all.Go(func() { source.follow(ctx, w) })
	}
	from, bearings := d.freeze(time.Now())
	all.Go(func() { d.look(ctx, w, bearings) })
	j := judgement{Desk: d, from: from, pending: map[protocol.RecordID]struct{}{}}
	for {
		why := w.next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := j.run(ctx, why); err != nil && ctx.Err() == nil {
			log.Errorw("verdicts were not judged again", "why", why, "err", err)
		}
	}
}

// look tells w when ledger or standing have moved since it looked last.
func (d *Desk) look(ctx context.Context, w *watch, before map[bearer]bearing) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			_, after := d.freeze(now)
			if !maps.EqualFunc(before, after, near) {
				before = after
				w.tell("ledger or standing")
			}
		}
	}
}

// near reports whether two bearings weigh alike: q within 1 %.
func near(a, b bearing) bool {
	return a.barred == b.barred && a.q-b.q < 100 && b.q-a.q < 100
}

// source is something that verdicts rest on and that tells of its changes.
type source struct {
	name    string
	version func() uint64
	wait    func(context.Context, uint64) error
}

func (d *Desk) sources() []source {
	all := []source{{"trust list", d.Policy.Version, d.Policy.Wait}}
	if d.Warnings != nil {
		all = append(all, source{"warning lists", d.Warnings.Version, d.Warnings.Wait})
	}
	if d.Standing != nil {
		all = append(all, source{"standing", d.Standing.Version, d.Standing.Wait})
	}
	return all
}

// follow tells w of each change until ctx ends.
func (s source) follow(ctx context.Context, w *watch) {
	for version := s.version(); s.wait(ctx, version) == nil; {
		version = s.version()
		w.tell(s.name)
	}
}

// watch hands the newest change to Run.
type watch struct {
	mu   sync.Mutex // guards why
	why  string     // what changed last and nobody took yet
	told chan struct{}
}

func newWatch() *watch { return &watch{told: make(chan struct{}, 1)} }

func (w *watch) tell(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.why = why
	select {
	case w.told <- struct{}{}:
	default: // somebody will look anyway
	}
}

// next waits for changes that nobody took yet, and a moment more for those that follow them; "" when ctx ends.
func (w *watch) next(ctx context.Context) (why string) {
	select {
	case <-w.told:
	case <-ctx.Done():
		return ""
	}
	select {
	case <-time.After(settleFor):
	case <-ctx.Done():
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.told: // told again meanwhile: it is taken with the rest
	default:
	}
	why, w.why = w.why, ""
	return why
}

// freeze is Inputs with ledger and standing as they are now for everybody listed, so that a later
// run knows what this one judged by. The caller must not change the map.
func (d *Desk) freeze(now time.Time) (Inputs, map[bearer]bearing) { return d.freezeOf(d.Inputs(), now) }

func (d *Desk) freezeOf(in Inputs, now time.Time) (Inputs, map[bearer]bearing) {
	if in.Q == nil && in.Barred == nil {
		return in, nil
	}
	live := d.session(in, now)
	for _, l := range d.Store.Logs() {
		if l.Org == d.Own || in.List.Level(l.Org, l.Topic.String(), "", now) >= trust.Observed {
			live.bearing(l.Org, l.Topic)
		}
	}
	frozen := live.bearings
	in.Q = func(org protocol.OrgID, topic string, now time.Time) int {
		t, err := protocol.ParseTopic(topic)
		if b, ok := frozen[bearer{org, t}]; ok && err == nil {
			return b.q
		}
		return 0
	}
	in.Barred = func(org protocol.OrgID, topic protocol.Topic, now time.Time) reason.Code {
		return frozen[bearer{org, topic}].barred
	}
	return in, frozen
}

// judgement is the state of Run between runs.
type judgement struct {
	*Desk
	// from are the inputs of the last run that was finished.
	from Inputs
	// pending are the records that unfinished runs since then have noted: what they
	// judged by is gone, so these are noted again.
	pending map[protocol.RecordID]struct{}
	batch   []protocol.RecordID
}

// run judges every stored value by the old and the new inputs and notes the records of
// those that differ.
func (j *judgement) run(ctx context.Context, why string) error {
	to, _ := j.freeze(time.Now())
	j.begin(why)
	err := j.renote(ctx)
	now := time.Now()
	c := contrast{Desk: j.Desk, from: j.session(j.from, now), to: j.session(to, now), pace: scores.Pace{Store: j.Store}}
	c.pace.Start()
	if err == nil {
		err = j.Store.Survey(ctx, time.Time{}, func(o pattern.Observable) error {
			before, after, records, err := c.judge(ctx, o)
			if err == nil {
				err = j.note(ctx, records)
			}
			j.count(!before.same(after))
			return err
		})
	}
	if reason.Of(err) == reason.StoreDamaged {
		log.Errorw("some values were not judged again", "err", err)
		err = nil // another walk would find no more
	}
	if err == nil {
		err = j.flush(ctx)
	}
	p := j.end()
	if err != nil {
		return fmt.Errorf("judge again: %w", err)
	}
	j.from, j.pending, j.batch = to, map[protocol.RecordID]struct{}{}, nil
	log.Infow("verdicts judged again", "why", why, "values", p.Values, "changed", p.Changed, "records", p.Records,
		"took", p.Took.Round(time.Millisecond), "objects/s", p.PerSecond())
	return nil
}

// renote notes again what unfinished runs noted.
func (j *judgement) renote(ctx context.Context) error {
	again := j.pending
	j.pending, j.batch = map[protocol.RecordID]struct{}{}, nil
	for id := range again {
		if err := j.note(ctx, []protocol.RecordID{id}); err != nil {
			maps.Copy(j.pending, again)
			return err
		}
	}
	return nil
}

func (j *judgement) note(ctx context.Context, records []protocol.RecordID) error {
	for _, id := range records {
		if _, done := j.pending[id]; !done {
			j.pending[id] = struct{}{}
			j.batch = append(j.batch, id)
		}
	}
	if len(j.batch) < notesAtOnce {
		return nil
	}
	return j.flush(ctx)
}

func (j *judgement) flush(ctx context.Context) error {
	if len(j.batch) == 0 {
		return nil
	}
	err := j.Store.Judged(ctx, j.batch, "")
	j.batch = j.batch[:0]
	return err
}

func (j *judgement) begin(why string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress = Progress{Running: true, Why: why, Began: time.Now()}
}

func (j *judgement) count(changed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.Values++
	if changed {
		j.progress.Changed++
	}
}

func (j *judgement) end() Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.Running = false
	j.progress.Records = len(j.pending)
	j.progress.Took = time.Since(j.progress.Began)
	return j.progress
}
