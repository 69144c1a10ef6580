// Package breaker feeds the circuit breakers, one for each organisation and
// topic, and opens them in the node's standing when they trip. It keeps their counts in a plain
// file. What an open breaker means is not its business.
package breaker

import (
	"bytes"
	"cmp"
	"container/list"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/durable"
	"tocsin/node/standing"
	"tocsin/protocol"
	"tocsin/protocol/trust"
)

var log = logging.Logger("tocsin/breaker")

const (
	// MaxCircuits bounds how many are counted: listed organisations on joined topics. The one that was
	// idle longest gives way.
	MaxCircuits = 10_000
	// saveEvery is how often mere counts are written. A crash loses no more of them;
	// hits and refutations are written at the next Save.
	saveEvery = time.Hour
	// maxFile bounds what is read.
	maxFile = 256 << 20
)

// scope is what one breaker guards.
type scope struct {
	Org   protocol.OrgID `json:"org"`
	Topic string         `json:"topic"`
}

// circuit is one breaker and when it was fed last.
type circuit struct {
	scope
	trust.Breaker
	// Open is true from a trip on; when the standing says otherwise, a person restored it.
	Open bool      `json:"open,omitempty"`
	Used time.Time `json:"used"`
}

// Book holds the breakers. All methods may be called concurrently.
type Book struct {
	path     string
	standing *standing.Book
	tripped  func(standing.Trip)

	mu       sync.Mutex // guards all below
	circuits map[scope]*list.Element
	// byUse holds the *circuit values, the one that is idle longest in front.
	byUse *list.List
	// dirty says that there is something to write, urgent that it cannot wait.
	dirty, urgent bool
	saved         time.Time
}

// Open reads the counts of an earlier run; what cannot be read is left behind, since it is
// statistics: breakers that are open stand in the standing. tripped is told of
// each breaker that opens, once, without a lock held; nil for nobody.
func Open(path string, s *standing.Book, tripped func(standing.Trip)) *Book {
	b := &Book{path: path, standing: s, tripped: tripped, circuits: map[scope]*list.Element{}, byUse: list.New(), saved: time.Now()}
	kept, err := read(path)
	if err != nil {
		log.Warnw("counts of the circuit breakers begin anew", "err", err)
	}
	slices.SortFunc(kept, func(x, y *circuit) int { return x.Used.Compare(y.Used) })
	for _, c := range kept[max(0, len(kept)-MaxCircuits):] {
		if b.circuits[c.scope] == nil {
			b.circuits[c.scope] = b.byUse.PushBack(c)
		}
	}
	return b
}

func read(path string) ([]*circuit, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []*circuit
	if err := json.NewDecoder(io.LimitReader(f, maxFile)).Decode(&all); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if slices.Contains(all, nil) {
		return nil, fmt.Errorf("read %s: an entry is empty", path)
	}
	return all, nil
}

// Note counts what one moment brought of an organisation on a topic: records made and taken in then,
// objects that name a value on a hard warning list, records of that hour refuted. It reports whether the
// breaker is open now; when it opens by this, that is durable on return.
func (b *Book) Note(org protocol.OrgID, topic string, records, hardHits, refuted int, at time.Time) (open bool, err error) {
	return b.feed(scope{org, topic}, hardHits+refuted > 0, at, func(c *trust.Breaker) string { return c.Note(records, hardHits, refuted, at) })
}

// Came is Note for a record that came in now, of which hardHits objects name a value on a hard warning list.
func (b *Book) Came(r *protocol.Record, hardHits int, at time.Time) (open bool, err error) {
	h := r.Header()
	return b.feed(scope{r.Org(), h.Topic.String()}, hardHits > 0, at, func(c *trust.Breaker) string {
		return c.Came(r.Key(), h.Sequence, h.Created, hardHits, at)
	})
}

// Refuted counts records of an organisation that were refuted now, by when each came in.
func (b *Book) Refuted(org protocol.OrgID, topic string, came []time.Time) error {
	at := time.Now()
	_, err := b.feed(scope{org, topic}, true, at, func(c *trust.Breaker) (why string) {
		for _, t := range came {
			why = cmp.Or(c.Refuted(t, at), why)
		}
		return why
	})
	return err
}

// feed gives a breaker something to count and opens it when that trips it.
func (b *Book) feed(s scope, urgent bool, at time.Time, note func(*trust.Breaker) string) (open bool, err error) {
	why, open := b.count(s, urgent, at, note)
	if why == "" {
		return open, nil
	}
	trip := standing.Trip{Org: s.Org, Topic: s.Topic, Why: why, At: at}
	first, err := b.standing.Trip(trip)
	if err != nil {
		return false, fmt.Errorf("open the breaker of %s on %s: %w", s.Org, s.Topic, err)
	}
	b.opened(s)
	if first {
		log.Warnw("circuit breaker tripped: what comes is held until a person restores it", "org", s.Org, "topic", s.Topic, "why", why)
		if b.tripped != nil {
			b.tripped(trip)
		}
	}
	return true, nil
}

func (b *Book) count(s scope, urgent bool, at time.Time, note func(*trust.Breaker) string) (why string, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	open = b.standing.Tripped(s.Org, s.Topic)
	c := b.circuit(s, at)
	if open {
		c.Open = true
		return "", true
	}
	if c.Open { // a person restored it since: it begins anew
		c.Open = false
		c.Forgive(at)
	}
	b.dirty, b.urgent = true, b.urgent || urgent
	return note(&c.Breaker), false
}

// opened notes that a breaker was tripped durably, so that a later count knows
// that somebody restored it.
func (b *Book) opened(s scope) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.circuits[s]; e != nil {
		e.Value.(*circuit).Open, b.urgent = true, true
	}
}

// circuit finds or makes a breaker, and notes its use. The caller holds mu.
func (b *Book) circuit(s scope, at time.Time) *circuit {
	e := b.circuits[s]
	if e == nil {
		if len(b.circuits) >= MaxCircuits {
			idle := b.byUse.Remove(b.byUse.Front()).(*circuit)
			delete(b.circuits, idle.scope)
		}
		e = b.byUse.PushBack(&circuit{scope: s})
		b.circuits[s] = e
	}
	b.byUse.MoveToBack(e)
	c := e.Value.(*circuit)
	c.Used = at
	return c
}

// Save writes the counts if it is time to, or at once when something in them cannot wait or
// the node stops.
func (b *Book) Save(stopping bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.dirty || !b.urgent && !stopping && time.Since(b.saved) < saveEvery {
		return nil
	}
	all := make([]*circuit, 0, len(b.circuits))
	for e := b.byUse.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*circuit))
	}
	slices.SortFunc(all, func(x, y *circuit) int {
		return cmp.Or(bytes.Compare(x.Org[:], y.Org[:]), strings.Compare(x.Topic, y.Topic))
	})
	raw, err := json.Marshal(all)
	if err == nil {
		err = durable.Write(b.path, raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the counts of circuit breakers: %w", err)
	}
	b.dirty, b.urgent, b.saved = false, false, time.Now()
	return nil
}
