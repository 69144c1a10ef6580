// Package breaker feeds the circuit breakers, one for each organisation and
// topic, and opens them in the node's standing when they trip. It keeps their counts in a plain
// file. What an open breaker means is not its business.
package breaker

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"encoding/json"

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
	// forgiven is what a person who restores forgives: the window of refutations.
	forgiven = 24 * time.Hour
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
	circuits map[scope]*circuit
	// dirty says that there is something to write, urgent that it cannot wait.
	dirty, urgent bool
	saved         time.Time
}

// Open reads the counts of an earlier run; what cannot be read is left behind, since it is
// statistics: breakers that are open stand in the standing. tripped is told of
// each breaker that opens, once, without a lock held; nil for nobody.
func Open(path string, s *standing.Book, tripped func(standing.Trip)) *Book {
	b := &Book{path: path, standing: s, tripped: tripped, circuits: map[scope]*circuit{}, saved: time.Now()}
	list, err := read(path)
	if err != nil {
		log.Warnw("counts of the circuit breakers begin anew", "err", err)
	}
	for _, c := range list[:min(len(list), MaxCircuits)] {
		b.circuits[c.scope] = c
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
	var list []*circuit
	if err := json.NewDecoder(io.LimitReader(f, maxFile)).Decode(&list); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if slices.Contains(list, nil) {
		return nil, fmt.Errorf("read %s: an entry is empty", path)
	}
	return list, nil
}

// Note counts what one moment brought of an organisation on a topic: records taken in,
// objects that name a value on a hard warning list, records refuted. It reports whether the
// breaker is open now; when it opens by this, that is durable on return.
func (b *Book) Note(org protocol.OrgID, topic string, records, hardHits, refuted int, at time.Time) (open bool, err error) {
	why, open := b.count(scope{org, topic}, records, hardHits, refuted, at)
	if why == "" {
		return open, nil
	}
	trip := standing.Trip{Org: org, Topic: topic, Why: why, At: at}
	first, err := b.standing.Trip(trip)
	if err != nil {
		return false, fmt.Errorf("open the breaker of %s on %s: %w", org, topic, err)
	}
	b.opened(scope{org, topic})
	if first {
		log.Warnw("circuit breaker tripped: what comes is held until a person restores it", "org", org, "topic", topic, "why", why)
		if b.tripped != nil {
			b.tripped(trip)
		}
	}
	return true, nil
}

// Refuted counts records of an organisation that counted voices refuted.
func (b *Book) Refuted(org protocol.OrgID, topic string, records int) error {
	_, err := b.Note(org, topic, 0, 0, records, time.Now())
	return err
}

func (b *Book) count(s scope, records, hardHits, refuted int, at time.Time) (why string, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	open = b.standing.Tripped(s.Org, s.Topic)
	c := b.circuit(s, at)
	if open {
		c.Open = true
		return "", true
	}
	if c.Open {
		c.restore(at)
	}
	b.dirty, b.urgent = true, b.urgent || hardHits+refuted > 0
	return c.Note(records, hardHits, refuted, at), false
}

// opened notes that a breaker was tripped durably, so that a later count knows
// that somebody restored it.
func (b *Book) opened(s scope) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.circuits[s]; c != nil {
		c.Open, b.urgent = true, true
	}
}

// restore lets the breaker begin anew: what tripped it is decided. The history of
// rates before it stays.
func (c *circuit) restore(at time.Time) {
	c.Open, c.Hits = false, nil
	since := at.Add(-forgiven).Unix() / 3600
	c.Hours = slices.DeleteFunc(slices.Clone(c.Hours), func(h trust.BreakerHour) bool { return h.Hour >= since })
}

// circuit finds or makes a breaker. The caller holds mu.
func (b *Book) circuit(s scope, at time.Time) *circuit {
	c := b.circuits[s]
	if c == nil {
		if len(b.circuits) >= MaxCircuits {
			oldest := slices.MinFunc(slices.Collect(maps.Values(b.circuits)), func(x, y *circuit) int { return x.Used.Compare(y.Used) })
			delete(b.circuits, oldest.scope)
		}
		c = &circuit{scope: s}
		b.circuits[s] = c
	}
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
	list := slices.SortedFunc(maps.Values(b.circuits), func(x, y *circuit) int {
		return strings.Compare(x.Org.String()+x.Topic, y.Org.String()+y.Topic)
	})
	raw, err := json.Marshal(list)
	if err == nil {
		err = durable.Write(b.path, raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the counts of circuit breakers: %w", err)
	}
	b.dirty, b.urgent, b.saved = false, false, time.Now()
	return nil
}
