package catchup

import (
	"errors"
	"fmt"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/recon"
)

// bounds are those of one comparison; fewer in tests.
type bounds struct {
	// needed ids end a session, and so do shown ones, of which many are held or refused (SYN-14).
	needed, shown int
	// messages are what a comparison takes at most (SYN-29).
	messages int
}

func usualBounds() bounds {
	// One message brings at most so many ids more.
	return bounds{needed: maxNeed - maxMessage/len(protocol.RecordID{}), shown: 2 * maxNeed, messages: 1024}
}

// patience is how long a session waits for its peer in all while nothing new comes. Each new id and each record makes up
// for some of it, as below: who drips is left soon, who is slow is not.
const (
	patience      = time.Minute
	patiencePerID = time.Second
	slowest       = 16 << 10 // bytes a second
)

var errStalls = errors.New("the peer stalls")

// debt is how long a session has waited for nothing; its goroutine owns it.
type debt struct{ waited time.Duration }

// add notes time that was waited; an error says that it is too much.
func (d *debt) add(t time.Duration) error {
	if d.waited += t; d.waited > patience {
		return fmt.Errorf("%w: %v without anything new", errStalls, d.waited.Round(time.Second))
	}
	return nil
}

// pay notes n new things of so many bytes.
func (d *debt) pay(n, bytes int) {
	d.waited = max(0, d.waited-time.Duration(n)*patiencePerID-time.Duration(bytes)*time.Second/slowest)
}

// difference is what a comparison found.
type difference struct {
	// need leaves out what is held, or refused.
	need []protocol.RecordID
	have int
	// shown counts all ids that were named as missing here.
	shown int
	// cut says that the comparison did not come to its end; the next begins at reached.
	cut     bool
	reached recon.Bound
}

// compare reconciles a topic with the peer (SYN-03, SYN-04), from where the last comparison was cut.
func (s *session) compare(topic protocol.Topic, out *outcome) (difference, error) {
	var d difference
	until := bound(s.until(time.Now()))
	i, err := recon.NewInitiator(bounded(s.k.d.Store.Set(topic), until), maxMessage)
	if err != nil {
		return d, err
	}
	message, err := i.InitiateFrom(s.k.books.reached(s.peer, topic))
	if err != nil {
		return d, err
	}
	sent := s.send(kindOpen, openMessage{Topic: topic.String(), Until: until, Message: message})
	want := kindOpen
	for range s.k.bounds.messages {
		if sent != nil {
			return d, sent
		}
		answer, err := s.message(want)
		if err != nil {
			return d, err
		}
		next, have, need, err := i.Reconcile(answer)
		if err != nil {
			return d, err
		}
		d.have += len(have)
		s.sift(&d, need, out)
		if next == nil {
			return d, nil
		}
		// SYN-14
		if len(d.need) >= s.k.bounds.needed || d.shown >= s.k.bounds.shown {
			d.cut, d.reached = true, i.Settled()
			return d, nil
		}
		want = kindNext
		sent = s.send(kindNext, nextMessage{Message: next})
	}
	return d, fmt.Errorf("%w: no end after %d messages", errStalls, s.k.bounds.messages) // SYN-29
}

// until is the bound of the comparison that begins now (SYN-03). What lies between it and now is not known to be here, and the visit
// remembers the earliest such time.
func (s *session) until(now time.Time) time.Time {
	at, upTo := settled(now), settled(now)
	if s.all {
		at, upTo = now.Add(protocol.ClockSkew), now.Truncate(time.Millisecond)
	}
	if s.upTo.IsZero() || upTo.Before(s.upTo) {
		s.upTo = upTo
	}
	return at
}

// sift adds what is to be fetched of the ids of one message: what was refused must not keep the rest back.
func (s *session) sift(d *difference, need []recon.ID, out *outcome) {
	before := len(d.need)
	for _, id := range need {
		d.need = append(d.need, id)
	}
	d.need = append(d.need[:before], s.wanted(d.need[before:], out)...)
	d.shown += len(need)
	s.debt.pay(len(d.need)-before, 0)
}
