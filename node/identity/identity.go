// Package identity holds the identity chains that this node knows, as an
// immutable snapshot that is swapped atomically, and keeps them in plain
// files outside the store. It founds an organisation and renews the node's own
// certificate. It does no networking.
package identity

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/identity")

// MaxOrgs bounds the organisations known besides the node's own. Founding one costs
// nothing, so strangers may fill the book but not the memory: each takes at
// most one identity record, 16 KiB, and commonly 1 KiB.
const MaxOrgs = 4096

// ownFile stands beside the file of all chains and holds the node's own one. It
// is what says which organisation the node is of, for any organisation can
// certify any key; and the other file can be thrown away without loss.
const ownFile = "own.cbor"

// Book is the node's collection of chains. All methods may be called concurrently.
type Book struct {
	path    string // of the chains of others
	ownPath string
	own     protocol.OrgID // zero without an own.cbor
	max     int            // MaxOrgs; less in tests

	chains atomic.Pointer[protocol.Chains]
	listed atomic.Pointer[func(protocol.OrgID) bool]
	heard  atomic.Pointer[func([]*protocol.Statement)] // nil until Notify

	mu sync.Mutex // guards what follows, both files, and writing chains
	// size is the length of the file of others as far as we know it to be good.
	size int64
	// stale says that the file of others may not end well, so that the next change
	// writes it anew.
	stale bool
	// forgotten counts organisations that are in the file of others and no longer
	// in the book: they leave the file when it is written anew.
	forgotten int
}

// Open reads the chains from path (absent is empty) for a network, and the own
// chain from own.cbor beside it. Errors carry identity.file and say what to
// do. Open changes no file. The file may name up to twice as many organisations as
// the book shall hold; which of them go is decided once Protect says who must stay.
func Open(path, network string) (*Book, error) {
	b := &Book{path: path, ownPath: filepath.Join(filepath.Dir(path), ownFile), max: MaxOrgs}
	chains := protocol.NewChains(network)
	own, torn, err := readChains(b.ownPath, network)
	if err == nil && torn {
		err = errors.New("it ends in the middle of a statement")
	}
	if err != nil {
		return nil, damaged(b.ownPath, "restore it from a backup: it is the identity of this node's organisation", err)
	}
	if chains, err = take(chains, own); err == nil && chains.Len() > 1 {
		err = fmt.Errorf("it holds %d organisations", chains.Len())
	}
	if err != nil {
		return nil, damaged(b.ownPath, "restore it from a backup, and look whether the configured network is the one it was made for", err)
	}
	if ids := chains.Orgs(); len(ids) > 0 {
		b.own = ids[0]
	}
	others, torn, err := readChains(path, network)
	if err == nil {
		chains, err = take(chains, others)
	}
	if err != nil {
		return nil, damaged(path, "move it away and start again: peers send the chains of others anew", err)
	}
	if torn {
		log.Warnw("identity file ends in the middle of a statement: the end is left out", "file", path)
	}
	b.stale = torn
	b.size = length(others)
	b.chains.Store(chains)
	return b, nil
}

// take adds statements that must all verify. That newer ones fill a chain, replace
// a status or end a key is no damage: the file is only appended to.
func take(chains *protocol.Chains, statements []*protocol.Statement) (*protocol.Chains, error) {
	next, _, errs := chains.With(statements...)
	return next, errors.Join(slices.DeleteFunc(errs, isLimit)...)
}

// Chains returns the current snapshot.
func (b *Book) Chains() *protocol.Chains { return b.chains.Load() }

// Own returns the node's own organisation; false when the book has none.
func (b *Book) Own() (protocol.OrgID, bool) { return b.own, b.own != protocol.OrgID{} }

// Protect names the organisations that are never forgotten to make room,
// however many strangers come. It may be called at any time, and brings a book
// that was just opened within its bound; the files stay as they are.
func (b *Book) Protect(listed func(protocol.OrgID) bool) {
	b.listed.Store(&listed)
	b.mu.Lock()
	defer b.mu.Unlock()
	next, forgotten := b.makeRoom(b.chains.Load(), nil)
	b.forgotten += forgotten
	b.chains.Store(next)
}

// Add takes statements that verify, durably, and says how many were new. Each
// error is of one statement that was left out, or of the disk: then nothing
// was taken. The snapshot is swapped after the disk has it.
func (b *Book) Add(statements ...*protocol.Statement) (added int, errs []error) {
	fresh, added, errs := b.add(statements)
	if heard := b.heard.Load(); heard != nil && len(fresh) > 0 {
		(*heard)(fresh)
	}
	return added, errs
}

// Notify has f called after each Add that took something in, with what was new.
func (b *Book) Notify(f func(fresh []*protocol.Statement)) { b.heard.Store(&f) }

func (b *Book) add(statements []*protocol.Statement) (fresh []*protocol.Statement, added int, errs []error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.chains.Load()
	now := time.Now()
	// A status of tomorrow would keep the ones until then out.
	present := slices.DeleteFunc(slices.Clone(statements), func(s *protocol.Statement) bool { return s.Future(now) })
	next, added, errs := before.With(present...)
	if len(present) < len(statements) {
		errs = append(errs, reason.New(reason.TimeFuture, fmt.Sprintf("%d statuses are from the future", len(statements)-len(present))))
	}
	if added == 0 {
		return nil, 0, errs
	}
	statements = present
	fresh = slices.DeleteFunc(slices.Clone(statements), func(s *protocol.Statement) bool {
		return holds(before, s) || !holds(next, s)
	})
	next, forgotten := b.makeRoom(next, fresh)
	if err := b.save(next, fresh, forgotten); err != nil {
		return nil, 0, append(errs, fmt.Errorf("keep identity chains: %w", err))
	}
	b.chains.Store(next)
	return fresh, added, errs
}

func holds(chains *protocol.Chains, s *protocol.Statement) bool {
	return slices.ContainsFunc(chains.Chain(s.Org()), func(t *protocol.Statement) bool { return t.Digest() == s.Digest() })
}

// makeRoom forgets organisations that nobody lists until the bound holds: those
// without a live certificate first, then any, by lot, so that a flood cannot choose
// whom it drives out. What just came in stays unless all else is protected.
func (b *Book) makeRoom(chains *protocol.Chains, fresh []*protocol.Statement) (next *protocol.Chains, forgotten int) {
	excess := chains.Len() - b.max
	if b.own != (protocol.OrgID{}) {
		excess--
	}
	if excess <= 0 {
		return chains, 0
	}
	now := time.Now()
	var dead, live []protocol.OrgID
	for _, id := range chains.Orgs() {
		if b.protected(id) || slices.ContainsFunc(fresh, func(s *protocol.Statement) bool { return s.Org() == id }) {
			continue
		}
		org, _ := chains.Org(id)
		if slices.ContainsFunc(org.Certificates, func(c *protocol.Certificate) bool { return now.Before(c.NotAfter) }) {
			live = append(live, id)
		} else {
			dead = append(dead, id)
		}
	}
	rand.Shuffle(len(dead), func(i, j int) { dead[i], dead[j] = dead[j], dead[i] })
	rand.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	gone := append(dead, live...)
	gone = gone[:min(excess, len(gone))]
	return chains.Without(gone...), len(gone)
}

func (b *Book) protected(id protocol.OrgID) bool {
	if id == b.own {
		return true
	}
	listed := b.listed.Load()
	return listed != nil && (*listed)(id)
}
