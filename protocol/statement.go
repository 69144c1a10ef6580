package protocol

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"tocsin/protocol/reason"
)

// StatementType says what a statement states. It is part of the signed bytes
// (external_aad), so no statement can be read as another kind.
type StatementType string

// The statement types of SPEC 3.
const (
	StatementGenesis     StatementType = "genesis"
	StatementRoot        StatementType = "root"
	StatementOperations  StatementType = "operations"
	StatementCertificate StatementType = "certificate"
	StatementRevocation  StatementType = "revocation"
	StatementStatus      StatementType = "status"
)

// The values of claim 0.
const (
	numberGenesis = iota + 1
	numberRoot
	numberOperations
	numberCertificate
	numberRevocation
	numberStatus
)

// claimType is the key of the claim that says how to read the others.
const claimType = 0

// Statement is one link of an organisation's chain: parsed, canonical, its
// place in a chain not yet checked. It is immutable.
type Statement struct {
	raw     []byte
	network string
	typ     StatementType
	digest  Digest
	org     OrgID
	env     *envelope
	aad     []byte
	// claims is a *Genesis, *Root, *Operations, *Certificate, *Revocation or *Status, as typ says.
	claims any
}

// ParseStatement reads one statement of a network (SPEC 3.1). No signature is
// checked: Chains.With does that. It keeps raw; the caller must not change it.
// Errors carry a reason code; what only a later revision can read (kind.unknown,
// claim.unknown, version.unknown, alg.unknown) is Ignored and never malformed.
func ParseStatement(network string, raw []byte) (*Statement, error) {
	if len(raw) > MaxStatementBytes { // STM-01
		return nil, reason.New(reason.WireSize,
			fmt.Sprintf("a statement of %d bytes, the limit is %d", len(raw), MaxStatementBytes))
	}
	env, err := parseEnvelope(raw)
	if err != nil {
		return nil, err
	}
	s := &Statement{raw: raw, network: network, env: env}
	if err := s.read(); err != nil {
		return nil, err
	}
	s.aad = externalAAD(network, string(s.typ))
	s.digest = statementDigest(s.aad, env.payload)
	switch v := s.claims.(type) {
	case *Genesis:
		s.org = OrgID(s.digest) // ID-01
	case *Root:
		s.org = v.Org
	case *Operations:
		s.org = v.Org
	case *Certificate:
		v.digest, s.org = s.digest, v.Org
	case *Revocation:
		s.org = v.Org
	case *Status:
		s.org = v.Org
	}
	return s, nil
}

// statementDigest names a statement by what it states, not by who signed (STM-06).
func statementDigest(aad, payload []byte) Digest {
	return sha256.Sum256(mustEncode([]any{"Statement", aad, payload}))
}

// read decodes the payload.
func (s *Statement) read() error {
	c, err := decodeClaims(s.env.payload)
	if err != nil {
		return wireError("read the claims of a statement", err, reason.WireClaims)
	}
	return s.readClaims(c)
}

// readClaims gives the claims their meaning (STM-04): first what a later
// revision may have changed, then the rules of this one.
func (s *Statement) readClaims(c claims) error {
	number, ok := c[claimType].(uint64)
	if !ok {
		return badClaim(claimType)
	}
	r := &claimReader{claims: c}
	var last uint64
	single := false
	switch number {
	case numberGenesis:
		s.typ, last = StatementGenesis, lastGenesis
	case numberRoot:
		s.typ, last = StatementRoot, lastRoot
	case numberOperations:
		s.typ, last = StatementOperations, lastOperations
	case numberCertificate:
		s.typ, last, single = StatementCertificate, lastCertificate, true
	case numberRevocation:
		s.typ, last = StatementRevocation, lastRevocation
	case numberStatus:
		s.typ, last, single = StatementStatus, lastStatus, true
	default:
		return reason.New(reason.KindUnknown, fmt.Sprintf("a statement of type %d", number))
	}
	for key := range c {
		if key > last && key < firstOptionalClaim {
			return reason.New(reason.ClaimUnknown, fmt.Sprintf("claim %d of a statement of type %s", key, s.typ))
		}
	}
	if s.env.single != single { // STM-02
		return reason.New(reason.WireFraming, "a statement of type "+string(s.typ)+" in the other COSE message")
	}
	var err error
	switch s.typ {
	case StatementGenesis:
		s.claims, err = readGenesis(r)
	case StatementRoot:
		s.claims, err = readRoot(r)
	case StatementOperations:
		s.claims, err = readOperations(r)
	case StatementCertificate:
		s.claims, err = readCertificate(r)
	case StatementRevocation:
		s.claims, err = readRevocation(r)
	case StatementStatus:
		s.claims, err = readStatus(r)
	}
	return err
}

