package protocol

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol/reason"
)

// DocumentType says what a signed document is. Like a statement's type it is part of what is signed.
type DocumentType string

// DocumentBundle is the head of a segment of a bundle (BND-03).
const DocumentBundle DocumentType = "bundle"

// DocumentBackup is the digest of the manifest of a node's backup. No node shows it to another.
const DocumentBackup DocumentType = "backup"

// MaxDocumentBytes bounds a document: it heads something larger, whose hash it states.
const MaxDocumentBytes = 4096

// Document is a payload that a node signed with its record key outside of its key logs: a COSE_Sign1
// as a record's header is, bound to the network and its type. Only ReadDocument makes one.
type Document struct {
	message sign1Message
	// Payload is what is signed, Certificate the digest of the certificate that the signer names.
	// Nothing of it is checked before Verify.
	Payload     []byte
	Certificate Digest
	alg         Alg
}

// SignDocument signs a payload; key must be cert's record key.
func SignDocument(network string, typ DocumentType, payload []byte, cert *Certificate, key Signer) ([]byte, error) {
	if key.Public() != cert.RecordKey {
		return nil, reason.New(reason.SigInvalid, "sign a "+string(typ)+" document: the key is not the record key of the certificate")
	}
	digest := cert.Digest()
	m := sign1Message{
		Protected: mustEncode(map[uint64]any{protectedAlg: int64(key.Public().Alg()), protectedCertificate: digest[:]}),
		Payload:   payload,
	}
	sig, err := key.Sign(sigStructure1(m.Protected, externalAAD(network, string(typ)), payload))
	if err != nil {
		return nil, fmt.Errorf("sign a %s document: %w", typ, err)
	}
	m.Signature = sig
	raw := append(slices.Clone(headSign1), mustEncode(m)...)
	if len(raw) > MaxDocumentBytes {
		return nil, reason.New(reason.WireSize, fmt.Sprintf("sign a %s document of %d bytes, the limit is %d", typ, len(raw), MaxDocumentBytes))
	}
	return raw, nil
}

// ReadDocument takes a document apart; what it says is believed by nobody before Verify.
func ReadDocument(raw []byte) (*Document, error) {
	if len(raw) > MaxDocumentBytes {
		return nil, reason.New(reason.WireSize, fmt.Sprintf("a document of %d bytes, the limit is %d", len(raw), MaxDocumentBytes))
	}
	body, ok := bytes.CutPrefix(raw, headSign1)
	if !ok {
		return nil, reason.New(reason.WireFraming, "a document begins with the tag of COSE_Sign1")
	}
	d := new(Document)
	if err := decodeStrict(body, &d.message); err != nil {
		return nil, wireError("read a document", err, reason.WireFraming)
	}
	protected, err := decodeClaims(d.message.Protected)
	if err != nil {
		return nil, wireError("read the protected map of a document", err, reason.WireCanonical)
	}
	certificate, isBytes := protected[protectedCertificate].([]byte)
	alg, isNumber := protected[protectedAlg].(int64)
	if !isBytes || !isNumber || len(certificate) != len(d.Certificate) || len(protected) != 2 {
		return nil, reason.New(reason.WireClaims, "the protected map of a document: want {1: alg, 4: certificate digest}")
	}
	if d.alg = Alg(alg); d.alg != EdDSA && d.alg != ES256 { // KEY-01
		return nil, reason.New(reason.AlgUnknown, "a document signed with "+d.alg.String())
	}
	d.Certificate, d.Payload = Digest(certificate), d.message.Payload
	return d, nil
}

// Verify checks the signature by a certificate of the chains and returns that certificate. created is what the
// payload says of its time: it must lie in the certificate's window. A revoked record key signs nothing any more:
// a document has no place in a key log that could tell what it signed before.
func (d *Document) Verify(typ DocumentType, created time.Time, chains *Chains) (*Certificate, error) {
	cert, ok := chains.Certificate(d.Certificate)
	if !ok {
		return nil, reason.Wrap(reason.CertUnknown, "verify a "+string(typ)+" document", &unknownCertificate{d.Certificate})
	}
	if created.Before(cert.NotBefore) || created.After(cert.NotAfter) {
		return nil, reason.New(reason.CertWindow, fmt.Sprintf("a %s document of %s, outside the window of certificate %s",
			typ, created.Format(time.RFC3339), cert.Digest()))
	}
	msg := sigStructure1(d.message.Protected, externalAAD(chains.Network(), string(typ)), d.message.Payload)
	if d.alg != cert.RecordKey.Alg() || !cert.RecordKey.Verify(msg, d.message.Signature) {
		return nil, reason.New(reason.SigInvalid, fmt.Sprintf("the signature of a %s document is not one by the record key of certificate %s", typ, cert.Digest()))
	}
	if org, ok := chains.Org(cert.Org); ok && org.Over(cert.RecordKey.ID()) {
		return nil, reason.New(reason.KeyRevoked, fmt.Sprintf("a %s document signed with key %s, which is revoked", typ, cert.RecordKey.ID()))
	}
	return cert, nil
}
