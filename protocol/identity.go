package protocol

import (
	"time"

	"tocsin/protocol/stix"
)

// Genesis founds an organisation (SPEC 3.2).
type Genesis struct {
	// Name, Country (ISO 3166-1 alpha-2), Sector and Contacts are what the
	// organisation says of itself; a petname of the local trust list is its identity.
	Name, Country, Sector string
	Contacts              []string
	// Roots are 1..5 root keys, Threshold of which must sign.
	Roots     []PublicKey
	Threshold int
	// Next are the KeyIDs of the successors (pre-rotation), NextThreshold of which must be revealed.
	Next          []KeyID
	NextThreshold int
	// Created is the founding time, millisecond precision.
	Created time.Time
}

// Operations delegates daily work from the root to one key, at most 400 days (SPEC 3.3).
type Operations struct {
	Org                 OrgID
	RootVersion         uint64
	Serial              uint64
	Key                 PublicKey
	NotBefore, NotAfter time.Time
}

// Certificate certifies one node's keys (SPEC 3.4). Empty Topics or Kinds mean all.
type Certificate struct {
	Org                 OrgID
	Serial              uint64
	RecordKey           PublicKey
	PeerIDs             [][]byte // libp2p peer ids in binary form
	EncryptionKey       []byte
	Topics              []string
	Kinds               []Kind
	MaxTLP              stix.TLP
	NotBefore, NotAfter time.Time
	digest              Digest
}

// Digest names the certificate; record headers point to it.
func (c *Certificate) Digest() Digest { return c.digest }

// The claims of a genesis statement (SPEC 3.2).
const (
	genesisVersion = iota + 1
	genesisName
	genesisCountry
	genesisSector
	genesisContacts
	genesisRoots
	genesisThreshold
	genesisNext
	genesisNextThreshold
	genesisCreated
	lastGenesis = genesisCreated
)

// The claims of an operations statement (SPEC 3.3).
const (
	operationsOrg = iota + 1
	operationsRootVersion
	operationsSerial
	operationsKey
	operationsNotBefore
	operationsNotAfter
	lastOperations = operationsNotAfter
)

// The claims of a certificate (SPEC 3.4).
const (
	certificateOrg = iota + 1
	certificateSerial
	certificateRecordKey
	certificatePeerIDs
	certificateEncryptionKey
	certificateTopics
	certificateKinds
	certificateMaxTLP
	certificateNotBefore
	certificateNotAfter
	lastCertificate = certificateNotAfter
)

// rootVersion is the root that genesis states; root statements go on from firstLaterRoot.
const (
	rootVersion    = 1
	firstLaterRoot = 2
)

func readGenesis(r *claimReader) (*Genesis, error) {
	if err := checkGenesisVersion(r, genesisVersion); err != nil {
		return nil, err
	}
	g := &Genesis{
		Name:     r.label(genesisName, MaxNameBytes),
		Country:  r.country(genesisCountry),
		Contacts: r.labels(genesisContacts, MaxContacts, MaxContactBytes),
		Roots:    r.keys(genesisRoots),
		Next:     r.keyIDs(genesisNext, MaxRoots, false),
		Created:  r.time(genesisCreated),
	}
	if r.has(genesisSector) {
		g.Sector = r.label(genesisSector, MaxSectorBytes)
	}
	g.Threshold, g.NextThreshold = r.thresholds(genesisThreshold, genesisNextThreshold, g.Roots, g.Next)
	r.checkNext(genesisNext, g.Roots, g.Next)
	return g, r.err
}

func readOperations(r *claimReader) (*Operations, error) {
	o := &Operations{
		Org:         OrgID(r.digest(operationsOrg)),
		RootVersion: r.number(operationsRootVersion, rootVersion, maxSequence),
		Serial:      r.number(operationsSerial, 1, maxSequence),
		Key:         r.publicKey(operationsKey),
	}
	o.NotBefore, o.NotAfter = r.window(operationsNotBefore, operationsNotAfter, MaxOperationsWindow)
	return o, r.err
}

func readCertificate(r *claimReader) (*Certificate, error) {
	c := &Certificate{
		Org:           OrgID(r.digest(certificateOrg)),
		Serial:        r.number(certificateSerial, 1, maxSequence),
		RecordKey:     r.publicKey(certificateRecordKey),
		PeerIDs:       r.peerIDs(certificatePeerIDs),
		EncryptionKey: r.optionalBytes(certificateEncryptionKey, MaxEncryptionKey),
		Topics:        r.topics(certificateTopics),
		Kinds:         r.kinds(certificateKinds),
		MaxTLP:        stix.TLP(r.number(certificateMaxTLP, 0, uint64(stix.Red))),
	}
	c.NotBefore, c.NotAfter = r.window(certificateNotBefore, certificateNotAfter, MaxCertificateWindow)
	return c, r.err
}

// SignGenesis makes the founding statement, signed by at least g.Threshold of
// the root keys, and returns it; its Org is the new organisation's id. The
// order of roots, successors and signers does not matter.
func SignGenesis(network string, g Genesis, roots ...Signer) (*Statement, error) {
	s, err := signStatement(network, StatementGenesis, g.claims(), roots)
	if err != nil {
		return nil, err
	}
	return s, verifyGenesis(s)
}

// SignOperations makes an operations statement, signed by root keys. Whether
// they are enough is for Chains.With to say, which knows the roots.
func SignOperations(network string, o Operations, roots ...Signer) (*Statement, error) {
	return signStatement(network, StatementOperations, o.claims(), roots)
}

// SignCertificate makes a node certificate, signed by the operations key. The
// order of peer ids, topics and kinds does not matter.
func SignCertificate(network string, c Certificate, operations Signer) (*Statement, error) {
	return signStatement(network, StatementCertificate, c.claims(), []Signer{operations})
}
