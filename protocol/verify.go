package protocol

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// Verify checks a record as it came (SPEC 7): framing, canonical form, limits,
// times, certificate, signature, body hash. It does not decompress the body. It
// keeps raw; the caller must not change it. On error the code in it decides
// the relay verdict (VerdictOf); a record with unknown certificate gives
// cert.unknown, and UnknownCertificate names it.
func Verify(raw []byte, chains *Chains, now time.Time) (*Record, error) {
	return verify(raw, chains, &now)
}

// VerifyOffline is Verify for a record that is looked at later, without
// the gossip rules on the present (expiry, future, certificate age at now): the
// signature, the window at created and all rules on bytes still bind. Whether the record
// stands is for the caller to ask (Chains.Standing).
func VerifyOffline(raw []byte, chains *Chains) (*Record, error) {
	// VER-15
	return verify(raw, chains, nil)
}

// UnknownCertificate returns the certificate digest that a cert.unknown error is about.
func UnknownCertificate(err error) (Digest, bool) {
	if u, ok := errors.AsType[*unknownCertificate](err); ok {
		return u.digest, true
	}
	return Digest{}, false
}

// unknownCertificate is the cause in a cert.unknown error.
type unknownCertificate struct{ digest Digest }

func (u *unknownCertificate) Error() string { return "certificate " + u.digest.String() }

// verify makes the checks in the order of SPEC 7, cheap ones first. Without now
// those on the present are left out.
func verify(raw []byte, chains *Chains, now *time.Time) (*Record, error) {
	w, h, err := readRecord(raw)
	if err != nil {
		return nil, err
	}
	msg := w.signedBytes(chains.Network())
	r := &Record{raw: raw, header: h, id: sha256.Sum256(msg), headerLength: len(w.header)}
	if err := r.check(w, msg, chains, now); err != nil {
		return nil, fmt.Errorf("verify record %s: %w", r.id, err)
	}
	return r, nil
}

// readRecord makes the checks that need nothing but the bytes, the two dear
// ones (signature and body hash) left out.
func readRecord(raw []byte) (*wireRecord, Header, error) {
	w, err := splitRecord(raw)
	if err != nil {
		return nil, Header{}, err
	}
	h, err := w.judgeHeader()
	if err != nil {
		return nil, Header{}, err
	}
	if err := w.checkBodyLength(&h); err != nil {
		return nil, Header{}, err
	}
	return w, h, nil
}

// checkBodyLength holds the length of the body against the header.
func (w *wireRecord) checkBodyLength(h *Header) error {
	// VER-07
	if h.BodyLength != len(w.body) {
		return reason.New(reason.BodySize, fmt.Sprintf("a body of %d bytes, the header says %d", len(w.body), h.BodyLength))
	}
	return nil
}

// judgeHeader reads the claims and holds them against each other.
func (w *wireRecord) judgeHeader() (Header, error) {
	if err := w.checkKnown(); err != nil {
		return Header{}, err
	}
	h, err := w.readHeader()
	if err != nil {
		return Header{}, err
	}
	for _, check := range []func() error{h.checkLife, h.checkPlace, h.checkSizes} {
		if err := check(); err != nil {
			return Header{}, err
		}
	}
	return h, nil
}

// checkLife holds expires against created.
func (h *Header) checkLife() error {
	// REC-18
	if life := h.Expires.Sub(h.Created); life <= 0 || life > MaxStorage {
		return reason.New(reason.WireClaims, fmt.Sprintf("expires is %s after created, want more than 0 and at most %s", life, MaxStorage))
	}
	return nil
}

// checkPlace holds kind and TLP against the topic.
func (h *Header) checkPlace() error {
	// VER-05
	if !h.Topic.Allowed(h.Kind) {
		return reason.New(reason.TopicKind, fmt.Sprintf("a record of kind %s on topic %s", h.Kind, h.Topic))
	}
	// VER-06
	if h.Topic != TopicSealed && h.TLP > stix.Green {
		return reason.New(reason.TopicTLP, fmt.Sprintf("TLP level %d on topic %s, which is open", h.TLP, h.Topic))
	}
	return nil
}

