package storage

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"time"

	"github.com/dgraph-io/badger/v4"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// What Survey reads in one transaction: badger keeps what a transaction can see,
// so it must not last while f works.
const (
	surveyRecords = 256
	surveyValues  = 1 << 14
)

// errEnough ends the reading of one batch.
var errEnough = errors.New("enough for one batch")

// Survey calls f for each distinct value that an accepted claim of a record received at or
// after since names, in no particular order. f may take long; the store goes on meanwhile, and
// what comes in meanwhile may or may not be visited. f's error ends it. It takes 16 bytes of
// memory a value, and a batch. Of records that cannot be read the values are left out and
// the error tells in the end.
func (s *Store) Survey(ctx context.Context, since time.Time, f func(pattern.Observable) error) error {
	v := survey{s: s, since: since, seed: maphash.MakeSeed()}
	for more := true; more; {
		var err error
		if more, err = v.read(); err != nil {
			return fmt.Errorf("survey the store: %w", err)
		}
		for _, o := range v.batch {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f(o); err != nil {
				return err
			}
		}
	}
	if v.damage != nil {
		return fmt.Errorf("survey the store: %w", v.damage)
	}
	return nil
}

// survey is one walk through the accepted records.
type survey struct {
	s     *Store
	since time.Time
	// seen has the hashes of all values so far, under a secret of this walk: nobody can
	// make two values that pass for one.
	seen hashSet
	seed maphash.Seed
	// next is where to go on; batch is what the last read found new.
	next   []byte
	batch  []pattern.Observable
	damage error
}

// read fills the batch.
func (v *survey) read() (more bool, err error) {
	clear(v.batch)
	v.batch = v.batch[:0]
	records := 0
	err = v.s.view(func(txn *badger.Txn) error {
		return eachPacked(txn, spaceAccepted, v.next, func(id protocol.RecordID, p packed, err error) error {
			if records == surveyRecords || len(v.batch) >= surveyValues {
				v.next = recordKey(spaceAccepted, kindPacked, id)
				return errEnough
			}
			records++
			if err == nil {
				err = v.take(id, p)
			}
			if err != nil && v.damage == nil {
				v.damage = reason.Wrap(reason.StoreDamaged, fmt.Sprintf("read record %s", id), err)
			}
			return nil
		})
	})
	if errors.Is(err, errEnough) {
		return true, nil
	}
	return false, err
}

// take adds what is new in a record.
func (v *survey) take(id protocol.RecordID, p packed) error {
	if getTime(p[40:]).Before(v.since) {
		return nil
	}
	if at, ok := v.s.where(id); !ok || at.whole {
		return nil
	}
	for i := range p.leaves() {
		if state := p.leafState(i); p.leafFlags(i)&leafClaim == 0 || state != Accepted && state != NotEvaluated {
			continue
		}
		l, err := p.leafAt(i)
		if err != nil {
			return err
		}
		for _, val := range l.Values {
			if v.seen.add(maphash.Comparable(v.seed, val.Observable)) {
				v.batch = append(v.batch, val.Observable)
			}
		}
	}
	return nil
}

// hashSet is a set of hashes in open addressing: between 10 and 16 bytes each.
type hashSet struct {
	slots []uint64 // 0 is empty
	used  int
}

// add reports whether the hash was not in the set.
func (h *hashSet) add(hash uint64) bool {
	if hash == 0 {
		hash = 1
	}
	if (h.used+1)*4 > len(h.slots)*3 {
		old := h.slots
		h.slots = make([]uint64, max(1024, len(old)+len(old)/2))
		for _, o := range old {
			if o != 0 {
				h.slots[h.index(o)] = o
			}
		}
	}
	at := h.index(hash)
	if h.slots[at] == hash {
		return false
	}
	h.slots[at] = hash
	h.used++
	return true
}

// index returns the slot where hash is, or the empty slot where it would go.
func (h *hashSet) index(hash uint64) int {
	high, _ := bits.Mul64(hash, uint64(len(h.slots)))
	for i := int(high); ; {
		if h.slots[i] == hash || h.slots[i] == 0 {
			return i
		}
		if i++; i == len(h.slots) {
			i = 0
		}
	}
}
