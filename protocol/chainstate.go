package protocol

import (
	"bytes"
	"fmt"
	"slices"

	"tocsin/protocol/reason"
)

// chainState is one organisation's verified chain, as a snapshot holds it:
// immutable, and small enough for one identity record.
type chainState struct {
	org          *Org
	genesis      *Statement
	operations   []*Statement // oldest first
	certificates []*Statement // oldest first
}

func (c *chainState) holds(s *Statement) bool {
	return c.genesis == s || slices.Contains(c.operations, s) || slices.Contains(c.certificates, s)
}

// chainDraft collects statements that verify. It belongs to one call of With.
type chainDraft struct {
	genesis      *Statement
	operations   []*Statement
	certificates []*Statement
	fresh        []*Statement // those of the above that the snapshot lacked
}

func newChainDraft(c *chainState) *chainDraft {
	if c == nil {
		return &chainDraft{}
	}
	return &chainDraft{
		genesis:      c.genesis,
		operations:   slices.Clone(c.operations),
		certificates: slices.Clone(c.certificates),
	}
}

// add verifies a statement against what the draft holds. Only the very bytes
// that the draft holds already are not looked at again: the same statement with
// other signatures is judged like a new one, so that a verdict does not depend
// on what a node happens to know.
func (d *chainDraft) add(s *Statement) error {
	held := d.find(s.digest)
	if held != nil && bytes.Equal(held.raw, s.raw) {
		return nil
	}
	if err := d.verify(s); err != nil || held != nil {
		return err
	}
	switch s.typ {
	case StatementGenesis:
		d.genesis = s
	case StatementOperations:
		d.operations = append(d.operations, s)
	case StatementCertificate:
		d.certificates = append(d.certificates, s)
	}
	d.fresh = append(d.fresh, s)
	return nil
}

// find returns the statement of a digest that the draft holds, or nil.
func (d *chainDraft) find(digest Digest) *Statement {
	if d.genesis != nil && d.genesis.digest == digest {
		return d.genesis
	}
	for _, s := range slices.Concat(d.operations, d.certificates) {
		if s.digest == digest {
			return s
		}
	}
	return nil
}

// verify checks a statement by the rule of its type.
func (d *chainDraft) verify(s *Statement) error {
	switch s.typ {
	case StatementOperations:
		return d.verifyOperations(s)
	case StatementCertificate:
		return d.verifyCertificate(s)
	}
	return verifyGenesis(s)
}

// verifyGenesis holds a genesis against the roots that it names itself.
func verifyGenesis(s *Statement) error {
	return verifyByRoots(s, s.claims.(*Genesis))
}

// verifyByRoots checks that at least the threshold of the root keys, and
// nobody else, signed (STM-08, STM-09). Signers are ascending, so none counts twice.
func verifyByRoots(s *Statement, g *Genesis) error {
	if n := len(s.env.signatures); n < g.Threshold {
		return reason.New(reason.ChainInvalid,
			fmt.Sprintf("%s: %d root keys signed, the threshold is %d", describe(s), n, g.Threshold))
	}
	return s.verify(func(id KeyID) (PublicKey, bool) {
		i := slices.IndexFunc(g.Roots, func(k PublicKey) bool { return k.ID() == id })
		if i < 0 {
			return PublicKey{}, false
		}
		return g.Roots[i], true
	})
}

func (d *chainDraft) verifyOperations(s *Statement) error {
	if d.genesis == nil {
		return reason.New(reason.CertUnknown, describe(s)+": its organisation is not known")
	}
	return verifyByRoots(s, d.genesis.claims.(*Genesis))
}

