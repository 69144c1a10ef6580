package protocol

import (
	"fmt"
	"slices"
	"time"

	"tocsin/protocol/reason"
)

// rootSet is what a genesis or a later root says of keys: who may sign now, and
// who may come after.
type rootSet struct {
	version       uint64
	digest        Digest
	roots         []PublicKey
	threshold     int
	next          []KeyID
	nextThreshold int
	created       time.Time
	later         *Root // nil for genesis
}

func rootSetOf(s *Statement) rootSet {
	if r, ok := s.claims.(*Root); ok {
		return rootSet{r.Version, s.digest, r.Roots, r.Threshold, r.Next, r.NextThreshold, r.Created, r}
	}
	g := s.claims.(*Genesis)
	return rootSet{rootVersion, s.digest, g.Roots, g.Threshold, g.Next, g.NextThreshold, g.Created, nil}
}

// key finds a root key by its id.
func (r *rootSet) key(id KeyID) (PublicKey, bool) { return findKey(r.roots, id) }

func findKey(keys []PublicKey, id KeyID) (PublicKey, bool) {
	i := slices.IndexFunc(keys, func(k PublicKey) bool { return k.ID() == id })
	if i < 0 {
		return PublicKey{}, false
	}
	return keys[i], true
}

// signed reports whether enough of the root keys, and nobody else, are named as
// signers. Signers are ascending, so none counts twice.
func (r *rootSet) signed(s *Statement) bool {
	for _, sig := range s.env.signatures {
		if _, ok := r.key(sig.signer); !ok {
			return false
		}
	}
	return len(s.env.signatures) >= r.threshold
}

// verifyRoot holds a root against the one that it names as previous (STM-15,
// STM-16). That one is known by its digest, so what is wrong here is wrong for all.
func (d *chainDraft) verifyRoot(s *Statement) error {
	r := s.claims.(*Root)
	before := d.root(r.Previous)
	if before == nil {
		return reason.New(reason.CertUnknown, describe(s)+": the root before it is not known")
	}
	previous := rootSetOf(before)
	if r.Version != previous.version+1 {
		return reason.New(reason.ChainInvalid, fmt.Sprintf("%s: version %d after version %d", describe(s), r.Version, previous.version))
	}
	for _, key := range r.Roots {
		if !slices.Contains(previous.next, key.ID()) {
			return reason.New(reason.ChainInvalid, describe(s)+": the root before it did not name "+key.ID().String())
		}
	}
	for at := before; at != nil; at = d.before(at) {
		for _, key := range rootSetOf(at).roots {
			if slices.Contains(r.Next, key.ID()) {
				return reason.New(reason.ChainInvalid, describe(s)+": its successor "+key.ID().String()+" was a root already")
			}
		}
	}
	return verifyRotation(s, &previous)
}

// verifyRotation checks the signatures of a root: enough of the revealed keys and,
// unless the reason is compromise, of those before (STM-16).
func verifyRotation(s *Statement, previous *rootSet) error {
	r := s.claims.(*Root)
	revealed, old := 0, 0
	for _, sig := range s.env.signatures {
		if _, ok := findKey(r.Roots, sig.signer); ok {
			revealed++
		} else if _, ok := previous.key(sig.signer); ok && !r.Compromise {
			old++
		}
	}
	if revealed < previous.nextThreshold {
		return reason.New(reason.ChainInvalid,
			fmt.Sprintf("%s: %d revealed keys signed, the threshold is %d", describe(s), revealed, previous.nextThreshold))
	}
	if !r.Compromise && old < previous.threshold {
		return reason.New(reason.ChainInvalid,
			fmt.Sprintf("%s: %d keys of the root before signed, the threshold is %d", describe(s), old, previous.threshold))
	}
	return s.verify(func(id KeyID) (PublicKey, bool) {
		if key, ok := findKey(r.Roots, id); ok || r.Compromise {
			return key, ok
		}
		return previous.key(id)
	})
}

