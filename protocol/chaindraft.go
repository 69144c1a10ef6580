package protocol

import (
	"bytes"
	"fmt"
	"slices"

	"tocsin/protocol/reason"
)

// statementOrder lists the types of statements so that each rests only on those
// before it: a chain in this order verifies.
var statementOrder = [...]StatementType{
	StatementGenesis, StatementRoot, StatementOperations, StatementRevocation, StatementStatus, StatementCertificate,
}

// chainDraft collects statements that verify. It belongs to one call of With.
type chainDraft struct {
	held  map[StatementType][]*Statement
	fresh []*Statement // those of the above that the snapshot lacked
}

func newChainDraft(c *chainState) *chainDraft {
	d := &chainDraft{held: map[StatementType][]*Statement{}}
	if c != nil {
		for typ, list := range c.kept {
			d.held[typ] = slices.Clone(list)
		}
	}
	return d
}

// add verifies a statement against what the draft holds. Only the very bytes
// that the draft holds already are not looked at again: the same statement with
// other signatures is judged like a new one, so that a verdict does not depend
// on what a node happens to know.
func (d *chainDraft) add(s *Statement) error {
	held := find(d.held[s.typ], s.digest)
	if held != nil && bytes.Equal(held.raw, s.raw) {
		return nil
	}
	if err := d.verify(s); err != nil || held != nil && !otherSigner(held, s) {
		return err
	}
	if s.typ == StatementRoot {
		s = d.trimRoot(s)
	}
	d.held[s.typ] = append(d.held[s.typ], s)
	d.fresh = append(d.fresh, s)
	return nil
}

// otherSigner reports whether the same claims come from somebody else, where that
// matters: what an operations key that ended signed must not keep out the word of one
// that is good. Both are looked at then, and the better one is kept (STM-06).
func otherSigner(held, s *Statement) bool {
	switch s.typ {
	case StatementCertificate, StatementRevocation, StatementStatus:
		return !slices.EqualFunc(held.env.signatures, s.env.signatures, func(a, b signature) bool { return a.signer == b.signer })
	}
	return false
}

// find returns the statement of a digest, or nil.
func find(list []*Statement, digest Digest) *Statement {
	for _, s := range list {
		if s.digest == digest {
			return s
		}
	}
	return nil
}

// verify checks a statement by the rule of its type.
func (d *chainDraft) verify(s *Statement) error {
	if s.typ == StatementGenesis {
		return verifyGenesis(s)
	}
	if len(d.held[StatementGenesis]) == 0 {
		return reason.New(reason.CertUnknown, describe(s)+": its organisation is not known")
	}
	switch s.typ {
	case StatementRoot:
		return d.verifyRoot(s)
	case StatementOperations:
		return d.verifyOperations(s)
	case StatementRevocation:
		return d.verifyRevocation(s)
	case StatementStatus:
		return d.verifyStatus(s)
	}
	return d.verifyCertificate(s)
}

// verifyGenesis holds a genesis against the roots that it names itself.
func verifyGenesis(s *Statement) error {
	root := rootSetOf(s)
	return verifyByRoots(s, &root)
}

// verifyByRoots checks that at least the threshold of the root keys, and
// nobody else, signed (STM-08, STM-09).
func verifyByRoots(s *Statement, root *rootSet) error {
	if n := len(s.env.signatures); n < root.threshold {
		return reason.New(reason.ChainInvalid,
			fmt.Sprintf("%s: %d root keys signed, the threshold is %d", describe(s), n, root.threshold))
	}
	return s.verify(root.key)
}

// verifyOperations checks the signatures of the root that the statement names.
// There is one genesis, so what it does not sign nobody can make good; of a later version
// there may be a root that we do not know.
func (d *chainDraft) verifyOperations(s *Statement) error {
	version := s.claims.(*Operations).RootVersion
	for _, root := range d.rootSets() {
		switch {
		case root.version != version:
		case version == rootVersion:
			return verifyByRoots(s, &root)
		case root.signed(s):
			return s.verify(root.key)
		}
	}
	return reason.New(reason.CertUnknown, fmt.Sprintf("%s: no root of version %d is known that its signers are of", describe(s), version))
}

// verifyCertificate checks the signature of an operations key that is known and
// whose window holds the certificate's (STM-10). A key or window that is not
// known may come with a statement that we lack, so that is nobody's fault.
func (d *chainDraft) verifyCertificate(s *Statement) error {
	return d.verifyByOperations(s, func(o *Statement) bool { return certifies(o, s) })
}

// verifyStatus checks the signature of an operations key that is known and whose
// window holds the time of the status, and that its root is known (STM-23).
func (d *chainDraft) verifyStatus(s *Statement) error {
	version := s.claims.(*Status).RootVersion
	if !slices.ContainsFunc(d.rootSets(), func(r rootSet) bool { return r.version == version }) {
		return reason.New(reason.CertUnknown, fmt.Sprintf("%s: no root of version %d is known", describe(s), version))
	}
	return d.verifyByOperations(s, func(o *Statement) bool { return vouchesStatus(o, s) })
}

// verifyByOperations checks the one signature of a statement that rests on an
// operations statement.
func (d *chainDraft) verifyByOperations(s *Statement, rests func(o *Statement) bool) error {
	signer := s.env.signatures[0].signer
	key, ok := d.operationsKey(signer)
	if !ok {
		return reason.New(reason.CertUnknown, describe(s)+": no operations statement is known for its signer "+signer.String())
	}
	if err := s.verify(func(KeyID) (PublicKey, bool) { return key, true }); err != nil {
		return err
	}
	if !slices.ContainsFunc(d.held[StatementOperations], rests) {
		return reason.New(reason.CertUnknown, describe(s)+": no operations statement is known that covers its time")
	}
	return nil
}

func (d *chainDraft) operationsKey(id KeyID) (PublicKey, bool) {
	for _, o := range d.held[StatementOperations] {
		if key := o.claims.(*Operations).Key; key.ID() == id {
			return key, true
		}
	}
	return PublicKey{}, false
}

// verifyRevocation checks the signatures of enough keys of some root, or of one
// operations key (STM-20). Other signers may be of a statement that we lack.
func (d *chainDraft) verifyRevocation(s *Statement) error {
	for _, root := range d.rootSets() {
		if root.signed(s) {
			return s.verify(root.key)
		}
	}
	if key, ok := d.operationsKey(s.env.signatures[0].signer); ok && len(s.env.signatures) == 1 {
		return s.verify(func(KeyID) (PublicKey, bool) { return key, true })
	}
	return reason.New(reason.CertUnknown, describe(s)+": its signers are neither enough keys of a known root nor a known operations key")
}

// certifies reports whether certificate s rests on operations statement o: made
// by its key, its window inside the key's.
func certifies(o, s *Statement) bool {
	ops, cert := o.claims.(*Operations), s.claims.(*Certificate)
	return s.signedBy(ops.Key) && !cert.NotBefore.Before(ops.NotBefore) && !cert.NotAfter.After(ops.NotAfter)
}

// vouchesStatus reports whether status s rests on operations statement o: made by
// its key, at a time inside its window.
func vouchesStatus(o, s *Statement) bool {
	ops := o.claims.(*Operations)
	return s.signedBy(ops.Key) && covers(ops.NotBefore, ops.NotAfter, s.claims.(*Status).Created)
}

// signedBy reports whether the first signature is under a key's name.
func (s *Statement) signedBy(key PublicKey) bool { return s.env.signatures[0].signer == key.ID() }

func describe(s *Statement) string { return string(s.typ) + " " + s.digest.String() }
