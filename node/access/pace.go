package access

import (
	"fmt"
	"time"

	"tocsin/protocol/reason"
)

// The bounds of failures.
const (
	maxFailures = 5
	pacePeriod  = time.Minute
	maxPlaces   = 1024 // remembered; others share one
	otherPlaces = "other places"
)

// pace counts the failures of each place in a minute.
type pace map[string]*failures

type failures struct {
	since time.Time
	count int
}

// fail counts a failure and gives what to answer: err, or request.rate when there were too many before.
func (p pace) fail(place string, now time.Time, err error) error {
	f := p[place]
	if f == nil && len(p) >= maxPlaces {
		p.tidy(now)
		if len(p) >= maxPlaces {
			place = otherPlaces
			f = p[place]
		}
	}
	if f == nil || now.Sub(f.since) >= pacePeriod {
		f = &failures{since: now}
		p[place] = f
	}
	if f.count++; f.count <= maxFailures {
		return err
	}
	if f.count == maxFailures+1 {
		log.Warnw("too many failed logins from one place", "place", place)
	}
	return reason.New(reason.RequestRate, fmt.Sprintf("%d failed logins from %.80s within a minute; try again in %d s", maxFailures, place, int(p.wait(place, now).Seconds())+1))
}

// wait is how long a place must wait until it gets another answer.
func (p pace) wait(place string, now time.Time) time.Duration {
	f := p[place]
	if f == nil || f.count <= maxFailures {
		return 0
	}
	return max(f.since.Add(pacePeriod).Sub(now), 0)
}

// tidy forgets what is over.
func (p pace) tidy(now time.Time) {
	for place, f := range p {
		if now.Sub(f.since) >= pacePeriod {
			delete(p, place)
		}
	}
}
