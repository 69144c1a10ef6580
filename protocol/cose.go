package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"tocsin/protocol/reason"
)

// COSE (RFC 9052) as SPEC 3.1 narrows it: a Sign1 of one signer or a Sign of
// several, nothing in the unprotected headers, {1: alg, 4: signer} protected.

// protocolVersion is the first element of what every signature is bound to.
const protocolVersion = "tocsin/1"

// maxSignatures leaves room for a root statement, which the old and the new root
// keys sign.
const maxSignatures = 2 * MaxRoots

// The heads of the two tagged messages: CBOR tags 18 and 98.
var (
	headSign1 = []byte{0xd2}
	headSign  = []byte{0xd8, 0x62}
)

// externalAAD binds a signature to protocol version, network and type, so that
// none of them can be exchanged for another (STM-03).
func externalAAD(network, typ string) []byte {
	return mustEncode([]any{protocolVersion, network, typ})
}

// sigStructure1 is the Sig_structure of a COSE_Sign1: what is signed.
func sigStructure1(protected, aad, payload []byte) []byte {
	return mustEncode([]any{"Signature1", protected, aad, payload})
}

// sigStructure is the Sig_structure of one signature of a COSE_Sign whose own
// protected header is empty.
func sigStructure(protected, aad, payload []byte) []byte {
	return mustEncode([]any{"Signature", []byte{}, protected, aad, payload})
}

// signature is one signature of a statement: who made it and over which header.
type signature struct {
	alg       Alg
	signer    KeyID
	protected []byte
	bytes     []byte
}

// envelope is a COSE message taken apart: canonical, no signature checked.
type envelope struct {
	single     bool // a Sign1
	payload    []byte
	signatures []signature
}

type sign1Message struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected struct{}
	Payload     []byte
	Signature   []byte
}

type signMessage struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected struct{}
	Payload     []byte
	Signatures  []signMessageEntry
}

type signMessageEntry struct {
	_           struct{} `cbor:",toarray"`
	Protected   []byte
	Unprotected struct{}
	Signature   []byte
}

type signHeader struct {
	Alg    int64  `cbor:"1,keyasint"`
	Signer []byte `cbor:"4,keyasint"`
}

// parseEnvelope takes a statement apart (STM-01, STM-02).
func parseEnvelope(raw []byte) (*envelope, error) {
	if body, ok := bytes.CutPrefix(raw, headSign1); ok {
		var m sign1Message
		if err := decodeStrict(body, &m); err != nil {
			return nil, reason.Wrap(reason.WireCanonical, "COSE_Sign1", err)
		}
		sig, err := newSignature(m.Protected, m.Signature)
		if err != nil {
			return nil, err
		}
		return &envelope{single: true, payload: m.Payload, signatures: []signature{sig}}, nil
	}
	body, ok := bytes.CutPrefix(raw, headSign)
	if !ok {
		return nil, reason.New(reason.WireFraming, "statement: neither a COSE_Sign1 (tag 18) nor a COSE_Sign (tag 98)")
	}
	var m signMessage
	if err := decodeStrict(body, &m); err != nil {
		return nil, reason.Wrap(reason.WireCanonical, "COSE_Sign", err)
	}
	if len(m.Protected) != 0 {
		return nil, reason.New(reason.WireFraming, "COSE_Sign: a protected header of its own")
	}
	if len(m.Signatures) == 0 || len(m.Signatures) > maxSignatures {
		return nil, reason.New(reason.WireFraming, fmt.Sprintf("COSE_Sign: %d signatures: want 1 to %d", len(m.Signatures), maxSignatures))
	}
	env := &envelope{payload: m.Payload}
	for i, s := range m.Signatures {
		sig, err := newSignature(s.Protected, s.Signature)
		if err != nil {
			return nil, err
		}
		if i > 0 && bytes.Compare(env.signatures[i-1].signer[:], sig.signer[:]) >= 0 {
			return nil, reason.New(reason.WireCanonical, "COSE_Sign: signers not in ascending order")
		}
		env.signatures = append(env.signatures, sig)
	}
	return env, nil
}

