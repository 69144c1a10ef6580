package recon

import (
	"fmt"

	"tocsin/protocol/reason"
)

// Initiator asks. It is used by one goroutine. What it keeps is a bit for each item of the set and the ids
// it reported as needed, at most one for 32 bytes of messages. The other side can make it go on for as
// long as it likes: the caller bounds the rounds, or the bytes.
type Initiator struct {
	set   Set
	limit int
	begun bool
	found findings
	// settled is how far everything is known.
	settled Bound
}

// NewInitiator wires an initiator. frameLimit bounds the size of messages in bytes, 0 means no limit;
// Negentropy asks for at least 4,096.
func NewInitiator(s Set, frameLimit int) (*Initiator, error) {
	if err := checkLimit(frameLimit); err != nil {
		return nil, err
	}
	return &Initiator{set: s, limit: frameLimit}, nil
}

// Initiate returns the first message. It is called once.
func (i *Initiator) Initiate() ([]byte, error) { return i.InitiateFrom(Bound{}) }

// InitiateFrom is Initiate for what is not below a bound: what lies below is left as it is on both sides.
func (i *Initiator) InitiateFrom(from Bound) ([]byte, error) {
	if i.begun {
		return nil, reason.New(reason.SyncMessage, "begin a reconciliation: it has begun")
	}
	i.begun = true
	i.settled = from
	a := answer{set: i.set, out: newWriter(), prev: from, lower: i.set.Search(from), skip: from != Bound{}}
	a.split(i.set.Len(), &Bound{Item: Item{Timestamp: Infinity}})
	return a.out.buf, nil
}

// Reconcile takes an answer and returns the next message, nil when all is known. have are ids that
// we hold and the other lacks, need those that we lack; each id is reported once. What an error leaves
// unsaid is lost: the reconciliation is over. The bound of Responder.Answer on what a message costs holds here too.
func (i *Initiator) Reconcile(message []byte) (next []byte, have, need []ID, err error) {
	if !i.begun {
		return nil, nil, nil, reason.New(reason.SyncMessage, "go on with a reconciliation: it has not begun")
	}
	in, other, err := open(message)
	if err != nil {
		return nil, nil, nil, err
	}
	if other {
		return nil, nil, nil, reason.New(reason.SyncMessage, fmt.Sprintf("the other side speaks version %d of the reconciliation protocol, we speak %d",
			message[0]-firstVersion, version-firstVersion))
	}
	i.found.have, i.found.need = nil, nil
	a := answer{set: i.set, limit: i.limit, out: newWriter(), found: &i.found}
	if err := a.reconcile(in); err != nil {
		return nil, nil, nil, err
	}
	if len(a.out.buf) > 1 {
		next = a.out.buf
		i.settled = leading(next, i.settled)
	}
	return next, i.found.have, i.found.need, nil
}

// Settled is the bound below which everything was compared, as of the last message: who ends a reconciliation
// before its end begins the next one there, with InitiateFrom.
func (i *Initiator) Settled() Bound { return i.settled }

// leading is where the first range of a message of ours begins that is not skipped, or what it was before.
func leading(message []byte, before Bound) Bound {
	in, _, err := open(message)
	if err != nil {
		return before
	}
	if s, err := in.next(); err == nil && s.mode == modeSkip {
		return s.upper
	}
	return before
}

// findings is what an initiator learned.
type findings struct {
	// have and need are those of the message at hand.
	have, need []ID
	// A range may be gone through again when a message was full, so what was reported is remembered: a bit
	// for each position of the set, and the ids that are not in it.
	had    []uint64
	needed map[ID]struct{}
}

// compare holds the other's list of a range against our positions from to before to.
func (f *findings) compare(set Set, from, to int, s *span) {
	theirs := make(map[ID]struct{}, s.count())
	for i := range s.count() {
		theirs[s.id(i)] = struct{}{}
	}
	at := from
	walk(set, from, to, func(item *Item) bool {
		if _, both := theirs[item.ID]; both {
			delete(theirs, item.ID)
		} else if f.firstHad(at, set.Len()) {
			f.have = append(f.have, item.ID)
		}
		at++
		return true
	})
	for i := range s.count() {
		id := s.id(i)
		if _, lacking := theirs[id]; !lacking {
			continue
		}
		delete(theirs, id) // a list may name it twice
		if _, reported := f.needed[id]; !reported {
			if f.needed == nil {
				f.needed = map[ID]struct{}{}
			}
			f.needed[id] = struct{}{}
			f.need = append(f.need, id)
		}
	}
}

// firstHad says whether a position is reported for the first time.
func (f *findings) firstHad(at, size int) bool {
	if f.had == nil {
		f.had = make([]uint64, (size+63)/64)
	}
	bit := uint64(1) << (at % 64)
	first := f.had[at/64]&bit == 0
	f.had[at/64] |= bit
	return first
}
