package protocol

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// REC-08 REC-09 REC-18 REC-20
func (m *vectorMaker) brokenClaims() {
	spoil := func(name, comment string, change func(map[any]any)) {
		m.refused("claims-"+name, comment, reason.WireClaims, m.forge(func(f *forgery) { change(f.payload) }))
	}
	for key := claimVersion; key <= claimBodyHash; key++ {
		switch key {
		case claimPrevious, claimUpstream, claimDefaults:
			continue // optional here
		}
		spoil(fmt.Sprintf("missing-%02d", key), fmt.Sprintf("claim %d is missing", key), func(p map[any]any) { delete(p, key) })
		spoil(fmt.Sprintf("type-%02d", key), fmt.Sprintf("claim %d is a boolean", key), func(p map[any]any) { p[key] = true })
	}
	set := func(name, comment string, key int, value any) {
		spoil(name, comment, func(p map[any]any) { p[key] = value })
	}
	set("key-0", "a key that no version has", 0, 1)
	set("topic-case", "an upper-case letter in the topic", claimTopic, "Malicious-code")
	set("topic-empty", "an empty topic", claimTopic, "")
	set("topic-long", "a topic of 41 characters", claimTopic, "a-topic-name-of-exactly-forty-one-letters")
	set("kind-0", "kind 0", claimKind, 0)
	set("sequence-0", "sequence 0", claimSequence, 0)
	set("sequence-large", "sequence 2^63", claimSequence, uint64(1<<63))
	set("previous-1", "a previous record at sequence 1", claimPrevious, make([]byte, 32))
	set("previous-missing", "no previous record at sequence 2", claimSequence, 2)
	spoil("previous-short", "a previous record of 31 bytes", func(p map[any]any) {
		p[claimSequence], p[claimPrevious] = 2, make([]byte, 31)
	})
	set("created-far", "created after the year 9999", claimCreated, MaxTime+1)
	set("tlp-5", "a TLP that does not exist", claimTLP, 5)
	set("upstream-empty", "an empty upstream label", claimUpstream, "")
	set("upstream-long", "an upstream label of 101 bytes", claimUpstream, string(bytes.Repeat([]byte("u"), MaxUpstream+1)))
	set("defaults-empty", "empty defaults", claimDefaults, map[any]any{})
	set("defaults-unknown", "an unknown default", claimDefaults, map[any]any{4: 1})
	set("defaults-producer", "a default producer of 201 bytes", claimDefaults,
		map[any]any{1: string(bytes.Repeat([]byte("p"), MaxProducer+1))})
	set("defaults-confidence", "a default confidence of 101", claimDefaults, map[any]any{2: 101})
	set("defaults-valid-0", "a default life of 0 s", claimDefaults, map[any]any{3: 0})
	set("defaults-valid-long", "a default life of more than 100 years", claimDefaults, map[any]any{3: int(MaxValidFor/time.Second) + 1})
	set("count-0", "no objects in a record of objects", claimCount, 0)
	set("count-501", "501 objects", claimCount, 501)
	set("count-room", "more objects than the raw length has room for", claimCount, 400)
	set("root-short", "a root of 31 bytes", claimRoot, make([]byte, 31))
	set("hash-long", "a body hash of 33 bytes", claimBodyHash, make([]byte, 33))
	set("expires-created", "expires when it was created", claimExpires, testNow.UnixMilli())
	set("expires-late", "expires 400 days and a millisecond after it was created", claimExpires,
		testNow.Add(MaxStorage).UnixMilli()+1)
	protected := func(name, comment string, change func(map[any]any)) {
		m.refused("claims-protected-"+name, comment, reason.WireClaims, m.forge(func(f *forgery) { change(f.protected) }))
	}
	protected("alg", "a protected map without an algorithm", func(p map[any]any) { delete(p, 1) })
	protected("certificate", "a protected map without a certificate", func(p map[any]any) { delete(p, 4) })
	protected("short", "a certificate digest of 31 bytes", func(p map[any]any) { p[4] = make([]byte, 31) })
	protected("extra", "a third entry in the protected map", func(p map[any]any) { p[3] = "application/cbor" })
}

