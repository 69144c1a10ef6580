package pattern

import (
	"math"
	"slices"
	"time"
)

// solver looks for sightings, and times for them, that satisfy one plan.
type solver struct {
	plan
	e       *evaluator
	seen    []*observation
	hopeful bool
	// chosen is the observation bound to each slot so far; used counts the
	// sightings taken of each observation.
	chosen []int
	used   []int64
	low    []time.Time
}

// solve reports whether the plan can be satisfied.
func (s *solver) solve() bool {
	s.used = make([]int64, len(s.seen))
	if !s.assignable() {
		return false
	}
	s.used = make([]int64, len(s.seen))
	if !s.timed() {
		return true
	}
	s.low = make([]time.Time, len(s.slots))
	return s.bind()
}

// timed reports whether the plan asks for times at all.
func (s *solver) timed() bool {
	return len(s.rules) > 0 || slices.ContainsFunc(s.slots, func(t slot) bool { return !t.from.IsZero() })
}

// assignable reports whether every slot can have a sighting of its own, times
// aside: a bipartite matching by augmenting paths.
func (s *solver) assignable() bool {
	holders := make([][]int, len(s.seen))
	for i := range s.slots {
		visited := make([]bool, len(s.seen))
		if !s.augment(i, holders, visited) {
			return false
		}
	}
	return true
}

// augment finds a sighting for a slot, moving other slots where that helps.
func (s *solver) augment(i int, holders [][]int, visited []bool) bool {
	for _, o := range s.slots[i].fits {
		if visited[o] || !s.e.spend(1) {
			continue
		}
		visited[o] = true
		if int64(len(holders[o])) < s.seen[o].count {
			holders[o] = append(holders[o], i)
			return true
		}
		for k, other := range holders[o] {
			if s.augment(other, holders, visited) {
				holders[o][k] = i
				return true
			}
		}
	}
	return false
}

// bind tries every sighting for the next slot.
func (s *solver) bind() bool {
	next := len(s.chosen)
	if next == len(s.slots) {
		return true
	}
	slot := s.slots[next]
	for _, o := range slot.fits {
		if s.used[o] == s.seen[o].count || slot.twin >= 0 && o < s.chosen[slot.twin] {
			continue
		}
		if !s.e.spend(1 + next*(1+len(s.rules))) {
			return false
		}
		s.chosen = append(s.chosen, o)
		s.used[o]++
		if s.feasible() && s.bind() {
			return true
		}
		s.used[o]--
		s.chosen = s.chosen[:next]
	}
	return false
}

// feasible reports whether times exist for the slots bound so far. Every rule
// says that some time is no earlier than another one, less a span; so raising
// the lower bounds until they rest finds the earliest times, if there are any.
func (s *solver) feasible() bool {
	for i, o := range s.chosen {
		first, _, ok := s.window(i, o)
		if !ok {
			return false
		}
		s.low[i] = first
	}
	for changed := true; changed; {
		changed = false
		for _, r := range s.rules {
			targets := r.a
			if r.before {
				targets = r.b
			}
			floor, ok := s.latest(r.a)
			if !ok {
				continue
			}
			floor = floor.Add(-r.span)
			for _, i := range targets {
				if i < len(s.chosen) && s.low[i].Before(floor) {
					s.low[i] = floor
					changed = true
				}
			}
		}
	}
	for i, o := range s.chosen {
		if _, last, _ := s.window(i, o); s.low[i].After(last) {
			return false
		}
	}
	return true
}

// latest gives the latest lower bound among bound slots.
func (s *solver) latest(slots []int) (t time.Time, ok bool) {
	for _, i := range slots {
		if i < len(s.chosen) && (!ok || s.low[i].After(t)) {
			t, ok = s.low[i], true
		}
	}
	return t, ok
}

// window gives when the sighting bound to slot i can have happened. An
// observation without times is in doubt.
func (s *solver) window(i, o int) (first, last time.Time, ok bool) {
	first, last = s.seen[o].first, s.seen[o].last
	if !s.seen[o].timed {
		if !s.hopeful {
			return first, last, false
		}
		first, last = time.Time{}, time.Unix(math.MaxInt32<<8, 0)
	}
	if from := s.slots[i].from; !from.IsZero() && from.After(first) {
		first = from
	}
	if to := s.slots[i].to; !to.IsZero() && to.Before(last) {
		last = to
	}
	return first, last, !last.Before(first)
}
