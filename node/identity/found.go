package identity

import (
	"fmt"
	"slices"
	"time"

	"tocsin/node/keystore"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// Profile is what a founder says of the organisation.
type Profile struct {
	Name, Country, Sector string
	Contacts              []string
}

// Found makes the statements of a new organisation: genesis, operations key and a
// first certificate for this node. The windows begin a
// clock's tolerance early, so that a clock that is set back a little later does
// not stop the node.
func Found(network string, p Profile, k *keystore.Keys, f *keystore.Founder, peerID []byte, now time.Time) ([]*protocol.Statement, error) {
	draft := protocol.Genesis{
		Name: p.Name, Country: p.Country, Sector: p.Sector, Contacts: p.Contacts,
		Roots: []protocol.PublicKey{f.Root.Public()}, Threshold: 1, Created: now,
	}
	if f.Next != nil {
		draft.Next, draft.NextThreshold = []protocol.KeyID{f.Next.Public().ID()}, 1
	} else {
		for _, key := range f.Offline {
			draft.Next = append(draft.Next, key.ID())
		}
		draft.NextThreshold = f.Threshold
	}
	genesis, err := protocol.SignGenesis(network, draft, f.Root)
	if err != nil {
		return nil, fmt.Errorf("found %q: %w", p.Name, err)
	}
	start := now.Add(-protocol.ClockSkew).Truncate(time.Millisecond)
	operations, err := protocol.SignOperations(network, protocol.Operations{
		Org: genesis.Org(), RootVersion: 1, Serial: 1, Key: k.Operations.Public(),
		NotBefore: start, NotAfter: start.Add(protocol.MaxOperationsWindow),
	}, f.Root)
	if err != nil {
		return nil, fmt.Errorf("found %q: %w", p.Name, err)
	}
	certificate, err := protocol.SignCertificate(network, protocol.Certificate{
		Org: genesis.Org(), Serial: 1, RecordKey: k.Record.Public(),
		PeerIDs: [][]byte{peerID}, EncryptionKey: k.EncryptionPublic, MaxTLP: stix.Red,
		NotBefore: start, NotAfter: start.Add(protocol.CertificateWindow),
	}, k.Operations)
	if err != nil {
		return nil, fmt.Errorf("found %q: %w", p.Name, err)
	}
	return []*protocol.Statement{genesis, operations, certificate}, nil
}

// Renew makes a new certificate when the current one is past two thirds of its
// life, names another host key than the node has, or is older than the operations key,
// and the node holds the operations key; nil when there is nothing to do. It ends with the operations
// key at the latest; cert.expired says that only the root can help.
func Renew(chains *protocol.Chains, own *protocol.Certificate, k *keystore.Keys, now time.Time) (*protocol.Statement, error) {
	if k.Operations == nil {
		return nil, nil
	}
	peer, err := k.PeerID()
	if err != nil {
		return nil, fmt.Errorf("renew certificate %s: %w", own.Digest(), err)
	}
	peerIDs := [][]byte{[]byte(peer)}
	org, ok := chains.Org(own.Org)
	if !ok {
		return nil, reason.New(reason.CertUnknown, "renew certificate "+own.Digest().String()+": its organisation is not known")
	}
	window, delegated := Delegation(org, k.Operations.Public(), now)
	// A certificate from before the operations key rests on another one, which may have ended.
	moved := !slices.EqualFunc(own.PeerIDs, peerIDs, slices.Equal) || delegated && window.NotBefore.After(own.NotBefore)
	if !moved && now.Before(own.NotBefore.Add(own.NotAfter.Sub(own.NotBefore)*2/3)) {
		return nil, nil
	}
	if !delegated {
		return nil, reason.New(reason.CertExpired, fmt.Sprintf(
			"renew certificate %s: no operations statement for this node's operations key covers %s; the root key must sign one",
			own.Digest(), now.UTC().Format(time.DateOnly)))
	}
	next := *own
	next.PeerIDs, next.EncryptionKey = peerIDs, k.EncryptionPublic
	within(&next, org, window, now)
	if !moved && !next.NotAfter.After(own.NotAfter) {
		return nil, nil // the operations key ends first: a new one would last no longer
	}
	s, err := protocol.SignCertificate(chains.Network(), next, k.Operations)
	if err != nil {
		return nil, fmt.Errorf("renew certificate %s: %w", own.Digest(), err)
	}
	return s, nil
}

// Delegation finds the operations statement for a key that holds longest from now.
func Delegation(org *protocol.Org, key protocol.PublicKey, now time.Time) (best protocol.Operations, found bool) {
	for _, o := range org.Operations {
		if o.Key == key && !org.Ended(key.ID()) && !now.Before(o.NotBefore) && now.Before(o.NotAfter) && (!found || o.NotAfter.After(best.NotAfter)) {
			best, found = o, true
		}
	}
	return best, found
}

func nextSerial(org *protocol.Org) uint64 {
	var highest uint64
	for _, c := range org.Certificates {
		highest = max(highest, c.Serial)
	}
	return highest + 1
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Certificate finds the newest certificate of an organisation for a record key;
// false when there is none.
func Certificate(chains *protocol.Chains, org protocol.OrgID, record protocol.PublicKey) (*protocol.Certificate, bool) {
	o, ok := chains.Org(org)
	if !ok {
		return nil, false
	}
	var newest *protocol.Certificate
	for _, c := range o.Certificates {
		if c.RecordKey == record && (newest == nil || c.NotAfter.After(newest.NotAfter)) {
			newest = c
		}
	}
	return newest, newest != nil
}
