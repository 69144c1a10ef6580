package protocol

import "io"

// Alg is a COSE algorithm (RFC 9053). A verifier accepts these two and nothing
// else; there is no negotiation.
type Alg int

// The accepted algorithms.
const (
	EdDSA Alg = -8 // Ed25519, RFC 8032 cofactorless, s < L
	ES256 Alg = -7 // ECDSA P-256 with SHA-256, s <= n/2
)

// PublicKey is a checked public key: canonical, not of small order. The zero
// value is no key. It is comparable with == and safe for concurrent use.
type PublicKey struct {
	alg   Alg
	bytes string
}

// NewPublicKey checks a public key (SPEC KEY-02): 32 bytes for EdDSA, 33 bytes
// (SEC 1 compressed) for ES256. Errors carry code key.invalid.
func NewPublicKey(alg Alg, raw []byte) (PublicKey, error) { panic("unwritten") }

// Alg returns the algorithm; 0 for the zero value.
func (k PublicKey) Alg() Alg { return k.alg }

// Bytes returns a copy of the key's bytes as they stand in statements.
func (k PublicKey) Bytes() []byte { return []byte(k.bytes) }

// ID returns SHA-256 over the deterministic CBOR array [alg, bytes].
func (k PublicKey) ID() KeyID { panic("unwritten") }

// Verify reports whether sig is a canonical signature of msg (SPEC KEY-03).
func (k PublicKey) Verify(msg, sig []byte) bool { panic("unwritten") }

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
}

// GenerateKey makes a key from rand (32 bytes for EdDSA).
func GenerateKey(alg Alg, rand io.Reader) (*PrivateKey, error) { panic("unwritten") }

// NewPrivateKey restores a key from its 32-byte seed (EdDSA) or scalar (ES256).
func NewPrivateKey(alg Alg, seed []byte) (*PrivateKey, error) { panic("unwritten") }

// Seed returns a copy of the secret; only the keystore may call it, to write the key to disk.
func (k *PrivateKey) Seed() []byte { return append([]byte(nil), k.seed...) }

// Public implements Signer.
func (k *PrivateKey) Public() PublicKey { return k.pub }

// Sign implements Signer.
func (k *PrivateKey) Sign(msg []byte) ([]byte, error) { panic("unwritten") }