// trimRoot takes the signatures out of a verified root that it does not need, so
// that who adds one cannot make a chain outgrow its bound (STM-17).
func (d *chainDraft) trimRoot(s *Statement) *Statement {
	r := s.claims.(*Root)
	previous := rootSetOf(d.root(r.Previous))
	revealed, old := previous.nextThreshold, previous.threshold
	return s.trimmed(func(id KeyID) bool {
		if _, ok := findKey(r.Roots, id); ok {
			revealed--
			return revealed >= 0
		}
		old--
		return old >= 0
	})
}

// root finds the genesis or a root by its digest.
func (d *chainDraft) root(digest Digest) *Statement {
	for _, typ := range []StatementType{StatementGenesis, StatementRoot} {
		for _, s := range d.held[typ] {
			if s.digest == digest {
				return s
			}
		}
	}
	return nil
}

// before is the root before s; nil when s is the genesis.
func (d *chainDraft) before(s *Statement) *Statement {
	if r, ok := s.claims.(*Root); ok {
		return d.root(r.Previous)
	}
	return nil
}

// rootSets are the root keys of every root that verified, genesis first.
func (d *chainDraft) rootSets() []rootSet {
	var out []rootSet
	for _, s := range slices.Concat(d.held[StatementGenesis], d.held[StatementRoot]) {
		out = append(out, rootSetOf(s))
	}
	return out
}

// rootLine is the roots that are in force, one after the other, genesis first.
type rootLine struct {
	sets       []rootSet    // sets[i] is of version i+1
	statements []*Statement // the later roots, and the disputed ones behind them
	disputed   bool
}

// rootLine follows the roots from genesis as far as each has one successor. Where
// one has two, nobody can tell which to believe: both are kept for all to see, and the line
// ends before them (STM-18).
func (d *chainDraft) rootLine() rootLine {
	genesis := d.held[StatementGenesis][0]
	line := rootLine{sets: []rootSet{rootSetOf(genesis)}}
	room := identityRoom{MaxRootLineBytes - genesisFraming - len(genesis.env.payload), MaxRootLineSignatures - MaxRoots}
	for {
		top := line.top()
		var next []*Statement
		for _, s := range d.held[StatementRoot] {
			if s.claims.(*Root).Previous == top.digest && !room.without(s).exceeded() {
				next = append(next, s)
			}
		}
		slices.SortFunc(next, func(a, b *Statement) int { return compareDigests(a.digest, b.digest) })
		switch {
		case len(next) == 0:
			return line
		case len(next) > 1:
			line.statements, line.disputed = append(line.statements, next[:2]...), true
			return line
		}
		line.statements = append(line.statements, next[0])
		line.sets = append(line.sets, rootSetOf(next[0]))
		room = room.without(next[0])
	}
}

// genesisFraming is what a genesis takes besides its payload when all its roots sign.
const genesisFraming = 600

func (l *rootLine) top() *rootSet { return &l.sets[len(l.sets)-1] }

// at returns the root of a version; nil when none is in force.
func (l *rootLine) at(version uint64) *rootSet {
	if version < rootVersion || version > uint64(len(l.sets)) {
		return nil
	}
	return &l.sets[version-1]
}

// delegates reports whether an operations statement is by a root in force.
func (l *rootLine) delegates(s *Statement) bool {
	root := l.at(s.claims.(*Operations).RootVersion)
	return root != nil && root.signed(s)
}

// dropper returns the first root after a version that does not keep an operations
// key; nil when all do (STM-21).
func (l *rootLine) dropper(key KeyID, version uint64) *Root {
	for _, set := range l.sets[version:] {
		if !slices.Contains(set.later.Keep, key) {
			return set.later
		}
	}
	return nil
}

// revokes reports whether a revocation is by enough keys of a root whose word on
// keys still counts: after a compromise those before it are silent (STM-20).
func (l *rootLine) revokes(s *Statement) bool {
	for i := len(l.sets) - 1; i >= 0; i-- {
		if l.sets[i].signed(s) {
			return true
		}
		if l.sets[i].later != nil && l.sets[i].later.Compromise {
			return false
		}
	}
	return false
}
