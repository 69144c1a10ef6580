package protocol

import (
	"bytes"
	"fmt"
	"slices"

	"tocsin/protocol/reason"
)

// Proposal is a statement that waits for the signatures of people in several
// places (a key ceremony, SPEC 3.10). Its encoding is canonical and under 4 KiB.
type Proposal struct {
	network string
	typ     StatementType
	payload []byte
	claims  any
}

// The second elements of the two arrays that travel between the places.
const (
	proposalMark = "proposal"
	partMark     = "part"
)

type proposalMessage struct {
	_        struct{} `cbor:",toarray"`
	Protocol string
	Mark     string
	Network  string
	Type     string
	Payload  []byte
}

type partMessage struct {
	_         struct{} `cbor:",toarray"`
	Protocol  string
	Mark      string
	Proposal  []byte
	Alg       int64
	Signer    []byte
	Signature []byte
}

// ProposeRoot drafts a root for a ceremony. Errors are those of SignRoot, and
// wire.size for what has no room in a QR code.
func ProposeRoot(network string, r Root) (*Proposal, error) {
	return propose(network, StatementRoot, r.claims())
}

// ProposeOperations drafts an operations statement for a ceremony.
func ProposeOperations(network string, o Operations) (*Proposal, error) {
	return propose(network, StatementOperations, o.claims())
}

// ProposeRevocation drafts a revocation for a ceremony.
func ProposeRevocation(network string, r Revocation) (*Proposal, error) {
	return propose(network, StatementRevocation, r.claims())
}

func propose(network string, typ StatementType, c claims) (*Proposal, error) {
	payload, err := encode(c)
	if err != nil {
		return nil, fmt.Errorf("propose a %s statement: %w", typ, err)
	}
	p, err := ParseProposal((&Proposal{network: network, typ: typ, payload: payload}).Encode())
	if err != nil {
		return nil, fmt.Errorf("propose a %s statement: %w", typ, err)
	}
	return p, nil
}

// ParseProposal reads what Encode wrote. The claims are held to the same rules
// as those of a statement.
func ParseProposal(raw []byte) (*Proposal, error) {
	if len(raw) > MaxProposalBytes { // STM-28
		return nil, reason.New(reason.WireSize, fmt.Sprintf("a proposal of %d bytes, the limit is %d", len(raw), MaxProposalBytes))
	}
	var m proposalMessage
	if err := decodeStrict(raw, &m); err != nil {
		return nil, wireError("read a proposal", err, reason.WireFraming)
	}
	if m.Protocol != protocolVersion || m.Mark != proposalMark {
		return nil, reason.New(reason.WireFraming, "read a proposal: this is none")
	}
	s := &Statement{network: m.Network, env: &envelope{payload: m.Payload}}
	if err := s.read(); err != nil {
		return nil, fmt.Errorf("read a proposal: %w", err)
	}
	switch s.typ {
	case StatementRoot, StatementOperations, StatementRevocation:
	default:
		return nil, reason.New(reason.WireClaims, "a proposal of a "+string(s.typ)+" statement")
	}
	if m.Type != string(s.typ) {
		return nil, reason.New(reason.WireClaims, fmt.Sprintf("a proposal of a %q statement that holds a %s statement", m.Type, s.typ))
	}
	return &Proposal{network: m.Network, typ: s.typ, payload: m.Payload, claims: s.claims}, nil
}

// Encode writes the proposal.
func (p *Proposal) Encode() []byte {
	return mustEncode(proposalMessage{
		Protocol: protocolVersion, Mark: proposalMark, Network: p.network, Type: string(p.typ), Payload: p.payload,
	})
}

// Digest names the proposal; it is the digest of the statement that comes of it.
func (p *Proposal) Digest() Digest {
	return statementDigest(externalAAD(p.network, string(p.typ)), p.payload)
}

// Network is the network that the statement will be of.
func (p *Proposal) Network() string { return p.network }

// Type says what is proposed.
func (p *Proposal) Type() StatementType { return p.typ }

// Claims gives the *Root, *Operations or *Revocation, for people to read before
// they sign. The caller must not change it.
func (p *Proposal) Claims() any { return p.claims }

// Sign gives one signer's part, small enough for a QR code.
func (p *Proposal) Sign(s Signer) ([]byte, error) {
	key := s.Public()
	sig, err := s.Sign(p.tbs(key))
	if err != nil {
		return nil, fmt.Errorf("sign proposal %s: %w", p.Digest(), err)
	}
	digest, signer := p.Digest(), key.ID()
	return mustEncode(partMessage{
		Protocol: protocolVersion, Mark: partMark, Proposal: digest[:], Alg: int64(key.Alg()), Signer: signer[:], Signature: sig,
	}), nil
}

// tbs is what a key signs: the same as in the finished statement.
func (p *Proposal) tbs(key PublicKey) []byte {
	return sigStructure(protectedHeader(key), externalAAD(p.network, string(p.typ)), p.payload)
}

// Assemble joins parts to a statement: each part's signature is checked against keys;
// sig.invalid names a bad one, usage.invalid a part of another proposal. A part
// that is there twice counts once. Whether the signatures are enough is for
// Chains.With to say.
func (p *Proposal) Assemble(keys []PublicKey, parts ...[]byte) (*Statement, error) {
	digest := p.Digest()
	signatures := map[KeyID]signature{}
	for i, raw := range parts {
		part, err := readPart(raw)
		if err != nil {
			return nil, fmt.Errorf("part %d of proposal %s: %w", i+1, digest, err)
		}
		if Digest(part.Proposal) != digest {
			return nil, reason.New(reason.UsageInvalid,
				fmt.Sprintf("part %d is of proposal %s, not of %s", i+1, Digest(part.Proposal), digest))
		}
		signer := KeyID(part.Signer)
		key, ok := findKey(keys, signer)
		if !ok || int64(key.Alg()) != part.Alg || !key.Verify(p.tbs(key), part.Signature) {
			return nil, reason.New(reason.SigInvalid,
				fmt.Sprintf("part %d of proposal %s: not a signature by %s, or not one of the keys that may sign", i+1, digest, signer))
		}
		signatures[signer] = signature{alg: key.Alg(), signer: signer, protected: protectedHeader(key), bytes: part.Signature}
	}
	if len(signatures) == 0 {
		return nil, reason.New(reason.UsageInvalid, "assemble proposal "+digest.String()+": no parts")
	}
	env := &envelope{payload: p.payload}
	for _, s := range signatures {
		env.signatures = append(env.signatures, s)
	}
	slices.SortFunc(env.signatures, func(a, b signature) int { return bytes.Compare(a.signer[:], b.signer[:]) })
	s, err := ParseStatement(p.network, env.encode())
	if err != nil {
		return nil, fmt.Errorf("assemble proposal %s: %w", digest, err)
	}
	return s, nil
}

// readPart reads what Sign wrote.
func readPart(raw []byte) (*partMessage, error) {
	if len(raw) > MaxProposalBytes {
		return nil, reason.New(reason.WireSize, fmt.Sprintf("%d bytes, the limit is %d", len(raw), MaxProposalBytes))
	}
	var m partMessage
	if err := decodeStrict(raw, &m); err != nil {
		return nil, wireError("read it", err, reason.WireFraming)
	}
	if m.Protocol != protocolVersion || m.Mark != partMark || len(m.Proposal) != len(Digest{}) || len(m.Signer) != len(KeyID{}) {
		return nil, reason.New(reason.WireFraming, "this is no part of a proposal")
	}
	return &m, nil
}
