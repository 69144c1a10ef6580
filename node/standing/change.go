package standing

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// The bounds of the file.
const (
	// maxStrangers is how many forked keys of unlisted organisations are kept. What
	// they say is held anyway, so that the oldest gives way.
	maxStrangers = 1000
	// maxForksOfOrg is how many forked keys of one organisation are kept. With so many nothing
	// of it stands until it ends some of them, so that forks beyond them change nothing.
	maxForksOfOrg = 16
	// maxKept is how many rollbacks, trips, or forked keys of listed organisations are kept.
	maxKept = 10_000
	// maxWhy bounds a reason, maxHeads the topics of a forked key.
	maxWhy   = 1 << 10
	maxHeads = 64
)

// Forked notes a proven fork, durably; first is false when the key is held already.
// An earlier fork of a key that is held voids from there on.
func (b *Book) Forked(p *protocol.ForkProof, at time.Time) (first bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known, held := b.current.Load().forks[holder{p.Org, p.Key}]
	topic := p.Topic.String()
	if held && p.Sequence > known.stands(topic) {
		return false, nil
	}
	next := b.kept
	if held {
		known = known.earlier(topic, p.Sequence)
		next.Forks = slices.Clone(next.Forks)
		i := slices.IndexFunc(next.Forks, func(f Fork) bool { return f.Org == p.Org && f.Key == p.Key })
		next.Forks[i] = known
		return false, b.replace(next)
	}
	f := Fork{Org: p.Org, Key: p.Key, Topic: topic, Sequence: p.Sequence, At: at.UTC().Round(0), Heads: b.heads(p.Org, p.Key, topic)}
	forks, ok := b.withinShare(p.Org, slices.Clone(next.Forks))
	if !ok {
		return false, nil
	}
	if next.Forks, err = b.withRoom(append(forks, f)); err != nil {
		return false, err
	}
	if err := b.replace(next); err != nil {
		return false, err
	}
	log.Warnw("key is held: it signed two records for one place", "org", f.Org, "key", f.Key, "topic", f.Topic, "sequence", f.Sequence)
	return true, nil
}

// earlier moves the end of what stands on a topic to before a sequence.
func (f Fork) earlier(topic string, sequence uint64) Fork {
	if topic == f.Topic {
		f.Sequence = sequence
		return f
	}
	f.Heads = maps.Clone(f.Heads) // there is one: on other topics nothing stands already
	f.Heads[topic] = sequence - 1
	return f
}

// heads are the key's places on other topics that this node holds now: a thief
// goes on behind them, and may claim any time for what he signs.
func (b *Book) heads(org protocol.OrgID, key protocol.KeyID, but string) map[string]uint64 {
	of := b.around.Load().Heads
	if of == nil {
		return nil
	}
	heads := map[string]uint64{}
	for _, h := range of(org, key) {
		if topic := h.Topic.String(); topic != but && len(heads) < maxHeads {
			heads[topic] = h.Sequence
		}
	}
	return heads
}

// withinShare makes room for one more fork of an organisation within its share: one of a key that
// it ended gives way, the oldest first. ok is false when all that are kept count.
func (b *Book) withinShare(org protocol.OrgID, forks []Fork) (left []Fork, ok bool) {
	o, _ := b.chains().Org(org)
	n, oldest := 0, -1
	for i, f := range forks {
		if f.Org != org {
			continue
		}
		n++
		if !counts(o, f.Key) && (oldest < 0 || f.At.Before(forks[oldest].At)) {
			oldest = i
		}
	}
	switch {
	case n < maxForksOfOrg:
		return forks, true
	case oldest < 0:
		return forks, false
	}
	return slices.Delete(forks, oldest, oldest+1), true
}

