package protocoltest

import (
	"fmt"
	"time"

	"tocsin/protocol"
)

// Rotate makes the next root, which keeps the operations key and names no heads,
// signed by what it needs. Each change may edit it before. Root and Next are the new ones
// afterwards.
func (a *Author) Rotate(change ...func(*protocol.Root)) (*protocol.Statement, error) {
	after, err := protocol.GenerateKey(protocol.EdDSA, a.rand)
	if err != nil {
		return nil, err
	}
	version, previous := uint64(2), protocol.Digest(a.Org)
	if org, _ := a.Chains.Org(a.Org); len(org.Roots) > 0 {
		version += uint64(len(org.Roots))
		for _, s := range a.Statements {
			if s.Type() == protocol.StatementRoot {
				previous = s.Digest() // the newest is the last
			}
		}
	}
	r := protocol.Root{
		Org: a.Org, Version: version, Previous: previous, Roots: []protocol.PublicKey{a.Next.Public()}, Threshold: 1,
		Next: []protocol.KeyID{after.Public().ID()}, NextThreshold: 1, Keep: []protocol.KeyID{a.Operations.Public().ID()}, Created: a.now,
	}
	for _, edit := range change {
		edit(&r)
	}
	signers := []protocol.Signer{a.Next}
	if !r.Compromise {
		signers = append(signers, a.Root)
	}
	s, err := protocol.SignRoot(a.network, r, signers...)
	if err != nil {
		return nil, err
	}
	if err := a.learn(s); err != nil {
		return nil, err
	}
	a.Root, a.Next = a.Next, after
	return s, nil
}

// Delegate makes an operations key under the root in force, from half a year before
// to half a year after now, and goes on with it.
func (a *Author) Delegate() (*protocol.Statement, error) {
	key, err := protocol.GenerateKey(protocol.EdDSA, a.rand)
	if err != nil {
		return nil, err
	}
	org, _ := a.Chains.Org(a.Org)
	s, err := protocol.SignOperations(a.network, protocol.Operations{
		Org: a.Org, RootVersion: 1 + uint64(len(org.Roots)), Serial: 1 + uint64(len(org.Operations)), Key: key.Public(),
		NotBefore: a.now.Add(-180 * day), NotAfter: a.now.Add(180 * day),
	}, a.Root)
	if err != nil {
		return nil, err
	}
	a.Operations = key
	return s, a.learn(s)
}

// Renew makes a new record key with a certificate like the one before, and goes on
// with it in logs of its own. Each change may edit the certificate.
func (a *Author) Renew(change ...func(*protocol.Certificate)) (*protocol.Statement, error) {
	key, err := protocol.GenerateKey(protocol.EdDSA, a.rand)
	if err != nil {
		return nil, err
	}
	draft := *a.Certificate
	draft.Serial, draft.RecordKey, draft.PeerIDs = draft.Serial+1, key.Public(), [][]byte{peerID(key.Public())}
	for _, edit := range change {
		edit(&draft)
	}
	s, err := protocol.SignCertificate(a.network, draft, a.Operations)
	if err != nil {
		return nil, err
	}
	if err := a.learn(s); err != nil {
		return nil, err
	}
	a.Key, a.Certificate = key, s.Certificate()
	a.heads = make(map[protocol.Topic]*protocol.Record)
	return s, nil
}

// Revoke ends a key by the operations key, or by the root when it is an operations
// key. What stands is what the edits say, by default nothing.
func (a *Author) Revoke(key protocol.KeyID, change ...func(*protocol.Revocation)) (*protocol.Statement, error) {
	r := protocol.Revocation{Org: a.Org, Key: key, Reason: protocol.RevokedCompromised, Created: a.now}
	for _, edit := range change {
		edit(&r)
	}
	signer := a.Operations
	if org, _ := a.Chains.Org(a.Org); delegates(org, key) {
		signer = a.Root
	}
	s, err := protocol.SignRevocation(a.network, r, signer)
	if err != nil {
		return nil, err
	}
	return s, a.learn(s)
}

func delegates(org *protocol.Org, key protocol.KeyID) bool {
	for _, o := range org.Operations {
		if o.Key.ID() == key {
			return true
		}
	}
	return false
}

// Beat makes the next status, of a time, with the heads of the author's logs.
func (a *Author) Beat(at time.Time, change ...func(*protocol.Status)) (*protocol.Statement, error) {
	org, _ := a.Chains.Org(a.Org)
	status := protocol.Status{
		Org: a.Org, Counter: 1, RootVersion: 1 + uint64(len(org.Roots)), Certificates: []protocol.Digest{a.Certificate.Digest()},
		Revocations: uint64(len(org.Revocations)), Heads: a.Heads(), Created: at,
	}
	if org.Status != nil {
		status.Counter = org.Status.Counter + 1
	}
	for _, edit := range change {
		edit(&status)
	}
	s, err := protocol.SignStatus(a.network, status, a.Operations)
	if err != nil {
		return nil, err
	}
	return s, a.learn(s)
}

// Heads are the last places of the author's logs.
func (a *Author) Heads() []protocol.Head {
	var out []protocol.Head
	for topic, r := range a.heads {
		out = append(out, protocol.Head{Key: r.Key(), Topic: topic, Sequence: r.Header().Sequence, ID: r.ID()})
	}
	return out
}

// learn adds a statement to what is known, which must have a use for it.
func (a *Author) learn(s *protocol.Statement) error {
	next, added, errs := a.Chains.With(s)
	if len(errs) > 0 {
		return errs[0]
	}
	if added != 1 {
		return fmt.Errorf("%s %s is known already", s.Type(), s.Digest())
	}
	a.Chains, a.Statements = next, append(a.Statements, s)
	return nil
}