// checkSizes holds the lengths and the count against the kind.
func (h *Header) checkSizes() error {
	// VER-07
	if limit := h.Topic.MaxBody(h.Kind); h.BodyLength > limit {
		return reason.New(reason.KindSize,
			fmt.Sprintf("a body of %d bytes in a record of kind %s on topic %s, the limit is %d", h.BodyLength, h.Kind, h.Topic, limit))
	}
	if h.Kind != KindObjects { // REC-17, REC-19
		if h.RawLength != h.BodyLength {
			return reason.New(reason.BodySize,
				fmt.Sprintf("raw length %d and body length %d of a body that is not compressed", h.RawLength, h.BodyLength))
		}
		return nil
	}
	if limit := min(MaxRawBytes, MaxRawRatio*h.BodyLength); h.RawLength > limit {
		return reason.New(reason.BodySize, fmt.Sprintf("raw length %d, the limit for a body of %d bytes is %d", h.RawLength, h.BodyLength, limit))
	}
	if h.Count == 0 || h.RawLength < h.Count*(leafPrefix+1) {
		return reason.New(reason.WireClaims, fmt.Sprintf("%d objects in %d bytes", h.Count, h.RawLength))
	}
	return nil
}

// check makes the rest of the checks, on time, identity and content.
func (r *Record) check(w *wireRecord, msg []byte, chains *Chains, now *time.Time) error {
	h := &r.header
	if now != nil {
		if err := h.checkPresent(*now); err != nil {
			return err
		}
	}
	if h.Kind == KindIdentity {
		next, err := r.readStatements(w.body, chains, now)
		if err != nil {
			return err
		}
		chains = next
	}
	cert, err := w.checkSigner(h, msg, chains, now)
	if err != nil {
		return err
	}
	r.cert = cert
	if err := r.checkBodyHash(w.body); err != nil {
		return err
	}
	if now != nil {
		// VER-16
		if err := chains.standing(cert, h, r.id); err != nil {
			return err
		}
	}
	if h.Kind == KindFork {
		return r.readFork(w.body, chains)
	}
	return nil
}

// checkSigner finds the certificate that a header names and holds the header
// and its signature against it.
func (w *wireRecord) checkSigner(h *Header, msg []byte, chains *Chains, now *time.Time) (*Certificate, error) {
	// VER-10
	cert, ok := chains.Certificate(h.Certificate)
	if !ok {
		return nil, reason.Wrap(reason.CertUnknown, "find the signer", &unknownCertificate{h.Certificate})
	}
	if err := checkScope(h, cert); err != nil {
		return nil, err
	}
	// VER-11
	if now != nil && now.After(cert.NotAfter.Add(ClockSkew)) {
		return nil, reason.New(reason.CertExpired, fmt.Sprintf("certificate %s ended at %s", cert.Digest(), cert.NotAfter.Format(time.RFC3339)))
	}
	// VER-12
	if w.alg() != cert.RecordKey.Alg() || !cert.RecordKey.Verify(msg, w.message.Signature) {
		return nil, reason.New(reason.SigInvalid, fmt.Sprintf("the signature is not one by the record key of certificate %s", cert.Digest()))
	}
	return cert, nil
}

// checkPresent holds the record's times against the clock.
func (h *Header) checkPresent(now time.Time) error {
	// VER-08
	if h.Created.After(now.Add(ClockSkew)) {
		return reason.New(reason.TimeFuture, fmt.Sprintf("created %s from now", h.Created.Sub(now)))
	}
	if !h.Expires.After(now) {
		return reason.New(reason.TimeExpired, fmt.Sprintf("expired %s ago", now.Sub(h.Expires)))
	}
	return nil
}