// VER-05 VER-06 VER-07 VER-13 VER-14
func (m *vectorMaker) brokenPlace() {
	opaque := func(topic Topic, kind Kind, tlp stix.TLP, size int) []byte {
		return m.forge(func(f *forgery) {
			f.setBody(make([]byte, size))
			f.payload[claimRawLength], f.payload[claimCount] = size, 0
			f.payload[claimTopic], f.payload[claimKind], f.payload[claimTLP] = topic.String(), int(kind), int(tlp)
		})
	}
	m.refused("kind-objects-control", "objects on the control topic", reason.TopicKind, m.forge(func(f *forgery) {
		f.payload[claimTopic] = "control"
	}))
	m.refused("kind-objects-sealed", "objects on the sealed topic", reason.TopicKind, m.forge(func(f *forgery) {
		f.payload[claimTopic] = "sealed"
	}))
	for kind := KindIdentity; kind <= KindGroup; kind++ {
		m.refused(fmt.Sprintf("kind-%02d-fraud", kind), fmt.Sprintf("kind %s on a topic of objects", kind), reason.TopicKind,
			opaque(Topic{"fraud"}, kind, stix.Green, 10))
	}
	m.refused("tlp-amber", "AMBER on an open topic", reason.TopicTLP, m.forge(func(f *forgery) { f.payload[claimTLP] = 2 }))
	m.refused("tlp-red-control", "RED on the control topic", reason.TopicTLP,
		opaque(TopicControl, KindWithdrawal, stix.Red, 10))
	m.refused("kind-size-unknown", "an unknown kind of more than 16 KiB", reason.KindSize,
		opaque(Topic{"fraud"}, 11, stix.Green, MaxOpaqueBytes+1))
	m.refused("kind-size-control", "an unknown kind of more than 2 KiB on the control topic", reason.KindSize,
		opaque(TopicControl, 11, stix.Green, MaxOpaqueControl+1))
	m.refused("kind-size-receipt", "a receipt of more than 4 KiB", reason.KindSize,
		opaque(TopicControl, KindReceipt, stix.Green, MaxReceiptBytes+1))
	m.refused("kind-size-identity", "an identity record of more than 16 KiB", reason.KindSize,
		opaque(TopicControl, KindIdentity, stix.Green, MaxIdentityBytes+1))

	m.refused("length-short", "the last byte of the body is missing", reason.BodySize, cutLast(m.forge(nil)))
	m.refused("length-long", "one byte more than the body", reason.BodySize, append(m.forge(nil), 0))
	m.refused("length-ratio", "a raw length of more than 64 times the body", reason.BodySize, m.forge(func(f *forgery) {
		f.payload[claimRawLength] = MaxRawRatio*len(f.body) + 1
	}))
	m.refused("length-raw", "a raw length that an uncompressed body does not have", reason.BodySize,
		m.forge(func(f *forgery) {
			f.payload[claimKind] = 11
			f.payload[claimRawLength] = len(f.body) + 1
		}))
	m.refused("body-hash", "one bit of the body is flipped", reason.BodyHash, flipLast(m.forge(nil)))

	v := m.record("topic-mismatch", "a record that came by the gossip of another topic", testNow, m.forge(nil), m.org)
	v.add("on", "fraud")
	v.expect(reason.TopicMismatch)
}

func cutLast(b []byte) []byte { return b[:len(b)-1] }

func flipLast(b []byte) []byte {
	b[len(b)-1] ^= 1
	return b
}

// VER-08 VER-11
func (m *vectorMaker) brokenTimes() {
	at := func(name, comment string, code reason.Code, now time.Time) {
		m.record("time-"+name, comment, now, m.forge(nil), m.org).expect(code)
	}
	at("future", "created ten minutes and a millisecond from now", reason.TimeFuture, testNow.Add(-ClockSkew-time.Millisecond))
	at("expired", "it expires now", reason.TimeExpired, testNow.Add(30*day))

	// Signed by a certificate that has ended, the record itself has not.
	raw := m.forge(func(f *forgery) { f.payload[claimExpires] = m.org.cert.NotAfter.Add(day).UnixMilli() })
	m.record("time-certificate", "ten minutes and a millisecond after the certificate ended",
		m.org.cert.NotAfter.Add(ClockSkew+time.Millisecond), raw, m.org).expect(reason.CertExpired)
}

