package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
)

// A secret is 256 bits; a token's, which may lie in a file for long, begins with a word that says what it is. That many bits
// cannot be guessed, so a plain hash keeps them as well as a slow one would.
const (
	tokenMark   = "tocsin-token-"
	secretBytes = 32
	// maxSecret bounds what is hashed of a stranger's.
	maxSecret = 128
)

// digest is what is kept of a secret.
type digest [sha256.Size]byte

// newSecret makes a secret and what is kept of it.
func newSecret(mark string) (string, digest) {
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // it never fails: the program ends first
	text := mark + base64.RawURLEncoding.EncodeToString(raw)
	return text, sha256.Sum256([]byte(text))
}

// digestOf is what would be kept of a stranger's secret.
func digestOf(secret string) digest {
	return sha256.Sum256([]byte(secret[:min(len(secret), maxSecret)]))
}

// is compares in constant time.
func (d digest) is(o digest) bool { return subtle.ConstantTimeCompare(d[:], o[:]) == 1 }

// newID names a token or a session; it is no secret.
func newID(mark string) string {
	raw := make([]byte, 6)
	_, _ = rand.Read(raw)
	return mark + hex.EncodeToString(raw)
}

// find gives the entry with a digest, nil for none. It looks at all of them, so that the time it takes says nothing.
func find[T any](list []*T, of func(*T) digest, d digest) (found *T) {
	for _, one := range list {
		if of(one).is(d) {
			found = one
		}
	}
	return found
}
