package trust

import "time"

// mostLooks bounds the search for the next crossing. A score that only falls
// needs some 30; one that hugs a threshold while its refutation fades could need very many.
const mostLooks = 500

// outlook follows the gate score into the future, as long as the same voices
// speak: support and refutation then only fall, each by decay alone.
type outlook struct {
	voices []future // supporting and refuting, by class and group
	warn   int32
	start  int64 // Unix seconds
	band   int
	looks  int
}

// future is a voice and what its decay hangs on.
type future struct {
	*voice
	factors
	since, half int64
}

// point is the outlook at one second.
type point struct {
	second int64
	s, r   int
}

// next is the first time after now at which the gate score crosses a threshold,
// or a voice of the gate score begins, ends or loses its level; zero when
// nothing of this comes.
func (t *tally) next(warn, gate int) time.Time {
	o := outlook{warn: int32(warn), start: t.now.Unix(), band: band(gate)}
	last := o.start
	refuted := false
	for _, k := range t.order {
		v, c := &t.voices[k.voice()], &t.claims[k.voice()]
		if v.class != supporting && v.class != refuting {
			continue
		}
		f := future{v, factorsOf(v.level, c), c.start(), halfLife(c.Kind)}
		o.voices = append(o.voices, f)
		last = max(last, max(o.start, f.since)+gone*f.half)
		refuted = refuted || v.class == refuting
	}
	event := t.event()
	if !event.IsZero() {
		last = event.Unix()
	}
	if (o.band == 0 && !refuted) || last <= o.start {
		return event
	}
	if second, ok := o.cross(o.look(o.start), o.look(last)); ok {
		return time.Unix(second, 0).UTC()
	}
	return event
}

// event is the next time at which the set of gate voices changes by itself.
func (t *tally) event() time.Time {
	var first time.Time
	add := func(at time.Time) {
		if at.After(t.now) && (first.IsZero() || at.Before(first)) {
			first = at.UTC()
		}
	}
	for i := range t.voices {
		v, c := &t.voices[i], &t.claims[i]
		if v.class > refuting && !t.list.mayRise(c) || v.why == isHeld || v.why == isExpired {
			continue
		}
		add(c.ValidFrom)
		add(c.ValidUntil)
		if c.Own {
			continue
		}
		if e := t.list.find(c.Org); e != nil {
			add(e.end())
		} else {
			t.list.changes(c.Org, t.now, add)
		}
	}
	return first
}

// look computes support and refutation at a second, with the rounding of result.
func (o *outlook) look(second int64) point {
	o.looks++
	s, r := certain, certain.and(o.warn)
	for i := 0; i < len(o.voices); {
		v, best := &o.voices[i], int32(0)
		for ; i < len(o.voices) && o.voices[i].sameGroup(v.voice); i++ {
			m := &o.voices[i]
			best = max(best, m.factors.v(decay(second-m.since, m.half)))
		}
		if v.class == supporting {
			s = s.and(best)
		} else {
			r = r.and(best)
		}
	}
	return point{second, s.any(), r.any()}
}

// cross finds the first second after a and up to b at which the score stands in
// another band. Between two points support and refutation lie between their
// values there, so bounds on the score tell which half can be skipped.
func (o *outlook) cross(a, b point) (int64, bool) {
	most, least := score(a.s, b.r), score(b.s, a.r)
	if band(most) == o.band && band(least) == o.band {
		return 0, false
	}
	if b.second-a.second <= 1 {
		return b.second, band(score(b.s, b.r)) != o.band
	}
	if o.looks >= mostLooks {
		return max(a.second, o.start+1), true
	}
	middle := o.look(a.second + (b.second-a.second)/2)
	if second, ok := o.cross(a, middle); ok {
		return second, true
	}
	return o.cross(middle, b)
}

// band numbers the bands between the thresholds: stored, context, alert, actionable.
func band(score int) int {
	switch {
	case score >= Actionable:
		return 3
	case score >= Alert:
		return 2
	case score >= Context:
		return 1
	}
	return 0
}
