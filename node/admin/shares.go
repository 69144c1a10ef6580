package admin

import (
	"fmt"
	"sync"

	"tocsin/node/access"
	"tocsin/protocol/reason"
)

// shares divides a number of places among principals, so that nobody has them all. It may be used concurrently.
type shares struct {
	all, each int
	mu        sync.Mutex
	taken     int                  // guarded by mu
	by        map[access.Maker]int // guarded by mu
}

func newShares(all, each int) *shares {
	return &shares{all: all, each: each, by: map[access.Maker]int{}}
}

// take gives a place until release is called, or request.rate. A session counts with what it was made from, or a second one
// would be a second share. The owner's share is all of them (ADM-29).
func (s *shares) take(who access.Principal, what string) (release func(), err error) {
	name := who.Maker()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.taken >= s.all:
		return nil, reason.New(reason.RequestRate, fmt.Sprintf("%s: %d at a time are under way already", what, s.all))
	case s.by[name] >= s.each && who.Role < access.Owner:
		return nil, reason.New(reason.RequestRate, fmt.Sprintf("%s: %s has %d at a time already", what, who.Actor, s.each))
	}
	s.taken++
	s.by[name]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.taken--
		if s.by[name]--; s.by[name] == 0 {
			delete(s.by, name)
		}
	}), nil
}