func newSignature(protected, sig []byte) (signature, error) {
	var h signHeader
	if err := decodeStrict(protected, &h); err != nil {
		return signature{}, reason.Wrap(reason.WireFraming, "protected header: want {1: alg, 4: signer}", err)
	}
	if len(h.Signer) != len(KeyID{}) {
		return signature{}, reason.New(reason.WireFraming, fmt.Sprintf("signer of %d bytes: want %d", len(h.Signer), len(KeyID{})))
	}
	if alg := Alg(h.Alg); alg != EdDSA && alg != ES256 { // KEY-01
		return signature{}, reason.New(reason.AlgUnknown, "signature of "+alg.String())
	}
	if len(sig) != SignatureBytes {
		return signature{}, reason.New(reason.SigInvalid, fmt.Sprintf("signature of %d bytes: want %d", len(sig), SignatureBytes))
	}
	return signature{alg: Alg(h.Alg), signer: KeyID(h.Signer), protected: protected, bytes: sig}, nil
}

// tbs gives what one signature of the envelope signs.
func (e *envelope) tbs(s signature, aad []byte) []byte {
	if e.single {
		return sigStructure1(s.protected, aad, e.payload)
	}
	return sigStructure(s.protected, aad, e.payload)
}

// verify checks every signature against the key that keyOf gives for its
// signer. A signature nobody is asked for is refused with the rest, so nothing
// can ride along unchecked (STM-05).
func (e *envelope) verify(aad []byte, keyOf func(KeyID) (PublicKey, bool)) error {
	for _, s := range e.signatures {
		key, ok := keyOf(s.signer)
		if !ok {
			return reason.New(reason.ChainInvalid, "signed by "+s.signer.String()+", which may not")
		}
		if key.Alg() != s.alg || !key.Verify(e.tbs(s, aad), s.bytes) {
			return reason.New(reason.SigInvalid, "signature by "+s.signer.String())
		}
	}
	return nil
}

// encode is the wire form of a COSE_Sign.
func (e *envelope) encode() []byte {
	m := signMessage{Payload: e.payload}
	for _, s := range e.signatures {
		m.Signatures = append(m.Signatures, signMessageEntry{Protected: s.protected, Signature: s.bytes})
	}
	return append(slices.Clone(headSign), mustEncode(m)...)
}

func protectedHeader(k PublicKey) []byte {
	id := k.ID()
	return mustEncode(signHeader{Alg: int64(k.Alg()), Signer: id[:]})
}

// writeSign1 is the wire form of a payload signed by one key.
func writeSign1(payload, aad []byte, signers []Signer) ([]byte, error) {
	if len(signers) != 1 {
		return nil, fmt.Errorf("%d signers: want one", len(signers))
	}
	signer := signers[0]
	m := sign1Message{Protected: protectedHeader(signer.Public()), Payload: payload}
	sig, err := signer.Sign(sigStructure1(m.Protected, aad, payload))
	if err != nil {
		return nil, err
	}
	m.Signature = sig
	body, err := encode(m)
	return append(slices.Clone(headSign1), body...), err
}

// writeSign is the wire form of a payload signed by several keys.
func writeSign(payload, aad []byte, signers []Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, errors.New("no signers")
	}
	sorted := slices.SortedFunc(slices.Values(signers), func(a, b Signer) int {
		ia, ib := a.Public().ID(), b.Public().ID()
		return bytes.Compare(ia[:], ib[:])
	})
	m := signMessage{Payload: payload}
	for _, s := range sorted {
		one := signMessageEntry{Protected: protectedHeader(s.Public())}
		sig, err := s.Sign(sigStructure(one.Protected, aad, payload))
		if err != nil {
			return nil, err
		}
		one.Signature = sig
		m.Signatures = append(m.Signatures, one)
	}
	body, err := encode(m)
	return append(slices.Clone(headSign), body...), err
}
