package protocol

import (
	"crypto/elliptic"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// certificateWith is the usual certificate with its claims changed, signed anew.
func (m *vectorMaker) certificateWith(change func(claims)) []byte {
	m.t.Helper()
	env, err := parseEnvelope(m.org.certificate.Raw())
	if err != nil {
		m.t.Fatal(err)
	}
	c, err := decodeClaims(env.payload)
	if err != nil {
		m.t.Fatal(err)
	}
	change(c)
	raw, err := writeSign1(mustEncode(c), externalAAD(testNetwork, "certificate"), []Signer{m.org.operations})
	if err != nil {
		m.t.Fatal(err)
	}
	return raw
}

// laterStatement is of a type that this revision does not know.
func (m *vectorMaker) laterStatement() []byte {
	return m.certificateWith(func(c claims) { c[claimType] = uint64(7) })
}

func (m *vectorMaker) chainVectors() {
	begin := func(name, comment string, raw []byte, code reason.Code, known ...*Statement) *vector {
		v := m.start("chain-"+name, "chain", comment)
		v.add("network", testNetwork)
		var chain []byte
		for _, s := range known {
			chain = append(chain, s.Raw()...)
		}
		v.addHex("chain", chain)
		v.addHex("input", raw)
		v.expect(code)
		return v
	}
	for _, o := range []*testOrg{m.org, m.es256, m.scoped} {
		v := begin("accept-"+o.org().Genesis.Country+"-"+o.alias(), "genesis, operations and certificate of "+o.org().Genesis.Name, chainBytes(o), "")
		v.add("org", "%s", o.genesis.Org())
		for _, s := range o.chain() {
			v.add("statement", "%s %s", s.Type(), s.Digest())
		}
	}
	base := []*Statement{m.org.genesis, m.org.delegation}
	certificate := func(name, comment string, code reason.Code, change func(claims)) {
		begin(name, comment, m.certificateWith(change), code, base...)
	}
	certificate("accept-unknown-claim", "claim 32 of a certificate is kept", "", func(c claims) { c[32] = "later" })
	certificate("claim-unknown", "claim 31 must be understood", reason.ClaimUnknown, func(c claims) { c[31] = "later" })
	certificate("type-unknown", "a statement of a type of a later revision", reason.KindUnknown, func(c claims) { c[0] = uint64(7) })
	certificate("claims", "a certificate without a maximum TLP", reason.WireClaims, func(c claims) { delete(c, certificateMaxTLP) })
	certificate("tlp", "a certificate for a TLP that does not exist", reason.WireClaims, func(c claims) {
		c[certificateMaxTLP] = uint64(stix.Red) + 1
	})
	certificate("key-small-order", "a record key of small order", reason.KeyInvalid, func(c claims) {
		c[certificateRecordKey] = []any{int64(EdDSA), make([]byte, 32)}
	})
	certificate("key-alg", "a record key of another algorithm", reason.AlgUnknown, func(c claims) {
		c[certificateRecordKey] = []any{int64(-49), make([]byte, 32)}
	})
	certificate("window", "a certificate for more than 90 days", reason.WireClaims, func(c claims) {
		c[certificateNotAfter] = c[certificateNotBefore].(uint64) + uint64(MaxCertificateWindow.Milliseconds()) + 1
	})
	cert := m.org.certificate.Raw()
	begin("signature", "one bit of the certificate's signature is flipped", flipAt(cert, len(cert)-1), reason.SigInvalid, base...)
	begin("signer", "a certificate signed by a key that is no operations key", m.certificateBy(m.org.root), reason.CertUnknown, base...)
	begin("unknown", "a certificate of an organisation that is not known", cert, reason.CertUnknown)
	begin("size", "a statement of more than 8 KiB", m.certificateWith(func(c claims) {
		c[40] = make([]byte, MaxStatementBytes)
	}), reason.WireSize, base...)
	begin("tag", "a certificate without a tag", cert[1:], reason.WireFraming, base...)
	begin("canonical", "a certificate whose array has a longer head", slices.Concat(cert[:1], []byte{0x98, 0x04}, cert[2:]),
		reason.WireCanonical, base...)
	begin("threshold", "an operations statement that no root key signed", m.operationsBy(m.org.record), reason.ChainInvalid, m.org.genesis)
	begin("limit", "more certificates than one identity record has room for: the one that ends first is left out",
		m.manyCertificates(), reason.ChainLimit, base...)
}

func (o *testOrg) org() *Org {
	org, _ := o.chains.Org(o.genesis.Org())
	return org
}

// alias is the organisation's name as part of a file name.
func (o *testOrg) alias() string {
	return strings.ReplaceAll(strings.ToLower(o.org().Genesis.Name), " ", "-")
}

func (m *vectorMaker) certificateBy(key Signer) []byte {
	env, err := parseEnvelope(m.org.certificate.Raw())
	if err != nil {
		m.t.Fatal(err)
	}
	raw, err := writeSign1(env.payload, externalAAD(testNetwork, "certificate"), []Signer{key})
	if err != nil {
		m.t.Fatal(err)
	}
	return raw
}

func (m *vectorMaker) operationsBy(key Signer) []byte {
	s, err := SignOperations(testNetwork, m.org.org().Operations[0], key)
	if err != nil {
		m.t.Fatal(err)
	}
	return s.Raw()
}

// manyCertificates fill a chain with one more than fits.
func (m *vectorMaker) manyCertificates() []byte {
	var out []byte
	room := MaxIdentityBytes - len(m.org.genesis.Raw()) - len(m.org.delegation.Raw())
	for serial := uint64(1); room >= 0 && serial <= MaxCertificates+1; serial++ {
		c := *m.org.cert
		c.Serial = serial
		s, err := SignCertificate(testNetwork, c, m.org.operations)
		if err != nil {
			m.t.Fatal(err)
		}
		out = append(out, s.Raw()...)
		room -= len(s.Raw())
	}
	return out
}

func (m *vectorMaker) keys() {
	key := func(name, comment string, alg Alg, raw []byte, code reason.Code) {
		v := m.start("key-"+name, "key", comment)
		v.add("alg", "%d", int(alg))
		v.addHex("input", raw)
		v.expect(code)
		if k, err := NewPublicKey(alg, raw); code == "" && err == nil {
			v.add("key-id", "%s", k.ID())
		}
	}
	fromHex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			m.t.Fatal(err)
		}
		return b
	}
	zeros := strings.Repeat("00", 30)
	good := m.org.record.Public().Bytes()
	key("eddsa", "an EdDSA key", EdDSA, good, "")
	key("eddsa-short", "31 bytes", EdDSA, cutLast(good), reason.KeyInvalid)
	key("eddsa-long", "33 bytes", EdDSA, append(slices.Clone(good), 0), reason.KeyInvalid)
	key("eddsa-off-curve", "y = 2 is no point of the curve", EdDSA, fromHex("02"+zeros+"00"), reason.KeyInvalid)
	for i, s := range []string{
		"01" + zeros + "00",         // order 1
		"ec" + rep("ff", 30) + "7f", // order 2
		"00" + zeros + "00",         // order 4
		"00" + zeros + "80",         // order 4
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", // order 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", // order 8
	} {
		key("eddsa-small-order-"+string(rune('1'+i)), "a point of small order", EdDSA, fromHex(s), reason.KeyInvalid)
	}
	key("eddsa-non-canonical", "y = p+3, the second spelling of y = 3", EdDSA, fromHex("f0"+rep("ff", 30)+"7f"), reason.KeyInvalid)
	key("eddsa-non-canonical-sign", "x = 0 with the sign bit set", EdDSA, fromHex("01"+zeros+"80"), reason.KeyInvalid)

	p256 := m.es256.record.Public().Bytes()
	key("es256", "an ES256 key", ES256, p256, "")
	key("es256-short", "32 bytes", ES256, cutLast(p256), reason.KeyInvalid)
	key("es256-prefix", "a prefix other than 2 and 3", ES256, append([]byte{4}, p256[1:]...), reason.KeyInvalid)
	key("es256-infinity", "the point at infinity", ES256, make([]byte, 1), reason.KeyInvalid)
	key("es256-off-curve", "an x that is on no point", ES256, m.offCurve(), reason.KeyInvalid)
	key("es256-x-large", "x = p", ES256, append([]byte{2}, elliptic.P256().Params().P.Bytes()...), reason.KeyInvalid)
	key("alg", "an algorithm that is not in use", -49, good, reason.AlgUnknown)
}

