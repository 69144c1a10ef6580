package protocol

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// KEY-01: two algorithms and nothing else.
func TestKeyAlgorithms(t *testing.T) {
	for _, alg := range []Alg{0, -6, -9, -35, -36, -257, 5} {
		_, err := NewPublicKey(alg, make([]byte, 32))
		wantCode(t, err, reason.AlgUnknown)
		_, err = NewPrivateKey(alg, make([]byte, 32))
		wantCode(t, err, reason.AlgUnknown)
		_, err = GenerateKey(alg, &seeded{seed: "x"})
		wantCode(t, err, reason.AlgUnknown)
	}
	if (PublicKey{}).Verify(nil, make([]byte, SignatureBytes)) {
		t.Error("the zero key verifies")
	}
}

// KEY-02, KEY-03: what enters as an Ed25519 key.
func TestEdwardsKeyRefused(t *testing.T) {
	order8 := []string{
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	}
	refused := map[string]string{
		"order 4":                "0000000000000000000000000000000000000000000000000000000000000000",
		"order 4, x odd":         "0000000000000000000000000000000000000000000000000000000000000080",
		"identity":               "0100000000000000000000000000000000000000000000000000000000000000",
		"identity, sign set":     "0100000000000000000000000000000000000000000000000000000000000080",
		"order 2":                "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 2, sign set":      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"y = p":                  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"y = p, sign set":        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"y = p + 1":              "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"y = p + 3, on curve":    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"y = 2^255 - 1":          "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"y = 2, not on curve":    "0200000000000000000000000000000000000000000000000000000000000000",
		"31 bytes":               "00000000000000000000000000000000000000000000000000000000000000",
		"33 bytes":               "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a00",
		"nothing":                "",
		"order 8 a":              order8[0],
		"order 8 a, sign turned": order8[0][:62] + "85",
		"order 8 b":              order8[1],
		"order 8 b, sign turned": order8[1][:62] + "fa",
	}
	for name, text := range refused {
		if _, err := NewPublicKey(EdDSA, unhex(t, text)); reason.Of(err) != reason.KeyInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// edPoint is a point of the curve in affine coordinates: slow, simple, and
// independent of the check under test.
type edPoint struct{ x, y *big.Int }

func (p edPoint) add(q edPoint) edPoint {
	mul := func(a ...*big.Int) *big.Int {
		out := big.NewInt(1)
		for _, v := range a {
			out.Mod(out.Mul(out, v), edP)
		}
		return out
	}
	inv := func(a *big.Int) *big.Int { return new(big.Int).ModInverse(a, edP) }
	mix := mul(edD, p.x, q.x, p.y, q.y)
	x := new(big.Int).Add(mul(p.x, q.y), mul(p.y, q.x))
	y := new(big.Int).Add(mul(p.y, q.y), mul(p.x, q.x))
	x = mul(x, inv(new(big.Int).Mod(new(big.Int).Add(bigOne, mix), edP)))
	y = mul(y, inv(new(big.Int).Mod(new(big.Int).Sub(bigOne, mix), edP)))
	return edPoint{x, y}
}

func (p edPoint) times(n *big.Int) edPoint {
	out := edPoint{big.NewInt(0), big.NewInt(1)}
	for i := n.BitLen() - 1; i >= 0; i-- {
		out = out.add(out)
		if n.Bit(i) == 1 {
			out = out.add(p)
		}
	}
	return out
}

func (p edPoint) encode() []byte {
	out := p.y.FillBytes(make([]byte, 32))
	slices.Reverse(out)
	out[31] |= byte(p.x.Bit(0)) << 7
	return out
}

// decodeEdwards is the plain reading of RFC 8032 5.1.3, with a square root.
func decodeEdwards(raw []byte) (edPoint, bool) {
	le := slices.Clone(raw)
	sign := le[31] >> 7
	le[31] &= 0x7f
	slices.Reverse(le)
	y := new(big.Int).SetBytes(le)
	if y.Cmp(edP) >= 0 {
		return edPoint{}, false
	}
	yy := new(big.Int).Mul(y, y)
	v := new(big.Int).Mul(edD, yy)
	v.Mod(v.Add(v, bigOne), edP)
	xx := new(big.Int).Sub(yy, bigOne)
	xx.Mul(xx, new(big.Int).ModInverse(v, edP)).Mod(xx, edP)
	x := new(big.Int).ModSqrt(xx, edP)
	if x == nil || x.Sign() == 0 && sign == 1 {
		return edPoint{}, false
	}
	if byte(x.Bit(0)) != sign {
		x.Sub(edP, x)
	}
	return edPoint{x, y}, true
}

// KEY-02, KEY-03: the check agrees with decompression and three doublings.
func TestEdwardsKeyAgainstPlainArithmetic(t *testing.T) {
	agree := func(raw []byte) bool {
		t.Helper()
		p, ok := decodeEdwards(raw)
		if ok {
			eight := p.times(big.NewInt(8))
			ok = eight.x.Sign() != 0 || eight.y.Cmp(bigOne) != 0
		}
		_, err := NewPublicKey(EdDSA, raw)
		if (err == nil) != ok {
			t.Errorf("%x: check says %v, arithmetic says %v", raw, err, ok)
		}
		return ok
	}
	rand := &seeded{seed: "keys"}
	good := 0
	for range 200 {
		raw := make([]byte, 32)
		if _, err := io.ReadFull(rand, raw); err != nil {
			t.Fatal(err)
		}
		if agree(raw) {
			good++
		}
	}
	if good < 60 || good > 140 {
		t.Errorf("%d of 200 random strings are keys; about half should be", good)
	}
	for y := range 256 { // small y and, from the top, y around p
		low, high := make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)
		low[0], high[0] = byte(y), byte(y)
		agree(low)
		agree(high)
		high[31] = 0x7f
		agree(high)
	}
}

var edOrder, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

// KEY-05: RFC 8032 7.1 test 1, and s below L.
func TestEdwardsSignature(t *testing.T) {
	key, err := NewPrivateKey(EdDSA, unhex(t, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(key.Public().Bytes()); got != "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" {
		t.Fatalf("public key %s", got)
	}
	sig, err := key.Sign(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
	if hex.EncodeToString(sig) != want {
		t.Fatalf("signature %x", sig)
	}
	if !key.Public().Verify(nil, sig) {
		t.Fatal("own signature refused")
	}
	le := slices.Clone(sig[32:])
	slices.Reverse(le)
	s := new(big.Int).Add(new(big.Int).SetBytes(le), edOrder)
	be := s.FillBytes(make([]byte, 32))
	slices.Reverse(be)
	if key.Public().Verify(nil, append(slices.Clone(sig[:32]), be...)) {
		t.Error("s + L accepted")
	}
	for _, bad := range [][]byte{nil, sig[:63], append(slices.Clone(sig), 0), make([]byte, 64)} {
		if key.Public().Verify(nil, bad) {
			t.Errorf("signature %x accepted", bad)
		}
	}
	for i := range 512 {
		flipped := slices.Clone(sig)
		flipped[i/8] ^= 1 << (i % 8)
		if key.Public().Verify(nil, flipped) {
			t.Fatalf("bit %d flipped and accepted", i)
		}
	}
}

// KEY-03: with a key of small order one signature would serve many messages.
func TestSmallOrderKeyWouldSignAnything(t *testing.T) {
	identity := append([]byte{1}, make([]byte, 31)...)
	sig := append(slices.Clone(identity), make([]byte, 32)...)
	if !ed25519.Verify(identity, []byte("any message"), sig) {
		t.Fatal("the library refuses it by itself: this check may go")
	}
	_, err := NewPublicKey(EdDSA, identity)
	wantCode(t, err, reason.KeyInvalid)
}

// KEY-05: a key with a component of order 8 is no key of small order, but its
// signatures hold without the cofactor only where that component vanishes.
func TestEdwardsCofactorless(t *testing.T) {
	base, _ := decodeEdwards(unhex(t, "5866666666666666666666666666666666666666666666666666666666666666"))
	torsion, _ := decodeEdwards(unhex(t, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
	a, r := big.NewInt(1234567), big.NewInt(7654321)
	mixed := base.times(a).add(torsion).encode()
	point := base.times(r).encode()
	key, err := NewPublicKey(EdDSA, mixed)
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for i := range 64 {
		msg := []byte{byte(i)}
		k := challenge(point, mixed, msg)
		s := new(big.Int).Mul(k, a)
		s.Mod(s.Add(s, r), edOrder)
		le := s.FillBytes(make([]byte, 32))
		slices.Reverse(le)
		vanishes := new(big.Int).And(k, big.NewInt(7)).Sign() == 0
		got := key.Verify(msg, append(slices.Clone(point), le...))
		if got != vanishes {
			t.Fatalf("message %d: accepted %v, torsion vanishes %v", i, got, vanishes)
		}
		if got {
			accepted++
		}
	}
	if accepted == 0 || accepted == 64 {
		t.Errorf("%d of 64 accepted: the test shows nothing", accepted)
	}
}

// challenge is the k of RFC 8032: SHA-512 over R, A and the message, modulo L.
func challenge(r, a, msg []byte) *big.Int {
	h := sha512.Sum512(slices.Concat(r, a, msg))
	slices.Reverse(h[:])
	k := new(big.Int).SetBytes(h[:])
	return k.Mod(k, edOrder)
}

// KEY-06: RFC 6979 A.2.5 (P-256, SHA-256, "sample"), whose s is the larger one.
func TestES256Signature(t *testing.T) {
	key, err := NewPrivateKey(ES256, unhex(t, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"))
	if err != nil {
		t.Fatal(err)
	}
	wantPub := "0360FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
	if got := fmt.Sprintf("%X", key.Public().Bytes()); got != wantPub {
		t.Fatalf("public key %s", got)
	}
	sig, err := key.Sign([]byte("sample"))
	if err != nil {
		t.Fatal(err)
	}
	r := unhex(t, "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716")
	high := new(big.Int).SetBytes(unhex(t, "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"))
	n := elliptic.P256().Params().N
	low := new(big.Int).Sub(n, high)
	if want := append(slices.Clone(r), low.FillBytes(make([]byte, 32))...); !bytes.Equal(sig, want) {
		t.Fatalf("signature %x, want %x", sig, want)
	}
	pair := func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	rInt, zero := new(big.Int).SetBytes(r), new(big.Int)
	for name, test := range map[string]struct {
		sig  []byte
		want bool
	}{
		"low s":       {sig, true},
		"high s":      {pair(rInt, high), false},
		"r = 0":       {pair(zero, low), false},
		"s = 0":       {pair(rInt, zero), false},
		"r + n":       {pair(new(big.Int).Sub(new(big.Int).Lsh(bigOne, 256), bigOne), low), false},
		"s = n/2":     {pair(rInt, p256HalfOrder), false},
		"s = n/2 + 1": {pair(rInt, new(big.Int).Add(p256HalfOrder, bigOne)), false},
		"short":       {sig[:63], false},
		"empty":       {nil, false},
	} {
		if got := key.Public().Verify([]byte("sample"), test.sig); got != test.want {
			t.Errorf("%s: accepted %v", name, got)
		}
	}
	if key.Public().Verify([]byte("Sample"), sig) {
		t.Error("another message accepted")
	}
}

// KEY-06: both keys always sign with the low s, and the same message gives the same bytes.
func TestSignIsCanonicalAndRepeatable(t *testing.T) {
	for _, alg := range []Alg{EdDSA, ES256} {
		key := seededKey(t, alg, "repeat")
		for i := range 50 {
			msg := []byte{byte(i)}
			one, err := key.Sign(msg)
			if err != nil {
				t.Fatal(err)
			}
			two, _ := key.Sign(msg)
			if !bytes.Equal(one, two) || !key.Public().Verify(msg, one) {
				t.Fatalf("%v: message %d: %x and %x", alg, i, one, two)
			}
		}
	}
}

// KEY-02: what enters as a P-256 key.
func TestES256KeyRefused(t *testing.T) {
	good := seededKey(t, ES256, "good").Public()
	point := []byte(good.point)
	for name, raw := range map[string][]byte{
		"uncompressed":   point,
		"hybrid":         append([]byte{6}, point[1:]...),
		"prefix 4":       append([]byte{4}, point[1:33]...),
		"prefix 0":       append([]byte{0}, point[1:33]...),
		"x only":         point[1:33],
		"infinity":       {0},
		"nothing":        nil,
		"x = p":          append([]byte{2}, elliptic.P256().Params().P.Bytes()...),
		"x = p + 5":      append([]byte{2}, new(big.Int).Add(elliptic.P256().Params().P, big.NewInt(5)).Bytes()...),
		"x not on curve": append(append([]byte{2}, make([]byte, 31)...), 1),
		"34 bytes":       append(good.Bytes(), 0),
	} {
		if _, err := NewPublicKey(ES256, raw); reason.Of(err) != reason.KeyInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	again, err := NewPublicKey(ES256, good.Bytes())
	if err != nil || again != good {
		t.Errorf("good key read again: %v", err)
	}
}

func TestPrivateKeyRange(t *testing.T) {
	n := elliptic.P256().Params().N
	below := new(big.Int).Sub(n, bigOne).FillBytes(make([]byte, 32))
	if _, err := NewPrivateKey(ES256, below); err != nil {
		t.Errorf("n-1: %v", err)
	}
	for name, seed := range map[string][]byte{
		"0": make([]byte, 32), "n": n.FillBytes(make([]byte, 32)), "all ones": bytes.Repeat([]byte{255}, 32), "short": below[1:],
	} {
		_, err := NewPrivateKey(ES256, seed)
		if reason.Of(err) != reason.KeyInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := GenerateKey(ES256, bytes.NewReader(make([]byte, 32*100))); err == nil {
		t.Error("a source of zeros gave a key")
	}
	if _, err := GenerateKey(EdDSA, bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("31 bytes of randomness gave a key")
	}
}

// KEY-04, ID-02: the id is SHA-256 over [alg, bytes].
func TestKeyID(t *testing.T) {
	for _, test := range []struct {
		alg  Alg
		head string
	}{{EdDSA, "82 27 5820"}, {ES256, "82 26 5821"}} {
		key := seededKey(t, test.alg, "id").Public()
		want := sha256.Sum256(append(unhex(t, test.head), key.Bytes()...))
		if key.ID() != want {
			t.Errorf("%v: id %v", test.alg, key.ID())
		}
	}
}

// A secret must not reach a log by any way of printing.
func TestPrivateKeyIsNotPrinted(t *testing.T) {
	for _, alg := range []Alg{EdDSA, ES256} {
		key := seededKey(t, alg, "secret")
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			text := fmt.Sprintf(verb, key)
			if strings.Contains(strings.ToLower(text), hex.EncodeToString(key.Seed()[:4])) || !strings.HasPrefix(text, "private key of sha256:") {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
	key := seededKey(t, EdDSA, "copy")
	key.Seed()[0] ^= 1
	if restored, err := NewPrivateKey(EdDSA, key.Seed()); err != nil || restored.Public() != key.Public() {
		t.Error("Seed gave the secret itself, not a copy")
	}
}
