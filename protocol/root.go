package protocol

import (
	"slices"
	"time"
)

// Root is a later root of an organisation (SPEC 3.5): it reveals keys whose
// KeyIDs the root before named as next, and names new next ones.
type Root struct {
	Org     OrgID
	Version uint64 // 2, 3, ...
	// Previous is the digest of the root before: the genesis for version 2.
	Previous      Digest
	Roots         []PublicKey // 1..5, each pre-rotated in Previous
	Threshold     int
	Next          []KeyID
	NextThreshold int
	// Compromise says that the root before may be in wrong hands: the revealed keys alone sign.
	Compromise bool
	// Keep are the operations keys (KeyIDs) of earlier roots that stay good; all
	// others are dropped, and what was signed under them stands only at or below Heads.
	Keep    []KeyID
	Heads   []Head
	Created time.Time
}

// The claims of a root statement (SPEC 3.5).
const (
	rootOrg = iota + 1
	rootNumber
	rootPrevious
	rootRoots
	rootThreshold
	rootNext
	rootNextThreshold
	rootCompromise
	rootKeep
	rootHeads
	rootCreated
	lastRoot = rootCreated
)

// SignRoot makes a root statement, signed by revealed keys and, unless
// Compromise, by keys of the root before. Whether they are enough is for Chains.With to say.
func SignRoot(network string, r Root, signers ...Signer) (*Statement, error) {
	return signStatement(network, StatementRoot, r.claims(), signers)
}

func (r *Root) claims() claims {
	c := claims{
		claimType:         uint64(numberRoot),
		rootOrg:           r.Org[:],
		rootNumber:        r.Version,
		rootPrevious:      r.Previous[:],
		rootRoots:         list(sorted(r.Roots, comparePublicKeys), func(k PublicKey) any { return k.array() }),
		rootThreshold:     uint64(r.Threshold),
		rootNext:          list(sorted(r.Next, compareKeyIDs), func(id KeyID) any { return id[:] }),
		rootNextThreshold: uint64(r.NextThreshold),
		rootCreated:       millis(r.Created),
	}
	if r.Compromise {
		c[rootCompromise] = true
	}
	setList(c, rootKeep, sorted(r.Keep, compareKeyIDs), func(id KeyID) any { return id[:] })
	setHeads(c, rootHeads, r.Heads)
	return c
}

func readRoot(r *claimReader) (*Root, error) {
	out := &Root{
		Org:        OrgID(r.digest(rootOrg)),
		Version:    r.number(rootNumber, firstLaterRoot, maxSequence),
		Previous:   r.digest(rootPrevious),
		Roots:      r.keys(rootRoots),
		Next:       r.keyIDs(rootNext, MaxRoots, false),
		Compromise: r.flag(rootCompromise),
		Keep:       r.keyIDs(rootKeep, MaxOperations, true),
		Heads:      r.heads(rootHeads),
		Created:    r.time(rootCreated),
	}
	out.Threshold, out.NextThreshold = r.thresholds(rootThreshold, rootNextThreshold, out.Roots, out.Next)
	r.checkNext(rootNext, out.Roots, out.Next)
	return out, r.err
}

// thresholds reads how many of the roots and of their successors must sign: at
// least one, at most all (STM-08, STM-14).
func (r *claimReader) thresholds(own, next uint64, roots []PublicKey, successors []KeyID) (int, int) {
	return int(r.number(own, 1, uint64(len(roots)))), int(r.number(next, 1, uint64(len(successors))))
}

// checkNext refuses a successor that is a root already: one that is known
// protects nothing.
func (r *claimReader) checkNext(key uint64, roots []PublicKey, next []KeyID) {
	for _, root := range roots {
		if slices.Contains(next, root.ID()) {
			r.fail(key)
		}
	}
}