func rep(s string, n int) string { return strings.Repeat(s, n) }

// offCurve finds the smallest x without a point on P-256.
func (m *vectorMaker) offCurve() []byte {
	for x := byte(1); ; x++ {
		raw := append([]byte{2}, make([]byte, 32)...)
		raw[32] = x
		if y, _ := elliptic.UnmarshalCompressed(elliptic.P256(), raw); y == nil {
			return raw
		}
	}
}

// otherS gives n-s for an s of ES256.
func otherS(s []byte) []byte {
	other := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(s))
	return other.FillBytes(make([]byte, 32))
}

func (m *vectorMaker) signatures() {
	message := []byte("tocsin test vector")
	signature := func(name, comment string, key *PrivateKey, sig []byte, code reason.Code) {
		m.signature(name, comment, key.Public(), message, sig, code)
	}
	sign := func(key *PrivateKey) []byte {
		sig, err := key.Sign(message)
		if err != nil {
			m.t.Fatal(err)
		}
		return sig
	}
	ed, es := sign(m.org.record), sign(m.es256.record)
	signature("eddsa", "an EdDSA signature", m.org.record, ed, "")
	signature("eddsa-bit", "one bit flipped", m.org.record, flipAt(ed, 3), reason.SigInvalid)
	signature("eddsa-s-large", "s + L instead of s", m.org.record, addOrder(ed), reason.SigInvalid)
	mixed, good, bad := m.mixedOrder()
	signature("eddsa-short", "63 bytes", m.org.record, cutLast(ed), reason.SigInvalid)
	m.signature("eddsa-mixed-order", "a key with a component of order 8 that vanishes here", mixed, good[:1], good[1:], "")
	m.signature("eddsa-cofactor", "only the equation with the cofactor holds", mixed, bad[:1], bad[1:], reason.SigInvalid)
	signature("es256", "an ES256 signature", m.es256.record, es, "")
	signature("es256-bit", "one bit flipped", m.es256.record, flipAt(es, 3), reason.SigInvalid)
	signature("es256-high-s", "n - s instead of s", m.es256.record, slices.Concat(es[:32], otherS(es[32:])), reason.SigInvalid)
	signature("es256-zero", "r and s are 0", m.es256.record, make([]byte, 64), reason.SigInvalid)
	signature("es256-long", "65 bytes", m.es256.record, append(slices.Clone(es), 0), reason.SigInvalid)
}

