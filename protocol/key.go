package protocol

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"

	"tocsin/protocol/reason"
)

// Alg is a COSE algorithm (RFC 9053). A verifier accepts these two and nothing
// else; there is no negotiation (KEY-01).
type Alg int

// The accepted algorithms.
const (
	EdDSA Alg = -8 // Ed25519, RFC 8032 cofactorless, s < L
	ES256 Alg = -7 // ECDSA P-256 with SHA-256, s <= n/2
)

// String names the algorithm as the COSE registry does.
func (a Alg) String() string {
	switch a {
	case EdDSA:
		return "EdDSA"
	case ES256:
		return "ES256"
	}
	return fmt.Sprintf("COSE algorithm %d", int(a))
}

// SignatureBytes is the length of a signature of either algorithm.
const SignatureBytes = 64

// PublicKey is a checked public key: canonical, not of small order. The zero
// value is no key. It is comparable with == and safe for concurrent use.
type PublicKey struct {
	alg   Alg
	bytes string
	// point is the uncompressed point of an ES256 key, so that verifying does
	// not take a square root each time. It follows from bytes.
	point string
}

// NewPublicKey checks a public key (KEY-02, KEY-03): 32 bytes for EdDSA, 33
// bytes (SEC 1 compressed) for ES256. Errors carry code key.invalid, or
// alg.unknown for any other algorithm.
func NewPublicKey(alg Alg, raw []byte) (PublicKey, error) {
	switch alg {
	case EdDSA:
		if err := checkEdwards(raw); err != nil {
			return PublicKey{}, reason.Wrap(reason.KeyInvalid, fmt.Sprintf("EdDSA public key %x", raw), err)
		}
		return PublicKey{alg: alg, bytes: string(raw)}, nil
	case ES256:
		point, err := uncompressPoint(raw)
		if err != nil {
			return PublicKey{}, reason.Wrap(reason.KeyInvalid, fmt.Sprintf("ES256 public key %x", raw), err)
		}
		return PublicKey{alg: alg, bytes: string(raw), point: string(point)}, nil
	}
	return PublicKey{}, reason.New(reason.AlgUnknown, "public key of "+alg.String())
}

// Alg returns the algorithm; 0 for the zero value.
func (k PublicKey) Alg() Alg { return k.alg }

// Bytes returns a copy of the key's bytes as they stand in statements.
func (k PublicKey) Bytes() []byte { return []byte(k.bytes) }

// ID returns SHA-256 over the deterministic CBOR array [alg, bytes] (KEY-04).
func (k PublicKey) ID() KeyID {
	return sha256.Sum256(mustEncode(k.array()))
}

// array is the key as it stands in statements.
func (k PublicKey) array() []any { return []any{int64(k.alg), []byte(k.bytes)} }

// Verify reports whether sig is a canonical signature of msg (KEY-05, KEY-06).
func (k PublicKey) Verify(msg, sig []byte) bool {
	if len(sig) != SignatureBytes {
		return false
	}
	switch k.alg {
	case EdDSA:
		// KEY-05: crypto/ed25519 refuses s >= L, compares R byte for byte and
		// does not multiply by the cofactor.
		return ed25519.Verify(ed25519.PublicKey(k.bytes), msg, sig)
	case ES256:
		r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		if s.Cmp(p256HalfOrder) > 0 { // KEY-06
			return false
		}
		pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), []byte(k.point))
		if err != nil {
			return false
		}
		digest := sha256.Sum256(msg)
		return ecdsa.Verify(pub, digest[:], r, s)
	}
	return false
}

// Signer is a private key behind its one operation. Implementations are safe
// for concurrent use and never hand out the key.
type Signer interface {
	// Public returns the public half.
	Public() PublicKey
	// Sign returns a canonical signature over msg (Ed25519 64 bytes; ES256 r||s).
	Sign(msg []byte) ([]byte, error)
}

// PrivateKey is a signing key in memory. It implements Signer.
type PrivateKey struct {
	pub  PublicKey
	seed []byte
	ed   ed25519.PrivateKey // EdDSA only
	ec   *ecdsa.PrivateKey  // ES256 only
}

// SeedBytes is the length of a private key of either algorithm.
const SeedBytes = 32

// GenerateKey makes a key from rand: the next 32 bytes that are a private key.
func GenerateKey(alg Alg, rand io.Reader) (*PrivateKey, error) {
	// An ES256 scalar is out of range with a chance of 2^-32, so a source that
	// gives eight of them in a row is no source of randomness.
	var last error
	for range 8 {
		seed := make([]byte, SeedBytes)
		if _, err := io.ReadFull(rand, seed); err != nil {
			return nil, fmt.Errorf("randomness for a new key: %w", err)
		}
		key, err := NewPrivateKey(alg, seed)
		if err == nil {
			return key, nil
		}
		last = err
	}
	return nil, last
}

// NewPrivateKey restores a key from its 32-byte seed (EdDSA) or scalar
// (ES256). Errors carry code key.invalid or alg.unknown and never the secret.
func NewPrivateKey(alg Alg, seed []byte) (*PrivateKey, error) {
	if len(seed) != SeedBytes {
		return nil, reason.New(reason.KeyInvalid, fmt.Sprintf("private key of %d bytes: want %d", len(seed), SeedBytes))
	}
	key := &PrivateKey{seed: append([]byte(nil), seed...)}
	var public []byte
	switch alg {
	case EdDSA:
		key.ed = ed25519.NewKeyFromSeed(key.seed)
		public = key.ed.Public().(ed25519.PublicKey)
	case ES256:
		ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), key.seed)
		if err != nil {
			return nil, reason.New(reason.KeyInvalid, "ES256 private key: not a number from 1 to n-1")
		}
		point, err := ec.PublicKey.Bytes()
		if err != nil {
			return nil, reason.Wrap(reason.KeyInvalid, "ES256 private key", err)
		}
		key.ec, public = ec, compressPoint(point)
	default:
		return nil, reason.New(reason.AlgUnknown, "private key of "+alg.String())
	}
	pub, err := NewPublicKey(alg, public)
	if err != nil {
		return nil, err
	}
	key.pub = pub
	return key, nil
}

// Seed returns a copy of the secret; only the keystore may call it, to write the key to disk.
func (k *PrivateKey) Seed() []byte { return append([]byte(nil), k.seed...) }

// Public implements Signer.
func (k *PrivateKey) Public() PublicKey { return k.pub }

// Sign implements Signer. Both algorithms sign without randomness: the same
// message gives the same signature (ES256 by RFC 6979).
func (k *PrivateKey) Sign(msg []byte) ([]byte, error) {
	if k.pub.alg == EdDSA {
		return ed25519.Sign(k.ed, msg), nil
	}
	return signLowS(k.ec, msg)
}

// Format keeps the secret out of logs and error texts, whatever the verb.
func (k *PrivateKey) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "private key of "+k.pub.ID().String())
}