// checkScope holds a header against what its certificate allows.
func checkScope(h *Header, cert *Certificate) error {
	// VER-10
	if h.Created.Before(cert.NotBefore) || h.Created.After(cert.NotAfter) {
		return reason.New(reason.CertWindow, fmt.Sprintf("created at %s, outside the window of certificate %s",
			h.Created.Format(time.RFC3339), cert.Digest()))
	}
	if len(cert.Topics) > 0 && !slices.Contains(cert.Topics, h.Topic.name) {
		return reason.New(reason.CertScope, fmt.Sprintf("certificate %s does not cover topic %s", cert.Digest(), h.Topic))
	}
	if len(cert.Kinds) > 0 && !slices.Contains(cert.Kinds, h.Kind) {
		return reason.New(reason.CertScope, fmt.Sprintf("certificate %s does not cover kind %s", cert.Digest(), h.Kind))
	}
	if h.TLP > cert.MaxTLP {
		return reason.New(reason.CertScope, fmt.Sprintf("certificate %s does not cover TLP level %d", cert.Digest(), h.TLP))
	}
	return nil
}

// checkBodyHash holds the body against the header.
func (r *Record) checkBodyHash(body []byte) error {
	// VER-13
	if sha256.Sum256(body) != r.header.BodyHash {
		return reason.New(reason.BodyHash, "the body is not the one that was signed")
	}
	return nil
}

// readStatements checks the body of an identity record and returns the chains
// with its statements added: they may hold the certificate that signed it.
func (r *Record) readStatements(body []byte, chains *Chains, now *time.Time) (*Chains, error) {
	// VER-09
	if err := r.checkBodyHash(body); err != nil {
		return nil, err
	}
	statements, hashes, err := splitStatements(chains.Network(), body)
	if err != nil {
		return nil, err
	}
	if len(hashes) == 0 || len(hashes) != r.header.Count || treeHash(hashes) != r.header.Root {
		return nil, reason.New(reason.ChainInvalid, "the statements are not those that the header counts and hashes")
	}
	// From the bytes alone, whatever is known already: the verdict is everybody's.
	if n := countSignatures(statements); n > MaxIdentitySignatures {
		return nil, reason.New(reason.ChainInvalid, fmt.Sprintf("the statements carry %d signatures, at most %d", n, MaxIdentitySignatures))
	}
	if now != nil && slices.ContainsFunc(statements, func(s *Statement) bool { return s.Future(*now) }) {
		return nil, reason.New(reason.TimeFuture, "the statements hold a status from the future")
	}
	next, _, errs := chains.With(statements...)
	for _, err := range errs {
		switch {
		case VerdictOf(err) == Reject:
			return nil, reason.Wrap(reason.ChainInvalid, "hold the statements against their chain", err)
		case reason.Of(err) == reason.CertUnknown:
			missing := &unknownCertificate{firstUnknown(statements, next, r.header.Certificate)}
			return nil, reason.Wrap(reason.CertUnknown, err.Error(), missing)
		}
	}
	r.statements = statements
	return next, nil
}

func countSignatures(statements []*Statement) int {
	n := 0
	for _, s := range statements {
		n += len(s.env.signatures)
	}
	return n
}

// firstUnknown names the certificate to ask for when statements rest on what is
// not known: the first that could not be added, else the signer's own.
func firstUnknown(statements []*Statement, chains *Chains, signer Digest) Digest {
	for _, s := range statements {
		if _, ok := chains.Certificate(s.Digest()); s.Type() == StatementCertificate && !ok {
			return s.Digest()
		}
	}
	return signer
}

// splitStatements reads a CBOR sequence of statements. It hashes all of them and
// returns those that this revision of the protocol can read.
func splitStatements(network string, body []byte) (statements []*Statement, hashes []Digest, err error) {
	for rest := body; len(rest) > 0; {
		item, after, err := nextItem(rest)
		if err != nil {
			return nil, nil, reason.Wrap(reason.ChainInvalid, fmt.Sprintf("read statement %d", len(hashes)), err)
		}
		s, err := ParseStatement(network, item)
		switch {
		case err == nil:
			statements = append(statements, s)
		case VerdictOf(err) == Reject:
			return nil, nil, reason.Wrap(reason.ChainInvalid, fmt.Sprintf("read statement %d", len(hashes)), err)
		}
		hashes, rest = append(hashes, leafHash(nil, item)), after
	}
	return statements, hashes, nil
}