func (m *vectorMaker) signature(name, comment string, key PublicKey, message, sig []byte, code reason.Code) {
	v := m.start("signature-"+name, "signature", comment)
	v.add("alg", "%d", int(key.Alg()))
	v.addHex("key", key.Bytes())
	v.addHex("message", message)
	v.addHex("input", sig)
	v.expect(code)
}

// mixedOrder makes a key with a component of order 8 and two messages of one
// byte, each followed by a signature that holds with the cofactor: good holds
// without it too, bad does not.
func (m *vectorMaker) mixedOrder() (key PublicKey, good, bad []byte) {
	m.t.Helper()
	point := func(s string) edPoint {
		raw, err := hex.DecodeString(s)
		if err != nil {
			m.t.Fatal(err)
		}
		p, ok := decodeEdwards(raw)
		if !ok {
			m.t.Fatalf("%s is no point", s)
		}
		return p
	}
	base := point("58" + rep("66", 31))
	torsion := point("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
	a, r := big.NewInt(1234567), big.NewInt(7654321)
	public, commitment := base.times(a).add(torsion).encode(), base.times(r).encode()
	key, err := NewPublicKey(EdDSA, public)
	if err != nil {
		m.t.Fatal(err)
	}
	for i := byte(0); good == nil || bad == nil; i++ {
		k := challenge(commitment, public, []byte{i})
		s := new(big.Int).Mul(k, a)
		le := s.Mod(s.Add(s, r), edOrder).FillBytes(make([]byte, 32))
		slices.Reverse(le)
		signed := slices.Concat([]byte{i}, commitment, le)
		if k.Uint64()&7 == 0 { // k times the component of order 8 is nothing
			good = signed
		} else if bad == nil {
			bad = signed
		}
	}
	return key, good, bad
}

// addOrder adds the group order L to s of an Ed25519 signature.
func addOrder(sig []byte) []byte {
	s := slices.Clone(sig[32:])
	slices.Reverse(s)
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), edOrder).FillBytes(make([]byte, 32))
	slices.Reverse(sum)
	return slices.Concat(sig[:32], sum)
}

func (m *vectorMaker) ids() {
	id := func(name, comment, text string, good bool) {
		v := m.start("id-"+name, "id", comment)
		v.add("text", "%s", text)
		if !good {
			v.add("expect", "%s", Reject)
			return
		}
		v.expect("")
		v.add("bytes", "%s", strings.TrimPrefix(text, "sha256:"))
	}
	org := m.org.genesis.Org().String()
	id("good", "an id", org, true)
	id("zero", "an id of zeros", "sha256:"+rep("00", 32), true)
	id("upper", "upper-case digits", "sha256:"+strings.ToUpper(org[7:]), false)
	id("short", "63 digits", cutText(org), false)
	id("long", "65 digits", org+"0", false)
	id("prefix", "no prefix", org[7:], false)
	id("prefix-other", "another prefix", "sha512:"+org[7:], false)
	id("digit", "a letter that is no digit", cutText(org)+"g", false)
	id("empty", "nothing", "", false)
}

func cutText(s string) string { return s[:len(s)-1] }

func (m *vectorMaker) topics() {
	topic := func(name, comment, text string, code reason.Code) {
		v := m.start("topic-"+name, "topic", comment)
		v.add("network", testNetwork)
		v.add("text", "%s", text)
		v.expect(code)
		if code == "" {
			v.add("path", "/tocsin/1/test/%s", text)
		}
	}
	for _, t := range DefaultTopics() {
		topic("default-"+t.String(), "a topic that every node joins", t.String(), "")
	}
	topic("digits", "digits and hyphens alone", "0-9", "")
	topic("longest", "40 characters", "a-topic-name-of-exactly-forty-characters", "")
	topic("long", "41 characters", "a-topic-name-of-exactly-forty-one-letters", reason.WireClaims)
	topic("empty", "nothing", "", reason.WireClaims)
	topic("upper", "an upper-case letter", "Fraud", reason.WireClaims)
	topic("slash", "a slash", "fraud/bank", reason.WireClaims)
	topic("space", "a space", "mal ware", reason.WireClaims)
	topic("letter", "a letter beyond ASCII", "fraüd", reason.WireClaims)
}
