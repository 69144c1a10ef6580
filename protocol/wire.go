package protocol

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// recordVersion is the version of the claims map that is written and judged here.
const recordVersion = 1

// The keys of the protected map (RFC 9052); 4 is COSE's "kid".
const (
	protectedAlg         = 1
	protectedCertificate = 4
)

// The keys of the claims map (SPEC 4.2). From firstCriticalClaim on a key that
// we do not know means that we must not judge the record, from
// firstOptionalClaim on that we may.
const (
	claimVersion = iota + 1
	claimTopic
	claimKind
	claimSequence
	claimPrevious
	claimCreated
	claimExpires
	claimTLP
	claimUpstream
	claimDefaults
	claimCount
	claimRoot
	claimRawLength
	claimBodyLength
	claimBodyHash
	firstCriticalClaim
	firstOptionalClaim = 32
)

// The keys of the defaults map.
const (
	defaultProducer   = 1
	defaultConfidence = 2
	defaultValidFor   = 3
)

// wireRecord is a record taken apart: canonical, nothing in it judged yet.
type wireRecord struct {
	message   sign1Message
	protected claims
	payload   claims
	header    []byte // the header's bytes, tag included
	body      []byte
}

// splitRecord takes a record apart (SPEC 4.1). What it accepts is the only
// encoding of what it returns.
func splitRecord(raw []byte) (*wireRecord, error) {
	// REC-01
	if len(raw) > MaxRecordBytes {
		return nil, reason.New(reason.WireSize,
			fmt.Sprintf("a record of %d bytes, the limit is %d", len(raw), MaxRecordBytes))
	}
	w, err := splitHeader(raw[:min(len(raw), MaxHeaderBytes)], len(raw) > MaxHeaderBytes)
	if err != nil {
		return nil, err
	}
	w.body = raw[len(w.header):]
	return w, nil
}

// splitHeader reads the header at the start of raw; more says that raw was cut
// off at the limit of a header.
func splitHeader(raw []byte, more bool) (*wireRecord, error) {
	// REC-02
	if !bytes.HasPrefix(raw, headSign1) {
		return nil, reason.New(reason.WireFraming, "a record begins with the tag of COSE_Sign1")
	}
	item, _, err := nextItem(raw[len(headSign1):])
	if more && errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, reason.New(reason.WireSize, fmt.Sprintf("a header of more than %d bytes", MaxHeaderBytes))
	}
	if err != nil {
		return nil, reason.Wrap(reason.WireFraming, "read the header", err)
	}
	w := &wireRecord{header: raw[:len(headSign1)+len(item)]}
	if err := decodeStrict(item, &w.message); err != nil {
		return nil, wireError("read the header", err, reason.WireFraming)
	}
	if len(w.message.Signature) != SignatureBytes {
		return nil, reason.New(reason.WireFraming,
			fmt.Sprintf("a signature of %d bytes, want %d", len(w.message.Signature), SignatureBytes))
	}
	// REC-03
	if w.protected, err = decodeClaims(w.message.Protected); err != nil {
		return nil, wireError("read the protected map", err, reason.WireCanonical)
	}
	if w.payload, err = decodeClaims(w.message.Payload); err != nil {
		return nil, wireError("read the claims", err, reason.WireCanonical)
	}
	return w, nil
}

// wireError gives a reading error the code wire.canonical when the bytes only
// spell a value in another way than the one allowed, else the code given.
func wireError(what string, err error, code reason.Code) error {
	if errors.Is(err, errNotCanonical) {
		code = reason.WireCanonical
	}
	return reason.Wrap(code, what, err)
}

// signedBytes is the Sig_structure of RFC 9052 that the signature covers.
func (w *wireRecord) signedBytes(network string) []byte {
	// REC-04
	return sigStructure1(w.message.Protected, externalAAD(network, "record"), w.message.Payload)
}

// checkKnown refuses, without blame, what a later version of the protocol may
// mean (SPEC 4.4). It comes before any rule of this version.
func (w *wireRecord) checkKnown() error {
	// REC-05
	version, ok := w.payload[claimVersion].(uint64)
	if !ok {
		return badClaim(claimVersion)
	}
	if version != recordVersion {
		return reason.New(reason.VersionUnknown, fmt.Sprintf("a record of version %d", version))
	}
	// REC-06
	alg, ok := w.protected[protectedAlg]
	if !ok {
		return reason.New(reason.WireClaims, "the protected map names no algorithm")
	}
	if n, ok := alg.(int64); !ok || Alg(n) != EdDSA && Alg(n) != ES256 {
		return reason.New(reason.AlgUnknown, fmt.Sprintf("algorithm %v", alg))
	}
	// REC-07
	for key := range w.payload {
		if key >= firstCriticalClaim && key < firstOptionalClaim {
			return reason.New(reason.ClaimUnknown, fmt.Sprintf("claim %d is not of this version", key))
		}
	}
	if kind, ok := w.payload[claimKind].(uint64); ok && kind >= MaxKind {
		return reason.New(reason.KindUnknown, fmt.Sprintf("kind %d is beyond %d", kind, MaxKind-1))
	}
	return nil
}

// alg returns the algorithm that checkKnown let pass.
func (w *wireRecord) alg() Alg {
	n, _ := w.protected[protectedAlg].(int64)
	return Alg(n)
}

