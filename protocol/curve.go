package protocol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// What the standard library does not check of a public key, and what it leaves
// to the caller of a signature. All of it is public data, so math/big will do.

var (
	// edP is the prime 2^255 - 19 of the field of Ed25519.
	edP = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	// edD is the curve's constant -121665/121666.
	edD = edConstant()
	// p256HalfOrder is n/2, rounded down: the largest s of a signature.
	p256HalfOrder = new(big.Int).Rsh(elliptic.P256().Params().N, 1)
	bigOne        = big.NewInt(1)
)

func edConstant() *big.Int {
	d := new(big.Int).ModInverse(big.NewInt(121666), edP)
	d.Mul(d, big.NewInt(-121665))
	return d.Mod(d, edP)
}

// checkEdwards accepts exactly the canonical encodings of points of
// -x² + y² = 1 + d x² y² that are not of small order (KEY-02, KEY-03).
func checkEdwards(raw []byte) error {
	if len(raw) != 32 {
		return fmt.Errorf("%d bytes: want 32", len(raw))
	}
	le := slices.Clone(raw)
	le[31] &= 0x7f // the sign of x
	slices.Reverse(le)
	y := new(big.Int).SetBytes(le)
	if y.Cmp(edP) >= 0 {
		return errors.New("y is not below 2^255-19")
	}
	mod := func(v *big.Int) *big.Int { return v.Mod(v, edP) }
	yy := mod(new(big.Int).Mul(y, y))
	dyy := mod(new(big.Int).Mul(edD, yy))

	// On the curve: x² = (y²-1) / (d y²+1) is a square; a quotient is one when
	// the product is. The divisor is never 0, for -1/d is not a square.
	u := new(big.Int).Sub(yy, bigOne)
	v := new(big.Int).Add(dyy, bigOne)
	if big.Jacobi(mod(new(big.Int).Mul(u, v)), edP) < 0 {
		return errors.New("not a point of the curve")
	}
	// The eight points of small order: x = 0 is y² = 1; order 4 is y = 0; and a
	// point of order 8 doubles to y = 0, which is x² = -y², hence
	// d y⁴ + 2 y² - 1 = 0.
	eighth := new(big.Int).Mul(dyy, yy)
	eighth.Add(eighth, yy).Add(eighth, yy).Sub(eighth, bigOne)
	if u.Sign() == 0 || yy.Sign() == 0 || mod(eighth).Sign() == 0 {
		return errors.New("a point of small order")
	}
	return nil
}

// uncompressPoint gives the SEC 1 uncompressed form of a compressed P-256 point. The
// compressed form is unique: x below p, and a prefix of 2 or 3.
func uncompressPoint(raw []byte) ([]byte, error) {
	if len(raw) != 33 {
		return nil, fmt.Errorf("%d bytes: want 33", len(raw))
	}
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), raw)
	if x == nil {
		return nil, errors.New("not a compressed point of P-256")
	}
	point := make([]byte, 65)
	point[0] = 4
	x.FillBytes(point[1:33])
	y.FillBytes(point[33:])
	return point, nil
}

func compressPoint(point []byte) []byte {
	return append([]byte{2 | point[64]&1}, point[1:33]...)
}

// signLowS signs with ES256 and gives r||s with the smaller of s and n-s, for
// both verify and a signature must have one form (KEY-06).
func signLowS(key *ecdsa.PrivateKey, msg []byte) ([]byte, error) {
	digest := sha256.Sum256(msg)
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("ES256 signature: %w", err)
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil, fmt.Errorf("ES256 signature: %w", err)
	}
	if sig.S.Cmp(p256HalfOrder) > 0 {
		sig.S.Sub(elliptic.P256().Params().N, sig.S)
	}
	out := make([]byte, SignatureBytes)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out, nil
}