// VER-10 VER-12
func (m *vectorMaker) brokenSigner() {
	v := m.record("signer-unknown", "nothing is known of the signer", testNow, m.forge(nil))
	v.expect(reason.CertUnknown)
	v.add("unknown-certificate", "%s", m.org.cert.Digest())

	m.refused("signer-other-key", "signed by the operations key of the same organisation", reason.SigInvalid,
		m.forge(func(f *forgery) { f.key = m.org.operations }))
	m.refused("signer-network", "signed for another network", reason.SigInvalid,
		m.forge(func(f *forgery) { f.network = "main" }))
	m.refused("signer-bit", "one bit of the signature is flipped", reason.SigInvalid, m.flipSignature())
	m.refused("signer-alg", "the certificate's key is of the other algorithm", reason.SigInvalid,
		m.forge(func(f *forgery) { f.protected[protectedAlg] = int64(ES256) }))
	es := m.record("signer-high-s", "an ES256 signature with the greater s", testNow, m.highS(), m.es256)
	es.expect(reason.SigInvalid)

	m.refused("window-before", "created a millisecond before the certificate begins", reason.CertWindow,
		m.forge(func(f *forgery) { f.payload[claimCreated] = m.org.cert.NotBefore.UnixMilli() - 1 }))
	late := m.forge(func(f *forgery) {
		f.payload[claimCreated] = m.org.cert.NotAfter.UnixMilli() + 1
		f.payload[claimExpires] = m.org.cert.NotAfter.Add(day).UnixMilli()
	})
	m.record("window-after", "created a millisecond after the certificate ends, seen at that time",
		m.org.cert.NotAfter.Add(time.Millisecond), late, m.org).expect(reason.CertWindow)
	m.record("window-offline", "the window of the certificate binds without a present too", time.Time{}, late, m.org).
		expect(reason.CertWindow)

	scope := func(name, comment string, change func(*forgery)) {
		d := testDraft(testObjects(1)...)
		d.TLP = stix.Clear
		m.record("scope-"+name, comment, testNow, m.scoped.forge(m.t, d, change), m.scoped).expect(reason.CertScope)
	}
	scope("topic", "a topic that the certificate does not name", func(f *forgery) { f.payload[claimTopic] = "drill" })
	scope("tlp", "GREEN under a certificate for CLEAR", func(f *forgery) { f.payload[claimTLP] = 1 })
	scope("kind", "a kind that the certificate does not name", func(f *forgery) {
		f.payload[claimKind], f.payload[claimRawLength] = 11, len(f.body)
	})
}

func (m *vectorMaker) flipSignature() []byte {
	raw := m.forge(nil)
	w, err := splitRecord(raw)
	if err != nil {
		m.t.Fatal(err)
	}
	raw[len(w.header)-40] ^= 4
	return raw
}

// highS exchanges s for n-s in a good ES256 signature.
func (m *vectorMaker) highS() []byte {
	raw := m.es256.forge(m.t, testDraft(testObjects(1)...), nil)
	w, err := splitRecord(raw)
	if err != nil {
		m.t.Fatal(err)
	}
	copy(raw[len(w.header)-32:], otherS(w.message.Signature[32:]))
	return raw
}

// REC-05 REC-06 REC-07: what a later version may mean costs nobody.
func (m *vectorMaker) unknownThings() {
	ignored := func(name, comment string, code reason.Code, change func(*forgery)) {
		m.refused("unknown-"+name, comment, code, m.forge(change))
	}
	ignored("version", "version 2", reason.VersionUnknown, func(f *forgery) { f.payload[claimVersion] = 2 })
	ignored("version-shape", "version 2 with nothing else that we know", reason.VersionUnknown, func(f *forgery) {
		f.payload = map[any]any{claimVersion: 2, 20: "y"}
	})
	ignored("alg", "an algorithm that is not in use", reason.AlgUnknown, func(f *forgery) { f.protected[1] = -49 })
	ignored("alg-text", "an algorithm with a name", reason.AlgUnknown, func(f *forgery) { f.protected[1] = "dilithium" })
	ignored("claim-16", "claim 16 must be understood", reason.ClaimUnknown, func(f *forgery) { f.payload[16] = 1 })
	ignored("claim-31", "claim 31 must be understood, whatever else is wrong", reason.ClaimUnknown, func(f *forgery) {
		f.payload[31] = "x"
		delete(f.payload, claimTopic)
	})
	ignored("kind", "kind 32768", reason.KindUnknown, func(f *forgery) { f.payload[claimKind] = MaxKind })
}