// withRoom drops the oldest forks of strangers beyond their bound.
func (b *Book) withRoom(forks []Fork) ([]Fork, error) {
	listed := b.around.Load().Listed
	var strangers []int
	for i, f := range forks {
		if listed == nil || !listed(f.Org) {
			strangers = append(strangers, i)
		}
	}
	if len(forks)-len(strangers) > maxKept {
		return nil, reason.New(reason.Conflict, fmt.Sprintf("note a fork: %d forked keys of listed organisations are kept already", maxKept))
	}
	if len(strangers) <= maxStrangers {
		return forks, nil
	}
	oldest := slices.MinFunc(strangers, func(i, j int) int { return forks[i].At.Compare(forks[j].At) })
	return slices.Delete(forks, oldest, oldest+1), nil
}

// RollBack notes an operator's rollback, durably. A wider one replaces a narrower one of the same key and topic.
func (b *Book) RollBack(r Rollback) error {
	r.Why, r.At = clip(r.Why), r.At.UTC().Round(0)
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.kept
	next.Rollbacks = slices.Clone(next.Rollbacks)
	same := func(o Rollback) bool { return o.Org == r.Org && o.Key == r.Key && o.Topic == r.Topic }
	if i := slices.IndexFunc(next.Rollbacks, same); i >= 0 {
		if next.Rollbacks[i].After <= r.After {
			return nil
		}
		next.Rollbacks[i] = r
		return b.replace(next)
	}
	if len(next.Rollbacks) >= maxKept {
		return reason.New(reason.Conflict, fmt.Sprintf("roll back key %s: %d rollbacks are in force already; restore one first", r.Key, maxKept))
	}
	next.Rollbacks = append(next.Rollbacks, r)
	return b.replace(next)
}

// Trip opens a breaker, durably; first is false when it is open already.
func (b *Book) Trip(t Trip) (first bool, err error) {
	t.Why, t.At = clip(t.Why), t.At.UTC().Round(0)
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, open := b.current.Load().trips[scope{t.Org, t.Topic}]; open {
		return false, nil
	}
	if len(b.kept.Trips) >= maxKept {
		return false, reason.New(reason.Conflict, fmt.Sprintf("open the breaker of %s on %s: %d are open already", t.Org, t.Topic, maxKept))
	}
	next := b.kept
	next.Trips = append(slices.Clone(next.Trips), t)
	if err := b.replace(next); err != nil {
		return false, err
	}
	return true, nil
}

// Restore closes the breakers of an organisation (topic "" for all) and takes back its
// rollbacks; it returns how many. A fork is never forgiven: the organisation makes a new
// key. With a topic only rollbacks of that very topic are taken back.
func (b *Book) Restore(org protocol.OrgID, topic string) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.kept
	next.Trips = slices.DeleteFunc(slices.Clone(next.Trips), func(t Trip) bool {
		return t.Org == org && (topic == "" || t.Topic == topic)
	})
	next.Rollbacks = slices.DeleteFunc(slices.Clone(next.Rollbacks), func(r Rollback) bool {
		return r.Org == org && (topic == "" || r.Topic == topic)
	})
	n := len(b.kept.Trips) - len(next.Trips) + len(b.kept.Rollbacks) - len(next.Rollbacks)
	if n == 0 {
		return 0, nil
	}
	return n, b.replace(next)
}

// replace writes what is kept and puts it in force. The file comes first: if we stop
// between the two, the next start has a change that nobody was told of; never the
// other way round. The caller holds mu.
func (b *Book) replace(next kept) error {
	if err := next.write(b.path); err != nil {
		return err
	}
	b.kept = next
	b.swap(newEdition(next, b.Version()+1, time.Now()))
	return nil
}

// swap puts an edition in force and wakes who waits. The caller holds mu.
func (b *Book) swap(next *edition) {
	before := b.current.Load()
	b.current.Store(next)
	close(before.over)
}

func clip(why string) string {
	if len(why) > maxWhy {
		return string(bytes.ToValidUTF8([]byte(why[:maxWhy]), nil)) + " …"
	}
	return why
}
