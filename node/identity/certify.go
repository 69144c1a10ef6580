package identity

import (
	"fmt"
	"strings"
	"time"

	"tocsin/node/keystore"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// crowded is the number of certificates in a chain from which on a node takes
// certificates of the longest life. A chain has room for about fifty, and one that
// is pushed out leaves records behind that nobody can verify any more; records live
// for a year. At 20 days between renewals one node fills 18 places a year, at 60
// days 6: so eight nodes of one organisation still fit.
const crowded = 16

// Certify makes the first certificate of a new record key: what old allows, for the
// node's present transport and encryption keys. cert.expired says that the operations key
// needs the root.
func Certify(chains *protocol.Chains, old *protocol.Certificate, record protocol.PublicKey, k *keystore.Keys, now time.Time) (*protocol.Statement, error) {
	org, ok := chains.Org(old.Org)
	if !ok {
		return nil, reason.New(reason.CertUnknown, "certify key "+record.ID().String()+": its organisation is not known")
	}
	window, err := certifier(org, k, now)
	if err != nil {
		return nil, fmt.Errorf("certify key %s: %w", record.ID(), err)
	}
	peer, err := k.PeerID()
	if err != nil {
		return nil, fmt.Errorf("certify key %s: %w", record.ID(), err)
	}
	next := *old
	next.RecordKey, next.PeerIDs, next.EncryptionKey = record, [][]byte{[]byte(peer)}, k.EncryptionPublic
	within(&next, org, window, now)
	s, err := protocol.SignCertificate(chains.Network(), next, k.Operations)
	if err != nil {
		return nil, fmt.Errorf("certify key %s: %w", record.ID(), err)
	}
	return s, nil
}

// certifier is the delegation of the node's operations key that holds now.
func certifier(org *protocol.Org, k *keystore.Keys, now time.Time) (protocol.Operations, error) {
	if k.Operations == nil {
		return protocol.Operations{}, reason.New(reason.KeyStopped, "this node does not hold the operations key")
	}
	window, ok := Delegation(org, k.Operations.Public(), now)
	if !ok {
		return protocol.Operations{}, reason.New(reason.CertExpired, fmt.Sprintf(
			"no operations statement for this node's operations key covers %s; the root key must sign one",
			now.UTC().Format(time.DateOnly)))
	}
	return window, nil
}

// within gives a certificate its serial and its life, inside its operations key's.
func within(c *protocol.Certificate, org *protocol.Org, window protocol.Operations, now time.Time) {
	life := protocol.CertificateWindow
	if len(org.Certificates) >= crowded {
		life = protocol.MaxCertificateWindow
	}
	c.Serial = nextSerial(org)
	c.NotBefore = latest(now.Add(-protocol.ClockSkew).Truncate(time.Millisecond), window.NotBefore)
	c.NotAfter = earliest(c.NotBefore.Add(life), window.NotAfter)
}

// Emergency signs, at a key's birth, the revocation that ends it: to be printed and
// put away, and published by whoever has it when the key is stolen and nothing else is
// at hand. It names no position: the key is void above the newest status that a node holds.
func Emergency(network string, org protocol.OrgID, key protocol.KeyID, operations protocol.Signer, now time.Time) (*protocol.Statement, error) {
	s, err := protocol.SignRevocation(network, protocol.Revocation{
		Org: org, Key: key, Reason: protocol.RevokedCompromised, Emergency: true, Created: now.Truncate(time.Millisecond),
	}, operations)
	if err != nil {
		return nil, fmt.Errorf("sign the emergency revocation of %s: %w", key, err)
	}
	return s, nil
}

// EmergencyText is what to print of an emergency revocation.
func EmergencyText(name string, key protocol.KeyID, s *protocol.Statement) []byte {
	return fmt.Appendf(nil, `# Emergency revocation of a record key of %s.
#
# key       %s
# in words  %s
#
# PRINT THIS AND KEEP IT IN A SAFE, away from the machine. It cannot sign anything. It
# ends this one key, for good: do that when the machine was stolen or broken into and
# nobody can reach it. Any running node takes it, also a partner's:
#
#   tocsin keys revoke %s --emergency FILE
#
# FILE is the .cbor file beside this text, this text, or a copy typed in by hand: each
# line has a check of its own. What the key signed up to the last published status of
# the organisation stays good; what it signed after that is void everywhere.
#
%s`, name, key, joinWords(key), key, Armor(KindStatement, s.Raw()))
}

func joinWords(digest [32]byte) string {
	return strings.Join(Spoken(digest), " ")
}

// The kinds of what is armored.
const (
	KindStatement = "statement"
	KindProposal  = "proposal"
	KindPart      = "part"
	KindKey       = "key"
)