// REC-17 VER-09
func (m *vectorMaker) brokenIdentity() {
	identity := func(statements []byte, change func(*forgery)) []byte {
		d := Draft{
			Topic: TopicControl, Kind: KindIdentity, Sequence: 1, Created: testNow, Expires: testNow.Add(30 * day),
			TLP: stix.Clear, Statements: m.org.chain(),
		}
		return m.org.forge(m.t, d, func(f *forgery) {
			if statements != nil {
				f.setBody(statements)
				f.payload[claimRawLength] = len(statements)
				f.payload[claimCount], f.payload[claimRoot] = statementTree(m, statements)
			}
			if change != nil {
				change(f)
			}
		})
	}
	spoil := func(name, comment string, code reason.Code, statements []byte, change func(*forgery)) *vector {
		v := m.record("identity-"+name, comment, testNow, identity(statements, change))
		v.expect(code)
		return v
	}
	chain := chainBytes(m.org)
	spoil("root", "a root that is not of the statements", reason.ChainInvalid, nil,
		func(f *forgery) { f.payload[claimRoot] = make([]byte, 32) })
	spoil("count", "a count that is not of the statements", reason.ChainInvalid, nil,
		func(f *forgery) { f.payload[claimCount] = 2 })
	spoil("signature", "the signature of the genesis has a flipped bit", reason.ChainInvalid,
		flipAt(chain, len(m.org.genesis.Raw())-1), nil)
	spoil("certificate-signature", "the signature of the certificate has a flipped bit", reason.ChainInvalid,
		flipAt(chain, len(chain)-1), nil)
	m.refused("identity-signature-known", "the same when the chain is known: a signature is not taken on trust", reason.ChainInvalid,
		identity(flipAt(chain, len(chain)-1), nil))
	spoil("framing", "a body that is no sequence of statements", reason.ChainInvalid, nil, func(f *forgery) {
		f.setBody([]byte("no statements"))
		f.payload[claimRawLength] = len("no statements")
	})
	spoil("empty", "an identity record without statements", reason.ChainInvalid, nil, func(f *forgery) {
		f.setBody(nil)
		root := sha256.Sum256(nil)
		f.payload[claimRawLength], f.payload[claimCount], f.payload[claimRoot] = 0, 0, root[:]
	})
	var many []byte
	for _, s := range manyStatements(m.t, m.org, MaxIdentitySignatures+1) {
		many = append(many, s.Raw()...)
	}
	spoil("signatures", "statements with 65 good signatures", reason.ChainInvalid, many, nil)
	spoil("body-hash", "one bit of the body is flipped", reason.BodyHash, nil, func(f *forgery) {
		f.body = flipAt(f.body, 50)
	})
	spoil("unknown", "a certificate whose organisation nobody knows", reason.CertUnknown, m.scoped.certificate.Raw(), nil).
		add("unknown-certificate", "%s", m.scoped.certificate.Digest())
	spoil("other", "the chain of another organisation, the signer is not known", reason.CertUnknown, chainBytes(m.scoped), nil).
		add("unknown-certificate", "%s", m.org.certificate.Digest())
	spoil("record-signature", "an identity record that its own certificate did not sign", reason.SigInvalid, nil,
		func(f *forgery) { f.key = m.org.operations })
}

func flipAt(b []byte, i int) []byte {
	b = slices.Clone(b)
	b[i] ^= 1
	return b
}

// statementTree is count and root of a body of statements.
func statementTree(m *vectorMaker, body []byte) (int, []byte) {
	var hashes []Digest
	for rest := body; len(rest) > 0; {
		item, after, err := nextItem(rest)
		if err != nil {
			m.t.Fatal(err)
		}
		hashes, rest = append(hashes, leafHash(nil, item)), after
	}
	root := treeHash(hashes)
	return len(hashes), root[:]
}
