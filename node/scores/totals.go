package scores

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// The bounds of the totals.
const (
	// maxCards bounds them all: the listed organisations times the topics they speak on.
	maxCards = 30_000
	// tallyDays is how long a day's tally is kept: at 2 % a day less than 1/10,000 of it is left then.
	tallyDays = 460
	// maxSpans is how many spans a median is taken of.
	maxSpans = 63
	// maxMarks bounds the remembered abuses.
	maxMarks = 1000
	maxFile  = 512 << 20
)

// seat is an organisation on a topic.
type seat struct {
	org   protocol.OrgID
	topic string
}

// totals are everything that is kept, with the place in the change sequence that they
// stand for. Both are in one file, so that nothing is ever counted twice.
type totals struct {
	cursor uint64
	cards  map[seat]*card
	// abuses are the trips that a voucher has paid for, newest last.
	abuses []abuse
}

func newTotals() totals { return totals{cards: map[seat]*card{}} }

// card is what is kept of an organisation on a topic.
type card struct {
	Org    protocol.OrgID `json:"org"`
	Topic  string         `json:"topic"`
	Work   Work           `json:"work"`
	Ledger Ledger         `json:"ledger"`
	// Tallies are ordered by day.
	Tallies    []tally `json:"tallies,omitempty"`
	Lead       spans   `json:"lead"`
	Retraction spans   `json:"retraction"`
	// Proposed is the level that was proposed last, and Demoted whether a demotion was: neither is
	// said twice.
	Proposed string `json:"proposed,omitempty"`
	Demoted  bool   `json:"demoted,omitempty"`
}

// tally is one day of a card.
type tally struct {
	trust.Tally
	// Upheld are those of Bad that more than one voice stands for.
	Upheld uint32 `json:"upheld,omitempty"`
}

// abuse marks a breaker's trip.
type abuse struct {
	Org   protocol.OrgID `json:"org"`
	Topic string         `json:"topic"`
	At    time.Time      `json:"at"`
}

// spans keeps the newest of some durations in whole seconds, and the longest of all.
type spans struct {
	Newest  []int64 `json:"newest,omitempty"`
	Count   int     `json:"count,omitempty"`
	Longest int64   `json:"longest,omitempty"`
}

func (s *spans) add(d time.Duration) {
	seconds := int64(max(d, 0) / time.Second)
	s.Newest = append(s.Newest, seconds)
	s.Newest = s.Newest[max(0, len(s.Newest)-maxSpans):]
	s.Count++
	s.Longest = max(s.Longest, seconds)
}

func (s *spans) timing() Timing {
	if len(s.Newest) == 0 {
		return Timing{}
	}
	sorted := slices.Sorted(slices.Values(s.Newest))
	return Timing{time.Duration(sorted[len(sorted)/2]) * time.Second, s.Count}
}

// ledger is the card's ledger with q at now.
func (c *card) ledger(now time.Time) Ledger {
	l := c.Ledger
	if len(c.Tallies) > 0 {
		l.Q = c.q(now, func(t tally) uint32 { return t.Bad })
	}
	return l
}

// upheldQ is q as it would be had nobody alone refuted anything: what a demotion goes by.
func (c *card) upheldQ(now time.Time) int { return c.q(now, func(t tally) uint32 { return t.Upheld }) }

func (c *card) q(now time.Time, bad func(tally) uint32) int {
	days := make([]trust.Tally, len(c.Tallies))
	for i, t := range c.Tallies {
		days[i] = t.Tally
		days[i].Bad = bad(t)
	}
	return trust.Q(days, now)
}

// tally adds to a day, and lets go of days that weigh nothing any more.
func (c *card) tally(t tally) {
	i, found := slices.BinarySearchFunc(c.Tallies, t.Day, func(have tally, day int32) int { return cmp.Compare(have.Day, day) })
	if !found {
		c.Tallies = slices.Insert(c.Tallies, i, tally{Tally: trust.Tally{Day: t.Day}})
	}
	have := &c.Tallies[i]
	have.Good += t.Good
	have.Bad += t.Bad
	have.Withdrawn += t.Withdrawn
	have.Upheld += t.Upheld
	oldest := c.Tallies[len(c.Tallies)-1].Day - tallyDays
	c.Tallies = slices.DeleteFunc(c.Tallies, func(t tally) bool { return t.Day <= oldest })
}

// at finds the card of a seat, or makes it; nil when there are too many.
func (t *totals) at(s seat) *card {
	c, ok := t.cards[s]
	if !ok {
		if len(t.cards) >= maxCards {
			return nil
		}
		c = &card{Org: s.org, Topic: s.topic}
		t.cards[s] = c
	}
	return c
}

// file is the form on disk.
type file struct {
	Version int     `json:"version"`
	Cursor  uint64  `json:"cursor"`
	Cards   []*card `json:"cards"`
	Abuses  []abuse `json:"abuses,omitempty"`
}

const fileVersion = 1

// readTotals reads the file; absent is empty. state.damaged says that it is not what was written.
func readTotals(path string) (totals, error) {
	t := newTotals()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	var raw []byte
	if err == nil && info.Size() <= maxFile {
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		return t, fmt.Errorf("read scorecards: %w", err)
	}
	if info.Size() > maxFile {
		err = fmt.Errorf("%d bytes, at most %d", info.Size(), int64(maxFile))
	}
	var f file
	if err == nil {
		err = json.Unmarshal(raw, &f)
	}
	if err == nil && f.Version != fileVersion {
		err = fmt.Errorf("version %d, want %d", f.Version, fileVersion)
	}
	if err == nil && len(f.Cards) > maxCards {
		err = fmt.Errorf("%d cards, at most %d", len(f.Cards), maxCards)
	}
	if err != nil {
		return t, reason.Wrap(reason.StateDamaged, "read scorecards "+path, err)
	}
	t.cursor, t.abuses = f.Cursor, f.Abuses
	for _, c := range f.Cards {
		if c != nil {
			t.cards[seat{c.Org, c.Topic}] = c
		}
	}
	return t, nil
}

// encode writes the totals: equal ones give equal bytes.
func (t *totals) encode() ([]byte, error) {
	f := file{Version: fileVersion, Cursor: t.cursor, Cards: make([]*card, 0, len(t.cards)), Abuses: t.abuses}
	for _, c := range t.cards {
		f.Cards = append(f.Cards, c)
	}
	slices.SortFunc(f.Cards, func(a, b *card) int {
		return cmp.Or(slices.Compare(a.Org[:], b.Org[:]), cmp.Compare(a.Topic, b.Topic))
	})
	return json.Marshal(f)
}

// save writes the file; the follower alone calls it.
func (b *Book) save(now time.Time) error {
	if !b.dirty {
		return nil
	}
	b.mu.RLock()
	raw, err := b.totals.encode()
	b.mu.RUnlock()
	if err == nil {
		err = durable.Write(b.path, raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep scorecards: %w", err)
	}
	b.dirty, b.saved = false, now
	return nil
}
