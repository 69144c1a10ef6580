// Package protocoltest makes what tests and benchmarks of other packages begin
// with: an organisation whose chain verifies, and its signed records. Time and
// chance come in as arguments, so that a test decides whether its bytes repeat.
// It refuses to make anything that is wrong; the tests of protocol do that
// themselves.
package protocoltest

import (
	"fmt"
	"io"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/stix"
)

const day = 24 * time.Hour

// Author is an organisation with one node. The fields are for reading. It is not
// safe for concurrent use, since Record continues a log.
type Author struct {
	Org         protocol.OrgID
	Statements  []*protocol.Statement // genesis, operations, certificate
	Chains      *protocol.Chains      // knows this organisation only
	Certificate *protocol.Certificate
	Key         *protocol.PrivateKey // the node's record key
	// Root is the root key, Next its successor, Operations the operations key.
	Root, Next, Operations *protocol.PrivateKey

	network string
	now     time.Time
	rand    io.Reader
	heads   map[protocol.Topic]*protocol.Record
}

// Found makes an organisation that is half a year old at now, with a certificate
// that covers 45 days before and after now, every topic and kind, up to TLP:RED.
// Each change may edit the certificate before it is signed.
func Found(network, name string, now time.Time, rand io.Reader, change ...func(*protocol.Certificate)) (*Author, error) {
	a := &Author{network: network, now: now, rand: rand, heads: make(map[protocol.Topic]*protocol.Record)}
	if err := a.found(name, change); err != nil {
		return nil, fmt.Errorf("found %s: %w", name, err)
	}
	return a, nil
}

func (a *Author) found(name string, change []func(*protocol.Certificate)) error {
	var keys [4]*protocol.PrivateKey
	for i := range keys {
		key, err := protocol.GenerateKey(protocol.EdDSA, a.rand)
		if err != nil {
			return err
		}
		keys[i] = key
	}
	root, next, operations := keys[0], keys[1], keys[2]
	a.Key = keys[3]
	a.Root, a.Next, a.Operations = root, next, operations
	founded := a.now.Add(-180 * day)
	genesis, err := protocol.SignGenesis(a.network, protocol.Genesis{
		Name: name, Country: "FI", Sector: "national-cert", Contacts: []string{"mailto:cert@example.org"},
		Roots: []protocol.PublicKey{root.Public()}, Threshold: 1,
		Next: []protocol.KeyID{next.Public().ID()}, NextThreshold: 1, Created: founded,
	}, root)
	if err != nil {
		return err
	}
	a.Org = genesis.Org()
	delegation, err := protocol.SignOperations(a.network, protocol.Operations{
		Org: a.Org, RootVersion: 1, Serial: 1, Key: operations.Public(), NotBefore: founded, NotAfter: a.now.Add(180 * day),
	}, root)
	if err != nil {
		return err
	}
	draft := protocol.Certificate{
		Org: a.Org, Serial: 1, RecordKey: a.Key.Public(), PeerIDs: [][]byte{peerID(a.Key.Public())}, EncryptionKey: make([]byte, 32),
		MaxTLP: stix.Red, NotBefore: a.now.Add(-45 * day), NotAfter: a.now.Add(45 * day),
	}
	for _, edit := range change {
		edit(&draft)
	}
	certificate, err := protocol.SignCertificate(a.network, draft, operations)
	if err != nil {
		return err
	}
	a.Statements = []*protocol.Statement{genesis, delegation, certificate}
	return a.verify(certificate.Digest())
}

// verify takes the chain as a stranger would, and finds the certificate in it.
func (a *Author) verify(certificate protocol.Digest) error {
	chains, _, errs := protocol.NewChains(a.network).With(a.Statements...)
	if len(errs) > 0 {
		return errs[0]
	}
	known, ok := chains.Certificate(certificate)
	if !ok {
		return fmt.Errorf("certificate %s is not in its own chain", certificate)
	}
	a.Chains, a.Certificate = chains, known
	return nil
}

// peerID is the libp2p peer id of an Ed25519 key.
func peerID(key protocol.PublicKey) []byte {
	return append([]byte{0, 36, 8, 1, 18, 32}, key.Bytes()...)
}

// Record signs a draft. What the draft leaves empty is filled in: the place at the
// end of the topic's log, the time of the founding, 30 days until it expires, and
// the source of salts. A draft that names its sequence stands there, after a record
// that nobody knows if it is not the one before.
func (a *Author) Record(d protocol.Draft) (*protocol.Record, error) {
	var last uint64
	head := a.heads[d.Topic]
	if head != nil {
		last = head.Header().Sequence
	}
	if d.Sequence == 0 {
		d.Sequence = last + 1
	}
	if d.Sequence > 1 && d.Previous == (protocol.RecordID{}) {
		d.Previous = protocol.RecordID{1}
		if d.Sequence == last+1 {
			d.Previous = head.ID()
		}
	}
	if d.Created.IsZero() {
		d.Created = a.now
	}
	if d.Expires.IsZero() {
		d.Expires = d.Created.Add(30 * day)
	}
	if d.Rand == nil {
		d.Rand = a.rand
	}
	r, err := protocol.Sign(a.network, d, a.Certificate, a.Key)
	if err == nil && d.Sequence > last {
		a.heads[d.Topic] = r
	}
	return r, err
}

// Head is the last record of a topic's log; nil when there is none.
func (a *Author) Head(t protocol.Topic) *protocol.Record { return a.heads[t] }
