package protocol

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"tocsin/protocol/reason"
)

// Sign packs and signs a record. key must be cert's record key. Errors name the
// limit that the draft exceeds; nothing is dropped to make it fit. Created and
// Expires are cut to milliseconds.
func Sign(network string, d Draft, cert *Certificate, key Signer) (*Record, error) {
	r, err := sign(network, d, cert, key)
	if err != nil {
		return nil, fmt.Errorf("sign record %d of topic %s: %w", d.Sequence, d.Topic, err)
	}
	return r, nil
}

func sign(network string, d Draft, cert *Certificate, key Signer) (*Record, error) {
	if key.Public() != cert.RecordKey {
		return nil, reason.New(reason.SigInvalid, "the key is not the record key of the certificate")
	}
	body, err := d.pack()
	if err != nil {
		return nil, err
	}
	h := d.header(body)
	h.Certificate = cert.Digest()
	// What is signed below has passed every check on bytes that a receiver makes.
	raw := append(encodeHeader(h, key.Public().Alg()), body.bytes...)
	w, h, err := readRecord(raw)
	if err != nil {
		return nil, err
	}
	if err := checkScope(&h, cert); err != nil {
		return nil, err
	}
	msg := w.signedBytes(network)
	sig, err := key.Sign(msg)
	if err != nil {
		return nil, fmt.Errorf("use the record key: %w", err)
	}
	if !cert.RecordKey.Verify(msg, sig) {
		return nil, reason.New(reason.SigInvalid, "the signer gave a signature that does not verify")
	}
	copy(raw[len(w.header)-SignatureBytes:], sig)
	return &Record{
		raw: raw, header: h, id: sha256.Sum256(msg), cert: cert,
		headerLength: len(w.header), statements: d.Statements,
	}, nil
}

// pack makes the body that the draft's kind asks for.
func (d *Draft) pack() (packedBody, error) {
	given := 0
	for _, is := range []bool{d.Objects != nil, d.Statements != nil, d.Body != nil} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return packedBody{}, errors.New("a draft has objects, statements or a body, and one of them only")
	case d.Kind == KindObjects && d.Objects != nil:
		return packObjects(d.Objects, d.Rand)
	case d.Kind == KindIdentity && d.Statements != nil:
		return packStatements(d.Statements), nil
	case d.Kind != KindObjects && d.Kind != KindIdentity && d.Body != nil:
		return packOpaque(d.Body), nil
	}
	return packedBody{}, fmt.Errorf("a draft of kind %s with the content of another", d.Kind)
}

// header puts the draft and its body together.
func (d *Draft) header(body packedBody) Header {
	h := Header{
		Topic: d.Topic, Kind: d.Kind, Sequence: d.Sequence, Previous: d.Previous,
		Created: d.Created, Expires: d.Expires, TLP: d.TLP, Upstream: d.Upstream, Defaults: d.Defaults,
		Count: body.count, Root: body.root, RawLength: body.rawLength,
		BodyLength: len(body.bytes), BodyHash: sha256.Sum256(body.bytes),
	}
	if h.Defaults == (Defaults{}) {
		h.Defaults.Confidence = -1
	}
	return h
}
