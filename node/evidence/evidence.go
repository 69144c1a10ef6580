// Package evidence keeps when and from whom this node first saw each record, outside the store, commits
// to it in the audit log, has checkpoints of that log cosigned by peers and cosigns theirs, and puts together and verifies what
// proves an object: its proof, the chain of certificates, the first-seen fact and its place in the audit log.
package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/audit"
	"tocsin/protocol"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/evidence")

// Fact is when and from whom a record was first seen.
type Fact struct {
	Record protocol.RecordID
	Seen   time.Time
	// From is the peer id in text form, "local", or "bundle:ORG" and the like.
	From string
	// By is the organisation whose node saw it; zero is this node. Others' facts come with bundles and are their word.
	By protocol.OrgID
}

// The files of the book, in its folder.
const (
	ownFile    = "firstseen"
	toldFile   = "firstseen.told"
	cursorFile = "firstseen.cursor"
)

// maxTold bounds what is given of others' facts of one record; maxToldEntries bounds all that is kept of them.
const (
	maxTold        = 64
	maxToldEntries = 20_000_000
)

// Book is the kept facts. All methods may be called concurrently.
type Book struct {
	dir   string
	store *storage.Store
	log   *audit.Log
	own   *ledger
	told  *ledger

	// committing is held while a commitment is made; it guards what follows.
	committing sync.Mutex
	committed  uint64    // facts that the newest commitment covers
	waiting    time.Time // since when a fact is not committed to; zero for none

	writing sync.Mutex // one writes facts of this node at a time, so that none is written twice; taken before committing
	telling sync.Mutex // likewise for others' facts; guards what follows
	room    uint64     // how many of these are kept at most
	full    bool       // it was said that there are so many
}

// Open opens or creates the facts in dir. What a power cut tore is cut back, damage is said in the log; neither keeps it from
// opening. store may be nil, of a node that runs without one: then nothing is followed.
func Open(dir string, store *storage.Store, l *audit.Log) (*Book, error) {
	b := &Book{dir: dir, store: store, log: l, room: maxToldEntries}
	var err error
	if b.own, err = openLedger(filepath.Join(dir, ownFile), factBytes); err != nil {
		return nil, err
	}
	if b.told, err = openLedger(filepath.Join(dir, toldFile), toldBytes); err != nil {
		return nil, errors.Join(err, b.own.close())
	}
	if err := errors.Join(b.noteDamage(), b.resume()); err != nil {
		return nil, errors.Join(err, b.own.close(), b.told.close())
	}
	return b, nil
}

// noteDamage writes into the audit log which files were put right, or begun anew. Facts of this node that begin anew are
// taken from the store again, as far as it still says when it took a record.
func (b *Book) noteDamage() error {
	if b.own.healed != "" && b.own.size() == 0 {
		if err := os.Remove(filepath.Join(b.dir, cursorFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("follow the store from its beginning: %w", err)
		}
	}
	for _, l := range []*ledger{b.own, b.told} {
		if l.healed == "" || b.log == nil {
			continue
		}
		b.log.NoteDamaged(l.path, l.healed)
	}
	return nil
}

// Facts returns what is known of a record, our own first. The kept fact of this node is the oldest.
func (b *Book) Facts(id protocol.RecordID) []Fact {
	own, _ := b.ownFact(id)
	return append(own, b.toldFacts(id)...)
}

// ownFact is the oldest of this node's facts of a record, and its place.
func (b *Book) ownFact(id protocol.RecordID) (facts []Fact, place uint64) {
	for _, p := range b.own.find(id) {
		f, err := b.own.fact(p)
		if err == nil && (facts == nil || f.Seen.Before(facts[0].Seen)) {
			facts, place = []Fact{f}, p
		}
	}
	return facts, place
}

// toldFacts are the oldest that each other organisation says, at most maxTold.
func (b *Book) toldFacts(id protocol.RecordID) []Fact {
	var facts []Fact
	at := map[protocol.OrgID]int{}
	for _, p := range b.told.find(id) {
		f, err := b.told.fact(p)
		if err != nil {
			continue
		}
		if i, ok := at[f.By]; ok {
			if f.Seen.Before(facts[i].Seen) {
				facts[i] = f
			}
			continue
		}
		if len(facts) < maxTold {
			at[f.By] = len(facts)
			facts = append(facts, f)
		}
	}
	return facts
}

// Told keeps what others say about when they saw records, as a bundle carries it; durable when it returns nil. Of
// one organisation and record only an older fact than the kept one is taken, and none beyond 64 organisations. When all are kept
// that there is room for, the rest is not, which is no error: what they came with is worth more.
func (b *Book) Told(ctx context.Context, facts []Fact) error {
	b.telling.Lock()
	defer b.telling.Unlock()
	var entries [][]byte
	type key struct {
		id protocol.RecordID
		by protocol.OrgID
	}
	fresh := map[key]time.Time{}
	for i, f := range facts {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		k := key{f.Record, f.By}
		if at, ok := fresh[k]; f.By == (protocol.OrgID{}) || ok && !f.Seen.Before(at) || !b.news(f) {
			continue
		}
		fresh[k] = f.Seen
		entries = append(entries, encodeFact(f, true))
	}
	if left := b.room - min(b.room, b.told.size()); uint64(len(entries)) > left {
		if !b.full {
			log.Warnw("no more facts of others are kept", "kept", b.told.size(), "most", b.room)
			b.full = true
		}
		entries = entries[:left]
	}
	return b.told.append(entries)
}

// news reports whether what is told says more than what is kept.
func (b *Book) news(f Fact) bool {
	kept := b.toldFacts(f.Record)
	for _, k := range kept {
		if k.By == f.By {
			return f.Seen.Truncate(time.Millisecond).Before(k.Seen)
		}
	}
	return len(kept) < maxTold
}

// Counts says how many facts are kept: of this node, of others, and how many of this node's are committed to.
func (b *Book) Counts() (own, told, committed uint64) {
	b.committing.Lock()
	defer b.committing.Unlock()
	return b.own.size(), b.told.size(), b.committed
}

// Damage says what was found wrong with the files when they were opened; nil for nothing.
func (b *Book) Damage() error { return errors.Join(b.own.damage(), b.told.damage()) }

// Close releases the files. Run has returned by then.
func (b *Book) Close() error { return errors.Join(b.own.close(), b.told.close()) }
