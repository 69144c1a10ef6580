// Package warnings is the live set of warning lists: the built-in pack and the files of a
// folder, swapped atomically. It judges nothing.
package warnings

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/protocol/reason"
	"tocsin/protocol/warn"
)

var log = logging.Logger("tocsin/warnings")

// watchInterval is how often the folder is looked at.
const watchInterval = 10 * time.Second

// Info describes one list in force.
type Info struct {
	Name    string
	File    string // from the folder, "" for a built-in one
	Type    string
	Weight  int
	Entries int
	Skipped int
}

// Book is the live set. All methods may be called concurrently.
type Book struct {
	dir string
	// current is replaced whole and never changed.
	current atomic.Pointer[edition]
	// reading makes reloads wait for each other; it guards seen, the folder as the last
	// reload found it, whether that was taken or refused.
	reading sync.Mutex
	seen    listing
}

// edition is what is in force at one time.
type edition struct {
	index    *warn.Index
	lists    []Info
	version  uint64
	contents [sha256.Size]byte
	files    int
	replaced chan struct{} // closed when another edition is in force
}

// Open reads the lists of dir (absent is fine: the built-in pack alone): *.json and
// *.txt under hard/ and soft/ by those weights, any other *.json or *.txt as soft; assets.txt, the
// operator's own, is hard. Folders within are read too; names that begin with a dot or an
// underscore are passed over, MISP's _schema.json among them. A refused file is an error that
// names file and place.
func Open(dir string) (*Book, error) {
	b := &Book{dir: dir}
	b.current.Store(&edition{replaced: make(chan struct{})})
	if err := b.Reload(); err != nil {
		return nil, err
	}
	b.current.Load().version = 0 // nobody else has seen it yet
	return b, nil
}

// Folder is where the files lie.
func (b *Book) Folder() string { return b.dir }

// Index returns the index in force.
func (b *Book) Index() *warn.Index { return b.current.Load().index }

// Lists describes what is in force, by name.
func (b *Book) Lists() []Info { return slices.Clone(b.current.Load().lists) }

// Digest is over the names and contents of the files in force, the built-in lists left out: those belong to the program.
func (b *Book) Digest() [sha256.Size]byte { return b.current.Load().contents }

// Version counts changes since Open; it never falls.
func (b *Book) Version() uint64 { return b.current.Load().version }

// Wait returns nil when the version is above the given one, or ctx's error.
func (b *Book) Wait(ctx context.Context, version uint64) error {
	for {
		e := b.current.Load()
		if e.version > version {
			return nil
		}
		select {
		case <-e.replaced:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Reload reads the folder again; when a file is refused, what is in force stays. Files
// that hold what they held before are no change.
func (b *Book) Reload() error {
	b.reading.Lock()
	defer b.reading.Unlock()
	found, err := list(b.dir)
	if err != nil {
		return err
	}
	return b.take(found)
}

// Watch reloads whenever a file of the folder changes (looked at every 10 s), until ctx ends.
// What it has to refuse is logged, once for each state of the folder.
func (b *Book) Watch(ctx context.Context) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := b.look(); err != nil {
			log.Warnw("warning lists were changed and refused: those in force stay", "folder", b.dir, "err", err)
		}
	}
}

// look reloads when the folder is not as it was last seen.
func (b *Book) look() error {
	b.reading.Lock()
	defer b.reading.Unlock()
	found, err := list(b.dir)
	if err != nil {
		found = listing{fault: err.Error()}
	}
	if found.equal(b.seen) {
		return nil
	}
	if err != nil {
		b.seen = found
		return err
	}
	return b.take(found)
}

// take puts what a listing names in force.
func (b *Book) take(found listing) error {
	b.seen = found
	before := b.current.Load()
	if found.absent && before.files > 0 {
		return reason.New(reason.WarnFile, fmt.Sprintf(
			"read warning lists in %s: the folder is gone; what it held stays in force. Put it back, or leave it empty to have the built-in lists alone", b.dir))
	}
	lists, infos, contents, err := read(b.dir, found)
	if err != nil {
		return err
	}
	if before.index != nil && contents == before.contents {
		return nil
	}
	after := &edition{version: before.version + 1, contents: contents, files: len(found.files), replaced: make(chan struct{})}
	after.index = warn.Compile(lists)
	entries := 0
	for i, l := range lists {
		infos[i].Entries, infos[i].Skipped = len(l.Entries), len(l.Skipped)
		entries += len(l.Entries)
		if len(l.Skipped) > 0 {
			log.Infow("warning list has entries that cannot be used", "list", l.Name, "file", infos[i].File, "entries", len(l.Skipped), "first", l.Skipped[0])
		}
	}
	slices.SortStableFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	after.lists = infos
	b.current.Store(after)
	close(before.replaced)
	log.Infow("warning lists in force", "folder", b.dir, "files", after.files, "lists", len(lists), "entries", entries)
	return nil
}