// verifyCertificate checks the signature of an operations key that is known and
// whose window holds the certificate's (STM-10). A key or window that is not
// known may come with a statement that we lack, so that is nobody's fault.
func (d *chainDraft) verifyCertificate(s *Statement) error {
	signer := s.env.signatures[0].signer
	var key PublicKey
	inside := false
	for _, o := range d.operations {
		if ops := o.claims.(*Operations); ops.Key.ID() == signer {
			key = ops.Key
			inside = inside || certifies(o, s)
		}
	}
	if key == (PublicKey{}) {
		return reason.New(reason.CertUnknown, describe(s)+": no operations statement is known for its signer "+signer.String())
	}
	if err := s.verify(func(KeyID) (PublicKey, bool) { return key, true }); err != nil {
		return err
	}
	if !inside {
		return reason.New(reason.CertUnknown, describe(s)+": no operations statement is known that covers its time")
	}
	return nil
}

// certifies reports whether certificate s rests on operations statement o: made
// by its key, its window inside the key's.
func certifies(o, s *Statement) bool {
	ops, cert := o.claims.(*Operations), s.claims.(*Certificate)
	return ops.Key.ID() == s.env.signatures[0].signer &&
		!cert.NotBefore.Before(ops.NotBefore) && !cert.NotAfter.After(ops.NotAfter)
}

// state chooses what is kept (STM-13): the newest operations statements, then
// the newest certificates that rest on them, as long as all of it fits into one
// identity record. It depends on the set of statements only, not their order.
func (d *chainDraft) state() *chainState {
	slices.SortFunc(d.operations, newestFirst)
	slices.SortFunc(d.certificates, newestFirst)
	d.operations = d.operations[:min(len(d.operations), MaxOperations)]

	state := &chainState{genesis: d.genesis}
	room := identityRoom{MaxIdentityBytes, MaxIdentitySignatures}.without(d.genesis)
	for _, s := range d.certificates {
		i := slices.IndexFunc(d.operations, func(o *Statement) bool { return certifies(o, s) })
		if i < 0 || len(state.certificates) == MaxCertificates {
			continue
		}
		o, left := d.operations[i], room.without(s)
		held := slices.Contains(state.operations, o)
		if !held {
			left = left.without(o)
		}
		if left.exceeded() {
			continue
		}
		if !held {
			state.operations = append(state.operations, o)
		}
		state.certificates = append(state.certificates, s)
		room = left
	}
	for _, o := range d.operations {
		if left := room.without(o); !slices.Contains(state.operations, o) && !left.exceeded() {
			state.operations = append(state.operations, o)
			room = left
		}
	}
	slices.SortFunc(state.operations, newestFirst)
	slices.Reverse(state.operations)
	slices.Reverse(state.certificates)
	state.org = state.describe()
	return state
}

// identityRoom is what is left of the limits of one identity record.
type identityRoom struct{ bytes, signatures int }

func (r identityRoom) without(s *Statement) identityRoom {
	return identityRoom{r.bytes - len(s.raw), r.signatures - len(s.env.signatures)}
}

func (r identityRoom) exceeded() bool { return r.bytes < 0 || r.signatures < 0 }

func (c *chainState) describe() *Org {
	org := &Org{ID: c.genesis.org, Genesis: *c.genesis.claims.(*Genesis)}
	for _, o := range c.operations {
		org.Operations = append(org.Operations, *o.claims.(*Operations))
	}
	for _, s := range c.certificates {
		org.Certificates = append(org.Certificates, s.claims.(*Certificate))
	}
	return org
}

// newestFirst orders statements of one type by their end, then by digest.
func newestFirst(a, b *Statement) int {
	end := func(s *Statement) int64 {
		switch v := s.claims.(type) {
		case *Operations:
			return v.NotAfter.UnixMilli()
		case *Certificate:
			return v.NotAfter.UnixMilli()
		}
		return 0
	}
	if ea, eb := end(a), end(b); ea != eb {
		if ea > eb {
			return -1
		}
		return 1
	}
	return bytes.Compare(a.digest[:], b.digest[:])
}

func describe(s *Statement) string { return string(s.typ) + " " + s.digest.String() }
