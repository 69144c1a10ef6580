// Package logs turns log levels up and down while the node runs, gives them back by themselves, keeps
// the last minutes of log lines for a bug report, and takes out of them what is nobody else's business.
package logs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/logs")

// Keep is how long lines are kept, MaxKept how many bytes of them.
const (
	Keep    = 10 * time.Minute
	MaxKept = 4 << 20
)

// MaxFor is how long a level may be other than the configured one: one that is forgotten fills a disk.
const MaxFor = 24 * time.Hour

// Level is a subsystem's level now, and until when it is not the configured one.
type Level struct {
	Subsystem string    `json:"subsystem"`
	Level     string    `json:"level"`
	Until     time.Time `json:"until,omitzero"`
	Before    string    `json:"before,omitempty"`
}

// Book changes levels and remembers lines. It may be used concurrently; one per process, since loggers are
// the process's.
type Book struct {
	configured string
	kept       kept
	changed    chan struct{} // has room for one: Run looks at the times anew

	mu    sync.Mutex
	given map[string]given // by subsystem, those that are not at their configured level
}

// given is a level that goes back.
type given struct {
	level string
	until time.Time
}

// New wires a book. configured is the level of tocsin's own loggers; libp2p's are at error.
func New(configured string) *Book {
	return &Book{configured: configured, changed: make(chan struct{}, 1), given: map[string]given{}}
}

// Run remembers the lines of every logger of the process, and gives levels back when their time is over, until ctx ends;
// then it gives back all of them.
func (b *Book) Run(ctx context.Context) error {
	pipe := logging.NewPipeReader()
	var reader sync.WaitGroup
	reader.Go(func() { b.kept.read(pipe) })
	// The reader goes on while the pipe is closed: whoever logs meanwhile waits for it.
	defer reader.Wait()
	defer func() { _ = pipe.Close() }() // it has nothing to lose
	defer b.Reset()
	for {
		wait := MaxFor
		if next := b.giveBack(time.Now()); !next.IsZero() {
			wait = time.Until(next)
		}
		over := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-over.C:
		case <-b.changed:
		}
		over.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// giveBack ends what is over, and says when the next level is (zero for none).
func (b *Book) giveBack(now time.Time) (next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, g := range b.given {
		switch {
		case !g.until.After(now):
			b.back(name)
			log.Infow("log level given back", "subsystem", name, "to", b.base(name))
		case next.IsZero() || g.until.Before(next):
			next = g.until
		}
	}
	return next
}

// back puts a subsystem to its configured level; b.mu is held.
func (b *Book) back(name string) {
	delete(b.given, name)
	_ = logging.SetLogLevel(name, b.base(name)) // it is one of levels
}

// Set puts the subsystems that match (a name, or a prefix that ends in *) to a level for a time, at most MaxFor. not.found when none
// match, usage.invalid for an unknown level or another time.
func (b *Book) Set(match, level string, d time.Duration) ([]Level, error) {
	if !slices.Contains(levels(), level) {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("log level %q: want one of %s", level, strings.Join(levels(), ", ")))
	}
	if d <= 0 || d > MaxFor {
		return nil, reason.New(reason.UsageInvalid, fmt.Sprintf("log level for %v: want more than nothing and at most %v", d, MaxFor))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []Level
	until := time.Now().Add(d) // by the clock that is not set: when the other one is, the level goes back all the same
	for _, name := range names() {
		if !matches(match, name) {
			continue
		}
		if err := logging.SetLogLevel(name, level); err != nil {
			return nil, fmt.Errorf("set the log level of %s: %w", name, err)
		}
		b.given[name] = given{level, until}
		found = append(found, b.show(name))
	}
	if found == nil {
		return nil, reason.New(reason.NotFound, fmt.Sprintf("log subsystem %q: there is none of that name", match))
	}
	select {
	case b.changed <- struct{}{}:
	default: // it is told already
	}
	return found, nil
}

// Reset gives everything back at once.
func (b *Book) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range slices.Collect(maps.Keys(b.given)) {
		b.back(name)
	}
}

// Levels lists every subsystem by name.
func (b *Book) Levels() []Level {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Level
	for _, name := range names() {
		all = append(all, b.show(name))
	}
	return all
}

// show says how a subsystem stands; b.mu is held.
func (b *Book) show(name string) Level {
	if g, ok := b.given[name]; ok {
		return Level{Subsystem: name, Level: g.level, Until: g.until.Round(0), Before: b.base(name)}
	}
	return Level{Subsystem: name, Level: b.base(name)}
}

// base is a subsystem's configured level.
func (b *Book) base(name string) string {
	if strings.HasPrefix(name, "tocsin/") {
		return b.configured
	}
	return "error"
}

// Recent are the lines that are kept, oldest first: one JSON object a line.
func (b *Book) Recent() []byte { return b.kept.recent(time.Now()) }

// matches reports whether a name is meant by what an operator wrote.
func matches(match, name string) bool {
	if prefix, ok := strings.CutSuffix(match, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return match == name
}

// levels are what a level may be, the most talkative first.
func levels() []string { return []string{"debug", "info", "warn", "error"} }