// ReadStatements reads a CBOR sequence of statements, such as the body of an
// identity record. Statements that only a later revision can read are left out
// (STM-12); anything malformed is an error, and no statement is returned.
func ReadStatements(network string, raw []byte) ([]*Statement, error) {
	var out []*Statement
	for offset := 0; offset < len(raw); {
		item, _, err := nextItem(raw[offset:])
		if err != nil {
			return nil, reason.Wrap(reason.WireFraming, fmt.Sprintf("statement at byte %d", offset), err)
		}
		s, err := ParseStatement(network, item)
		if err == nil {
			out = append(out, s)
		} else if VerdictOf(err) == Reject {
			return nil, fmt.Errorf("statement at byte %d: %w", offset, err)
		}
		offset += len(item)
	}
	return out, nil
}

// CutStatements finds where a sequence of statements stops being whole. torn is
// true when what follows cut is the beginning of a statement, or nothing but
// zeros: how a file ends that was being appended to when the power went.
func CutStatements(raw []byte) (cut int, torn bool) {
	for cut < len(raw) {
		rest := raw[cut:]
		if rest[0] == 0 && len(bytes.Trim(rest, "\x00")) == 0 {
			return cut, true
		}
		item, _, err := nextItem(rest)
		if err != nil {
			began := rest[0] == headSign1[0] || bytes.HasPrefix(rest, headSign) || bytes.Equal(rest, headSign[:1])
			return cut, began && errors.Is(err, io.ErrUnexpectedEOF)
		}
		cut += len(item)
	}
	return cut, false
}

// Raw returns the statement as sent. The caller must not change it.
func (s *Statement) Raw() []byte { return s.raw }

// Type says what the statement states.
func (s *Statement) Type() StatementType { return s.typ }

// Digest names the statement; signatures are not part of it.
func (s *Statement) Digest() Digest { return s.digest }

// Org is the organisation that the statement belongs to.
func (s *Statement) Org() OrgID { return s.org }

// Certificate returns what a statement of that type certifies, else nil. The caller
// must not change it.
func (s *Statement) Certificate() *Certificate {
	cert, _ := s.claims.(*Certificate)
	return cert
}

// verify checks all signatures of the statement (STM-05).
func (s *Statement) verify(keyOf func(KeyID) (PublicKey, bool)) error {
	if err := s.env.verify(s.aad, keyOf); err != nil {
		return fmt.Errorf("%s %s: %w", s.typ, s.digest, err)
	}
	return nil
}

// trimmed is the statement with only those signatures that keep lets stay; it is
// asked for each signer in ascending order. The digest is the same.
func (s *Statement) trimmed(keep func(KeyID) bool) *Statement {
	env := &envelope{payload: s.env.payload}
	for _, sig := range s.env.signatures {
		if keep(sig.signer) {
			env.signatures = append(env.signatures, sig)
		}
	}
	if len(env.signatures) == len(s.env.signatures) {
		return s
	}
	out := *s
	out.env, out.raw = env, env.encode()
	return &out
}

// signStatement writes, signs and reads back, so that nothing leaves here that
// ParseStatement would refuse.
func signStatement(network string, typ StatementType, c claims, signers []Signer) (*Statement, error) {
	payload, err := encode(c)
	if err != nil {
		return nil, fmt.Errorf("claims of a %s statement: %w", typ, err)
	}
	write := writeSign
	if typ == StatementCertificate || typ == StatementStatus {
		write = writeSign1
	}
	raw, err := write(payload, externalAAD(network, string(typ)), signers)
	if err != nil {
		return nil, fmt.Errorf("sign a %s statement: %w", typ, err)
	}
	s, err := ParseStatement(network, raw)
	if err != nil {
		return nil, fmt.Errorf("sign a %s statement: %w", typ, err)
	}
	return s, s.verify(keysOf(signers))
}

func keysOf(signers []Signer) func(KeyID) (PublicKey, bool) {
	return func(id KeyID) (PublicKey, bool) {
		i := slices.IndexFunc(signers, func(s Signer) bool { return s.Public().ID() == id })
		if i < 0 {
			return PublicKey{}, false
		}
		return signers[i].Public(), true
	}
}