// readHeader reads the claims into a Header (SPEC 4.2). Types and ranges are
// checked here, their fit to each other by Header.check.
func (w *wireRecord) readHeader() (Header, error) {
	r := claimReader{claims: w.payload}
	// REC-08
	for key := range w.payload {
		if key < claimVersion {
			r.fail(key)
		}
	}
	h := Header{
		Topic:      r.topic(claimTopic),
		Kind:       Kind(r.number(claimKind, 1, MaxKind-1)),
		Sequence:   r.number(claimSequence, 1, 1<<63-1),
		Created:    time.UnixMilli(int64(r.number(claimCreated, 0, MaxTime))).UTC(),
		Expires:    time.UnixMilli(int64(r.number(claimExpires, 0, MaxTime))).UTC(),
		TLP:        stix.TLP(r.number(claimTLP, 0, uint64(stix.Red))),
		Defaults:   r.defaults(claimDefaults),
		Count:      int(r.number(claimCount, 0, MaxLeaves)),
		Root:       r.digest(claimRoot),
		RawLength:  int(r.number(claimRawLength, 0, 1<<32-1)),
		BodyLength: int(r.number(claimBodyLength, 0, 1<<32-1)),
		BodyHash:   r.digest(claimBodyHash),
	}
	if r.has(claimUpstream) {
		h.Upstream = r.text(claimUpstream, MaxUpstream)
	}
	// REC-09
	if h.Sequence > 1 {
		h.Previous = RecordID(r.digest(claimPrevious))
	} else if r.has(claimPrevious) {
		r.fail(claimPrevious)
	}
	p := claimReader{claims: w.protected}
	h.Certificate = p.digest(protectedCertificate)
	if len(w.protected) != 2 || p.err != nil {
		return Header{}, reason.New(reason.WireClaims, "the protected map holds other than algorithm and certificate digest")
	}
	return h, r.err
}

// encodeHeader writes a header with a signature of zeros, which is the last
// thing in it.
func encodeHeader(h Header, alg Alg) []byte {
	m := sign1Message{
		Protected: mustEncode(map[uint64]any{protectedAlg: int64(alg), protectedCertificate: h.Certificate[:]}),
		Payload:   mustEncode(h.claims()),
		Signature: make([]byte, SignatureBytes),
	}
	return append(slices.Clone(headSign1), mustEncode(m)...)
}

// claims is readHeader backwards.
func (h *Header) claims() claims {
	c := claims{
		claimVersion:    uint64(recordVersion),
		claimTopic:      h.Topic.name,
		claimKind:       uint64(h.Kind),
		claimSequence:   h.Sequence,
		claimCreated:    uint64(h.Created.UnixMilli()),
		claimExpires:    uint64(h.Expires.UnixMilli()),
		claimTLP:        uint64(h.TLP),
		claimCount:      uint64(h.Count),
		claimRoot:       h.Root[:],
		claimRawLength:  uint64(h.RawLength),
		claimBodyLength: uint64(h.BodyLength),
		claimBodyHash:   h.BodyHash[:],
	}
	if h.Sequence > 1 {
		c[claimPrevious] = h.Previous[:]
	}
	if h.Upstream != "" {
		c[claimUpstream] = h.Upstream
	}
	if d := h.Defaults.claims(); len(d) > 0 {
		c[claimDefaults] = d
	}
	return c
}

func (d Defaults) claims() claims {
	c := claims{}
	if d.Producer != "" {
		c[defaultProducer] = d.Producer
	}
	if d.Confidence >= 0 {
		c[defaultConfidence] = uint64(d.Confidence)
	}
	if d.ValidFor != 0 {
		c[defaultValidFor] = uint64(d.ValidFor / time.Second)
	}
	return c
}

// claimReader reads typed values out of a claims map and keeps the first error.
type claimReader struct {
	claims claims
	err    error
}

func (r *claimReader) fail(key uint64) {
	if r.err == nil {
		r.err = badClaim(key)
	}
}

func badClaim(key uint64) error {
	return reason.New(reason.WireClaims, fmt.Sprintf("claim %d is missing, misplaced, of the wrong type or out of range", key))
}

func (r *claimReader) has(key uint64) bool {
	_, ok := r.claims[key]
	return ok
}

func (r *claimReader) number(key, low, high uint64) uint64 {
	n, ok := r.claims[key].(uint64)
	if !ok || n < low || n > high {
		r.fail(key)
		return 0
	}
	return n
}

func (r *claimReader) digest(key uint64) (d Digest) {
	b, ok := r.claims[key].([]byte)
	if !ok || len(b) != sha256.Size {
		r.fail(key)
		return d
	}
	return Digest(b)
}

// text reads a string of 1 to limit bytes.
func (r *claimReader) text(key uint64, limit int) string {
	s, ok := r.claims[key].(string)
	if !ok || s == "" || len(s) > limit {
		r.fail(key)
		return ""
	}
	return s
}

func (r *claimReader) topic(key uint64) Topic {
	s, _ := r.claims[key].(string)
	t, err := ParseTopic(s)
	if err != nil {
		r.fail(key)
	}
	return t
}

// defaults reads the optional, never empty map of SPEC REC-20.
func (r *claimReader) defaults(key uint64) Defaults {
	d := Defaults{Confidence: -1}
	if !r.has(key) {
		return d
	}
	m, ok := r.claims[key].(map[any]any)
	if !ok || len(m) == 0 {
		r.fail(key)
		return d
	}
	in := claimReader{claims: claims{}}
	for k, v := range m {
		n, ok := k.(uint64)
		if !ok || n < defaultProducer || n > defaultValidFor {
			r.fail(key)
			return d
		}
		in.claims[n] = v
	}
	if in.has(defaultProducer) {
		d.Producer = in.text(defaultProducer, MaxProducer)
	}
	if in.has(defaultConfidence) {
		d.Confidence = int(in.number(defaultConfidence, 0, 100))
	}
	if in.has(defaultValidFor) {
		d.ValidFor = time.Duration(in.number(defaultValidFor, 1, uint64(MaxValidFor/time.Second))) * time.Second
	}
	if in.err != nil {
		r.fail(key)
	}
	return d
}
